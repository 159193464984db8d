package fs

import (
	"context"
	"syscall"

	gofs "github.com/hanwen/go-fuse/v2/fs"

	"dropfs/cache"
)

var (
	_ gofs.NodeGetxattrer    = (*node)(nil)
	_ gofs.NodeSetxattrer    = (*node)(nil)
	_ gofs.NodeListxattrer   = (*node)(nil)
	_ gofs.NodeRemovexattrer = (*node)(nil)
)

// Getxattr answers an attribute; with a dest too small its size and ERANGE.
func (n *node) Getxattr(ctx context.Context, name string, dest []byte) (uint32, syscall.Errno) {
	v, err := n.s.vfs.GetXattr(ctx, n.ino(), name)
	if err != nil {
		return 0, n.s.fail("getxattr", n, name, err)
	}
	if len(v) > len(dest) {
		return uint32(len(v)), n.s.fail("getxattr", n, name, cache.ErrRange)
	}
	return uint32(copy(dest, v)), 0
}

// Setxattr stores an attribute.
func (n *node) Setxattr(ctx context.Context, name string, data []byte, flags uint32) syscall.Errno {
	// data lies in the request's buffer, which is used again.
	value := append(make([]byte, 0, len(data)), data...)
	err := n.s.vfs.SetXattr(lasting(ctx), n.ino(), name, value, cache.XattrFlags(flags))
	return n.s.fail("setxattr", n, name, err)
}

// Listxattr names the attributes, each ended by a NUL.
func (n *node) Listxattr(ctx context.Context, dest []byte) (uint32, syscall.Errno) {
	names, err := n.s.vfs.ListXattr(ctx, n.ino())
	if err != nil {
		return 0, n.s.fail("listxattr", n, "", err)
	}
	var list []byte
	for _, name := range names {
		list = append(append(list, name...), 0)
	}
	if len(list) > len(dest) {
		return uint32(len(list)), n.s.fail("listxattr", n, "", cache.ErrRange)
	}
	return uint32(copy(dest, list)), 0
}

// Removexattr removes an attribute.
func (n *node) Removexattr(ctx context.Context, name string) syscall.Errno {
	return n.s.fail("removexattr", n, name, n.s.vfs.RemoveXattr(lasting(ctx), n.ino(), name))
}
