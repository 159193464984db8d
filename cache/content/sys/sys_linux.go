package sys

import (
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	seekData = unix.SEEK_DATA
	seekHole = unix.SEEK_HOLE
)

// Stat asks the inode of f.
func Stat(f *os.File) (Info, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return Info{}, os.NewSyscallError("fstat", err)
	}
	return Info{
		Size:      st.Size,
		Allocated: st.Blocks * 512,
		Mtime:     time.Unix(st.Mtim.Unix()),
		Ctime:     time.Unix(st.Ctim.Unix()),
	}, nil
}

// SetTimes sets atime and mtime; a zero time is left as it is.
func SetTimes(f *os.File, atime, mtime time.Time) error {
	ts := [2]unix.Timespec{timespec(atime), timespec(mtime)}
	_, _, errno := unix.Syscall6(unix.SYS_UTIMENSAT, f.Fd(), 0, uintptr(unsafe.Pointer(&ts[0])), 0, 0, 0)
	if errno != 0 {
		return os.NewSyscallError("utimensat", errno)
	}
	return nil
}

func timespec(t time.Time) unix.Timespec {
	if t.IsZero() {
		return unix.Timespec{Nsec: unix.UTIME_OMIT}
	}
	return unix.NsecToTimespec(t.UnixNano())
}

// Clone makes dst share the blocks of src.
func Clone(dst, src *os.File) error {
	return fallback("ficlone", unix.IoctlFileClone(int(dst.Fd()), int(src.Fd())))
}

// CopyRange copies up to n bytes inside the kernel and tells how many; 0 without an error is the end of src.
func CopyRange(dst *os.File, dstOff int64, src *os.File, srcOff int64, n int) (int, error) {
	done, err := unix.CopyFileRange(int(src.Fd()), &srcOff, int(dst.Fd()), &dstOff, n, 0)
	return done, fallback("copy_file_range", err)
}

// Preallocate gives [off, off+n) blocks, growing the file unless keepSize.
func Preallocate(f *os.File, off, n int64, keepSize bool) error {
	mode := uint32(0)
	if keepSize {
		mode = unix.FALLOC_FL_KEEP_SIZE
	}
	return fallback("fallocate", unix.Fallocate(int(f.Fd()), mode, off, n))
}

// Punch takes the blocks of [off, off+n) away; the range reads as zeros and the size stays.
func Punch(f *os.File, off, n int64) error {
	return fallback("fallocate", unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, n))
}

// Zero makes [off, off+n) zeros with blocks of their own, growing the file unless keepSize.
func Zero(f *os.File, off, n int64, keepSize bool) error {
	mode := uint32(unix.FALLOC_FL_ZERO_RANGE)
	if keepSize {
		mode |= unix.FALLOC_FL_KEEP_SIZE
	}
	return fallback("fallocate", unix.Fallocate(int(f.Fd()), mode, off, n))
}

// Datasync makes the bytes and the size of f durable.
func Datasync(f *os.File) error {
	return os.NewSyscallError("fdatasync", unix.Fdatasync(int(f.Fd())))
}

// SyncFS makes everything on the file system of f durable.
func SyncFS(f *os.File) error {
	return os.NewSyscallError("syncfs", unix.Syncfs(int(f.Fd())))
}
