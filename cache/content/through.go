package content

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
)

const windowSize = 1 << 20 // bytes fetched at once for a sequential reader whose bytes cannot be kept

// Read is Ensure, then ReadAt; where there is no room to keep what is missing it is ReadThrough.
func (f *File) Read(ctx context.Context, p []byte, off int64, fetch Fetch) (int, error) {
	if err := f.Ensure(ctx, off, int64(len(p)), fetch); err != nil {
		if errors.Is(err, ErrFull) {
			return f.ReadThrough(ctx, p, off, fetch)
		}
		return 0, err
	}
	return f.ReadAt(p, off)
}

// ReadThrough reads without keeping: what is here from the disk, the rest from the service. It is for readers when
// Ensure says ErrFull. ctx bounds the fetches too, for nobody shares them.
func (f *File) ReadThrough(ctx context.Context, p []byte, off int64, fetch Fetch) (int, error) {
	done := 0
	for done < len(p) {
		n, miss, err := f.readHere(p[done:], off+int64(done))
		done += n
		if err != nil {
			return done, err
		}
		if miss == 0 {
			continue
		}
		n, err = f.window.read(ctx, f.s, p[done:done+int(miss)], off+int64(done), f.size.Load(), fetch)
		done += n
		if err != nil {
			return done, f.wrap("read through", err)
		}
	}
	return done, nil
}

// readHere reads what is here from off on, and tells how many bytes are missing behind that.
func (f *File) readHere(p []byte, off int64) (int, int64, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	info, err := f.statLocked()
	if err != nil {
		return 0, 0, f.wrap("read", err)
	}
	end := min(off+int64(len(p)), info.Size)
	if off >= end {
		return 0, 0, io.EOF
	}
	var miss Extent
	if !f.complete.Load() {
		miss, _ = f.ext.FirstMissing(off, end)
	}
	if miss.Len() > 0 && miss.Off == off {
		return 0, miss.Len(), nil
	}
	if miss.Len() > 0 {
		end = miss.Off
	}
	n, err := f.file.ReadAt(p[:end-off], off)
	if err != nil && !errors.Is(err, io.EOF) {
		return n, 0, f.wrap("read", err)
	}
	return n, miss.Len(), nil
}

// window holds what was fetched beyond the last read of a reader whose bytes cannot be kept. Its bytes are the service's;
// where the user's own are they are here, and never looked for in it.
type window struct {
	mu   sync.Mutex
	off  int64
	data []byte
	held int64 // of Store.windows
	next int64 // where the last read through ended
}

// read fills p with the service's bytes at off.
func (w *window) read(ctx context.Context, s *Store, p []byte, off, size int64, fetch Fetch) (int, error) {
	w.mu.Lock()
	if at := off - w.off; at >= 0 && at < int64(len(w.data)) {
		n := copy(p, w.data[at:])
		w.next = off + int64(n)
		w.mu.Unlock()
		return n, nil
	}
	want := int64(len(p))
	var buf []byte
	if off == w.next && want < windowSize && off+want < size {
		if w.held > 0 || s.windows.TryAcquire(windowSize) {
			w.held = windowSize
			buf = w.data[:0]
			w.data = nil // another reader makes its own
			want = min(windowSize, size-off)
		}
	}
	w.next = off + int64(len(p))
	w.mu.Unlock()

	body, err := fetch(ctx, off, want)
	if err != nil {
		return 0, err
	}
	n, err := io.ReadFull(body, p)
	if err == nil && want > int64(len(p)) {
		if cap(buf) < windowSize {
			buf = make([]byte, windowSize)
		}
		buf = buf[:want-int64(len(p))]
		if k, rerr := io.ReadFull(body, buf); rerr == nil {
			w.mu.Lock()
			if w.held > 0 {
				w.off, w.data = off+int64(len(p)), buf
			}
			w.mu.Unlock()
		} else if k == 0 && ctx.Err() != nil {
			err = ctx.Err()
		}
	}
	if cerr := body.Close(); cerr != nil && err == nil && n < len(p) {
		err = cerr
	}
	if err != nil {
		return n, fmt.Errorf("fetch: %w", err)
	}
	return n, nil
}

// drop gives the memory back.
func (w *window) drop(s *Store) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.held > 0 {
		s.windows.Release(w.held)
	}
	w.held, w.data = 0, nil
}
