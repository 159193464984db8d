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

// Wait returns a task once it has ended, whatever it came to. It asks at once, and then in growing stretches; a webhook ends
// them (B5, B6).
func (c *Client) Wait(ctx context.Context, id TaskID) (Task, error) {
	return c.Watch(ctx, id, func(Task) {})
}

// Watch is Wait that tells of each state on the way.
func (c *Client) Watch(ctx context.Context, id TaskID, told func(Task)) (Task, error) {
	woken, leave := c.waits.join(id)
	defer leave()
	missing, delay, late := 0, c.cfg.PollFirst, false
	var failing time.Time // since when there was no answer; zero: there was one
	for {
		t, err := c.Status(ctx, id, "")
		pause := delay
		switch {
		case err == nil && t.State.Ended():
			if late { // no webhook has told it: they may not arrive any more
				c.hooked.Store(false)
			}
			return t, nil
		case err == nil:
			failing, missing = time.Time{}, 0
			told(t)
			if c.hooked.Load() {
				pause = max(pause, c.cfg.PollHooked)
			}
		case ctx.Err() != nil:
			return Task{}, err
		case errors.Is(err, remote.ErrNotFound):
			if missing++; missing >= maxMissing {
				return Task{}, err
			}
		case remote.KindOf(err).Transient() && (failing.IsZero() || time.Since(failing) < c.cfg.PollGrace):
			if failing.IsZero() {
				failing = time.Now()
			}
			pause = max(pause, remote.RetryAfterOf(err))
		default:
			return Task{}, err
		}
		e, err := c.rest(ctx, pause, woken)
		if err != nil {
			return Task{}, err
		}
		if e.task != nil {
			return *e.task, nil
		}
		if late = e.about == nothing; late {
			delay = min(delay*3/2, c.cfg.PollMax)
		} else {
			delay = c.cfg.PollFirst
		}
	}
}

// rest waits for its end, or until an event says more. An event about a file alone has the wait go on for a moment: that of
// the whole task may follow.
func (c *Client) rest(ctx context.Context, pause time.Duration, woken <-chan event) (event, error) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	var heard event
	for {
		select {
		case <-timer.C:
			return heard, nil
		case e := <-woken:
			if e.about != aFile {
				return e, nil
			}
			if heard.about == nothing {
				heard = e
				timer.Reset(c.cfg.PollFirst)
			}
		case <-ctx.Done():
			return heard, &remote.Error{Kind: remote.ErrUnavailable, Op: "wait for task", Err: context.Cause(ctx)}
		}
	}
}

// event is what a webhook says to who waits.
type event struct {
	about about
	task  *Task // the task as it has ended; nil: it has to be asked for
}

type about int

// What an event is about. The zero value is that of no event.
const (
	nothing about = iota
	aFile
	theTask
)

// waits are those who wait for a task.
type waits struct {
	mu sync.Mutex
	by map[TaskID]map[chan event]bool
}

func newWaits() *waits { return &waits{by: map[TaskID]map[chan event]bool{}} }

// join begins to wait; the channel holds at most one event.
func (w *waits) join(id TaskID) (woken <-chan event, leave func()) {
	ch := make(chan event, 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.by[id] == nil {
		w.by[id] = map[chan event]bool{}
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

// wake tells who waits for a task. Of two events that nobody has heard yet the one that says more stays.
func (w *waits) wake(id TaskID, e event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for ch := range w.by[id] {
		say := e
		select {
		case old := <-ch:
			if old.task != nil || say.task == nil && old.about > say.about {
				say = old
			}
		default:
		}
		ch <- say // it is empty, and nobody else sends
	}
}
