package fs

import (
	"context"
	"syscall"

	gofs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/sirupsen/logrus"

	"dropfs/cache"
	"dropfs/fs/vfs"
)

// server is what all nodes of a mount share.
type server struct {
	vfs   *vfs.FS
	log   *logrus.Entry
	flush bool // close waits: FLUSH must arrive
}

// node is one inode that the kernel knows. It holds nothing of its own: its number is go-fuse's.
type node struct {
	gofs.Inode
	s *server
}

func (n *node) ino() vfs.Ino { return vfs.Ino(n.StableAttr().Ino) }

// child makes the node of an inode that is told to the kernel; go-fuse drops it for the one it has, if any.
func (n *node) child(ctx context.Context, a *vfs.Attr) *gofs.Inode {
	return n.NewInode(ctx, &node{s: n.s}, gofs.StableAttr{Mode: a.Mode & syscall.S_IFMT, Ino: uint64(a.Ino)})
}

// lasting is a context for what does not wait and must not be cut short by a signal (F4).
func lasting(ctx context.Context) context.Context { return context.WithoutCancel(ctx) }

// caller is who asks.
func caller(ctx context.Context) cache.Caller {
	if c, ok := fuse.FromContext(ctx); ok {
		return cache.Caller{UID: c.Uid, GID: c.Gid}
	}
	return cache.Caller{}
}

var (
	_ gofs.NodeGetattrer   = (*node)(nil)
	_ gofs.NodeSetattrer   = (*node)(nil)
	_ gofs.NodeStatxer     = (*node)(nil)
	_ gofs.NodeStatfser    = (*node)(nil)
	_ gofs.NodeReadlinker  = (*node)(nil)
	_ gofs.NodeOnForgetter = (*node)(nil)
)

// Getattr answers stat.
func (n *node) Getattr(ctx context.Context, _ gofs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	a, err := n.s.vfs.GetAttr(ctx, n.ino())
	if err != nil {
		return n.s.fail("getattr", n, "", err)
	}
	fillAttr(&out.Attr, &a)
	out.SetTimeout(attrTimeout(&a))
	return 0
}

// Setattr answers chmod, chown, truncate and utimensat.
func (n *node) Setattr(ctx context.Context, _ gofs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	// Only a change of size may wait: for the content, or for room.
	if _, sized := in.GetSize(); !sized {
		ctx = lasting(ctx)
	}
	a, err := n.s.vfs.SetAttr(ctx, n.ino(), changes(in))
	if err != nil {
		return n.s.fail("setattr", n, "", err)
	}
	fillAttr(&out.Attr, &a)
	out.SetTimeout(attrTimeout(&a))
	return 0
}

// Statx answers statx where the time of birth is asked for.
func (n *node) Statx(ctx context.Context, _ gofs.FileHandle, _, _ uint32, out *fuse.StatxOut) syscall.Errno {
	a, err := n.s.vfs.GetAttr(ctx, n.ino())
	if err != nil {
		return n.s.fail("statx", n, "", err)
	}
	fillStatx(out, &a)
	return 0
}

// Statfs answers statfs from the quota as it is known, never from the network.
func (n *node) Statfs(ctx context.Context, out *fuse.StatfsOut) syscall.Errno {
	st, err := n.s.vfs.StatFS(ctx, n.ino())
	if err != nil {
		return n.s.fail("statfs", n, "", err)
	}
	out.Bsize, out.Frsize = blockSize, blockSize
	out.Blocks = uint64(max(st.Total, 0)) / blockSize
	out.Bfree = uint64(max(st.Free, 0)) / blockSize
	out.Bavail = out.Bfree
	out.Files = uint64(max(st.Files, 0)) + freeInodes
	out.Ffree = freeInodes
	out.NameLen = 255
	return 0
}

// freeInodes is told where there is no limit.
const freeInodes = 1 << 32

// Readlink answers readlink; the kernel keeps the answer.
func (n *node) Readlink(ctx context.Context) ([]byte, syscall.Errno) {
	t, err := n.s.vfs.Readlink(ctx, n.ino())
	if err != nil {
		return nil, n.s.fail("readlink", n, "", err)
	}
	return []byte(t), 0
}

// OnForget is called when the kernel holds the inode no longer.
func (n *node) OnForget() { n.s.vfs.Forget(n.ino()) }
