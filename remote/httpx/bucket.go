package httpx

import (
	"context"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"dropfs/remote"
)

// RateLimit allows Events requests in any stretch of Per. The zero value allows all.
type RateLimit struct {
	Events int
	Per    time.Duration
}

// RateState is what a bucket holds at an instant.
type RateState struct {
	At      time.Time `json:"at,omitzero"`
	Tokens  float64   `json:"tokens"`
	Blocked time.Time `json:"blocked,omitzero"` // the service asked for no request before
}

// bucket lets requests go at the allowed rate: the highest priority first, within one priority in order of arrival.
type bucket struct {
	mu      sync.Mutex
	lim     *rate.Limiter // nil: no rate is set
	blocked time.Time
	penalty time.Duration // of the last 429 that named no time; doubles with the next
	queue   []*waiter     // by priority, then arrival
	timer   *time.Timer
}

type waiter struct {
	prio  Priority
	ready chan struct{}
}

// newBucket fills half of the allowance into the bucket and the other half through it, so that no stretch of Per sees more
// than Events.
func newBucket(l RateLimit, s RateState) *bucket {
	b := &bucket{blocked: s.Blocked}
	if l.Events <= 0 || l.Per <= 0 {
		return b
	}
	burst := max(l.Events/2, 1)
	b.lim = rate.NewLimiter(rate.Limit(float64(max(l.Events-burst, 1))/l.Per.Seconds()), burst)
	if now := time.Now(); !s.At.IsZero() && !s.At.After(now) {
		have := min(s.Tokens+now.Sub(s.At).Seconds()*float64(b.lim.Limit()), float64(burst))
		b.lim.AllowN(now, burst-int(max(have, 0)))
	}
	return b
}

func (b *bucket) state() RateState {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := RateState{At: time.Now(), Blocked: b.blocked}
	if b.lim != nil {
		s.Tokens = b.lim.TokensAt(s.At)
	}
	return s
}

// acquire waits for a turn, at most maxWait.
func (b *bucket) acquire(ctx context.Context, prio Priority, maxWait time.Duration) error {
	b.mu.Lock()
	d := b.delayLocked(time.Now())
	if d == 0 && len(b.queue) == 0 {
		b.takeLocked()
		b.mu.Unlock()
		return ctx.Err()
	}
	if d > maxWait {
		b.mu.Unlock()
		return &remote.Error{Kind: remote.ErrRateLimited, Message: "waiting for the rate limit", RetryAfter: d}
	}
	w := &waiter{prio: prio, ready: make(chan struct{})}
	i := slices.IndexFunc(b.queue, func(o *waiter) bool { return o.prio > prio })
	if i < 0 {
		i = len(b.queue)
	}
	b.queue = slices.Insert(b.queue, i, w)
	b.pumpLocked()
	b.mu.Unlock()
	t := time.NewTimer(maxWait)
	defer t.Stop()
	var err error
	select {
	case <-w.ready:
		return nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-t.C:
		err = &remote.Error{Kind: remote.ErrRateLimited, Message: "waiting for the rate limit", RetryAfter: maxWait}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := slices.Index(b.queue, w); i >= 0 {
		b.queue = slices.Delete(b.queue, i, i+1)
		b.pumpLocked()
	}
	return err
}

// pumpLocked lets go whom it may and sets the timer for the next.
func (b *bucket) pumpLocked() {
	for len(b.queue) > 0 {
		if d := b.delayLocked(time.Now()); d > 0 {
			if b.timer != nil {
				b.timer.Stop()
			}
			b.timer = time.AfterFunc(d, func() {
				b.mu.Lock()
				defer b.mu.Unlock()
				b.pumpLocked()
			})
			return
		}
		b.takeLocked()
		close(b.queue[0].ready)
		b.queue = b.queue[1:]
	}
	if b.timer != nil {
		b.timer.Stop()
		b.timer = nil
	}
}

func (b *bucket) delayLocked(now time.Time) time.Duration {
	if b.blocked.After(now) {
		return b.blocked.Sub(now)
	}
	if b.lim == nil {
		return 0
	}
	missing := 1 - b.lim.TokensAt(now)
	if missing <= 1e-9 {
		return 0
	}
	return max(time.Duration(missing/float64(b.lim.Limit())*float64(time.Second)), time.Microsecond)
}

func (b *bucket) takeLocked() {
	if b.lim != nil {
		b.lim.AllowN(time.Now(), 1)
	}
}

// refused notes a 429 that asks to wait for d and returns the wait; d 0: it names no time, and the wait doubles each time.
func (b *bucket) refused(d time.Duration) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if d <= 0 {
		b.penalty = min(max(2*b.penalty, time.Second), time.Minute)
		d = b.penalty
	}
	if until := time.Now().Add(d); until.After(b.blocked) {
		b.blocked = until
	}
	return d
}

// served notes an answer that is no refusal, and what it announces (RateLimit-Remaining, RateLimit-Reset and their X- forms).
// It returns the wait that has been asked for by it, 0 where none is.
func (b *bucket) served(h http.Header) time.Duration {
	remaining, okLeft := announced(h, "Remaining")
	reset, okReset := announced(h, "Reset")
	b.mu.Lock()
	defer b.mu.Unlock()
	b.penalty = 0
	if !okLeft {
		return 0
	}
	now := time.Now()
	if b.lim != nil {
		if over := int(b.lim.TokensAt(now) - remaining); over > 0 {
			b.lim.AllowN(now, over)
		}
	}
	if remaining >= 1 || !okReset {
		return 0
	}
	wait := time.Duration(min(reset, 86_400) * float64(time.Second))
	if reset > 5e8 { // an instant, not a length
		wait = min(time.Unix(int64(reset), 0).Sub(now), 24*time.Hour)
	}
	until := now.Add(wait)
	if !until.After(b.blocked) {
		return 0
	}
	b.blocked = until
	return wait
}

// announced reads one number of the RateLimit headers.
func announced(h http.Header, what string) (float64, bool) {
	for _, name := range []string{"RateLimit-" + what, "X-RateLimit-" + what} {
		text, _, _ := strings.Cut(h.Get(name), ";")
		text, _, _ = strings.Cut(text, ",")
		if v, err := strconv.ParseFloat(strings.TrimSpace(text), 64); err == nil && v >= 0 && !math.IsInf(v, 0) {
			return v, true
		}
	}
	return 0, false
}

// retryAfter reads a Retry-After header (RFC 9110 §10.2.3): seconds or a date, at most a day; 0 where there is none.
func retryAfter(h http.Header) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return 0
	}
	if s, err := strconv.ParseFloat(v, 64); err == nil && s >= 0 {
		return time.Duration(min(s, 86_400) * float64(time.Second))
	}
	if t, err := http.ParseTime(v); err == nil {
		return min(max(time.Until(t), 0), 24*time.Hour)
	}
	return 0
}
