package writeback

import (
	"slices"
	"time"
)

// OpStatus is one op as status shows it.
type OpStatus struct {
	Key     Key
	State   State
	First   time.Time // oldest unsent change
	Attempt int       // failures in a row
	Next    time.Time // earliest start; zero: running, blocked, or at its turn
	Err     error     // of the last failure; nil: none
}

// Status is the whole queue at one instant.
type Status struct {
	Online      bool
	Limit       int       // ops at a time now
	PausedUntil time.Time // by the service's word; zero or past: not paused
	Counts      map[State]int
	Ops         []OpStatus // oldest first
}

// Snapshot tells how the queue stands. It costs time in proportion to what is queued.
func (q *Queue) Snapshot() Status {
	q.mu.Lock()
	s := Status{
		Online: q.online, Limit: int(q.limit), PausedUntil: q.pausedUntil,
		Counts: map[State]int{}, Ops: make([]OpStatus, 0, len(q.ops)),
	}
	for _, o := range q.ops {
		s.Counts[o.state]++
		s.Ops = append(s.Ops, o.status())
	}
	q.mu.Unlock()
	slices.SortFunc(s.Ops, func(a, b OpStatus) int {
		if c := a.First.Compare(b.First); c != 0 {
			return c
		}
		if a.Key < b.Key {
			return -1
		}
		return 1
	})
	return s
}

// Op tells how one op stands; false: it is not queued.
func (q *Queue) Op(key Key) (OpStatus, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	o := q.ops[key]
	if o == nil {
		return OpStatus{}, false
	}
	return o.status(), true
}

// Len is the number of queued ops.
func (q *Queue) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.ops)
}

// Online tells whether the service is taken to be reachable.
func (q *Queue) Online() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.online
}

func (o *op) status() OpStatus {
	s := OpStatus{Key: o.Key, State: o.state, First: o.First, Attempt: o.attempt, Err: o.lastErr}
	switch o.state {
	case Waiting, BackingOff, Failed:
		s.Next = o.due
	case Ready, Blocked, Running:
	}
	return s
}
