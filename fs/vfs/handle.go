package vfs

import (
	"context"
	"fmt"
	"sync/atomic"

	"dropfs/cache"
)

// writing are the flags that change content.
const writing = cache.OpenWrite | cache.OpenAppend | cache.OpenTrunc

// Handle is an open file.
type Handle struct {
	f    *FS
	p    place
	h    *cache.Handle // nil: text is all of it
	text []byte
	gone atomic.Bool // released
}

// Open opens a file.
func (f *FS) Open(ctx context.Context, ino Ino, flags cache.OpenFlags) (*Handle, error) {
	if c := f.magics.get(ino); c != nil {
		if flags&writing != 0 {
			return nil, cache.ErrReadOnly
		}
		return f.openConjured(ctx, c)
	}
	p, err := f.place(ino)
	if err != nil {
		return nil, err
	}
	if p.acc == nil {
		return nil, cache.ErrIsDir
	}
	if f.readOnly && flags&writing != 0 {
		return nil, cache.ErrReadOnly
	}
	h, err := p.acc.r.Open(ctx, p.ino, flags)
	if err != nil {
		return nil, err
	}
	if flags&cache.OpenTrunc != 0 {
		f.inodeChanged(p)
	}
	return f.keep(p, h), nil
}

// Create makes a file and opens it; cache.ErrExist when the name is taken.
func (f *FS) Create(ctx context.Context, parent Ino, name string, mode uint32, flags cache.OpenFlags, c cache.Caller) (*Handle, Attr, error) {
	p, err := f.placeToMake(ctx, parent, "create", name)
	if err != nil {
		return nil, Attr{}, err
	}
	h, a, err := p.acc.r.Create(ctx, p.ino, name, mode, flags, c)
	if err != nil {
		return nil, Attr{}, err
	}
	f.entryChanged(p, name)
	return f.keep(place{p.acc, a.Ino}, h), f.attr(p.acc, a), nil
}

// TmpFile makes a file without a name below parent and opens it; Link gives it one.
func (f *FS) TmpFile(ctx context.Context, parent Ino, mode uint32, flags cache.OpenFlags, c cache.Caller) (*Handle, Attr, error) {
	p, err := f.placeToMake(ctx, parent, "create", "")
	if err != nil {
		return nil, Attr{}, err
	}
	h, a, err := p.acc.r.TmpFile(ctx, p.ino, mode, flags, c)
	if err != nil {
		return nil, Attr{}, err
	}
	return f.keep(place{p.acc, a.Ino}, h), f.attr(p.acc, a), nil
}

func (f *FS) keep(p place, h *cache.Handle) *Handle { return f.keepHandle(&Handle{f: f, p: p, h: h}) }

func (f *FS) keepHandle(x *Handle) *Handle {
	f.mu.Lock()
	f.handles[x] = struct{}{}
	f.mu.Unlock()
	return x
}

// Ino is the inode that the handle is open on.
func (h *Handle) Ino() Ino { return h.f.global(h.p.acc, h.p.ino) }

// Read reads at off; fewer bytes than asked for only at the end of the file, none and no error there.
func (h *Handle) Read(ctx context.Context, b []byte, off int64) (int, error) {
	if h.h == nil {
		if off >= int64(len(h.text)) {
			return 0, nil
		}
		return copy(b, h.text[off:]), nil
	}
	return h.h.Read(ctx, b, off)
}

// Write writes all of b at off, or fails having written the first n bytes.
func (h *Handle) Write(ctx context.Context, b []byte, off int64) (n int, err error) {
	if h.f.readOnly || h.h == nil {
		return 0, cache.ErrReadOnly
	}
	n, err = h.h.Write(ctx, b, off)
	if n > 0 {
		h.f.inodeChanged(h.p)
	}
	if err != nil {
		err = h.f.neverFits(ctx, h.p, off+int64(len(b)), err)
	}
	return n, err
}

// Flush is called at each close(2) of a descriptor, if at all.
func (h *Handle) Flush(ctx context.Context) error {
	if h.h == nil {
		return nil
	}
	return h.h.Flush(ctx)
}

// Fsync returns when what was written survives a power loss; data: without attributes that reading does not need.
func (h *Handle) Fsync(ctx context.Context, data bool) error {
	if h.h == nil {
		return nil
	}
	return h.h.Fsync(ctx, data)
}

// Volatile tells that what the handle reads may change with each open, so that no page of it may be kept.
func (h *Handle) Volatile() bool { return h.h == nil }

// Allocate is fallocate(2).
func (h *Handle) Allocate(ctx context.Context, mode uint32, off, n int64) error {
	if h.f.readOnly || h.h == nil {
		return cache.ErrReadOnly
	}
	if err := h.h.Allocate(ctx, mode, off, n); err != nil {
		return h.f.neverFits(ctx, h.p, off+n, err)
	}
	h.f.inodeChanged(h.p)
	return nil
}

// Seek finds the next data (whence 3) or hole (4) at or behind off.
func (h *Handle) Seek(ctx context.Context, off int64, whence int) (int64, error) {
	if h.h == nil {
		return 0, cache.ErrUnsupported
	}
	return h.h.Seek(ctx, off, whence)
}

// CopyTo copies n bytes to another handle of the same account without their leaving the replica; cache.ErrCrossDrop to one
// of another.
func (h *Handle) CopyTo(ctx context.Context, off int64, dst *Handle, dstOff, n int64) (int64, error) {
	if dst.p.acc != h.p.acc || dst.f != h.f || h.h == nil || dst.h == nil {
		return 0, fmt.Errorf("copy: %w", cache.ErrCrossDrop)
	}
	if h.f.readOnly {
		return 0, cache.ErrReadOnly
	}
	done, err := h.h.CopyTo(ctx, off, dst.h, dstOff, n)
	if done > 0 {
		h.f.inodeChanged(dst.p)
	}
	return done, err
}

// Release ends the handle. A second call does nothing (V5).
func (h *Handle) Release() error {
	if h.gone.Swap(true) {
		return nil
	}
	h.f.mu.Lock()
	delete(h.f.handles, h)
	h.f.mu.Unlock()
	if h.h == nil {
		return nil
	}
	return h.h.Release()
}
