package content

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"dropfs/cache/content/sys"
)

const copyStep = 16 << 20 // bytes copied under one hold of the locks

// CopyRange copies n bytes at srcOff of f to dstOff of dst, inside the kernel where it can, sharing blocks where the disk
// can. It tells how many were copied: fewer at the end of f. The range must be here (ErrMissing), dst must be dirty, and
// within one content the ranges must not overlap.
func (f *File) CopyRange(ctx context.Context, dst *File, srcOff, dstOff, n int64) (int64, error) {
	if srcOff < 0 || dstOff < 0 || n < 0 || (f == dst && srcOff < dstOff+n && dstOff < srcOff+n) {
		return 0, f.wrap("copy range", os.ErrInvalid)
	}
	var done int64
	for done < n {
		if err := ctx.Err(); err != nil {
			return done, err
		}
		k, err := f.copyOnce(ctx, dst, srcOff+done, dstOff+done, min(n-done, copyStep))
		done += k
		if err != nil || k == 0 {
			return done, f.wrap("copy range", err)
		}
	}
	return done, nil
}

func (f *File) copyOnce(ctx context.Context, dst *File, srcOff, dstOff, n int64) (int64, error) {
	if n = min(n, f.Size()-srcOff); n <= 0 {
		return 0, nil
	}
	if !f.Present(srcOff, n) {
		return 0, ErrMissing
	}
	if !dst.dirty.Load() {
		return 0, ErrClean
	}
	need := dst.growth(dstOff, dstOff+n)
	if err := dst.s.Reserve(ctx, need); err != nil {
		return 0, err
	}
	defer lockBoth(f, dst)()
	dst.writes.Add(1)
	defer func() { dst.settle(need) }()
	info, err := dst.statLocked()
	if err != nil {
		return 0, err
	}
	if !dst.complete.Load() && dstOff > info.Size {
		if err := dst.own(info.Size, dstOff); err != nil {
			return 0, err
		}
	}
	k, err := copyBytes(dst.file, dstOff, f.file, srcOff, n)
	if !dst.complete.Load() && k > 0 {
		if oerr := dst.own(dstOff, dstOff+k); oerr != nil {
			return 0, oerr
		}
		dst.checkComplete(max(info.Size, dstOff+k))
	}
	return k, full(err)
}

// lockBoth holds src shared and dst exclusively, in the order of their ids so that two copies never wait for each other.
func lockBoth(src, dst *File) func() {
	switch {
	case src == dst:
		dst.mu.Lock()
		return dst.mu.Unlock
	case src.id < dst.id:
		src.mu.RLock()
		dst.mu.Lock()
	default:
		dst.mu.Lock()
		src.mu.RLock()
	}
	return func() {
		src.mu.RUnlock()
		dst.mu.Unlock()
	}
}

// copyBytes copies n bytes, fewer at the end of src.
func copyBytes(dst *os.File, dstOff int64, src *os.File, srcOff, n int64) (int64, error) {
	var done int64
	for done < n {
		k, err := sys.CopyRange(dst, dstOff+done, src, srcOff+done, int(min(n-done, 1<<30)))
		if errors.Is(err, ErrUnsupported) {
			m, err := io.Copy(io.NewOffsetWriter(dst, dstOff+done), io.NewSectionReader(src, srcOff+done, n-done))
			return done + m, err
		}
		done += int64(k)
		if err != nil || k == 0 {
			return done, err
		}
	}
	return done, nil
}

// Snapshot makes content id with the bytes, and the missing ranges, of f as they are at one instant between two writes,
// and opens it; dirty and pinned as f is. Where the disk can the two share their blocks, and the new one is then not
// charged: it takes disk only as f changes. Else the bytes are copied, with holes left holes, which needs room.
//
// Writes through a descriptor of Fd are not held back: the caller sees to those, by a lease.
func (f *File) Snapshot(ctx context.Context, id ID) (*File, error) {
	st := f.State()
	st.Dirty = true
	dup, err := f.s.make(id, State{Complete: true, Dirty: true})
	if err != nil {
		return nil, err
	}
	if err := f.cloneInto(ctx, dup); err != nil {
		dup.Release()
		return nil, errors.Join(fmt.Errorf("content %d: snapshot: %w", f.id, full(err)), f.s.Remove(id))
	}
	if !f.dirty.Load() {
		if err := dup.SetDirty(false); err != nil {
			dup.Release()
			return nil, errors.Join(err, f.s.Remove(id))
		}
	}
	if f.pinned.Load() {
		dup.SetPinned(true)
	}
	return dup, nil
}

// cloneInto makes dup, which is new and empty, what f is.
func (f *File) cloneInto(ctx context.Context, dup *File) error {
	dup.mu.Lock()
	defer dup.mu.Unlock()
	f.mu.Lock() // new contents have no other holder: no order to keep
	err := sys.Clone(dup.file, f.file)
	if err == nil {
		err = f.copyStateTo(dup)
		dup.shared = true
	}
	f.mu.Unlock()
	if errors.Is(err, ErrUnsupported) {
		err = f.copyInto(ctx, dup)
	}
	if err == nil {
		dup.settle(0)
	}
	return err
}

// copyStateTo takes over what is here.
func (f *File) copyStateTo(dup *File) error {
	if f.complete.Load() {
		return nil
	}
	dup.complete.Store(false)
	dup.ext = f.ext.Clone()
	return dup.startLog(&dup.ext)
}

// copyInto copies the bytes. It tries twice without holding writers back, then with.
func (f *File) copyInto(ctx context.Context, dup *File) error {
	for try := 0; ; try++ {
		f.mu.Lock()
		before, err := f.statLocked()
		writes := f.writes.Load()
		if err != nil {
			f.mu.Unlock()
			return err
		}
		hold := try == 2
		if !hold {
			f.mu.Unlock()
		}
		err = f.copyData(ctx, dup, before.Size)
		if !hold {
			f.mu.Lock()
		}
		after, serr := f.statLocked()
		same := hold || (writes == f.writes.Load() && before.Size == after.Size && before.Ctime.Equal(after.Ctime))
		if err == nil && serr == nil && same {
			serr = f.copyStateTo(dup)
		}
		f.mu.Unlock()
		if err != nil || serr != nil || same {
			return errors.Join(err, serr)
		}
		if err := dup.file.Truncate(0); err != nil {
			return err
		}
	}
}

// copyData copies the data of [0, size), leaving holes.
func (f *File) copyData(ctx context.Context, dup *File, size int64) error {
	if err := dup.file.Truncate(size); err != nil {
		return err
	}
	for off := int64(0); off < size; {
		from, err := sys.SeekData(f.file, off)
		if errors.Is(err, ErrNoData) {
			return nil
		}
		if errors.Is(err, ErrUnsupported) {
			from = off
		} else if err != nil {
			return err
		}
		to, err := sys.SeekHole(f.file, from)
		if err != nil || to <= from {
			to = size
		}
		to = min(to, size, from+copyStep)
		if from >= to {
			return nil
		}
		need := roundUp(to-from) + blockSize
		if err := dup.s.reserveNow(ctx, need); err != nil {
			return err
		}
		k, err := copyBytes(dup.file, from, f.file, from, to-from)
		dup.settle(need)
		if err != nil {
			return err
		}
		if k == 0 {
			return nil // it became shorter
		}
		off = from + k
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}
