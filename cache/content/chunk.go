package content

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
)

// chunk is one fetch under way: [off, end), of which all before pos is here. Fields but want are guarded by File.mu.
type chunk struct {
	off, end  int64
	pos       int64
	err       error
	changed   chan struct{} // closed, and made anew, at each change
	ahead     bool          // nobody has waited for it yet
	want      atomic.Int64  // the smallest pos somebody waits for
	abandoned bool          // cancelled, for nobody had the file open
	fetch     Fetch
	ctx       context.Context
	cancel    context.CancelFunc
}

const wantNothing = maxOffset

func (c *chunk) wake() {
	c.want.Store(wantNothing)
	close(c.changed)
	c.changed = make(chan struct{})
}

// holds tells whether the byte at off comes with this chunk.
func (c *chunk) holds(off int64) bool { return c.pos <= off && off < c.end }

// fill carries out one chunk.
func (f *File) fill(c *chunk) {
	defer f.s.wg.Done()
	defer c.cancel()
	err := f.fetchInto(c)
	f.mu.Lock()
	c.err = err
	for i := range f.chunks {
		if f.chunks[i] == c {
			f.chunks = append(f.chunks[:i], f.chunks[i+1:]...)
			break
		}
	}
	c.wake()
	f.mu.Unlock()
	f.detach()
}

func (f *File) fetchInto(c *chunk) error {
	s := f.s
	left := roundUp(c.end - c.off)
	if err := s.reserveNow(c.ctx, left); err != nil {
		return err
	}
	defer func() { s.Unreserve(left) }()
	held := min(left, bufferSize)
	if err := s.buffers.Acquire(c.ctx, held); err != nil {
		return err
	}
	defer s.buffers.Release(held)
	bp, ok := s.pool.Get().(*[]byte)
	if !ok {
		panic("content: the pool holds buffers only")
	}
	defer s.pool.Put(bp)
	body, err := c.fetch(c.ctx, c.off, c.end-c.off)
	if err != nil {
		return err
	}
	err = c.copyFrom(body, (*bp)[:held], func(p []byte, off int64) (bool, error) {
		n := min(left, int64(len(p)))
		left -= n
		return f.store(c, p, off, n)
	})
	if cerr := body.Close(); err == nil && cerr != nil && c.pos < c.end {
		err = cerr
	}
	return err
}

// copyFrom reads the body and hands it to put: as soon as what came is wanted, else when the buffer is full. put tells
// whether to go on.
func (c *chunk) copyFrom(body io.Reader, buf []byte, put func(p []byte, off int64) (bool, error)) error {
	filled, empty := 0, 0
	for pos := c.off; pos < c.end; {
		limit := int(min(int64(len(buf)), c.end-pos))
		n, err := body.Read(buf[filled:limit])
		filled += n
		if empty++; n > 0 {
			empty = 0
		}
		if filled > 0 && (filled == limit || err != nil || pos+int64(filled) >= c.want.Load()) {
			more, perr := put(buf[:filled], pos)
			if perr != nil || !more {
				return perr
			}
			pos += int64(filled)
			filled = 0
		}
		switch {
		case pos >= c.end:
			return nil
		case errors.Is(err, io.EOF):
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		case empty > 100:
			return io.ErrNoProgress
		}
	}
	return nil
}

// store writes the bytes p that came for off where they are still missing (C1), and wakes who waits. It tells whether the
// rest is of use.
func (f *File) store(c *chunk, p []byte, off, reserved int64) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	defer f.settle(reserved)
	info, err := f.statLocked()
	if err != nil {
		return false, err
	}
	end := off + int64(len(p))
	for _, m := range f.ext.Missing(off, min(end, info.Size)) {
		if f.complete.Load() {
			break
		}
		n, err := f.file.WriteAt(p[m.Off-off:m.End-off], m.Off)
		f.ext.Add(m.Off, m.Off+int64(n))
		if err != nil {
			return false, full(err)
		}
	}
	c.pos = end
	f.checkComplete(info.Size)
	c.wake()
	return end < info.Size && !f.complete.Load(), nil
}
