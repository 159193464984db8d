package refresh

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"dropfs/remote"
)

// Run polls until ctx ends, and returns nil once every fetch has. Who waits then gets the context's error.
func (p *Poller) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer p.endWants(ctx)
	defer wg.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		timer.Reset(p.startDue(ctx, &wg))
		select {
		case <-ctx.Done():
		case <-p.wake:
		case <-timer.C:
		}
	}
	return nil
}

func (p *Poller) endWants(ctx context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range p.drops {
		if d.want != nil {
			d.want.end(context.Cause(ctx))
			d.want = nil
		}
	}
}

// startDue begins what is asked for, then what is due, the longest overdue first, and returns when to look again.
func (p *Poller) startDue(ctx context.Context, wg *sync.WaitGroup) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range p.drops {
		if d.want != nil && d.cur == nil { // asked for by somebody: beyond the limits of polling
			p.startLocked(ctx, wg, d)
		}
	}
	for {
		now := p.cfg.Now()
		d := p.nextLocked()
		switch {
		case d == nil || p.running >= p.cfg.Parallel:
			return time.Hour // the end of a fetch, or a call, wakes the loop
		case d.next.After(now):
			return d.next.Sub(now)
		}
		if r := p.budget.ReserveN(now, 1); r.DelayFrom(now) > 0 {
			wait := r.DelayFrom(now)
			r.CancelAt(now)
			return wait
		}
		p.startLocked(ctx, wg, d)
	}
}

// nextLocked is the drop whose poll is due first; nil: none, or the service is away.
func (p *Poller) nextLocked() *polled {
	if p.offline {
		return nil
	}
	var first *polled
	for _, d := range p.drops {
		if d.cur != nil {
			continue
		}
		if first == nil || d.next.Before(first.next) || d.next.Equal(first.next) && d.id < first.id {
			first = d
		}
	}
	return first
}

func (p *Poller) startLocked(ctx context.Context, wg *sync.WaitGroup, d *polled) {
	d.cur, d.want = d.want, nil
	if d.cur == nil {
		d.cur = &flight{done: make(chan struct{})}
	}
	p.running++
	d.began = p.cfg.Now()
	used := d.used
	d.used = false
	ctx, d.cancel = context.WithCancel(ctx)
	wg.Go(func() {
		err := p.cfg.Fetch(ctx, d.id)
		d.cancel()
		p.finish(d, used, err)
	})
}

// finish sets the time of the next poll: soon for a drop in use, ever later for an idle or a failing one.
func (p *Poller) finish(d *polled, used bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.signal()
	p.running--
	f := d.cur
	d.cur = nil
	if d.gone {
		f.end(ErrNoDrop)
		return
	}
	f.end(err)
	failed := d.failed
	d.failed = err != nil
	switch {
	case err != nil && !failed:
		d.interval = 2 * p.cfg.Min // what it was to bring is missing until then
	case (used || d.used || failed) && err == nil:
		d.interval = p.least()
	case p.feed:
		d.interval = min(2*d.interval, p.cfg.FeedMax)
	default:
		d.interval = min(2*d.interval, p.cfg.Max)
	}
	wait := max(p.jitter(d.interval), remote.RetryAfterOf(err))
	d.next = p.cfg.Now().Add(wait)
	if d.again && err == nil {
		d.next = p.cfg.Now()
	}
	d.again = false
	if err != nil {
		p.cfg.Log.WithFields(logrus.Fields{"ino": d.id, "wait": wait, "err": err}).Info("drop not refreshed, trying again")
	}
}

// least is the shortest interval now.
func (p *Poller) least() time.Duration {
	if p.feed {
		return p.cfg.FeedMin
	}
	return p.cfg.Min
}

// jitter keeps many replicas from polling in step: up to a tenth later.
func (p *Poller) jitter(d time.Duration) time.Duration {
	return d + time.Duration(rand.Int64N(int64(d)/10+1))
}

func (p *Poller) signal() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

func (f *flight) end(err error) {
	f.err = err
	close(f.done)
}
