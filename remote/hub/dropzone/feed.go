package dropzone

import (
	"context"
	"sync"
	"time"

	"dropfs/remote/hub/store"
)

// Feed wakes those who follow the changes. It carries no changes: they read the table.
type Feed struct {
	mu   sync.Mutex
	wake chan struct{} // guarded by mu; closed and replaced by each Notify
	done chan struct{} // closed by Close
	once sync.Once
}

// NewFeed makes a Feed.
func NewFeed() *Feed { return &Feed{wake: make(chan struct{}), done: make(chan struct{})} }

// Notify wakes all followers.
func (f *Feed) Notify() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.wake)
	f.wake = make(chan struct{})
}

// Close ends all followers.
func (f *Feed) Close() { f.once.Do(func() { close(f.done) }) }

// next is closed by the next Notify.
func (f *Feed) next() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.wake
}

// Poll wakes the followers for changes that another process of the same database has made, until ctx ends.
func (f *Feed) Poll(ctx context.Context, s *store.Store, every time.Duration) {
	last := int64(-1)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if seq, err := s.LastSeq(ctx); err == nil && seq != last {
			last = seq
			f.Notify()
		}
	}
}
