package fs

import (
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"

	"dropfs/cache"
	"dropfs/fs/vfs"
)

func TestAttrReplies(t *testing.T) {
	at := time.Unix(-3, 999999999) // before 1970
	mt := time.Unix(1<<33, 1)      // after 2106
	a := vfs.Attr{Ino: 3<<48 | 77, Attr: cache.Attr{
		Mode: syscall.S_IFREG, Nlink: 2, UID: 5, GID: 6, Size: 1 << 40, Blocks: 0,
		Atime: at, Mtime: mt, Ctime: mt, Btime: at, Rdev: 0x12345678,
	}}
	var e fuse.EntryOut
	fillEntry(&e, &a)
	if e.Ino != 3<<48|77 || e.Mode != syscall.S_IFREG || e.Size != 1<<40 || e.Blocks != 0 || e.Nlink != 2 || e.Uid != 5 || e.Gid != 6 {
		t.Errorf("entry %+v", e.Attr)
	}
	if e.Blksize == 0 {
		t.Error("block size unset: go-fuse would overwrite the blocks")
	}
	if !e.AccessTime().Equal(at) || !e.ModTime().Equal(mt) {
		t.Errorf("times %v %v", e.AccessTime(), e.ModTime())
	}
	if e.EntryTimeout() != keep || e.AttrTimeout() != keep {
		t.Errorf("timeouts %v %v", e.EntryTimeout(), e.AttrTimeout())
	}
	a.Unsettled = true
	fillEntry(&e, &a)
	if e.EntryTimeout() != keep || e.AttrTimeout() != 0 {
		t.Errorf("unsettled: timeouts %v %v", e.EntryTimeout(), e.AttrTimeout())
	}
	var x fuse.StatxOut
	fillStatx(&x, &a)
	if int64(x.Btime.Sec) != at.Unix() || x.Btime.Nsec != 999999999 || x.Mask&0x800 == 0 || x.Timeout() != 0 {
		t.Errorf("statx %+v", x)
	}
	if x.RdevMajor != 0x456 || x.RdevMinor != 0x12378 {
		t.Errorf("device %#x:%#x", x.RdevMajor, x.RdevMinor)
	}
}

func TestOpenFlags(t *testing.T) {
	for flags, want := range map[int]cache.OpenFlags{
		syscall.O_RDONLY:                    cache.OpenRead,
		syscall.O_WRONLY:                    cache.OpenWrite,
		syscall.O_RDWR:                      cache.OpenRead | cache.OpenWrite,
		syscall.O_RDWR | syscall.O_TRUNC:    cache.OpenRead | cache.OpenWrite | cache.OpenTrunc,
		syscall.O_WRONLY | syscall.O_APPEND: cache.OpenWrite,
		syscall.O_WRONLY | syscall.O_SYNC:   cache.OpenWrite,
	} {
		if got := openFlags(uint32(flags)); got != want {
			t.Errorf("openFlags(%#x) = %#x, want %#x", flags, got, want)
		}
	}
}

func TestChanges(t *testing.T) {
	in := &fuse.SetAttrIn{}
	if s := changes(in); s != (cache.SetAttr{}) {
		t.Errorf("nothing asked: %+v", s)
	}
	in.Valid = fuse.FATTR_MODE | fuse.FATTR_SIZE | fuse.FATTR_MTIME | fuse.FATTR_KILL_SUIDGID
	in.Mode, in.Size, in.Mtime, in.Mtimensec = syscall.S_IFREG|0o4755, 9, 100, 5
	s := changes(in)
	if *s.Mode != 0o4755 || *s.Size != 9 || !s.Mtime.Equal(time.Unix(100, 5)) || s.Atime != nil || s.UID != nil || !s.KillPriv {
		t.Errorf("%+v", s)
	}
	in.Valid = fuse.FATTR_ATIME | fuse.FATTR_ATIME_NOW
	if s = changes(in); s.Mtime != nil || time.Since(*s.Atime) > time.Minute {
		t.Errorf("%+v", s)
	}
}
