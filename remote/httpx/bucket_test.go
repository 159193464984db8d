package httpx

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"dropfs/remote"
)

func TestBucketNeverExceedsItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(RateLimit{Events: 20, Per: time.Minute}, RateState{})
		var times []time.Time
		for range 60 {
			if err := b.acquire(t.Context(), Writer, time.Hour); err != nil {
				t.Fatal(err)
			}
			times = append(times, time.Now())
		}
		for i := range times {
			n := 0
			for _, at := range times[i:] {
				if at.Sub(times[i]) < time.Minute {
					n++
				}
			}
			if n > 20 {
				t.Errorf("%d requests in a minute", n)
			}
		}
		if took := times[59].Sub(times[0]); took > 6*time.Minute {
			t.Errorf("60 requests take %v", took)
		}
	})
}

func TestBucketPriorities(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(RateLimit{Events: 2, Per: 2 * time.Second}, RateState{})
		if err := b.acquire(t.Context(), Writer, time.Hour); err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var order []Priority
		var wg sync.WaitGroup
		for _, p := range []Priority{Poller, Writer, Poller, Reader, Writer, Reader} {
			wg.Go(func() {
				if err := b.acquire(t.Context(), p, time.Hour); err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				order = append(order, p)
			})
			synctest.Wait()
		}
		wg.Wait()
		want := []Priority{Reader, Reader, Writer, Writer, Poller, Poller}
		for i := range want {
			if order[i] != want[i] {
				t.Fatalf("order %v, want %v", order, want)
			}
		}
	})
}

func TestBucketWaitsAndGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(RateLimit{}, RateState{})
		b.refused(10 * time.Second)
		err := b.acquire(t.Context(), Reader, time.Second)
		if !errors.Is(err, remote.ErrRateLimited) || remote.RetryAfterOf(err) != 10*time.Second {
			t.Errorf("got %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if err := b.acquire(ctx, Reader, time.Minute); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		began := time.Now()
		if err := b.acquire(t.Context(), Reader, time.Minute); err != nil || time.Since(began) != 7*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		for i, want := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
			if got := b.refused(0); got != want {
				t.Errorf("refusal %d waits %v, want %v", i, got, want)
			}
		}
		b.served(http.Header{})
		if got := b.refused(0); got != time.Second {
			t.Errorf("after a success a refusal waits %v", got)
		}
	})
}

func TestBucketHonoursWhatIsAnnounced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct {
			name string
			h    http.Header
			want time.Duration
		}{
			{"left", http.Header{"Ratelimit-Remaining": {"5"}, "Ratelimit-Reset": {"30"}}, 0},
			{"none left", http.Header{"Ratelimit-Remaining": {"0"}, "Ratelimit-Reset": {"30"}}, 30 * time.Second},
			{"none left, an instant", http.Header{"X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {"946684830"}}, 30 * time.Second},
			{"nonsense", http.Header{"Ratelimit-Remaining": {"NaN"}, "Ratelimit-Reset": {"-1"}}, 0},
			{"absurd", http.Header{"Ratelimit-Remaining": {"0"}, "Ratelimit-Reset": {"4e8"}}, 24 * time.Hour},
		} {
			b := newBucket(RateLimit{}, RateState{})
			b.served(tt.h)
			b.mu.Lock()
			got := b.delayLocked(time.Now())
			b.mu.Unlock()
			if got != tt.want {
				t.Errorf("%s: waits %v, want %v", tt.name, got, tt.want)
			}
		}
	})
}

func TestBucketStateSurvives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit := RateLimit{Events: 10, Per: 10 * time.Second}
		b := newBucket(limit, RateState{})
		for range 5 {
			if err := b.acquire(t.Context(), Writer, 0); err != nil {
				t.Fatal(err)
			}
		}
		c := newBucket(limit, b.state())
		if err := c.acquire(t.Context(), Writer, 0); !errors.Is(err, remote.ErrRateLimited) {
			t.Errorf("a restart fills the bucket: %v", err)
		}
		s := b.state()
		time.Sleep(time.Minute)
		c = newBucket(limit, s)
		for range 5 {
			if err := c.acquire(t.Context(), Writer, 0); err != nil {
				t.Errorf("after a minute: %v", err)
			}
		}
	})
}

func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for in, want := range map[string]time.Duration{
			"": 0, "7": 7 * time.Second, "-7": 0, "x": 0, "1e9": 24 * time.Hour, "NaN": 0,
			time.Now().Add(time.Minute).UTC().Format(http.TimeFormat):  time.Minute,
			time.Now().Add(-time.Minute).UTC().Format(http.TimeFormat): 0,
		} {
			if got := retryAfter(http.Header{"Retry-After": {in}}); got != want {
				t.Errorf("%q: %v, want %v", in, got, want)
			}
		}
	})
}
