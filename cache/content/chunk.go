package content

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
)

// chunk is one fetch under way: [off, end), of which all before pos is here. Fields are guarded by File.mu, unless told
// otherwise.
type chunk struct {
	off, end  int64
	pos       int64
	err       error
	changed   chan struct{} // closed, and made anew, at each change
	ahead     bool          // nobody has waited for it yet
	waits     map[*wait]struct{}
	want      atomic.Int64 // the smallest pos somebody waits for: the least end in waits that lies ahead
	abandoned bool         // cancelled, for nobody had the file open
	fetch     Fetch
	ctx       context.Context
	cancel    context.CancelFunc

	// buf holds what came for base and behind: filled bytes, of which those before pos are stored. The fetch alone writes
	// behind filled; whoever needs what came already stores it, for the fetch may be waiting for more.
	buf    []byte
	base   int64
	filled atomic.Int64
	left   int64 // promised by Store.reserve and not yet used
}

const wantNothing = maxOffset

// wanted brings want up to pos and waits.
func (c *chunk) wanted() {
	want := int64(wantNothing)
	for w := range c.waits {
		if w.end > c.pos {
			want = min(want, w.end)
		}
	}
	c.want.Store(want)
}

func (c *chunk) wake() {
	c.wanted()
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
	size := roundUp(c.end - c.off)
	if err := s.reserveNow(c.ctx, size); err != nil {
		return err
	}
	held := min(size, bufferSize)
	if err := s.buffers.Acquire(c.ctx, held); err != nil {
		s.Unreserve(size)
		return err
	}
	defer s.buffers.Release(held)
	bp, ok := s.pool.Get().(*[]byte)
	if !ok {
		panic("content: the pool holds buffers only")
	}
	defer s.pool.Put(bp)
	f.mu.Lock()
	c.buf, c.base, c.left = (*bp)[:held], c.off, size
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		left := c.left
		c.buf, c.left = nil, 0
		f.mu.Unlock()
		s.Unreserve(left)
	}()
	body, err := c.fetch(c.ctx, c.off, c.end-c.off)
	if err != nil {
		return err
	}
	done, err := f.receive(c, body)
	if cerr := body.Close(); err == nil && cerr != nil && !done {
		err = cerr
	}
	return err
}

// receive reads the body and stores it: as soon as what came is wanted, else when the buffer is full. done tells that all
// of the chunk came.
func (f *File) receive(c *chunk, body io.Reader) (done bool, err error) {
	for empty := 0; ; {
		filled := int(c.filled.Load())
		limit := int(min(int64(len(c.buf)), c.end-c.base))
		n, err := body.Read(c.buf[filled:limit])
		filled += n
		c.filled.Store(int64(filled)) // before want is looked at: who waits does it the other way round
		if empty++; n > 0 {
			empty = 0
		}
		at := c.base + int64(filled)
		if filled > 0 && (filled == limit || err != nil || at >= c.want.Load()) {
			more, serr := f.store(c, filled == limit)
			if serr != nil || !more {
				return at >= c.end, serr
			}
		}
		switch {
		case at >= c.end:
			return true, nil
		case errors.Is(err, io.EOF):
			return false, io.ErrUnexpectedEOF
		case err != nil:
			return false, err
		case empty > 100:
			return false, io.ErrNoProgress
		}
	}
}

// store stores what came of c, and wakes who waits; turn: the buffer is full and begins anew. more tells whether the rest
// is of use.
func (f *File) store(c *chunk, turn bool) (more bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	more, err = f.storeLocked(c)
	if turn {
		c.base += c.filled.Swap(0)
	}
	return more, err
}

// storeLocked writes the bytes that came where they are still missing (C1). f.mu is held.
func (f *File) storeLocked(c *chunk) (more bool, err error) {
	p := c.buf[c.pos-c.base : c.filled.Load()]
	promised := min(c.left, int64(len(p)))
	c.left -= promised
	defer f.settle(promised)
	info, err := f.statLocked()
	if err != nil {
		return false, err
	}
	off, end := c.pos, c.pos+int64(len(p))
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
