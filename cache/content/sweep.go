package content

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"dropfs/cache/content/sys"
)

// Flags is what the index says of a content at start.
type Flags struct {
	Dirty  bool
	Pinned bool
	Cold   bool // no byte of it is here: what a crash left of it goes
}

// Sweep reads the directory, once, after Open. For each file known tells what the index has, called without locks; files
// that the index does not know go, and so do those it says are cold. Until Sweep has seen a file it counts
// neither for the capacity nor for eviction. Content opened since Open is not touched, so Sweep may run beside other use.
func (s *Store) Sweep(known func(ID) (Flags, bool)) error {
	shards, err := os.ReadDir(s.cfg.Dir)
	if err != nil {
		return fmt.Errorf("content: sweep: %w", err)
	}
	var errs []error
	for _, d := range shards {
		if !d.IsDir() || len(d.Name()) != 2 {
			continue
		}
		errs = append(errs, s.sweepShard(d.Name(), known))
	}
	s.mu.Lock()
	s.seedLocked()
	s.mu.Unlock()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("content: sweep: %w", err)
	}
	return nil
}

func (s *Store) sweepShard(name string, known func(ID) (Flags, bool)) error {
	files, err := os.ReadDir(filepath.Join(s.cfg.Dir, name))
	if err != nil {
		return err
	}
	var errs []error
	for _, d := range files {
		base, isLog := strings.CutSuffix(strings.TrimSuffix(d.Name(), newSuffix), logSuffix)
		u, err := strconv.ParseUint(base, 16, 64)
		id := ID(u)
		if err != nil || shard(id) != name {
			continue // not ours: left alone
		}
		s.mu.Lock()
		e := s.entries[id]
		s.mu.Unlock()
		if e.inUse() || (e != nil && !isLog) {
			continue
		}
		flags, ok := known(id)
		if isLog {
			if !ok || !flags.Dirty || strings.HasSuffix(d.Name(), newSuffix) {
				errs = append(errs, s.dropUnused(id, d.Name()))
			}
			continue
		}
		if !ok || (flags.Cold && !flags.Dirty) {
			errs = append(errs, s.dropUnused(id, d.Name()))
			continue
		}
		info, err := d.Info()
		if err != nil {
			continue // gone meanwhile
		}
		s.count(id, sys.Allocated(info), flags)
	}
	return errors.Join(errs...)
}

// inUse tells whether the content was opened since Open; e may be nil.
func (e *entry) inUse() bool { return e != nil && (e.known || e.file != nil) }

// dropUnused removes a file of id, unless the content came into use meanwhile.
func (s *Store) dropUnused(id ID, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock() // held over the unlink: a Create must not come between
	if s.entries[id].inUse() {
		return nil
	}
	return removeIfThere(filepath.Join(s.dirOf(id), name))
}

// count enters a file found on the disk.
func (s *Store) count(id ID, alloc int64, flags Flags) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.entries[id] != nil {
		return
	}
	e := s.entryLocked(id)
	e.flags = true
	s.chargeLocked(e, alloc, flags.Dirty, flags.Pinned)
}

// Recency lists all content that may be evicted, oldest first, then what is open, dirty or pinned: what Seed takes at
// the next start.
func (s *Store) Recency() []ID {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := s.idle.Keys()
	var rest []ID
	for id := range s.entries {
		if !s.idle.Contains(id) {
			rest = append(rest, id)
		}
	}
	slices.Sort(rest) // ids grow with time
	return append(ids, rest...)
}

// Seed sets the order of eviction, oldest first, as Recency gave it. Content that is not in ids counts as older than all
// that is. It may be called before or after Sweep.
func (s *Store) Seed(ids []ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seed = slices.Clone(ids)
	s.seedLocked()
}

func (s *Store) seedLocked() {
	for _, id := range s.seed {
		s.idle.Get(id) // makes it the newest
	}
	if len(s.entries) > 0 {
		s.seed = nil
	}
}

// Touch makes the content the last to be evicted.
func (s *Store) Touch(id ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle.Get(id)
}

// Pin sets whether the content, open or not, may be evicted. The caller has recorded it in the index.
func (s *Store) Pin(id ID, on bool) {
	s.mu.Lock()
	e := s.entries[id]
	if e == nil {
		s.mu.Unlock()
		return
	}
	if e.file != nil {
		e.file.pinned.Store(on)
	}
	s.chargeLocked(e, e.alloc, e.dirty, on)
	s.roomLocked()
	s.mu.Unlock()
}
