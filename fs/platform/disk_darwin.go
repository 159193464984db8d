package platform

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// SyncFS writes everything of the file system that holds path to its disk; here of all file systems.
func SyncFS(path string) error {
	if _, err := os.Stat(path); err != nil {
		return err
	}
	return unix.Sync()
}

// CanReflink tells whether two files in dir can share their blocks.
func CanReflink(dir string) (bool, error) {
	src, err := os.CreateTemp(dir, ".reflink-*")
	if err != nil {
		return false, err
	}
	defer os.Remove(src.Name())
	defer src.Close()
	if _, err := src.Write(make([]byte, 4096)); err != nil {
		return false, err
	}
	dst := filepath.Join(dir, filepath.Base(src.Name())+".clone")
	defer os.Remove(dst)
	return unix.Clonefile(src.Name(), dst, 0) == nil, nil
}

// FSType names the file system that holds path: "apfs", "hfs".
func FSType(path string) (string, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return "", fmt.Errorf("statfs %s: %w", path, err)
	}
	return unix.ByteSliceToString(st.Fstypename[:]), nil
}

// KillPriv is the capability that leaves the clearing of set-id bits to the file system: not known here.
const KillPriv uint64 = 0

// SetBtime puts the time of birth into attributes where the protocol has a place for it.
func SetBtime(out *fuse.Attr, t time.Time) {
	out.Crtime_, out.Crtimensec_ = uint64(t.Unix()), uint32(t.Nanosecond())
}
