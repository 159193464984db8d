package platform

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// SyncFS writes everything of the file system that holds path to its disk.
func SyncFS(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := unix.Syncfs(int(d.Fd())); err != nil {
		return fmt.Errorf("syncfs %s: %w", path, err)
	}
	return nil
}

// CanReflink tells whether two files in dir can share their blocks.
func CanReflink(dir string) (bool, error) {
	src, err := os.CreateTemp(dir, ".reflink-*")
	if err != nil {
		return false, err
	}
	defer os.Remove(src.Name())
	defer src.Close()
	dst, err := os.CreateTemp(dir, ".reflink-*")
	if err != nil {
		return false, err
	}
	defer os.Remove(dst.Name())
	defer dst.Close()
	if _, err := src.Write(make([]byte, 4096)); err != nil {
		return false, err
	}
	err = unix.IoctlFileClone(int(dst.Fd()), int(src.Fd()))
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return false, err
	}
	return err == nil, nil
}

// FSType names the file system that holds path: "ext4", "btrfs", "tmpfs"; "0x…" where its name is not known here.
func FSType(path string) (string, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return "", fmt.Errorf("statfs %s: %w", path, err)
	}
	if n, ok := fsNames[int64(st.Type)]; ok { //nolint:unconvert // narrower on 32-bit machines
		return n, nil
	}
	return fmt.Sprintf("%#x", uint32(st.Type)), nil
}

var fsNames = map[int64]string{
	unix.EXT4_SUPER_MAGIC: "ext4", unix.BTRFS_SUPER_MAGIC: "btrfs", unix.XFS_SUPER_MAGIC: "xfs", unix.TMPFS_MAGIC: "tmpfs",
	unix.OVERLAYFS_SUPER_MAGIC: "overlay", unix.NFS_SUPER_MAGIC: "nfs", unix.FUSE_SUPER_MAGIC: "fuse", unix.F2FS_SUPER_MAGIC: "f2fs",
	unix.MSDOS_SUPER_MAGIC: "vfat", 0x2011BAB0: "exfat", 0x2FC12FC1: "zfs", unix.SMB2_SUPER_MAGIC: "smb", unix.CIFS_SUPER_MAGIC: "cifs",
}

// KillPriv is the capability that leaves the clearing of set-id bits to the file system.
const KillPriv uint64 = fuse.CAP_HANDLE_KILLPRIV_V2

// SetBtime puts the time of birth into attributes where the protocol has a place for it; Linux asks for it by statx.
func SetBtime(*fuse.Attr, time.Time) {}
