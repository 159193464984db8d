package cloud

import (
	"slices"
	"sync"
	"time"
)

// budget counts what was begun within the last hour (C3).
type budget struct {
	per int // 0: any number

	mu    sync.Mutex
	begun []time.Time // in order
}

const window = time.Hour

func (b *budget) forgetLocked(now time.Time) {
	b.begun = slices.DeleteFunc(b.begun, func(t time.Time) bool { return now.Sub(t) >= window })
}

// take counts one more; ok is false where there is none left, and wait says for how long.
func (b *budget) take(now time.Time) (wait time.Duration, ok bool) {
	if b.per <= 0 {
		return 0, true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.forgetLocked(now)
	if len(b.begun) >= b.per {
		return window - now.Sub(b.begun[0]), false
	}
	b.begun = append(b.begun, now)
	return 0, true
}

// giveBack takes back what was counted at an instant and came to nothing.
func (b *budget) giveBack(at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := slices.IndexFunc(b.begun, at.Equal); i >= 0 {
		b.begun = slices.Delete(b.begun, i, i+1)
	}
}

func (b *budget) left(now time.Time) int {
	if b.per <= 0 {
		return -1
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.forgetLocked(now)
	return b.per - len(b.begun)
}
