package d3

import (
	"context"
	"errors"
	"sync"
	"time"

	"dropfs/remote"
)

// maxMissing is how many answers in a row may say that a task is not there: right after its beginning it may be known at
// one of the service's machines only.
const maxMissing = 3

// Wait returns a task once it has ended, whatever it came to. It asks at once, and then in growing stretches, sooner when
// a webhook speaks of the task (B5, B6).
func (c *Client) Wait(ctx context.Context, id TaskID) (Task, error) {
	return c.Watch(ctx, id, func(Task) {})
}

// Watch is Wait that tells of each state on the way.
func (c *Client) Watch(ctx context.Context, id TaskID, told func(Task)) (Task, error) {
	woken, leave := c.waits.join(id)
	defer leave()
	answered, missing, delay := time.Now(), 0, c.cfg.PollFirst
	for {
		t, err := c.Status(ctx, id, "")
		pause := delay
		switch {
		case err == nil && t.State.Ended():
			return t, nil
		case err == nil:
			answered, missing = time.Now(), 0
			told(t)
		case ctx.Err() != nil:
			return Task{}, err
		case errors.Is(err, remote.ErrNotFound):
			if missing++; missing >= maxMissing {
				return Task{}, err
			}
		case remote.KindOf(err).Transient() && time.Since(answered) < c.cfg.PollGrace:
			pause = max(pause, remote.RetryAfterOf(err))
		default:
			return Task{}, err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
			delay = min(delay*3/2, c.cfg.PollMax)
		case <-woken:
			delay = c.cfg.PollFirst
		case <-ctx.Done():
			timer.Stop()
			return Task{}, &remote.Error{Kind: remote.ErrUnavailable, Op: "wait for task", Err: context.Cause(ctx)}
		}
		timer.Stop()
	}
}

// waits are those who wait for a task.
type waits struct {
	mu sync.Mutex
	by map[TaskID]map[chan struct{}]bool
}

func newWaits() *waits { return &waits{by: map[TaskID]map[chan struct{}]bool{}} }

// join begins to wait; the channel holds at most one word.
func (w *waits) join(id TaskID) (woken <-chan struct{}, leave func()) {
	ch := make(chan struct{}, 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.by[id] == nil {
		w.by[id] = map[chan struct{}]bool{}
	}
	w.by[id][ch] = true
	return ch, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if delete(w.by[id], ch); len(w.by[id]) == 0 {
			delete(w.by, id)
		}
	}
}

// wake tells who waits for a task.
func (w *waits) wake(id TaskID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for ch := range w.by[id] {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
}
