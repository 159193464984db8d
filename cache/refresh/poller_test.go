package refresh

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"dropfs/remote"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// polls runs a Poller in the test's bubble and records the fetches of each drop.
type polls struct {
	*Poller
	t0 time.Time

	mu     sync.Mutex
	at     map[int64][]time.Duration
	active map[int64]bool
	peak   int
	twice  bool
	took   time.Duration
	err    error
}

func newPolls(t *testing.T, cfg PollConfig) *polls {
	p := &polls{t0: time.Now(), at: map[int64][]time.Duration{}, active: map[int64]bool{}}
	cfg.Fetch = p.fetch
	p.Poller = NewPoller(cfg)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil || p.twice {
			t.Errorf("run: %v; M7 broken: %v", err, p.twice)
		}
	})
	return p
}

func (p *polls) fetch(ctx context.Context, drop int64) error {
	p.mu.Lock()
	p.twice = p.twice || p.active[drop]
	p.active[drop] = true
	p.peak = max(p.peak, len(p.active))
	p.at[drop] = append(p.at[drop], time.Since(p.t0))
	took, err := p.took, p.err
	p.mu.Unlock()
	select {
	case <-time.After(took):
	case <-ctx.Done():
		err = ctx.Err()
	}
	p.mu.Lock()
	delete(p.active, drop)
	p.mu.Unlock()
	return err
}

func (p *polls) count(drop int64) int {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.at[drop])
}

// gaps checks that the waits between fetches are the given ones, up to a tenth later.
func (p *polls) gaps(t *testing.T, drop int64, want ...time.Duration) {
	t.Helper()
	p.count(drop)
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.at[drop]
	if len(at) <= len(want) {
		t.Fatalf("fetched at %v, want %d gaps", at, len(want))
	}
	for i, w := range want {
		if got := at[i+1] - at[i]; got < w || got > w+w/10 {
			t.Errorf("gap %d is %v, want about %v", i, got, w)
		}
	}
}

func TestIntervals(t *testing.T) {
	const s, m = time.Second, time.Minute
	t.Run("idle", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := newPolls(t, PollConfig{})
			p.Add(1)
			time.Sleep(30 * m)
			p.gaps(t, 1, 20*s, 40*s, 80*s, 160*s, 5*m, 5*m)
		})
	})
	t.Run("in use", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := newPolls(t, PollConfig{})
			p.Add(1)
			for range 600 {
				p.Use(1)
				time.Sleep(100 * time.Millisecond)
			}
			p.gaps(t, 1, 10*s, 10*s, 10*s, 10*s)
		})
	})
	t.Run("used again", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := newPolls(t, PollConfig{})
			p.Add(1)
			time.Sleep(20 * m)
			n := p.count(1)
			p.Use(1)
			if p.count(1) != n+1 {
				t.Errorf("%d fetches at once on use after a long rest", p.count(1)-n)
			}
			time.Sleep(12 * s)
			if p.count(1) != n+2 {
				t.Errorf("%d fetches within twelve seconds", p.count(1)-n)
			}
		})
	})
	t.Run("failing", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := newPolls(t, PollConfig{})
			p.err = &remote.Error{Kind: remote.ErrRateLimited, RetryAfter: m}
			p.Add(1)
			time.Sleep(10 * m)
			p.gaps(t, 1, m, m, 80*s, 160*s)
		})
	})
	t.Run("feed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := newPolls(t, PollConfig{})
			p.SetFeed(true)
			p.Add(1)
			time.Sleep(35 * m)
			p.gaps(t, 1, 10*m, 10*m)
			n := p.count(1)
			p.SetFeed(false)
			if time.Sleep(11 * s); p.count(1) == n {
				t.Error("no poll after the feed ended")
			}
		})
	})
	t.Run("offline", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := newPolls(t, PollConfig{})
			p.SetOnline(false)
			p.Add(1)
			time.Sleep(m)
			if n := p.count(1); n != 0 {
				t.Errorf("%d polls offline", n)
			}
			if err := p.RefreshNow(t.Context(), 1); err != nil {
				t.Error(err)
			}
			time.Sleep(m)
			p.SetOnline(true)
			if n := p.count(1); n != 2 {
				t.Errorf("%d fetches, want the one asked for and one on coming back", n)
			}
		})
	})
}

func TestBudgetAndParallel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPolls(t, PollConfig{PerMinute: 30, Parallel: 3})
		p.took = time.Second
		for d := range int64(100) {
			p.Add(d + 1)
		}
		time.Sleep(30 * time.Minute)
		total, least := 0, 1000
		for d := range int64(100) {
			n := p.count(d + 1)
			total, least = total+n, min(least, n)
		}
		if total > 30*30+5 || total < 30*15 || p.peak > 3 || least < 3 {
			t.Errorf("%d fetches, peak %d, least %d a drop", total, p.peak, least)
		}
	})
}

func TestM7RefreshNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPolls(t, PollConfig{})
		p.took = 4 * time.Second
		p.Add(1)
		time.Sleep(time.Second) // the first is under way until 4 s
		var wg sync.WaitGroup
		check := func(wait func(context.Context, int64) error, end time.Duration) {
			wg.Go(func() {
				if err := wait(t.Context(), 1); err != nil || time.Since(p.t0) != end {
					t.Errorf("returned %v after %v, want nil after %v", err, time.Since(p.t0), end)
				}
			})
		}
		for range 10 {
			check(p.Join, 4*time.Second)
			check(p.RefreshNow, 8*time.Second)
		}
		wg.Wait()
		if n := p.count(1); n != 2 {
			t.Errorf("%d fetches for twenty callers", n)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.RefreshNow(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("an impatient caller got %v", err)
		}
		wg.Go(func() {
			if err := p.Join(t.Context(), 1); !errors.Is(err, ErrNoDrop) {
				t.Errorf("removed meanwhile: %v", err)
			}
		})
		synctest.Wait()
		p.Remove(1)
		wg.Wait()
		if err := p.RefreshNow(t.Context(), 1); !errors.Is(err, ErrNoDrop) {
			t.Errorf("removed: %v", err)
		}
	})
}
