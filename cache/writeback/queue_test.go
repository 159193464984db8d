package writeback

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"dropfs/remote"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	errLater    = &remote.Error{Kind: remote.ErrUnavailable, Op: "send", Status: 503}
	errDown     = &remote.Error{Kind: remote.ErrUnavailable, Op: "send"}
	errFull     = &remote.Error{Kind: remote.ErrQuota, Op: "start upload"}
	errTooOften = &remote.Error{Kind: remote.ErrRateLimited, Op: "start upload", RetryAfter: 20 * time.Second}
)

// event is one start of an op, at an offset from the test's beginning.
type event struct {
	key Key
	at  time.Duration
}

// bench runs a queue in the test's bubble and records what it starts.
type bench struct {
	*Queue
	t0 time.Time

	mu     sync.Mutex
	starts []event
	active map[Key]int
	peak   int
	do     func(ctx context.Context, key Key, attempt int) error
	tries  map[Key]int
	faults []string
}

func newBench(t *testing.T, cfg Config, do func(ctx context.Context, key Key, attempt int) error) *bench {
	b := &bench{t0: time.Now(), active: map[Key]int{}, tries: map[Key]int{}, do: do}
	cfg.Do = b.run
	b.Queue = New(cfg)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
		for _, f := range b.faults {
			t.Error(f)
		}
	})
	return b
}

func (b *bench) run(ctx context.Context, key Key) error {
	b.mu.Lock()
	b.starts = append(b.starts, event{key, time.Since(b.t0)})
	b.active[key]++
	if b.active[key] > 1 {
		b.faults = append(b.faults, fmt.Sprintf("W1: op %d runs twice at a time", key))
	}
	b.peak = max(b.peak, len(b.active))
	try := b.tries[key]
	b.tries[key]++
	do := b.do
	b.mu.Unlock()
	var err error
	if do != nil {
		err = do(ctx, key, try)
	}
	b.mu.Lock()
	delete(b.active, key)
	b.mu.Unlock()
	return err
}

func (b *bench) started() []event {
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.starts)
}

func (b *bench) keys() []Key {
	var ks []Key
	for _, e := range b.started() {
		ks = append(ks, e.key)
	}
	return ks
}

func (b *bench) add(t *testing.T, o Op, after ...Key) {
	t.Helper()
	if err := b.Add(o, after...); err != nil {
		t.Fatal(err)
	}
}

func wantKeys(t *testing.T, got []Key, want ...Key) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("started %v, want %v", got, want)
	}
}

// wantEvents compares starts; those of one instant are in no order, for each is seen by a goroutine of its own.
func wantEvents(t *testing.T, got []event, want ...event) {
	t.Helper()
	slices.SortFunc(got, func(a, b event) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.key, b.key)) })
	if !slices.Equal(got, want) {
		t.Fatalf("started %v, want %v", got, want)
	}
}

func sleepFor(_ Key, d time.Duration) func(context.Context, Key, int) error {
	return func(ctx context.Context, _ Key, _ int) error {
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func TestW4OldestFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Config{MaxParallel: 1}, sleepFor(0, time.Second))
		now := time.Now()
		for i, age := range []time.Duration{1, 5, 3, 4, 2} {
			at := now.Add(-age * time.Minute)
			b.add(t, Op{Key: Key(i + 1), First: at, Last: at})
			if i == 0 {
				synctest.Wait() // the first is started alone; the others queue behind it
			}
		}
		time.Sleep(time.Minute)
		wantKeys(t, b.keys(), 1, 2, 4, 3, 5)
	})
}

func TestQuiet(t *testing.T) {
	at := func(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
	for _, c := range []struct {
		name    string
		op      Op
		touches []time.Duration // instants of Touch
		want    []event
	}{
		{"a second after the only change", Op{Key: 1}, nil, []event{{1, at(1)}}},
		{"a second after the last change", Op{Key: 1}, []time.Duration{at(0.5), at(1.2)}, []event{{1, at(2.2)}}},
		{"W5: at latest after thirty", Op{Key: 1}, every(at(0.5), at(29.9)), []event{{1, at(30)}}},
		{"no quiet", Op{Key: 1, NoQuiet: true}, nil, []event{{1, 0}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, Config{}, nil)
				b.add(t, c.op)
				for _, d := range c.touches {
					time.Sleep(time.Until(b.t0.Add(d)))
					if !b.Touch(1, time.Now()) {
						t.Fatalf("op is not queued at %v", d)
					}
				}
				time.Sleep(time.Minute)
				wantEvents(t, b.started(), c.want...)
				if b.Touch(1, time.Now()) {
					t.Error("a done op is still queued")
				}
			})
		})
	}
}

func every(step, to time.Duration) []time.Duration {
	var ds []time.Duration
	for d := step; d <= to; d += step {
		ds = append(ds, d)
	}
	return ds
}

func TestHoldAndKick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Config{}, nil)
		window := b.t0.Add(10 * time.Second)
		b.add(t, Op{Key: 1, NoQuiet: true, NotBefore: window})
		b.add(t, Op{Key: 2, NoQuiet: true, NotBefore: window})
		b.add(t, Op{Key: 3, NoQuiet: true, NotBefore: window})
		b.Hold(3, b.t0.Add(time.Hour))
		time.Sleep(2 * time.Second)
		b.Kick(1)
		time.Sleep(20 * time.Second)
		b.Kick()
		wantEvents(t, b.started(), event{1, 2 * time.Second}, event{2, 10 * time.Second}, event{3, 22 * time.Second})
	})
}

func TestKickReachesWhatIsFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Config{}, nil)
		b.add(t, Op{Key: 1, NotBefore: b.t0.Add(time.Hour)})
		b.add(t, Op{Key: 2}, 1)
		b.Kick(2)
		wantEvents(t, b.started(), event{1, 0}, event{2, 0})
	})
}

func TestW3TouchedWhileRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Config{}, sleepFor(0, 5*time.Second))
		b.add(t, Op{Key: 1, NoQuiet: true})
		time.Sleep(2 * time.Second)
		b.Touch(1, time.Now())
		time.Sleep(time.Second)
		refused, err := b.Wait(t.Context(), false, 1)
		if len(refused) != 0 || err != nil {
			t.Fatalf("wait: %v, %v", refused, err)
		}
		if got := time.Since(b.t0); got != 10*time.Second {
			t.Errorf("wait for the later change returned after %v", got)
		}
		wantEvents(t, b.started(), event{1, 0}, event{1, 5 * time.Second})
	})
}

func TestWaitIsNotStarvedByRewriting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Config{}, sleepFor(0, 200*time.Millisecond))
		b.add(t, Op{Key: 1})
		stop := make(chan struct{})
		go func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(50 * time.Millisecond):
					b.Touch(1, time.Now())
				}
			}
		}()
		b.Kick(1)
		if _, err := b.Wait(t.Context(), false, 1); err != nil {
			t.Fatal(err)
		}
		if got := time.Since(b.t0); got > time.Second {
			t.Errorf("waited %v for a change that was sent long ago", got)
		}
		close(stop)
	})
}

func TestBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Config{}, func(context.Context, Key, int) error { return errLater })
		b.add(t, Op{Key: 1, NoQuiet: true})
		time.Sleep(2 * time.Hour)
		starts := b.started()
		if len(starts) < 20 {
			t.Fatalf("only %d tries in two hours", len(starts))
		}
		for i := 1; i < len(starts); i++ {
			gap := starts[i].at - starts[i-1].at
			ideal := min(time.Second<<min(i-1, 20), 5*time.Minute)
			if gap < max(time.Second, ideal*3/4) || gap > min(5*time.Minute, ideal*5/4) {
				t.Errorf("gap %d is %v, about %v expected", i, gap, ideal)
			}
		}
		s, _ := b.Op(1)
		if s.State != BackingOff || !errors.Is(s.Err, remote.ErrUnavailable) || s.Attempt != len(starts) || s.Next.IsZero() {
			t.Errorf("status %+v after %d tries", s, len(starts))
		}
	})
}

func TestW7RetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Config{MaxParallel: 8}, func(_ context.Context, k Key, try int) error {
			if k == 1 && try == 0 {
				return errTooOften
			}
			return nil
		})
		b.add(t, Op{Key: 1, NoQuiet: true})
		synctest.Wait()
		if s := b.Snapshot(); s.Limit != 4 {
			t.Errorf("limit %d after one refusal, want 4", s.Limit)
		}
		b.add(t, Op{Key: 2, NoQuiet: true})
		b.Kick()
		time.Sleep(time.Minute)
		wantEvents(t, b.started(), event{1, 0}, event{1, 20 * time.Second}, event{2, 20 * time.Second})
	})
}

func TestLimitFallsAndGrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var free atomic.Bool
		b := newBench(t, Config{MaxParallel: 8}, nil)
		b.do = func(context.Context, Key, int) error {
			time.Sleep(2 * time.Second)
			if !free.Load() {
				return &remote.Error{Kind: remote.ErrRateLimited, Op: "x"}
			}
			return nil
		}
		for k := range Key(200) {
			b.add(t, Op{Key: k + 1, NoQuiet: true})
		}
		time.Sleep(61 * time.Second)
		if s := b.Snapshot(); s.Limit != 1 || s.Counts[Running] != 1 {
			t.Errorf("limit %d, running %d under refusals, want 1 and 1", s.Limit, s.Counts[Running])
		}
		free.Store(true)
		b.mu.Lock()
		b.peak = 0
		b.mu.Unlock()
		if _, err := b.Wait(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		if b.peak != 8 {
			t.Errorf("peak %d of 8 once the service takes everything", b.peak)
		}
	})
}

func TestRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var room atomic.Bool
		b := newBench(t, Config{}, func(context.Context, Key, int) error {
			if !room.Load() {
				return errFull
			}
			return nil
		})
		b.add(t, Op{Key: 1})
		b.add(t, Op{Key: 2, NoQuiet: true}, 1)
		refused, err := b.Wait(t.Context(), false)
		if err != nil || !errors.Is(refused[1], remote.ErrQuota) || !errors.Is(refused[2], remote.ErrQuota) {
			t.Fatalf("wait: %v, %v", refused, err)
		}
		if s := b.Snapshot(); s.Counts[Failed] != 1 || s.Counts[Blocked] != 1 || !errors.Is(s.Ops[0].Err, remote.ErrQuota) {
			t.Errorf("snapshot %+v", s)
		}
		if refused, _ = b.Wait(t.Context(), false, 2); len(refused) != 1 {
			t.Errorf("a second wait knows of no refusal: %v", refused)
		}
		time.Sleep(90 * time.Minute) // the hourly retry
		b.Touch(1, time.Now())       // a change, with its quiet second
		time.Sleep(2 * time.Second)
		b.Kick(1)
		wantEvents(t, b.started(), event{1, time.Second}, event{1, time.Hour + time.Second},
			event{1, 90*time.Minute + 2*time.Second}, event{1, 90*time.Minute + 3*time.Second})
		room.Store(true)
		b.Kick(1)
		if refused, err = b.Wait(t.Context(), false); err != nil || len(refused) != 0 || b.Len() != 0 {
			t.Errorf("after room was made: %v, %v, %d left", refused, err, b.Len())
		}
	})
}

func TestW6OfflineWithoutProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var up atomic.Bool
		b := newBench(t, Config{MaxParallel: 1}, func(context.Context, Key, int) error {
			if !up.Load() {
				return errDown
			}
			return nil
		})
		for k := range Key(5) {
			b.add(t, Op{Key: k + 1, NoQuiet: true})
			time.Sleep(time.Millisecond)
		}
		if _, err := b.Wait(t.Context(), true); !errors.Is(err, ErrOffline) {
			t.Fatalf("wait: %v", err)
		}
		time.Sleep(time.Hour)
		wantKeys(t, b.keys(), 1)
		up.Store(true)
		b.SetOnline(true)
		wantKeys(t, b.keys(), 1, 1, 2, 3, 4, 5)
		if at := b.started()[5].at; at > time.Hour+10*time.Millisecond {
			t.Errorf("the last one started %v after the beginning", at)
		}
	})
}

func TestW6Probe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		down, probes, flips := true, 0, []bool{}
		cfg := Config{
			Probe: func(context.Context) error {
				mu.Lock()
				defer mu.Unlock()
				probes++
				if down {
					return errDown
				}
				return nil
			},
			OnOnline: func(on bool) { mu.Lock(); defer mu.Unlock(); flips = append(flips, on) },
		}
		b := newBench(t, cfg, func(_ context.Context, k Key, try int) error {
			mu.Lock()
			defer mu.Unlock()
			if down || k == 9 && try == 0 {
				return errDown
			}
			return nil
		})
		b.add(t, Op{Key: 1, NoQuiet: true})
		synctest.Wait()
		if b.Online() {
			t.Fatal("online after a failed probe")
		}
		time.Sleep(10 * time.Minute)
		mu.Lock()
		if probes < 10 || probes > 40 {
			t.Errorf("%d probes in ten minutes", probes)
		}
		down = false
		mu.Unlock()
		time.Sleep(time.Minute)
		if !b.Online() || b.Len() != 0 {
			t.Fatalf("online %v, %d left, after the service came back", b.Online(), b.Len())
		}
		b.add(t, Op{Key: 9, NoQuiet: true})
		time.Sleep(time.Minute)
		if !b.Online() || b.Len() != 0 {
			t.Errorf("one op's trouble: online %v, %d left", b.Online(), b.Len())
		}
		if !slices.Equal(flips, []bool{false, true}) {
			t.Errorf("told of %v", flips)
		}
	})
}

func TestW1LanesAndTies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Config{}, sleepFor(0, time.Second))
		b.add(t, Op{Key: 1, Lane: 7, NoQuiet: true})
		b.add(t, Op{Key: 2, Lane: 7, NoQuiet: true})
		b.add(t, Op{Key: 3, Lane: 7, NoQuiet: true})
		b.add(t, Op{Key: 4, NoQuiet: true}, 3)
		b.Remove(2) // 3 follows 1 now
		if err := b.After(1, 4); err == nil {
			t.Error("an op follows itself")
		}
		b.add(t, Op{Key: 5, NoQuiet: true}, 99)
		time.Sleep(time.Minute)
		wantEvents(t, b.started(), event{1, 0}, event{5, 0}, event{3, time.Second}, event{4, 2 * time.Second})
	})
}

func TestRemoveRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Config{}, sleepFor(0, time.Hour))
		b.add(t, Op{Key: 1, Lane: 1, NoQuiet: true})
		b.add(t, Op{Key: 2, Lane: 1, NoQuiet: true})
		synctest.Wait()
		b.Remove(1)
		wantEvents(t, b.started(), event{1, 0}, event{2, 0})
		b.Remove(2)
		b.Touch(2, time.Now())
		synctest.Wait()
		if s, ok := b.Op(2); !ok || s.Attempt != 0 {
			t.Errorf("touched after its removal: queued %v, %+v", ok, s)
		}
		time.Sleep(2 * time.Hour)
		if b.Len() != 0 {
			t.Error("not done in the end")
		}
	})
}

func TestRunEndsAfterItsOps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := false
		q := New(Config{Do: func(ctx context.Context, _ Key) error {
			<-ctx.Done()
			time.Sleep(time.Second)
			ended = true
			return ctx.Err()
		}})
		if err := q.Add(Op{Key: 1, NoQuiet: true}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := q.Run(ctx); err != nil || !ended {
			t.Fatalf("run: %v, op ended %v", err, ended)
		}
		if s, ok := q.Op(1); !ok || s.Attempt != 0 || s.State != Ready {
			t.Errorf("an op cut short is %+v, queued %v; want ready without a failure", s, ok)
		}
	})
}

func TestWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New(Config{Do: func(context.Context, Key) error { return nil }})
		if err := q.Add(Op{Key: 1}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := q.Wait(ctx, false); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("wait: %v", err)
		}
		if n := len(q.ops[1].wants); n != 0 {
			t.Errorf("%d wants left behind", n)
		}
	})
}

func TestClassify(t *testing.T) {
	for _, c := range []struct {
		err  error
		want Verdict
	}{
		{errDown, Verdict{Outcome: Offline}},
		{errLater, Verdict{Outcome: Retry}},
		{errFull, Verdict{Outcome: Refused}},
		{fmt.Errorf("upload: %w", errTooOften), Verdict{Throttled, 20 * time.Second}},
		{errors.New("disk full"), Verdict{Outcome: Retry}},
		{&remote.Error{Kind: remote.ErrExpiredURL}, Verdict{Outcome: Retry}},
		{&remote.Error{Kind: "new kind"}, Verdict{Outcome: Retry}},
	} {
		if got := Classify(c.err); got != c.want {
			t.Errorf("Classify(%v) = %+v, want %+v", c.err, got, c.want)
		}
	}
}

// TestSuspect: a request that failed elsewhere makes the queue offline only where a probe fails too.
func TestSuspect(t *testing.T) {
	for _, reachable := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			told := 0
			q := New(Config{
				Do: func(context.Context, Key) error { return nil },
				Probe: func(context.Context) error {
					if reachable {
						return nil
					}
					return errors.New("no answer")
				},
				OnOnline: func(bool) { told++ },
			})
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- q.Run(ctx) }()
			q.Suspect()
			synctest.Wait()
			if q.Online() != reachable || (told > 0) == reachable {
				t.Errorf("reachable %v: online %v, told %d times", reachable, q.Online(), told)
			}
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}
