package content

import (
	"errors"
	"fmt"
	"os"

	"dropfs/cache/content/sys"
)

// Create makes a new, empty, complete and dirty content and opens it. What a crash left under this id is overwritten.
func (s *Store) Create(id ID) (*File, error) {
	return s.make(id, State{Complete: true, Dirty: true})
}

// Cold makes a clean content of size bytes of which none is here, and opens it.
func (s *Store) Cold(id ID, size int64) (*File, error) {
	return s.make(id, State{Size: size})
}

func (s *Store) make(id ID, st State) (*File, error) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, ErrClosed
	}
	if e := s.entries[id]; e != nil && (e.known || e.file != nil) {
		s.mu.Unlock()
		return nil, fmt.Errorf("%w: %d", ErrExists, id)
	}
	e := s.entryLocked(id)
	f := newFile(s, e, st)
	f.mu.Lock()
	s.attachLocked(e, f)
	s.mu.Unlock()

	return f, f.ready(f.openEmpty(st.Size))
}

// Open opens a content that the index knows. There is one *File for an id however often it is opened; each Open is ended
// by one Release. Where the store had the content in hand before, what it knows counts and st does not (C4).
//
// Clean content whose file is gone or has another size than st says is cold; dirty content whose file is gone is ErrLost.
func (s *Store) Open(id ID, st State) (*File, error) {
	for {
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			return nil, ErrClosed
		}
		e := s.entryLocked(id)
		if e.evicting {
			wait := s.evicting
			s.mu.Unlock()
			<-wait
			continue
		}
		if f := e.file; f != nil {
			f.refs++
			s.mu.Unlock()
			return f, f.opened()
		}
		if e.known {
			st.Complete, st.Extents = e.complete, e.ext
		}
		if e.flags {
			st.Dirty, st.Pinned = e.dirty, e.pinned
		}
		f := newFile(s, e, st)
		f.mu.Lock()
		s.attachLocked(e, f)
		s.mu.Unlock()
		return f, f.ready(f.openKnown(st))
	}
}

// entryLocked is the entry of id, made where there is none.
func (s *Store) entryLocked(id ID) *entry {
	e := s.entries[id]
	if e == nil {
		e = &entry{id: id}
		s.entries[id] = e
	}
	return e
}

// attachLocked makes f the open file of e.
func (s *Store) attachLocked(e *entry, f *File) {
	s.idle.Remove(e.id)
	f.knew, f.hadFlags = e.known, e.flags
	f.refs = 1
	e.file = f
	e.known, e.flags = true, true
	s.chargeLocked(e, e.alloc, f.dirty.Load(), f.pinned.Load())
}

// ready ends the opening of f, with f.mu held since before others could see it. It gives f up where err is not nil.
func (f *File) ready(err error) error {
	f.openErr = err
	if err == nil {
		f.settle(0)
	}
	f.mu.Unlock()
	if err == nil {
		return nil
	}
	f.Release()
	return fmt.Errorf("content %d: open: %w", f.id, err)
}

// opened waits until the one who opens f first is done and tells how that went.
func (f *File) opened() error {
	f.mu.RLock()
	err := f.openErr
	f.mu.RUnlock()
	if err != nil {
		f.Release()
		return fmt.Errorf("content %d: open: %w", f.id, err)
	}
	return nil
}

func (f *File) openEmpty(size int64) error {
	if !f.complete.Load() { // an old log of complete content says nothing new
		if err := removeIfThere(f.s.logPath(f.id)); err != nil {
			return err
		}
	}
	file, err := f.s.openFile(f.id, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return err
	}
	f.file, f.created = file, true
	if size > 0 {
		if err := file.Truncate(size); err != nil {
			return full(err)
		}
	}
	f.checkComplete(size)
	return nil
}

// openKnown opens the file of content that the index has in state st.
func (f *File) openKnown(st State) error {
	file, err := f.s.openFile(f.id, os.O_RDWR)
	switch {
	case errors.Is(err, os.ErrNotExist) && st.Dirty:
		return ErrLost
	case errors.Is(err, os.ErrNotExist):
		return f.openCold(st.Size)
	case err != nil:
		return err
	}
	f.file = file
	info, err := sys.Stat(file)
	if err != nil {
		return err
	}
	if !st.Dirty && (info.Size != st.Size || (!st.Complete && st.Extents.Empty() && info.Allocated > 0)) {
		return f.openCold(st.Size)
	}
	if st.Complete {
		return nil
	}
	f.ext = st.Extents.Clone()
	f.ext.Remove(info.Size, maxOffset)
	if st.Dirty {
		return f.openLog(info.Size)
	}
	f.checkComplete(info.Size)
	return removeIfThere(f.s.logPath(f.id))
}

func (f *File) openCold(size int64) error {
	if f.file != nil {
		if err := f.file.Close(); err != nil {
			return err
		}
		f.file = nil
	}
	f.complete.Store(false)
	f.ext = Extents{}
	return f.openEmpty(size)
}

// Release ends one Open, Create, Cold or Snapshot. Fetches that nobody can be waiting for any more are given up.
func (f *File) Release() {
	s := f.s
	s.mu.Lock()
	f.refs--
	if f.refs < 0 {
		s.mu.Unlock()
		panic("content C2: a file was released more often than opened")
	}
	last := f.refs == 0
	s.mu.Unlock()
	if last {
		f.abandon()
		f.detach()
	}
}

// detach closes f when neither a holder nor a fetch is left.
func (f *File) detach() {
	f.mu.Lock()
	s := f.s
	s.mu.Lock()
	e := f.entry
	if f.refs > 0 || len(f.chunks) > 0 || e.file != f {
		s.mu.Unlock()
		f.mu.Unlock()
		return
	}
	e.file = nil
	alloc := e.alloc
	if f.file != nil && !f.shared {
		if info, err := sys.Stat(f.file); err == nil {
			alloc = info.Allocated // bytes may have been written past us
		}
	}
	file, log := f.file, f.log
	f.file, f.log = nil, nil
	f.window.drop(s)
	switch {
	case f.openErr != nil:
		e.known, e.flags = f.knew, f.hadFlags // nothing was learned
		s.chargeLocked(e, alloc, e.dirty, e.pinned)
		if e.alloc == 0 && !e.known {
			delete(s.entries, e.id)
		}
	case e.removed:
		s.chargeLocked(e, 0, false, false)
	default:
		e.complete, e.ext = f.complete.Load(), f.ext
		s.chargeLocked(e, alloc, e.dirty, e.pinned)
	}
	s.roomLocked()
	s.mu.Unlock()
	f.mu.Unlock()

	for _, c := range []*os.File{file, log} {
		if c == nil {
			continue
		}
		if err := c.Close(); err != nil {
			s.log.WithError(err).WithField("op", "close content").Error("content file did not close well")
		}
	}
}

// Remove deletes the content. Those who have it open go on with it until they release it. An id that is not there is no
// error.
func (s *Store) Remove(id ID) error {
	for {
		s.mu.Lock()
		e := s.entries[id]
		if e == nil || !e.evicting {
			if e != nil {
				e.removed = true
				delete(s.entries, id)
				s.idle.Remove(id)
				if e.file == nil {
					s.chargeLocked(e, 0, false, false)
				}
			}
			s.mu.Unlock()
			break
		}
		wait := s.evicting
		s.mu.Unlock()
		<-wait
	}
	if err := s.unlink(id); err != nil {
		return fmt.Errorf("content %d: remove: %w", id, err)
	}
	s.madeRoom()
	return nil
}

// unlink removes the files of id from the disk.
func (s *Store) unlink(id ID) error {
	return errors.Join(removeIfThere(s.path(id)), removeIfThere(s.logPath(id)))
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
