package content

import (
	"context"
	"fmt"
	"time"

	"dropfs/cache/content/sys"
)

const (
	blockSize  = 4 << 10
	evictBatch = 256                    // contents made cold in one transaction, at most
	diskAge    = 100 * time.Millisecond // for so long an answer of statfs is believed
)

// diskRoom is what statfs said last, less what was granted since.
type diskRoom struct {
	at   time.Time
	left int64 // above what is always left free
}

// chargeLocked makes alloc, dirty and pinned what is known of e, and keeps the sums and the eviction order right.
func (s *Store) chargeLocked(e *entry, alloc int64, dirty, pinned bool) {
	s.sum.Allocated += alloc - e.alloc
	s.sum.Dirty += part(dirty, alloc) - part(e.dirty, e.alloc)
	s.sum.Pinned += part(pinned, alloc) - part(e.pinned, e.alloc)
	e.alloc, e.dirty, e.pinned = alloc, dirty, pinned
	if e.evicting {
		return
	}
	switch may := e.flags && !dirty && !pinned && e.file == nil && !e.removed; {
	case !may:
		s.idle.Remove(e.id)
	case !s.idle.Contains(e.id):
		s.idle.Add(e.id, e)
	}
}

func part(counts bool, n int64) int64 {
	if counts {
		return n
	}
	return 0
}

// Reserve waits until n more bytes may be allocated and promises them to the caller, who ends the promise with Unreserve
// once what it allocated is charged. It makes room by eviction. Where that is not enough it waits for write-back to make
// dirty content clean, but not longer than Config.Wait nor than ctx, and then answers ErrFull or the error of ctx.
func (s *Store) Reserve(ctx context.Context, n int64) error {
	if n <= 0 {
		return nil
	}
	var deadline <-chan time.Time
	for {
		s.mu.Lock()
		room, starved := s.room, s.starved
		s.mu.Unlock()
		err := s.reserveNow(ctx, n)
		if err == nil || ctx.Err() != nil || starved || s.cfg.Wait < 0 || n > s.max {
			return err
		}
		if deadline == nil {
			t := time.NewTimer(s.cfg.Wait)
			defer t.Stop()
			deadline = t.C
		}
		select {
		case <-room:
		case <-ctx.Done():
			return ctx.Err()
		case <-s.ctx.Done():
			return ErrClosed
		case <-deadline:
			s.mu.Lock()
			s.starved = s.room == room // until room is made, further writers need not wait in vain
			s.mu.Unlock()
			return err
		}
	}
}

// reserveNow is Reserve without waiting for anything but an eviction.
func (s *Store) reserveNow(ctx context.Context, n int64) error {
	for tries := 0; ; tries++ {
		s.mu.Lock()
		short := s.shortLocked(n)
		if short <= 0 {
			s.reserved += n
			s.disk.left -= n
			s.mu.Unlock()
			return nil
		}
		if wait := s.evicting; wait != nil {
			s.mu.Unlock()
			select {
			case <-wait:
				tries--
				continue
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		freed, err := s.evictLocked(short) // unlocks
		if err == nil && freed > 0 && tries < 1000 {
			continue
		}
		if err != nil {
			return fmt.Errorf("%w: evict: %w", ErrFull, err)
		}
		return ErrFull
	}
}

// shortLocked is how many bytes must go before n more fit.
func (s *Store) shortLocked(n int64) int64 {
	short := s.sum.Allocated + s.reserved + n - s.max
	if now := time.Now(); s.disk.left < n || now.Sub(s.disk.at) > diskAge {
		_, free, err := sys.Space(s.cfg.Dir)
		if err != nil {
			free = n + s.keep // the disk itself will say when it is full
		}
		s.disk = diskRoom{at: now, left: free - s.keep - s.reserved}
	}
	return max(short, n-s.disk.left)
}

// Unreserve ends a promise of Reserve.
func (s *Store) Unreserve(n int64) {
	if n <= 0 {
		return
	}
	s.mu.Lock()
	s.reserved -= n
	if s.reserved < 0 {
		s.mu.Unlock()
		panic("content C5: more was given back than reserved")
	}
	s.roomLocked()
	s.mu.Unlock()
}

// roomLocked wakes those who wait for room.
func (s *Store) roomLocked() {
	s.starved = false
	close(s.room)
	s.room = make(chan struct{})
}

func (s *Store) madeRoom() {
	s.mu.Lock()
	s.disk.at = time.Time{}
	s.roomLocked()
	s.mu.Unlock()
}

// evictLocked takes the oldest content that may go, about need bytes, and tells how many went. It is called with mu held
// and returns without.
func (s *Store) evictLocked(need int64) (int64, error) {
	var victims []*entry
	var ids []ID
	var sum int64
	for sum < need && len(victims) < evictBatch {
		id, e, ok := s.idle.RemoveOldest()
		if !ok {
			break
		}
		e.evicting = true
		victims, ids = append(victims, e), append(ids, id)
		sum += e.alloc
	}
	if len(victims) == 0 {
		s.mu.Unlock()
		return 0, nil
	}
	done := make(chan struct{})
	s.evicting = done
	s.mu.Unlock()

	var err error
	if s.cfg.Evict != nil {
		err = s.cfg.Evict(ids)
	}
	gone := make([]bool, len(victims))
	for i, e := range victims {
		if err != nil {
			break
		}
		if uerr := s.unlink(e.id); uerr != nil {
			s.log.WithError(uerr).WithField("op", "evict").Warn("evicted content could not be removed")
			continue
		}
		gone[i] = true
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	var freed int64
	for i, e := range victims {
		e.evicting = false
		if err == nil {
			// The index says cold now: an Open with an older State must not make the bytes readable again (C4).
			e.known, e.complete, e.ext = true, false, Extents{}
		}
		if gone[i] {
			freed += e.alloc
			s.chargeLocked(e, 0, false, false)
			s.idle.Remove(e.id)
			delete(s.entries, e.id)
			continue
		}
		s.chargeLocked(e, e.alloc, e.dirty, e.pinned)
	}
	s.evicting = nil
	s.disk.at = time.Time{}
	close(done)
	s.roomLocked()
	return freed, err
}

// Prune evicts until at most target bytes are allocated, or nothing is left that may go.
func (s *Store) Prune(target int64) error {
	for {
		s.mu.Lock()
		if wait := s.evicting; wait != nil {
			s.mu.Unlock()
			<-wait
			continue
		}
		need := s.sum.Allocated - target
		if need <= 0 {
			s.mu.Unlock()
			return nil
		}
		freed, err := s.evictLocked(need) // unlocks
		if err != nil {
			return fmt.Errorf("content: prune: %w", err)
		}
		if freed == 0 {
			return nil
		}
	}
}
