package fs

import (
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"

	"dropfs/cache"
	"dropfs/fs/platform"
	"dropfs/fs/vfs"
)

const (
	// keep is how long the kernel may rely on what it was told (F2).
	keep = time.Hour
	// blockSize is st_blksize and the unit of statfs. It must be set in every reply: go-fuse overwrites the number of
	// blocks where it is not.
	blockSize = 4096
	// statxAll says that the basic attributes and the time of birth are told (STATX_BASIC_STATS, STATX_BTIME).
	statxAll = 0x7ff | 0x800
)

func attrTimeout(a *vfs.Attr) time.Duration {
	if a.Unsettled {
		return 0
	}
	return keep
}

func fillAttr(out *fuse.Attr, a *vfs.Attr) {
	out.Ino = uint64(a.Ino)
	out.Size = uint64(a.Size)
	out.Blocks = uint64(a.Blocks)
	out.SetTimes(&a.Atime, &a.Mtime, &a.Ctime)
	platform.SetBtime(out, a.Btime)
	out.Mode = a.Mode
	out.Nlink = a.Nlink
	out.Uid, out.Gid = a.UID, a.GID
	out.Rdev = a.Rdev
	out.Blksize = blockSize
}

func fillEntry(out *fuse.EntryOut, a *vfs.Attr) {
	fillAttr(&out.Attr, a)
	if !a.Volatile {
		out.SetEntryTimeout(keep)
	}
	out.SetAttrTimeout(attrTimeout(a))
}

func fillStatx(out *fuse.StatxOut, a *vfs.Attr) {
	out.SetTimeout(attrTimeout(a))
	out.Mask = statxAll
	out.Ino = uint64(a.Ino)
	out.Size = uint64(a.Size)
	out.Blocks = uint64(a.Blocks)
	out.Blksize = blockSize
	out.Mode = uint16(a.Mode)
	out.Nlink = a.Nlink
	out.Uid, out.Gid = a.UID, a.GID
	out.Atime, out.Mtime, out.Ctime, out.Btime = sxTime(a.Atime), sxTime(a.Mtime), sxTime(a.Ctime), sxTime(a.Btime)
	out.RdevMajor, out.RdevMinor = splitDev(a.Rdev)
}

func sxTime(t time.Time) fuse.SxTime {
	return fuse.SxTime{Sec: uint64(t.Unix()), Nsec: uint32(t.Nanosecond())}
}

// splitDev takes a device number apart as the protocol carries it (new_encode_dev of the kernel).
func splitDev(dev uint32) (major, minor uint32) {
	return dev >> 8 & 0xfff, dev&0xff | dev>>12&0xfff00
}

// changes reads what a SETATTR wants changed. Times set to now are this process's now, so that they compare with all
// others that it tells.
func changes(in *fuse.SetAttrIn) cache.SetAttr {
	var s cache.SetAttr
	if mode, ok := in.GetMode(); ok {
		perm := mode & 0o7777
		s.Mode = &perm
	}
	if uid, ok := in.GetUID(); ok {
		s.UID = &uid
	}
	if gid, ok := in.GetGID(); ok {
		s.GID = &gid
	}
	if size, ok := in.GetSize(); ok {
		n := int64(size)
		s.Size = &n
	}
	if t, ok := in.GetATime(); ok {
		s.Atime = &t
	}
	if t, ok := in.GetMTime(); ok {
		s.Mtime = &t
	}
	s.KillPriv = in.Valid&fuse.FATTR_KILL_SUIDGID != 0
	return s
}

// openFlags reads the flags of open(2). O_APPEND is the kernel's business, which names the offset of each write: a shared
// mapping of the same descriptor writes elsewhere. So are O_SYNC and O_DSYNC, which it turns into an FSYNC behind each write.
func openFlags(flags uint32) cache.OpenFlags {
	var f cache.OpenFlags
	switch flags & syscall.O_ACCMODE {
	case syscall.O_RDONLY:
		f = cache.OpenRead
	case syscall.O_WRONLY:
		f = cache.OpenWrite
	default:
		f = cache.OpenRead | cache.OpenWrite
	}
	if flags&syscall.O_TRUNC != 0 {
		f |= cache.OpenTrunc
	}
	return f
}
