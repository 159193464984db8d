package writeback

import (
	"container/heap"
	"context"
	"time"
)

// Op is one row of the journal as the queue needs it.
type Op struct {
	Key Key
	// Lane ties ops together that must run one after the other in the order in which they were added: those of one
	// inode, say. 0: none.
	Lane int64
	// First and Last are the instants of the op's oldest and newest unsent change. Zero, or in the future: now.
	First, Last time.Time
	// NotBefore holds the op: a delete within its window, an unfinished file. Zero: not held.
	NotBefore time.Time
	// NoQuiet is for ops that nothing can rewrite: they wait for no quiet time.
	NoQuiet bool
}

// State is where an op stands.
type State int

// The states.
const (
	Waiting    State = iota // for its quiet time, or held
	Ready                   // for its turn, or for the service to come back
	Blocked                 // for an op that it follows
	BackingOff              // failed, tried again later
	Running
	Failed // refused by the service; tried again rarely, when changed, or on Kick
)

// String is the word that status shows.
func (s State) String() string {
	switch s {
	case Waiting:
		return "waiting"
	case Ready:
		return "ready"
	case Blocked:
		return "blocked"
	case BackingOff:
		return "backing off"
	case Running:
		return "running"
	case Failed:
		return "refused"
	default:
		return "unknown"
	}
}

// op is an Op with what the queue knows of it. All fields are guarded by Queue.mu.
type op struct {
	Op
	state State
	order uint64 // of adding

	before map[*op]struct{} // ops that it follows, still queued
	behind map[*op]struct{} // ops that follow it

	gen      uint64    // grows with each Touch
	startGen uint64    // gen when it was started last
	firstNew time.Time // the oldest change since it was started

	// quietFrom is where MaxQuiet begins: First, but after a refusal the change that may have cured it, so that a file
	// being rewritten is not tried at each write.
	quietFrom time.Time
	kicked    bool // quiet, hold and back-off are ignored until it starts
	hurried   bool // kicked, and neither done nor changed since: quiet and hold are ignored, also when it failed

	attempt    int
	retryAt    time.Time // own back-off
	serverTime time.Time // not before this, by the service's own word
	lastErr    error

	cancel  context.CancelFunc // while running
	removed bool               // while running: it goes when Do returns
	wants   []want

	heap *opHeap // the heap that it is in; nil: none
	pos  int
	due  time.Time // key of the timed heap
}

// touchedSinceStart tells whether the op has a change that its running Do may not have seen.
func (o *op) touchedSinceStart() bool { return o.gen != o.startGen }

// byAge is W4: the oldest unsent change first, then the journal's order.
func byAge(a, b *op) bool {
	if !a.First.Equal(b.First) {
		return a.First.Before(b.First)
	}
	return a.Key < b.Key
}

func byDue(a, b *op) bool {
	if !a.due.Equal(b.due) {
		return a.due.Before(b.due)
	}
	return a.Key < b.Key
}

// opHeap is a heap of ops that know their place in it; an op is in one heap at most.
type opHeap struct {
	ops  []*op
	less func(a, b *op) bool
}

func (h *opHeap) Len() int           { return len(h.ops) }
func (h *opHeap) Less(i, j int) bool { return h.less(h.ops[i], h.ops[j]) }
func (h *opHeap) Swap(i, j int) {
	h.ops[i], h.ops[j] = h.ops[j], h.ops[i]
	h.ops[i].pos, h.ops[j].pos = i, j
}

// Push implements heap.Interface.
func (h *opHeap) Push(x any) {
	o := x.(*op)
	o.heap, o.pos = h, len(h.ops)
	h.ops = append(h.ops, o)
}

// Pop implements heap.Interface.
func (h *opHeap) Pop() any {
	last := len(h.ops) - 1
	o := h.ops[last]
	h.ops[last] = nil
	h.ops = h.ops[:last]
	o.heap = nil
	return o
}

func (h *opHeap) first() *op {
	if len(h.ops) == 0 {
		return nil
	}
	return h.ops[0]
}

// leave takes o out of the heap that it is in, if any.
func (o *op) leave() {
	if o.heap != nil {
		heap.Remove(o.heap, o.pos)
	}
}
