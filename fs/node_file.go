package fs

import (
	"context"
	"errors"
	"slices"
	"strings"
	"syscall"

	gofs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"dropfs/cache"
	"dropfs/convert"
	"dropfs/fs/platform"
	"dropfs/fs/vfs"
)

var (
	_ gofs.NodeOpener         = (*node)(nil)
	_ gofs.NodeCreater        = (*node)(nil)
	_ gofs.NodeTmpfiler       = (*node)(nil)
	_ gofs.NodeCopyFileRanger = (*node)(nil)
)

// openReply are the flags of an answer to OPEN and CREATE. What the kernel has of the content stays: content that changes
// without its doing is told to it (F2). O_DIRECT needs no flag: the kernel goes past its cache by itself, and mmap of such
// a descriptor works.
func (s *server) openReply() uint32 {
	flags := uint32(fuse.FOPEN_KEEP_CACHE)
	if !s.flush {
		flags |= fuse.FOPEN_NOFLUSH
	}
	return flags
}

// Open opens a file.
func (n *node) Open(ctx context.Context, flags uint32) (gofs.FileHandle, uint32, syscall.Errno) {
	if n.s.vfs.IsConversion(n.ino()) && isIndexer(ctx) {
		return nil, 0, n.s.fail("open", n, "", convert.ErrRefused)
	}
	h, err := n.s.vfs.Open(ctx, n.ino(), openFlags(flags))
	if err != nil {
		return nil, 0, n.s.fail("open", n, "", err)
	}
	if h.Volatile() {
		return &handle{n: n, h: h}, fuse.FOPEN_DIRECT_IO, 0
	}
	return &handle{n: n, h: h}, n.s.openReply(), 0
}

// indexers are the beginnings of the names of programs that look into every file they find: to them a conversion is no file.
// The kernel tells 15 bytes of a name.
var indexers = []string{
	"tracker-", "localsearch", "baloo_file", "updatedb", "tumblerd", "mds", "mdworker", "gnome-thumb", "ffmpegthumb", "evince-thumb",
	"totem-video-thu", "gdk-pixbuf-thum", "thumbnail",
}

// isIndexer tells whether such a program asks.
func isIndexer(ctx context.Context) bool {
	c, ok := fuse.FromContext(ctx)
	if !ok {
		return false
	}
	name := platform.ProcessName(int(c.Pid))
	return slices.ContainsFunc(indexers, func(p string) bool { return strings.HasPrefix(name, p) })
}

// Create makes a file and opens it. The kernel asks for it when it believes that the name is free; where somebody else was
// faster and O_EXCL is not set, the file that is there is opened.
func (n *node) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (*gofs.Inode, gofs.FileHandle, uint32, syscall.Errno) {
	h, a, err := n.s.vfs.Create(lasting(ctx), n.ino(), name, mode&0o7777, openFlags(flags), caller(ctx))
	if errors.Is(err, cache.ErrExist) && flags&syscall.O_EXCL == 0 {
		h, a, err = n.openThere(ctx, name, flags)
	}
	if err != nil {
		return nil, nil, 0, n.s.fail("create", n, name, err)
	}
	fillEntry(out, &a)
	child := n.child(ctx, &a)
	return child, &handle{n: embedded(child), h: h}, n.s.openReply(), 0
}

// embedded is our node of a go-fuse inode.
func embedded(i *gofs.Inode) *node {
	n, ok := i.Operations().(*node)
	if !ok {
		panic("F6: a node that is not ours")
	}
	return n
}

// openThere opens what is at name after all. A link or a directory there is told as stale: the kernel then looks the path
// up again and decides itself.
func (n *node) openThere(ctx context.Context, name string, flags uint32) (*vfs.Handle, vfs.Attr, error) {
	a, err := n.s.vfs.Lookup(ctx, n.ino(), name)
	if err != nil {
		return nil, a, err
	}
	if a.Mode&syscall.S_IFMT != syscall.S_IFREG {
		return nil, a, cache.ErrStale
	}
	if flags&syscall.O_TRUNC != 0 {
		if err := n.s.vfs.KillPriv(ctx, a.Ino); err != nil {
			return nil, a, err
		}
	}
	h, err := n.s.vfs.Open(ctx, a.Ino, openFlags(flags))
	if err != nil {
		return nil, a, err
	}
	if a, err = n.s.vfs.GetAttr(ctx, a.Ino); err != nil {
		return nil, a, errors.Join(err, h.Release())
	}
	return h, a, nil
}

// Tmpfile makes a file without a name (O_TMPFILE).
func (n *node) Tmpfile(ctx context.Context, flags, mode uint32, out *fuse.EntryOut) (*gofs.Inode, gofs.FileHandle, uint32, syscall.Errno) {
	h, a, err := n.s.vfs.TmpFile(lasting(ctx), n.ino(), mode&0o7777, openFlags(flags), caller(ctx))
	if err != nil {
		return nil, nil, 0, n.s.fail("tmpfile", n, "", err)
	}
	fillEntry(out, &a)
	child := n.child(ctx, &a)
	return child, &handle{n: embedded(child), h: h}, n.s.openReply(), 0
}

// copyChunk bounds one CopyFileRange, so that a signal is seen within a moment; the caller goes on by itself.
const copyChunk = 256 << 20

// CopyFileRange copies between two files inside the replica. Where that cannot be, the kernel copies through itself.
func (n *node) CopyFileRange(ctx context.Context, in gofs.FileHandle, offIn uint64, _ *gofs.Inode, out gofs.FileHandle, offOut, size, _ uint64) (uint32, syscall.Errno) {
	src, ok1 := in.(*handle)
	dst, ok2 := out.(*handle)
	if !ok1 || !ok2 {
		return 0, n.s.fail("copy", n, "", cache.ErrBadHandle)
	}
	done, err := src.h.CopyTo(ctx, int64(offIn), dst.h, int64(offOut), int64(min(size, copyChunk)))
	if err != nil && done == 0 {
		return 0, n.s.fail("copy", n, "", err)
	}
	return uint32(done), 0
}
