package fs

import (
	"context"
	"syscall"

	gofs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"dropfs/fs/vfs"
)

var (
	_ gofs.FileReader    = (*handle)(nil)
	_ gofs.FileWriter    = (*handle)(nil)
	_ gofs.FileWritever  = (*handle)(nil)
	_ gofs.FileFlusher   = (*handle)(nil)
	_ gofs.FileFsyncer   = (*handle)(nil)
	_ gofs.FileReleaser  = (*handle)(nil)
	_ gofs.FileLseeker   = (*handle)(nil)
	_ gofs.FileAllocater = (*handle)(nil)
)

// handle is an open file as the kernel knows it.
type handle struct {
	n *node // for the log
	h *vfs.Handle
}

// Read reads into dest, whose length is what the kernel asks for.
func (h *handle) Read(ctx context.Context, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	n, err := h.h.Read(ctx, dest, off)
	if err != nil && n == 0 {
		return nil, h.n.s.fail("read", h.n, "", err)
	}
	return fuse.ReadResultData(dest[:n]), 0
}

// Write writes data. A write that fails halfway answers what it wrote; the kernel's next one meets the error.
func (h *handle) Write(ctx context.Context, data []byte, off int64) (uint32, syscall.Errno) {
	n, err := h.h.Write(ctx, data, off)
	if err != nil && n == 0 {
		return 0, h.n.s.fail("write", h.n, "", err)
	}
	return uint32(n), 0
}

// Writev is Write of data that arrived in pieces.
func (h *handle) Writev(ctx context.Context, data [][]byte, off int64) (uint32, syscall.Errno) {
	var sum uint32
	for _, b := range data {
		n, errno := h.Write(ctx, b, off+int64(sum))
		sum += n
		if errno != 0 && sum == 0 {
			return 0, errno
		}
		if errno != 0 || int(n) < len(b) {
			break
		}
	}
	return sum, 0
}

// Flush is called at close(2), where closing waits.
func (h *handle) Flush(ctx context.Context) syscall.Errno {
	return h.n.s.fail("flush", h.n, "", h.h.Flush(ctx))
}

// Fsync makes the content survive a power loss.
func (h *handle) Fsync(ctx context.Context, flags uint32) syscall.Errno {
	const dataOnly = 1 // FUSE_FSYNC_FDATASYNC
	return h.n.s.fail("fsync", h.n, "", h.h.Fsync(ctx, flags&dataOnly != 0))
}

// Release ends the handle; nobody hears its errno.
func (h *handle) Release(context.Context) syscall.Errno {
	return h.n.s.fail("release", h.n, "", h.h.Release())
}

// Lseek finds data and holes; every other seek is the kernel's own.
func (h *handle) Lseek(ctx context.Context, off uint64, whence uint32) (uint64, syscall.Errno) {
	pos, err := h.h.Seek(ctx, int64(off), int(whence))
	if err != nil {
		return 0, h.n.s.fail("lseek", h.n, "", err)
	}
	return uint64(pos), 0
}

// Allocate is fallocate(2).
func (h *handle) Allocate(ctx context.Context, off, size uint64, mode uint32) syscall.Errno {
	return h.n.s.fail("fallocate", h.n, "", h.h.Allocate(ctx, mode, int64(off), int64(size)))
}
