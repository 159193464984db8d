package writeback

import (
	"fmt"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// Queue holds the ops of one account's journal. Make it with New; Run drains it. All methods may be called at the same
// time, before, during and after Run.
type Queue struct {
	cfg  Config
	wake chan struct{} // capacity 1: something changed that Run must look at

	mu          sync.Mutex
	ops         map[Key]*op
	lanes       map[int64]*op // the last op of each lane
	timed       *opHeap       // waiting, backing off and refused, by due
	ready       *opHeap       // by age
	added       uint64        // ops ever added
	running     int
	limit       float64 // ops at a time, 1 to cfg.MaxParallel
	cutAt       time.Time
	pausedUntil time.Time // W7
	online      bool
	suspect     bool // an op found the service unreachable: probe before anything starts
	probing     bool
	nextProbe   time.Time
	probeWait   backoff.ExponentialBackOff
	flip        chan struct{} // closed and renewed when online changes
}

// New makes an empty queue that is online. It starts nothing.
func New(cfg Config) *Queue {
	if cfg.Do == nil {
		panic("writeback: Config.Do is required")
	}
	cfg = cfg.withDefaults()
	return &Queue{
		cfg: cfg, wake: make(chan struct{}, 1),
		ops: map[Key]*op{}, lanes: map[int64]*op{},
		timed: &opHeap{less: byDue}, ready: &opHeap{less: byAge},
		limit: float64(cfg.MaxParallel), online: true, flip: make(chan struct{}),
	}
}

// Add queues an op behind the ops of its lane and behind those named by after. A key that is queued already is touched
// instead, its hold and its predecessors taken from the new Op; keys in after that are not queued are done. An error
// means that the op would follow itself; it is queued without that tie then.
func (q *Queue) Add(n Op, after ...Key) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	defer q.signal()
	now := q.cfg.Now()
	n.First, n.Last = clampTime(n.First, now), clampTime(n.Last, now)
	if n.Last.Before(n.First) {
		n.Last = n.First
	}
	o, known := q.ops[n.Key]
	if known {
		q.touchLocked(o, n.Last)
		o.NotBefore = n.NotBefore
	} else {
		o = &op{Op: n, before: map[*op]struct{}{}, behind: map[*op]struct{}{}, gen: 1, quietFrom: n.First}
		q.ops[n.Key] = o
		q.added++
		o.order = q.added
		if n.Lane != 0 {
			if last := q.lanes[n.Lane]; last != nil {
				tie(o, last)
			}
			q.lanes[n.Lane] = o
		}
	}
	err := q.afterLocked(o, after)
	q.placeLocked(o, q.cfg.Now())
	return err
}

// After makes the op key follow the ops named by after; it reports an error, and ties nothing, where key would follow
// itself. Keys that are not queued are done: nothing follows them. An op that runs already is not stopped.
func (q *Queue) After(key Key, after ...Key) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	o := q.ops[key]
	if o == nil {
		return nil
	}
	err := q.afterLocked(o, after)
	q.placeLocked(o, q.cfg.Now())
	q.signal()
	return err
}

func (q *Queue) afterLocked(o *op, after []Key) error {
	var err error
	for _, k := range after {
		dep := q.ops[k]
		if dep == nil {
			continue
		}
		if dep == o || follows(dep, o, map[*op]bool{}) {
			err = fmt.Errorf("op %d after op %d: it would follow itself", o.Key, k)
			continue
		}
		tie(o, dep)
		if o.kicked {
			q.kickLocked(dep)
		}
	}
	return err
}

// follows tells whether a follows b, at whatever distance.
func follows(a, b *op, seen map[*op]bool) bool {
	for dep := range a.before {
		if dep == b {
			return true
		}
		if !seen[dep] {
			seen[dep] = true
			if follows(dep, b, seen) {
				return true
			}
		}
	}
	return false
}

func tie(o, dep *op) {
	o.before[dep] = struct{}{}
	dep.behind[o] = struct{}{}
}

// Touch tells that the op's subject was changed at the instant at: its quiet time starts anew, within W5, a refusal is
// forgotten, and an op that runs will run once more (W3). It reports whether the key is queued; where it is not the
// caller adds it.
func (q *Queue) Touch(key Key, at time.Time) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	o := q.ops[key]
	if o == nil {
		return false
	}
	q.touchLocked(o, clampTime(at, q.cfg.Now()))
	q.placeLocked(o, q.cfg.Now())
	q.signal()
	return true
}

func (q *Queue) touchLocked(o *op, at time.Time) {
	if o.state == Running && !o.touchedSinceStart() {
		o.firstNew = at
	}
	o.gen++
	o.removed, o.hurried = false, false
	if at.After(o.Last) {
		o.Last = at
	}
	if o.state == Failed {
		o.state, o.retryAt, o.lastErr, o.attempt = Waiting, time.Time{}, nil, 0
		o.quietFrom = at
	}
}

// Hold keeps the op from starting before until; zero ends the hold. An op that runs is not stopped. It reports whether
// the key is queued.
func (q *Queue) Hold(key Key, until time.Time) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	o := q.ops[key]
	if o == nil {
		return false
	}
	o.NotBefore = until
	q.placeLocked(o, q.cfg.Now())
	q.signal()
	return true
}

// Remove takes the op out, whatever its state: its subject needs no sending any more. A running one is cancelled and
// goes when Do has returned, unless it is touched before that. What follows it follows what it followed.
func (q *Queue) Remove(key Key) {
	q.mu.Lock()
	defer q.mu.Unlock()
	o := q.ops[key]
	if o == nil {
		return
	}
	if o.state == Running {
		o.removed = true
		o.cancel()
		return
	}
	q.dropLocked(o)
	q.signal()
}

// Kick lets the ops named, and those that they follow, start without waiting for quiet times, holds, back-offs and
// refusals; without a key all of them. W7 still holds.
func (q *Queue) Kick(keys ...Key) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(keys) == 0 {
		for _, o := range q.ops {
			q.kickLocked(o)
		}
	}
	for _, k := range keys {
		if o := q.ops[k]; o != nil {
			q.kickLocked(o)
		}
	}
	q.signal()
}

func (q *Queue) kickLocked(o *op) {
	if o.kicked {
		return
	}
	o.kicked, o.hurried = true, true
	for dep := range o.before {
		q.kickLocked(dep)
	}
	if o.state == Failed {
		o.state = Waiting
	}
	q.placeLocked(o, q.cfg.Now())
}

// SetOnline tells the queue whether the service can be reached (W6).
func (q *Queue) SetOnline(online bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.setOnlineLocked(online)
	q.signal()
}

// Suspect tells the queue that a request found the service unreachable. It goes offline when a probe finds it so too:
// one answer that was lost is no outage. Without Config.Probe it goes offline at once.
func (q *Queue) Suspect() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.cfg.Probe == nil {
		q.setOnlineLocked(false)
	} else {
		q.suspect = q.online
	}
	q.signal()
}

// setOnlineLocked reports whether that is new. Coming back ends every back-off, for what failed may have failed
// because of the network alone.
func (q *Queue) setOnlineLocked(online bool) bool {
	q.suspect = false
	if q.online == online {
		return false
	}
	q.online = online
	close(q.flip)
	q.flip = make(chan struct{})
	if !online {
		q.probeWait = backoff.ExponentialBackOff{
			InitialInterval: q.cfg.ProbeEvery, Multiplier: 2, MaxInterval: 10 * q.cfg.ProbeEvery, RandomizationFactor: 0.1,
		}
		q.nextProbe = q.cfg.Now().Add(q.probeWait.NextBackOff())
		return true
	}
	for _, o := range q.ops {
		if o.state == BackingOff {
			o.retryAt = time.Time{}
			q.placeLocked(o, q.cfg.Now())
		}
	}
	return true
}

// signal makes Run look again.
func (q *Queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func clampTime(t, now time.Time) time.Time {
	if t.IsZero() || t.After(now) {
		return now
	}
	return t
}
