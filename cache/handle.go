package cache

import (
	"context"
	"errors"
	"io"
	"math"

	"dropfs/cache/content"
)

// Handle is an open file. All methods may be called at the same time; Release ends it.
type Handle struct {
	in    *inode
	flags OpenFlags
}

// Open opens a file. Nothing is fetched yet.
func (r *Replica) Open(ctx context.Context, ino Ino, flags OpenFlags) (*Handle, error) {
	a, err := r.GetAttr(ctx, ino)
	switch {
	case err != nil:
		return nil, err
	case isDir(a.Mode):
		return nil, ErrIsDir
	case !isFile(a.Mode):
		return nil, ErrInvalid
	}
	r.use(ino)
	writes := flags&OpenWrite != 0
	if writes {
		if err := r.mayWrite(ino); err != nil {
			return nil, err
		}
	}
	h := &Handle{in: r.acquire(ino, writes), flags: flags}
	if flags&OpenTrunc != 0 && writes {
		if err := h.in.truncate(ctx, 0); err != nil {
			return nil, errors.Join(err, h.Release())
		}
	}
	return h, nil
}

// mayWrite refuses content of a drop that is gone, and everything on a read-only replica.
func (r *Replica) mayWrite(ino Ino) error {
	if r.cfg.ReadOnly {
		return ErrReadOnly
	}
	return r.read(func(t *txn) error {
		entries, err := t.EntriesOf(int64(ino))
		if err != nil || len(entries) == 0 {
			return err
		}
		return t.writable(entries[0].Parent, entries[0].Name)
	})
}

// Ino is the inode that is open.
func (h *Handle) Ino() Ino { return h.in.ino }

// Read reads at off; it is short only at the end of the file. What is not here is fetched, as far as needed.
func (h *Handle) Read(ctx context.Context, p []byte, off int64) (int, error) {
	if h.flags&OpenRead == 0 {
		return 0, ErrBadHandle
	}
	in := h.in
	for {
		in.mu.RLock()
		if in.file == nil {
			in.mu.RUnlock()
			in.mu.Lock()
			err := in.load()
			in.mu.Unlock()
			if err != nil {
				return 0, err
			}
			continue
		}
		if off >= in.size {
			in.mu.RUnlock()
			return 0, nil
		}
		want := p[:min(int64(len(p)), in.size-off)]
		n, err := in.file.ReadAt(want, off)
		file := in.file
		in.mu.RUnlock()
		if errors.Is(err, content.ErrMissing) {
			return in.readMissing(ctx, file, want, off)
		}
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return n, asSpace(err)
	}
}

// readMissing reads what has to be fetched first; where the cache has no room it is served without being kept.
func (in *inode) readMissing(ctx context.Context, file *content.File, p []byte, off int64) (int, error) {
	src, err := in.r.source(in.ino)
	if err != nil {
		return 0, err
	}
	n, err := file.Read(ctx, p, off, src)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, asSpace(err)
}

// Write writes all of p at off, or at the end for OpenAppend. It is in the content file, which the index knows to be
// dirty, when it returns; with OpenSync or OpenDsync it survives power loss.
func (h *Handle) Write(ctx context.Context, p []byte, off int64) (n int, err error) {
	if h.flags&OpenWrite == 0 {
		return 0, ErrBadHandle
	}
	h.in.r.forgetOrigin(h.in.ino)
	return h.write(ctx, p, off)
}

func (h *Handle) write(ctx context.Context, p []byte, off int64) (n int, err error) {
	in := h.in
	err = in.change(ctx, func() error {
		if h.flags&OpenAppend != 0 {
			off = in.size
		}
		end := off + int64(len(p))
		if end < off {
			return ErrTooLarge
		}
		if end > in.size {
			if err := in.r.mayGrow(in.ino, in.size, end); err != nil {
				return err
			}
		}
		n, err = in.file.WriteAt(ctx, p, off)
		if n > 0 {
			in.wrote(max(in.size, off+int64(n)))
		}
		return asSpace(err)
	})
	if err == nil && h.flags&(OpenSync|OpenDsync) != 0 {
		err = h.Fsync(ctx, h.flags&OpenSync == 0)
	}
	return n, err
}

// Flush is called when a descriptor of the handle is closed. It waits for the service only where close promises that.
func (h *Handle) Flush(ctx context.Context) error {
	if h.flags&OpenWrite == 0 || !h.in.r.cfg.RemoteDurable {
		return nil
	}
	h.in.mu.Lock()
	err := h.in.settle(false)
	h.in.mu.Unlock()
	if err != nil {
		return err
	}
	return h.in.r.Sync(ctx, []Ino{h.in.ino})
}

// Fsync makes what was written survive power loss: first the bytes, then the index that names them.
func (h *Handle) Fsync(_ context.Context, data bool) error {
	in := h.in
	in.mu.Lock()
	if in.file == nil {
		in.mu.Unlock()
		return in.r.idx.Flush()
	}
	file := in.file
	err := in.settle(false)
	in.synced = true
	in.mu.Unlock()
	if err != nil {
		return err
	}
	if data {
		err = file.Datasync()
	} else {
		err = file.Sync()
	}
	if err != nil {
		return asSpace(err)
	}
	return asKind(in.r.idx.Flush())
}

// Release ends the handle. What was written is in the index, and queued, when it returns.
func (h *Handle) Release() error { return h.in.release(h.flags&OpenWrite != 0) }

// Allocate is fallocate(2) with the mode bits of Linux.
func (h *Handle) Allocate(ctx context.Context, mode uint32, off, n int64) error {
	if h.flags&OpenWrite == 0 {
		return ErrBadHandle
	}
	if off < 0 || n <= 0 {
		return ErrInvalid
	}
	in := h.in
	return in.change(ctx, func() error {
		m := content.AllocMode(mode)
		grown := in.size
		if m&content.AllocKeepSize == 0 && off+n > in.size {
			grown = off + n
			if err := in.r.mayGrow(in.ino, in.size, grown); err != nil {
				return err
			}
		}
		if err := in.file.Allocate(ctx, m, off, n); err != nil {
			return asSpace(err)
		}
		in.r.forgetOrigin(in.ino)
		in.wrote(grown)
		return nil
	})
}

// The values of whence that Seek knows.
const (
	SeekData = 3
	SeekHole = 4
)

// Seek is lseek(2) for SEEK_DATA and SEEK_HOLE. What is not here counts as data.
func (h *Handle) Seek(_ context.Context, off int64, whence int) (int64, error) {
	in := h.in
	in.mu.Lock()
	defer in.mu.Unlock()
	if err := in.load(); err != nil {
		return 0, err
	}
	if off < 0 || off >= in.size {
		return 0, ErrNoData
	}
	switch whence {
	case SeekData:
		at, err := in.file.SeekData(off)
		return at, asSpace(err)
	case SeekHole:
		at, err := in.file.SeekHole(off)
		return min(at, in.size), asSpace(err)
	default:
		return 0, ErrInvalid
	}
}

// copyBuffer is the piece in which CopyTo copies what cannot be copied inside the disk.
const copyBuffer = 1 << 20

// CopyTo is copy_file_range(2): it copies n bytes at off into dst and returns how many; fewer at the end of the file.
func (h *Handle) CopyTo(ctx context.Context, off int64, dst *Handle, dstOff, n int64) (int64, error) {
	if h.flags&OpenRead == 0 || dst.flags&OpenWrite == 0 || dst.flags&OpenAppend != 0 {
		return 0, ErrBadHandle
	}
	if off < 0 || dstOff < 0 || n < 0 || n > math.MaxInt64-max(off, dstOff) {
		return 0, ErrInvalid
	}
	if h.in == dst.in && off < dstOff+n && dstOff < off+n {
		return 0, ErrInvalid
	}
	buf := make([]byte, min(n, copyBuffer))
	done := int64(0)
	if off == dstOff {
		sent := h.in.r.sentVersion(h.in.ino)
		defer func() { h.in.r.copied(h.in.ino, sent, dst.in.ino, off, done) }()
	}
	for done < n {
		k, err := h.Read(ctx, buf[:min(n-done, copyBuffer)], off+done)
		if err != nil || k == 0 {
			return done, orNil(err, done > 0)
		}
		w, err := dst.write(ctx, buf[:k], dstOff+done)
		done += int64(w)
		if err != nil {
			return done, orNil(err, done > 0)
		}
	}
	return done, nil
}

// orNil hides an error where part of the work was done: the next call meets it again.
func orNil(err error, partly bool) error {
	if partly {
		return nil
	}
	return err
}
