package writeback

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// step is one call of a script; the script is drawn before it is played, for rapid must not be used inside a bubble.
type step struct {
	what  string
	key   Key
	after Key
	d     time.Duration
}

// world is what Do sees: how each try ends, and the changes that were and were not sent.
type world struct {
	mu        sync.Mutex
	q         *Queue
	results   []Verdict // of tries, in turn; then success
	took      []time.Duration
	tries     int
	active    map[Key]bool
	changed   map[Key]int // changes of a key, counted
	sent      map[Key]int // of those, how many its last successful try had seen
	live      map[Key]bool
	follows   map[Key][]Key
	online    bool
	offlineAt time.Time
	faults    []string
}

type failure struct{ v Verdict }

func (f failure) Error() string { return fmt.Sprintf("outcome %d", f.v.Outcome) }

func (w *world) faultf(format string, args ...any) {
	w.faults = append(w.faults, fmt.Sprintf(format, args...))
}

func (w *world) do(ctx context.Context, k Key) error {
	w.mu.Lock()
	if w.active[k] {
		w.faultf("W1: op %d runs twice", k)
	}
	for _, dep := range w.follows[k] {
		if w.live[dep] {
			w.faultf("W1: op %d starts before op %d has ended", k, dep)
		}
	}
	if !w.online && time.Now().After(w.offlineAt) { // at the same instant it may have been under way
		w.faultf("W6: op %d starts offline", k)
	}
	w.active[k] = true
	saw, n := w.changed[k], w.tries
	w.tries++
	var v *Verdict
	if n < len(w.results) {
		v = &w.results[n]
	}
	took := w.took[n%len(w.took)]
	w.mu.Unlock()
	var err error
	select {
	case <-time.After(took):
	case <-ctx.Done():
		err = ctx.Err()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.active, k)
	switch {
	case err != nil:
		return err
	case v != nil && v.Outcome != Gone:
		if v.Outcome == Offline {
			w.online, w.offlineAt = false, time.Now()
		}
		return failure{*v}
	}
	w.sent[k] = saw
	if w.changed[k] == saw {
		w.endLocked(k, nil)
	}
	if v != nil {
		return failure{*v}
	}
	return nil
}

// endLocked takes k out; what followed it follows heirs.
func (w *world) endLocked(k Key, heirs []Key) {
	delete(w.live, k)
	delete(w.follows, k)
	for next, deps := range w.follows {
		if i := slices.Index(deps, k); i >= 0 {
			w.follows[next] = append(slices.Delete(slices.Clone(deps), i, i+1), heirs...)
		}
	}
}

func (w *world) play(s step) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch s.what {
	case "add":
		isNew := !w.live[s.key]
		w.live[s.key] = true
		w.changed[s.key]++
		err := w.q.Add(Op{Key: s.key, NoQuiet: s.d == 0, NotBefore: time.Now().Add(s.d)}, s.after)
		if isNew && err == nil && w.live[s.after] && s.after != s.key {
			w.follows[s.key] = append(w.follows[s.key], s.after)
		}
	case "touch":
		if w.q.Touch(s.key, time.Now()) {
			w.changed[s.key]++
			w.live[s.key] = true
		}
	case "remove":
		w.q.Remove(s.key)
		w.changed[s.key] = w.sent[s.key]
		w.endLocked(s.key, w.follows[s.key])
	case "hold":
		w.q.Hold(s.key, time.Now().Add(s.d))
	case "kick":
		w.q.Kick(s.key)
	case "offline":
		w.online, w.offlineAt = false, time.Now()
		w.q.SetOnline(false)
	case "online":
		w.online = true
		w.q.SetOnline(true)
	}
}

// TestW2Model plays random scripts and checks that nothing runs twice, early or offline, that in the end every change
// was sent exactly as it last was, and that the queue sleeps when there is nothing to do.
func TestW2Model(t *testing.T) {
	whats := []string{"add", "add", "add", "touch", "touch", "remove", "hold", "kick", "offline", "online", "sleep", "sleep"}
	rapid.Check(t, func(rt *rapid.T) {
		script := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) step {
			return step{
				what:  rapid.SampledFrom(whats).Draw(rt, "what"),
				key:   rapid.Int64Range(1, 6).Draw(rt, "key"),
				after: rapid.Int64Range(1, 6).Draw(rt, "after"),
				d:     time.Duration(rapid.IntRange(0, 20).Draw(rt, "d")) * 500 * time.Millisecond,
			}
		}), 1, 60).Draw(rt, "script")
		results := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) Verdict {
			return Verdict{
				Outcome: Outcome(rapid.IntRange(int(Retry), int(Gone)).Draw(rt, "outcome")),
				After:   time.Duration(rapid.IntRange(0, 3).Draw(rt, "after")) * time.Second,
			}
		}), 0, 20).Draw(rt, "results")
		took := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) time.Duration {
			return time.Duration(rapid.IntRange(0, 30).Draw(rt, "took")) * 100 * time.Millisecond
		}), 1, 5).Draw(rt, "took")
		var faults []string
		synctest.Test(t, func(t *testing.T) { faults = playAll(t, script, results, took) })
		if len(faults) > 0 {
			slices.Sort(faults)
			rt.Fatalf("%q", faults)
		}
	})
}

func playAll(t *testing.T, script []step, results []Verdict, took []time.Duration) []string {
	w := &world{
		results: results, took: took, online: true, active: map[Key]bool{}, changed: map[Key]int{}, sent: map[Key]int{},
		live: map[Key]bool{}, follows: map[Key][]Key{},
	}
	w.q = New(Config{Do: w.do, MaxParallel: 3, Classify: func(err error) Verdict {
		if f, ok := err.(failure); ok { //nolint:errorlint // it comes straight from do
			return f.v
		}
		return Verdict{Outcome: Retry}
	}})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = w.q.Run(ctx) }()
	for _, s := range script {
		if s.what == "sleep" {
			time.Sleep(s.d)
			continue
		}
		// A call lands between two moves of the queue, so that the model's view and the queue's are of one instant.
		synctest.Wait()
		w.play(s)
	}
	for range len(results) + 1 { // each round uses up at least one failure
		synctest.Wait()
		w.play(step{what: "online"})
		time.Sleep(3 * time.Hour)
	}
	synctest.Wait()
	w.mu.Lock()
	for k, n := range w.changed {
		if w.sent[k] != n {
			w.faultf("W2: op %d: change %d of %d was sent", k, w.sent[k], n)
		}
	}
	w.mu.Unlock()
	if n := w.q.Len(); n != 0 {
		w.faultf("%d ops left: %+v", n, w.q.Snapshot())
	}
	cancel()
	<-done
	return w.faults
}
