package vfs

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"dropfs/cache"
)

// Refusal is an operation that was not allowed, and why: an errno cannot say it, `dropfs status` does.
type Refusal struct {
	Op     string    `json:"op"`
	Name   string    `json:"name"`
	Reason string    `json:"reason"`
	When   time.Time `json:"when"`
}

const refusalsKept = 16

// refusals keeps the last few.
type refusals struct {
	mu   sync.Mutex
	last []Refusal
}

func (r *refusals) add(x Refusal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = slices.DeleteFunc(r.last, func(y Refusal) bool { return y.Op == x.Op && y.Name == x.Name })
	r.last = append(r.last, x)
	if n := len(r.last) - refusalsKept; n > 0 {
		r.last = slices.Delete(r.last, 0, n)
	}
}

// Refusals returns the last operations that were not allowed, oldest first; one that was tried again is there once.
func (f *FS) Refusals() []Refusal {
	f.refused.mu.Lock()
	defer f.refused.mu.Unlock()
	return slices.Clone(f.refused.last)
}

// refuse keeps and logs why op is not allowed and returns it as cache.ErrPerm.
func (f *FS) refuse(op, name, reason string) error {
	f.refused.add(Refusal{Op: op, Name: name, Reason: reason, When: time.Now()})
	err := fmt.Errorf("%s %q: %s: %w", op, name, reason, cache.ErrPerm)
	f.log.WithField("op", op).WithField("path", name).WithError(err).Info("operation refused")
	return err
}
