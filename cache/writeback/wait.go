package writeback

import (
	"context"
	"fmt"
)

// want is one waiter's interest in an op: settled when a run that began at generation gen or later has succeeded.
type want struct {
	gen uint64
	w   *waiter
}

// waiter collects the outcomes of one Wait. Its fields are guarded by Queue.mu.
type waiter struct {
	open    map[*op]struct{}
	refused map[Key]error
	done    chan struct{} // closed when open is empty
}

// Wait returns when the ops named, as changed up to now, are done or refused; without keys all that are queued. Later
// changes of the same op are not waited for. refused holds the reason of each that was refused or follows one that was.
// err is the context's, or ErrOffline where failOffline is set and the queue is, or goes, offline; refused is filled as
// far as known then. It starts nothing: Kick first to go without quiet times.
func (q *Queue) Wait(ctx context.Context, failOffline bool, keys ...Key) (refused map[Key]error, err error) {
	w := q.register(keys)
	defer q.unregister(w)
	for {
		q.mu.Lock()
		online, flip := q.online, q.flip
		q.mu.Unlock()
		select {
		case <-w.done:
			return q.refusedOf(w), nil
		default:
		}
		if failOffline && !online {
			return q.refusedOf(w), ErrOffline
		}
		select {
		case <-w.done:
		case <-flip:
		case <-ctx.Done():
			return q.refusedOf(w), context.Cause(ctx)
		}
	}
}

func (q *Queue) register(keys []Key) *waiter {
	q.mu.Lock()
	defer q.mu.Unlock()
	w := &waiter{open: map[*op]struct{}{}, refused: map[Key]error{}, done: make(chan struct{})}
	join := func(o *op) {
		if reason := refusal(o, map[*op]bool{}); reason != nil {
			w.refused[o.Key] = reason
			return
		}
		if _, twice := w.open[o]; !twice {
			w.open[o] = struct{}{}
			o.wants = append(o.wants, want{gen: o.gen, w: w})
		}
	}
	if len(keys) == 0 {
		for _, o := range q.ops {
			join(o)
		}
	}
	for _, k := range keys {
		if o := q.ops[k]; o != nil {
			join(o)
		}
	}
	if len(w.open) == 0 {
		close(w.done)
	}
	return w
}

func (q *Queue) unregister(w *waiter) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for o := range w.open {
		kept := o.wants[:0]
		for _, n := range o.wants {
			if n.w != w {
				kept = append(kept, n)
			}
		}
		o.wants = kept
	}
	w.open = nil
}

func (q *Queue) refusedOf(w *waiter) map[Key]error {
	q.mu.Lock()
	defer q.mu.Unlock()
	got := make(map[Key]error, len(w.refused))
	for k, err := range w.refused {
		got[k] = err
	}
	return got
}

// refusal is why o cannot be done as things stand; nil: nothing known speaks against it.
func refusal(o *op, seen map[*op]bool) error {
	if o.state == Failed {
		return o.lastErr
	}
	for dep := range o.before {
		if seen[dep] {
			continue
		}
		seen[dep] = true
		if err := refusal(dep, seen); err != nil {
			return fmt.Errorf("waits for another change: %w", err)
		}
	}
	return nil
}

// settleLocked ends the waits of o that ask for generation gen or less; err nil: done, else refused.
func (q *Queue) settleLocked(o *op, gen uint64, err error) {
	kept := o.wants[:0]
	for _, n := range o.wants {
		if n.gen > gen {
			kept = append(kept, n)
			continue
		}
		if err != nil {
			n.w.refused[o.Key] = err
		}
		delete(n.w.open, o)
		if len(n.w.open) == 0 {
			close(n.w.done)
		}
	}
	o.wants = kept
}

// refuseLocked ends the waits for o and for all that follows it.
func (q *Queue) refuseLocked(o *op, err error) {
	q.settleLocked(o, o.gen, err)
	behind := fmt.Errorf("waits for another change: %w", err)
	seen := map[*op]bool{o: true}
	todo := []*op{o}
	for len(todo) > 0 {
		last := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for next := range last.behind {
			if !seen[next] {
				seen[next] = true
				q.settleLocked(next, next.gen, behind)
				todo = append(todo, next)
			}
		}
	}
}
