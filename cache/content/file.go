package content

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"dropfs/cache/content/sys"
)

const maxOffset = math.MaxInt64

// File is an open content. All methods may be called at the same time.
type File struct {
	s              *Store
	id             ID
	entry          *entry
	refs           int  // guarded by s.mu
	knew, hadFlags bool // entry.known and entry.flags before this opening, for one that fails
	created        bool // guarded by mu
	shared         bool // guarded by mu: blocks are another content's too, and not charged

	complete atomic.Bool // never true to false while open
	dirty    atomic.Bool
	pinned   atomic.Bool
	size     atomic.Int64 // as of the last settle: an estimate, for passthrough writes go past us
	alloc    atomic.Int64 // likewise
	writes   atomic.Int64 // changes so far, for Snapshot

	// mu: held shared by whoever reads or writes bytes that stay what they are for the extents, exclusively by whoever
	// changes ext, file or chunks, and by Snapshot.
	mu      sync.RWMutex
	file    *os.File
	log     *os.File // log of local ranges; nil: none
	owned   bool     // partial content may have local ranges
	openErr error
	syncErr error   // a failed fsync, told to every later one: the kernel forgets it
	ext     Extents // what is here, while not complete
	chunks  []*chunk
	streams streams
	window  window
}

func newFile(s *Store, e *entry, st State) *File {
	f := &File{s: s, id: e.id, entry: e}
	f.complete.Store(st.Complete)
	f.dirty.Store(st.Dirty)
	f.pinned.Store(st.Pinned)
	return f
}

// ID is the content's id.
func (f *File) ID() ID { return f.id }

// Size is the length in bytes, asked from the disk, for passthrough writes move it without us.
func (f *File) Size() int64 {
	info, err := f.Stat()
	if err != nil {
		return f.size.Load()
	}
	return info.Size
}

// Info is what the content file's inode says: size, allocated bytes, mtime and ctime.
type Info = sys.Info

// Stat asks the inode of the content file. What is allocated may be less than what the whole content takes.
func (f *File) Stat() (Info, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.statLocked()
}

func (f *File) statLocked() (Info, error) {
	if f.file == nil {
		return Info{}, os.ErrClosed
	}
	return sys.Stat(f.file)
}

// Recount charges what was written through a descriptor of Fd, which the store does not see.
func (f *File) Recount() {
	f.mu.RLock()
	defer f.mu.RUnlock()
	f.settle(0)
}

// SetTimes sets atime and mtime of the content file; a zero time is left as it is.
func (f *File) SetTimes(atime, mtime time.Time) error {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.wrap("set times", sys.SetTimes(f.file, atime, mtime))
}

// Fd calls fn with the descriptor of the content file, open for reading and writing, which is good until the last
// Release. What fn or the kernel writes through it is right only for complete and dirty content.
func (f *File) Fd(fn func(fd int) error) error {
	f.mu.RLock()
	fd := int(f.file.Fd())
	f.mu.RUnlock()
	return fn(fd)
}

// ReadAt reads what is here: at the end of the content it is short with io.EOF, and with a byte of the range not here it
// is ErrMissing and p holds nothing (C1).
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if !f.complete.Load() {
		info, err := f.statLocked()
		if err != nil {
			return 0, f.wrap("read", err)
		}
		if end := min(off+int64(len(p)), info.Size); !f.ext.Covers(off, end) {
			return 0, f.wrap("read", ErrMissing)
		}
	}
	n, err := f.file.ReadAt(p, off)
	if err != nil && !errors.Is(err, io.EOF) {
		return n, f.wrap("read", err)
	}
	return n, err
}

// WriteAt writes all of p or tells how much it wrote. It waits for room (Reserve); ErrFull where there is none. The
// content must be dirty. Bytes written into incomplete content are here from then on, also after a kill (C6).
func (f *File) WriteAt(ctx context.Context, p []byte, off int64) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	end := off + int64(len(p))
	if off < 0 || end < 0 {
		return 0, f.wrap("write", os.ErrInvalid)
	}
	n := 0
	err := f.change(ctx, f.growth(off, end), func() (err error) {
		if f.complete.Load() {
			n, err = f.file.WriteAt(p, off)
			return full(err)
		}
		n, err = f.writeLogged(p, off)
		return err
	})
	return n, f.wrap("write", err)
}

// writeLogged writes into incomplete content, with mu held exclusively.
func (f *File) writeLogged(p []byte, off int64) (int, error) {
	info, err := f.statLocked()
	if err != nil {
		return 0, err
	}
	if off > info.Size { // the gap becomes zeros, and they are ours
		if err := f.own(info.Size, off); err != nil {
			return 0, err
		}
	}
	n, err := f.file.WriteAt(p, off)
	if n > 0 {
		if oerr := f.own(off, off+int64(n)); oerr != nil {
			return 0, oerr // what was written is not acknowledged
		}
	}
	f.checkComplete(max(info.Size, off+int64(n)))
	return n, full(err)
}

// change runs fn, which allocates up to n bytes, under mu: shared for complete content, else exclusively.
func (f *File) change(ctx context.Context, n int64, fn func() error) error {
	if !f.dirty.Load() {
		return ErrClean
	}
	if err := f.s.Reserve(ctx, n); err != nil {
		return err
	}
	if f.complete.Load() {
		f.mu.RLock()
		defer f.mu.RUnlock()
	} else {
		f.mu.Lock()
		defer f.mu.Unlock()
	}
	f.writes.Add(1)
	err := fn()
	f.settle(n)
	return err
}

// growth is an upper bound of what a write of [off, end) allocates.
func (f *File) growth(off, end int64) int64 {
	size, alloc := f.size.Load(), f.alloc.Load()
	if end <= size && alloc >= size {
		return 0 // no holes
	}
	if alloc >= size && off < size {
		off = size
	}
	return roundUp(end) - off/blockSize*blockSize
}

func roundUp(n int64) int64 { return (n + blockSize - 1) / blockSize * blockSize }

// settle charges what the file really takes and ends the promise of reserved bytes. mu is held, or f is not shared yet.
func (f *File) settle(reserved int64) {
	s := f.s
	s.mu.Lock()
	info, err := f.statLocked() // under s.mu, so that the newest answer is the one that stays
	if err == nil {
		f.size.Store(info.Size)
		shrunk := info.Allocated < f.alloc.Swap(info.Allocated)
		if f.shared {
			info.Allocated = 0
		}
		s.chargeLocked(f.entry, info.Allocated, f.entry.dirty, f.entry.pinned)
		if shrunk {
			s.disk.at = time.Time{}
			s.roomLocked()
		}
	}
	s.reserved -= reserved
	if s.reserved < 0 {
		s.mu.Unlock()
		panic("content C5: more was given back than reserved")
	}
	s.mu.Unlock()
}

// checkComplete makes f complete where nothing of [0, size) is missing and the log, where there is one, says so. mu is held exclusively, or f is not shared yet.
func (f *File) checkComplete(size int64) {
	if !f.complete.Load() && f.ext.Covers(0, size) && f.ownAll() {
		f.complete.Store(true)
		f.ext = Extents{}
	}
}

// Complete tells whether all bytes are here.
func (f *File) Complete() bool { return f.complete.Load() }

// Extents is what is here.
func (f *File) Extents() Extents {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.complete.Load() {
		info, err := f.statLocked()
		if err != nil {
			info.Size = f.size.Load()
		}
		return Whole(info.Size)
	}
	return f.ext.Clone()
}

// State is what the index should keep of the content now.
func (f *File) State() State {
	st := State{Size: f.Size(), Extents: f.Extents(), Dirty: f.dirty.Load(), Pinned: f.pinned.Load()}
	if st.Complete = f.complete.Load(); st.Complete {
		st.Extents = Extents{}
	}
	return st
}

// Present tells whether all of [off, off+n) that lies within the content is here.
func (f *File) Present(off, n int64) bool { return len(f.Missing(off, n)) == 0 }

// Missing is what of [off, off+n) lies within the content and is not here.
func (f *File) Missing(off, n int64) []Extent {
	if f.complete.Load() {
		return nil
	}
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.complete.Load() {
		return nil
	}
	info, err := f.statLocked()
	if err != nil {
		return []Extent{{off, off + n}}
	}
	return f.ext.Missing(max(off, 0), min(clampEnd(off, n), info.Size))
}

// clampEnd is off+n, or the largest offset where that is none.
func clampEnd(off, n int64) int64 {
	if n > maxOffset-off {
		return maxOffset
	}
	return off + n
}

// SetPinned sets whether the content may be evicted once it is closed. The caller has recorded it in the index.
func (f *File) SetPinned(on bool) { f.s.Pin(f.id, on) }

// wrap names the content and what was done with it.
func (f *File) wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("content %d: %s: %w", f.id, op, err)
}
