package fs

import (
	"context"
	"errors"
	"strings"
	"syscall"

	gofs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"dropfs/cache"
	"dropfs/fs/vfs"
)

var (
	_ gofs.NodeLookuper  = (*node)(nil)
	_ gofs.NodeMkdirer   = (*node)(nil)
	_ gofs.NodeMknoder   = (*node)(nil)
	_ gofs.NodeSymlinker = (*node)(nil)
	_ gofs.NodeLinker    = (*node)(nil)
	_ gofs.NodeUnlinker  = (*node)(nil)
	_ gofs.NodeRmdirer   = (*node)(nil)
	_ gofs.NodeRenamer   = (*node)(nil)
)

// Lookup finds a name. That there is none is kept by the kernel too (Options.NegativeTimeout), but of one that may become
// a magic name: an answer that names a time of its own, however short, is not kept by go-fuse's rule.
func (n *node) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*gofs.Inode, syscall.Errno) {
	a, err := n.s.vfs.Lookup(ctx, n.ino(), name)
	if err != nil {
		if strings.Contains(name, "@") {
			out.SetEntryTimeout(1)
		}
		return nil, n.s.fail("lookup", n, name, err)
	}
	fillEntry(out, &a)
	return n.child(ctx, &a), 0
}

// made answers a request that made an entry.
func (n *node) made(ctx context.Context, op, name string, a vfs.Attr, err error, out *fuse.EntryOut) (*gofs.Inode, syscall.Errno) {
	if err != nil {
		return nil, n.s.fail(op, n, name, err)
	}
	fillEntry(out, &a)
	return n.child(ctx, &a), 0
}

// Mkdir makes a directory or a drop.
func (n *node) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*gofs.Inode, syscall.Errno) {
	a, err := n.s.vfs.Mkdir(lasting(ctx), n.ino(), name, mode&0o7777, caller(ctx))
	child, errno := n.made(ctx, "mkdir", name, a, err, out)
	if strings.Contains(name, "@") {
		// A drop made as NAME@2gb,90d is shown as NAME: what the kernel has under the name asked for must not stay.
		out.SetEntryTimeout(0)
	}
	return child, errno
}

// Mknod makes an empty file, a FIFO, a socket or a device node.
func (n *node) Mknod(ctx context.Context, name string, mode, dev uint32, out *fuse.EntryOut) (*gofs.Inode, syscall.Errno) {
	a, err := n.s.vfs.Mknod(lasting(ctx), n.ino(), name, mode, dev, caller(ctx))
	return n.made(ctx, "mknod", name, a, err, out)
}

// Symlink makes a symbolic link.
func (n *node) Symlink(ctx context.Context, target, name string, out *fuse.EntryOut) (*gofs.Inode, syscall.Errno) {
	a, err := n.s.vfs.Symlink(lasting(ctx), n.ino(), name, target, caller(ctx))
	return n.made(ctx, "symlink", name, a, err, out)
}

// Link gives an inode a further name.
func (n *node) Link(ctx context.Context, target gofs.InodeEmbedder, name string, out *fuse.EntryOut) (*gofs.Inode, syscall.Errno) {
	t := target.EmbeddedInode()
	a, err := n.s.vfs.Link(lasting(ctx), vfs.Ino(t.StableAttr().Ino), n.ino(), name)
	if err != nil {
		return nil, n.s.fail("link", n, name, err)
	}
	fillEntry(out, &a)
	return t, 0
}

// Unlink removes a name that is no directory.
func (n *node) Unlink(ctx context.Context, name string) syscall.Errno {
	return n.s.fail("unlink", n, name, n.s.vfs.Unlink(lasting(ctx), n.ino(), name))
}

// Rmdir removes an empty directory.
func (n *node) Rmdir(ctx context.Context, name string) syscall.Errno {
	return n.s.fail("rmdir", n, name, n.s.vfs.Rmdir(lasting(ctx), n.ino(), name))
}

// Rename moves an entry, with the flags of renameat2(2).
func (n *node) Rename(ctx context.Context, name string, newParent gofs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	to := vfs.Ino(newParent.EmbeddedInode().StableAttr().Ino)
	err := n.s.vfs.Rename(lasting(ctx), n.ino(), name, to, newName, cache.RenameFlags(flags))
	return n.s.fail("rename", n, name, err)
}

var (
	_ gofs.NodeOpendirHandler = (*node)(nil)
	_ gofs.FileReaddirenter   = (*dirHandle)(nil)
	_ gofs.FileLookuper       = (*dirHandle)(nil)
	_ gofs.FileSeekdirer      = (*dirHandle)(nil)
	_ gofs.FileFsyncdirer     = (*dirHandle)(nil)
)

// dirHandle is an open directory. go-fuse uses it from one request at a time.
type dirHandle struct {
	n    *node
	d    *vfs.Dir
	pos  uint64       // 0: "." is next; dotPos: ".." is next; else the entries
	last vfs.DirEntry // the one that Readdirent answered last, for Lookup
}

// The positions behind the two entries that every directory has.
const (
	dotPos    = 1
	dotDotPos = 2
)

// OpendirHandle opens a directory. The kernel may keep the listing: it drops it when an entry changes by its own doing, and
// is told of every other change (F2).
func (n *node) OpendirHandle(ctx context.Context, _ uint32) (gofs.FileHandle, uint32, syscall.Errno) {
	d, err := n.s.vfs.OpenDir(ctx, n.ino())
	if err != nil {
		return nil, 0, n.s.fail("opendir", n, "", err)
	}
	if d.Volatile() {
		return &dirHandle{n: n, d: d}, 0, 0
	}
	return &dirHandle{n: n, d: d}, fuse.FOPEN_CACHE_DIR | fuse.FOPEN_KEEP_CACHE, 0
}

// Readdirent answers the next entry; nil at the end.
func (h *dirHandle) Readdirent(ctx context.Context) (*fuse.DirEntry, syscall.Errno) {
	switch h.pos {
	case 0:
		h.pos = dotPos
		return &fuse.DirEntry{Name: ".", Mode: syscall.S_IFDIR, Ino: uint64(h.n.ino()), Off: dotPos}, 0
	case dotPos:
		up, err := h.n.s.vfs.Parent(ctx, h.n.ino())
		if err != nil && !errors.Is(err, cache.ErrStale) && !errors.Is(err, cache.ErrNotExist) {
			return nil, h.n.s.fail("readdir", h.n, "", err)
		}
		h.pos = dotDotPos
		return &fuse.DirEntry{Name: "..", Mode: syscall.S_IFDIR, Ino: uint64(max(up, 1)), Off: dotDotPos}, 0
	}
	e, ok, err := h.d.Next(ctx)
	if err != nil {
		return nil, h.n.s.fail("readdir", h.n, "", err)
	}
	if !ok {
		return nil, 0
	}
	h.last, h.pos = e, e.Cookie
	return &fuse.DirEntry{Name: e.Name, Mode: e.Attr.Mode, Ino: uint64(e.Attr.Ino), Off: e.Cookie}, 0
}

// Lookup answers an entry of the listing with its attributes, from the same row of the index.
func (h *dirHandle) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*gofs.Inode, syscall.Errno) {
	if h.last.Name != name {
		return h.n.Lookup(ctx, name, out)
	}
	fillEntry(out, &h.last.Attr)
	return h.n.child(ctx, &h.last.Attr), 0
}

// Seekdir goes to a position that an entry told before, or to the begin.
func (h *dirHandle) Seekdir(_ context.Context, off uint64) syscall.Errno {
	h.pos, h.last = off, vfs.DirEntry{}
	h.d.Seek(off)
	return 0
}

// Fsyncdir makes the entries survive a power loss.
func (h *dirHandle) Fsyncdir(ctx context.Context, _ uint32) syscall.Errno {
	return h.n.s.fail("fsyncdir", h.n, "", h.n.s.vfs.SyncDir(ctx, h.n.ino()))
}
