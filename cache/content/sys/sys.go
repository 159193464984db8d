// Package sys holds what package content needs of the operating system and what differs between Linux and macOS.
//
// The two files behind build tags export the same set. A call that a system does not have answers ErrUnsupported, and
// the caller falls back on plain reads and writes.
package sys

import (
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ErrUnsupported is the answer of a call that this system, or this file system, does not have.
var ErrUnsupported = errors.ErrUnsupported

// ErrNoData is the answer of SeekData behind the last byte of data.
var ErrNoData = errors.New("no data behind this offset")

// Info is what a content file's inode says.
type Info struct {
	Size      int64
	Allocated int64 // bytes of disk, in whole blocks
	Mtime     time.Time
	Ctime     time.Time
}

// IsNoSpace tells whether err says that the disk, or the user's share of it, is full.
func IsNoSpace(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)
}

// Space tells how many bytes the file system of path has and how many of them a process without privileges can still use.
func Space(path string) (total, free int64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return 0, 0, os.NewSyscallError("statfs", err)
	}
	bs := int64(st.Bsize) //nolint:unconvert // uint32 on macOS
	return int64(st.Blocks) * bs, int64(st.Bavail) * bs, nil
}

// SeekHole tells where the first hole at or behind off begins; the end of the file counts as one.
func SeekHole(f *os.File, off int64) (int64, error) {
	n, err := unix.Seek(int(f.Fd()), off, seekHole)
	return n, seekError("seek hole", err)
}

// SeekData tells where the first data at or behind off begins, ErrNoData where there is none.
func SeekData(f *os.File, off int64) (int64, error) {
	n, err := unix.Seek(int(f.Fd()), off, seekData)
	return n, seekError("seek data", err)
}

func seekError(op string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.ENXIO):
		return ErrNoData
	default:
		return fallback(op, err)
	}
}

// fallback maps the ways in which a file system says "not here" to ErrUnsupported.
func fallback(op string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOTSUP), errors.Is(err, unix.ENOSYS),
		errors.Is(err, unix.EXDEV), errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOTTY):
		return errors.Join(ErrUnsupported, os.NewSyscallError(op, err))
	default:
		return os.NewSyscallError(op, err)
	}
}

// Allocated is the disk space of what os.Lstat told, in bytes.
func Allocated(fi os.FileInfo) int64 {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return st.Blocks * 512
	}
	return fi.Size()
}
