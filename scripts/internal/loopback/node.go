package main

import (
	"context"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// node is a node whose files are read and written through the daemon.
type node struct{ *fs.LoopbackNode }

var (
	_ fs.NodeOpener      = (*node)(nil)
	_ fs.NodeCreater     = (*node)(nil)
	_ fs.NodeWrapChilder = (*node)(nil)
)

// WrapChild has the nodes below be of this kind too.
func (*node) WrapChild(_ context.Context, ops fs.InodeEmbedder) fs.InodeEmbedder {
	if n, ok := ops.(*fs.LoopbackNode); ok {
		return &node{n}
	}
	return ops
}

// Open opens without passthrough, and keeps what the kernel has of the file (L1).
func (n *node) Open(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	fh, out, errno := n.LoopbackNode.Open(ctx, flags)
	return plain(fh), out | fuse.FOPEN_KEEP_CACHE, errno
}

// Create creates without passthrough.
func (n *node) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	in, fh, ff, errno := n.LoopbackNode.Create(ctx, name, flags, mode, out)
	return in, plain(fh), ff | fuse.FOPEN_KEEP_CACHE, errno
}

// file is an open file that offers no descriptor for passthrough.
type file struct{ *fs.LoopbackFile }

// PassthroughFd refuses.
func (*file) PassthroughFd() (int, bool) { return -1, false }

// plain hides the descriptor of a handle.
func plain(fh fs.FileHandle) fs.FileHandle {
	if f, ok := fh.(*fs.LoopbackFile); ok {
		return &file{f}
	}
	return fh
}
