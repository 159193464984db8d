package content

import (
	"context"
	"errors"
	"os"

	"dropfs/cache/content/sys"
)

// AllocMode is what Allocate does, with the bits of fallocate(2).
type AllocMode uint32

// The modes that are taken; every other combination is ErrUnsupported.
const (
	AllocPlain    AllocMode = 0    // blocks for the range, growing the content
	AllocKeepSize AllocMode = 0x01 // with the others: the size stays
	AllocPunch    AllocMode = 0x02 // with AllocKeepSize only: a hole
	AllocZero     AllocMode = 0x10 // zeros, with blocks where the disk can
)

// Truncate sets the size. Growing gives zeros, which are here. The content must be dirty.
func (f *File) Truncate(ctx context.Context, size int64) error {
	if size < 0 {
		return f.wrap("truncate", os.ErrInvalid)
	}
	if !f.dirty.Load() {
		return f.wrap("truncate", ErrClean)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.writes.Add(1)
	return f.wrap("truncate", f.truncateLocked(size))
}

func (f *File) truncateLocked(size int64) error {
	info, err := f.statLocked()
	if err != nil {
		return err
	}
	if !f.complete.Load() {
		if size > info.Size {
			if err := f.own(info.Size, size); err != nil {
				return err
			}
		} else {
			f.ext.Remove(size, maxOffset)
		}
	}
	if err := f.file.Truncate(size); err != nil {
		if size > info.Size {
			f.ext.Remove(info.Size, maxOffset)
		}
		return full(err)
	}
	f.checkComplete(size)
	f.settle(0)
	for _, c := range f.chunks {
		c.wake() // who waits behind the end need not
	}
	return nil
}

// Allocate is fallocate(2) on the content, which must be dirty.
func (f *File) Allocate(ctx context.Context, mode AllocMode, off, n int64) error {
	keep := mode&AllocKeepSize != 0
	what := mode &^ AllocKeepSize
	switch {
	case off < 0 || n <= 0 || off+n < 0:
		return f.wrap("allocate", os.ErrInvalid)
	case what == AllocPunch && !keep, what != AllocPlain && what != AllocPunch && what != AllocZero:
		return f.wrap("allocate", ErrUnsupported)
	case !f.dirty.Load():
		return f.wrap("allocate", ErrClean)
	}
	need := int64(0)
	if what != AllocPunch {
		need = roundUp(off+n) - off/blockSize*blockSize
	}
	if err := f.s.Reserve(ctx, need); err != nil {
		return f.wrap("allocate", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.writes.Add(1)
	err := f.allocateLocked(what, keep, off, n)
	f.settle(need)
	return f.wrap("allocate", full(err))
}

func (f *File) allocateLocked(what AllocMode, keep bool, off, n int64) error {
	info, err := f.statLocked()
	if err != nil {
		return err
	}
	end := off + n
	if !keep && end > info.Size && !f.complete.Load() {
		if err := f.own(info.Size, end); err != nil { // before the file grows, for the same reason as in truncateLocked
			return err
		}
	}
	switch what {
	case AllocPunch:
		err = f.punch(off, min(end, info.Size))
	case AllocZero:
		err = f.zero(off, end, info.Size, keep)
	case AllocPlain, AllocKeepSize:
		if err = sys.Preallocate(f.file, off, n, keep); errors.Is(err, ErrUnsupported) && !keep && end > info.Size {
			err = f.file.Truncate(end) // room is not promised, the size is
		} else if errors.Is(err, ErrUnsupported) && (keep || end <= info.Size) {
			err = nil
		}
	}
	if err != nil {
		if !f.complete.Load() {
			f.ext.Remove(info.Size, maxOffset)
		}
		return err
	}
	if f.complete.Load() {
		return nil
	}
	if what != AllocPlain && off < info.Size {
		if err := f.own(off, min(end, info.Size)); err != nil {
			return err
		}
	}
	if now, err := f.statLocked(); err == nil {
		f.checkComplete(now.Size)
	}
	return nil
}

// punch makes [off, end) a hole, or zeros where the disk knows no holes.
func (f *File) punch(off, end int64) error {
	if end <= off {
		return nil
	}
	if err := sys.Punch(f.file, off, end-off); !errors.Is(err, ErrUnsupported) {
		return err
	}
	zeros := make([]byte, min(end-off, bufferSize))
	for off < end {
		k, err := f.file.WriteAt(zeros[:min(end-off, int64(len(zeros)))], off)
		if err != nil {
			return err
		}
		off += int64(k)
	}
	return nil
}

// zero makes [off, end) zeros, with blocks where the disk can.
func (f *File) zero(off, end, size int64, keep bool) error {
	if err := sys.Zero(f.file, off, end-off, keep); !errors.Is(err, ErrUnsupported) {
		return err
	}
	if err := f.punch(off, min(end, size)); err != nil {
		return err
	}
	if !keep && end > size {
		if err := f.file.Truncate(end); err != nil {
			return err
		}
	}
	if err := sys.Preallocate(f.file, off, end-off, true); !errors.Is(err, ErrUnsupported) {
		return err
	}
	return nil
}

// SeekData tells where the first byte of data at or behind off is: what is missing counts as data. ErrNoData where there
// is none before the end.
func (f *File) SeekData(off int64) (int64, error) {
	return f.seek("seek data", off, func(r Extent, here bool) (int64, bool, error) {
		if !here {
			return r.Off, true, nil
		}
		at, err := sys.SeekData(f.file, r.Off)
		if errors.Is(err, ErrNoData) {
			return 0, false, nil
		}
		if errors.Is(err, ErrUnsupported) {
			return r.Off, true, nil
		}
		return at, at < r.End, err
	})
}

// SeekHole tells where the first hole at or behind off begins; the end of the content counts as one.
func (f *File) SeekHole(off int64) (int64, error) {
	at, err := f.seek("seek hole", off, func(r Extent, here bool) (int64, bool, error) {
		if !here {
			return 0, false, nil
		}
		at, err := sys.SeekHole(f.file, r.Off)
		if errors.Is(err, ErrUnsupported) {
			return 0, false, nil
		}
		return at, at < r.End, err
	})
	if errors.Is(err, ErrNoData) {
		if size := f.Size(); off < size {
			return size, nil
		}
	}
	return at, err
}

// seek goes through the ranges behind off, those that are here and those that are not, until look has found its offset.
func (f *File) seek(op string, off int64, look func(r Extent, here bool) (int64, bool, error)) (int64, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	info, err := f.statLocked()
	if err != nil {
		return 0, f.wrap(op, err)
	}
	for off >= 0 && off < info.Size {
		r, here := Extent{off, info.Size}, true
		if !f.complete.Load() {
			if miss, ok := f.ext.FirstMissing(off, info.Size); ok && miss.Off == off {
				r, here = miss, false
			} else if ok {
				r.End = miss.Off
			}
		}
		at, ok, err := look(r, here)
		if err != nil {
			return 0, f.wrap(op, err)
		}
		if ok {
			return at, nil
		}
		off = r.End
	}
	return 0, f.wrap(op, ErrNoData)
}
