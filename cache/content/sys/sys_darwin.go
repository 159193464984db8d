package sys

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	seekHole = 3 // SEEK_HOLE, <sys/unistd.h>
	seekData = 4 // SEEK_DATA
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
	return os.Chtimes(f.Name(), atime, mtime)
}

// Clone is not there: macOS clones into a new name only.
func Clone(_, _ *os.File) error { return ErrUnsupported }

// CopyRange is not there.
func CopyRange(_ *os.File, _ int64, _ *os.File, _ int64, _ int) (int, error) {
	return 0, ErrUnsupported
}

// Preallocate is not there: F_PREALLOCATE knows no offsets.
func Preallocate(_ *os.File, _, _ int64, _ bool) error { return ErrUnsupported }

// Punch is not there: F_PUNCHHOLE takes whole blocks only.
func Punch(_ *os.File, _, _ int64) error { return ErrUnsupported }

// Zero is not there.
func Zero(_ *os.File, _, _ int64, _ bool) error { return ErrUnsupported }

// Datasync makes the bytes and the size of f durable; Sync asks for F_FULLFSYNC.
func Datasync(f *os.File) error { return f.Sync() }

// SyncFS makes everything durable; macOS has no call for one file system.
func SyncFS(_ *os.File) error { return os.NewSyscallError("sync", unix.Sync()) }
