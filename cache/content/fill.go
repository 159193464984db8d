package content

import (
	"context"
	"io"
)

const (
	bufferSize = 256 << 10 // bytes read from a fetch before they are written
	islandSize = 64 << 10  // what is here between two missing ranges is fetched again rather than asked around, up to this
	inFlight   = 4         // chunks of one file planned at a time; what a reader waits for is planned beyond it
)

// Fetch opens bytes [off, off+n) of the content at the service. The body is exactly that long or fails; it ends when ctx
// does.
type Fetch func(ctx context.Context, off, n int64) (io.ReadCloser, error)

// Ensure makes what of [off, off+n) lies within the content be here, and returns as soon as it is. Missing bytes are
// fetched once however many wait for them; sequential readers are read ahead of. ctx bounds the waiting only: a fetch
// under way goes on for others. An error of a fetch is told to all who wait for it and not remembered. ErrFull says that
// there is no room to keep the bytes: ReadThrough delivers them.
func (f *File) Ensure(ctx context.Context, off, n int64, fetch Fetch) error {
	if f.complete.Load() || n <= 0 {
		return nil
	}
	off = max(off, 0)
	end := clampEnd(off, n)
	var w *wait
	defer func() { f.leave(w) }()
	for retried := false; ; {
		next, err := f.plan(off, end, fetch, w, &retried)
		if err != nil || next == nil {
			return f.wrap("fetch", err)
		}
		w = next
		select {
		case <-w.changed:
		case <-ctx.Done():
			return f.wrap("fetch", ctx.Err())
		}
	}
}

// wait is what one Ensure waits for: a change of the chunk that brings the first byte it lacks. It counts as one that
// wants the chunk's bytes up to end until it is left.
type wait struct {
	c       *chunk
	end     int64
	changed <-chan struct{}
	ahead   bool
}

// leave ends a wait; nil is none.
func (f *File) leave(w *wait) {
	if w != nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(w.c.waits, w)
	}
}

// failure is why the byte at miss, which was waited for with w, does not come; nil where it may still be asked for.
func (f *File) failure(w *wait, miss int64, retried *bool) error {
	switch {
	case w == nil || w.c.err == nil || miss < w.c.off || miss >= w.c.end:
		return nil
	case f.s.ctx.Err() != nil:
		return ErrClosed
	case w.c.abandoned: // given up, not failed
		return nil
	case w.ahead && !*retried: // it was begun with another one's means
		*retried = true
		return nil
	}
	return w.c.err
}

// plan starts what [off, end) lacks and what should be read ahead, and tells what to wait for; nil when nothing lacks.
// last is what was waited for before.
func (f *File) plan(off, end int64, fetch Fetch, last *wait, retried *bool) (*wait, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if last != nil {
		delete(last.c.waits, last)
	}
	info, err := f.statLocked()
	if err != nil {
		return nil, err
	}
	end = min(end, info.Size)
	if f.complete.Load() || off >= end {
		return nil, nil
	}
	miss, lacks := f.ext.FirstMissing(off, end)
	if err := f.failure(last, miss.Off, retried); lacks && err != nil {
		return nil, err
	}
	var st *stream
	if last == nil {
		st = f.streams.note(off, end)
	}
	if lacks {
		f.start(f.needed(Extent{miss.Off, end}, info.Size, st), fetch, false)
	}
	if st != nil {
		f.readAhead(st, info.Size, fetch)
	}
	if !lacks {
		return nil, nil
	}
	if w := f.waitFor(miss.Off, end); w != nil {
		return w, nil
	}
	f.start(Extent{miss.Off, end}, fetch, false) // what was widened began elsewhere
	if w := f.waitFor(miss.Off, end); w != nil {
		return w, nil
	}
	return nil, ErrClosed // nothing starts any more
}

// waitFor is the wait for the byte at off by one who needs all up to end; nil where no chunk brings it.
func (f *File) waitFor(off, end int64) *wait {
	for _, c := range f.chunks {
		if c.holds(off) {
			w := &wait{c: c, end: min(end, c.end), changed: c.changed, ahead: c.ahead}
			c.ahead = false
			c.waits[w] = struct{}{}
			c.wanted()
			if c.base+c.filled.Load() > off && c.buf != nil { // it came, and lies in the buffer
				_, _ = f.storeLocked(c) // where it fails the fetch meets that too
			}
			return w
		}
	}
	return nil
}

// needed widens r, which begins with a missing byte, to what is fetched for it.
func (f *File) needed(r Extent, size int64, st *stream) Extent {
	if size <= wholeFile {
		return Extent{0, size}
	}
	atStart := r.Off < firstChunk && st == nil && f.streams.began(r.Off)
	r = Extent{r.Off / pageSize * pageSize, (r.End + pageSize - 1) / pageSize * pageSize}
	switch {
	case atStart:
		r.End = max(r.End, firstChunk)
	case st != nil:
		r.End = max(r.End, r.Off+st.chunk)
		st.ahead = max(st.ahead, r.End)
		st.grow()
	}
	r.End = min(r.End, size)
	return r
}

// readAhead plans chunks in front of a sequential reader.
func (f *File) readAhead(st *stream, size int64, fetch Fetch) {
	for len(f.chunks) < inFlight && st.ahead < min(st.limit(), size) {
		end := min(st.ahead+st.chunk, size)
		f.start(Extent{st.ahead, end}, fetch, true)
		st.ahead = end
		st.grow()
	}
}

// start begins chunks for what is missing in r and not on its way, the first one in any case, more while few are in
// flight.
func (f *File) start(r Extent, fetch Fetch, ahead bool) {
	for begun := false; r.Off < r.End; {
		miss, ok := f.ext.FirstMissing(r.Off, r.End)
		if !ok || (begun && len(f.chunks) >= inFlight) {
			return
		}
		r.Off = miss.Off
		end := min(r.End, r.Off+largestChunk)
		busy := false
		for _, c := range f.chunks {
			switch {
			case c.holds(r.Off):
				r.Off, busy = c.end, true
			case c.off > r.Off:
				end = min(end, c.off)
			}
		}
		begun = true // what comes first is on its way
		if busy {
			continue
		}
		c := Extent{r.Off, f.lastMissing(r.Off, end)}
		if !f.launch(c, fetch, ahead) {
			return
		}
		r.Off = c.End
	}
}

// lastMissing is where the missing ranges that one chunk from off may take together end, at most at end.
func (f *File) lastMissing(off, end int64) int64 {
	last := off
	for _, m := range f.ext.Missing(off, end) {
		if last > off && m.Off-last > islandSize {
			break
		}
		last = m.End
	}
	return last
}

// launch begins the fetch of r; false when the store is closed.
func (f *File) launch(r Extent, fetch Fetch, ahead bool) bool {
	if !f.s.begin() {
		return false
	}
	c := &chunk{off: r.Off, end: r.End, pos: r.Off, changed: make(chan struct{}), waits: map[*wait]struct{}{}, ahead: ahead, fetch: fetch}
	c.want.Store(wantNothing)
	c.ctx, c.cancel = context.WithCancel(f.s.ctx)
	f.chunks = append(f.chunks, c)
	go f.fill(c)
	return true
}

// abandon gives up the fetches that nobody can be waiting for, but lets those near their end finish.
func (f *File) abandon() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.chunks {
		if c.end-c.pos > bufferSize {
			c.abandoned = true
			c.cancel()
		}
	}
}
