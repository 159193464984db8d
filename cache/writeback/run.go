package writeback

import (
	"container/heap"
	"context"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/sirupsen/logrus"
)

// idle is how long Run sleeps where nothing is due.
const idle = 24 * time.Hour

// Run drains the queue until ctx ends, and returns nil once everything that ran has ended. One Run at a time.
func (q *Queue) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	timer := time.NewTimer(idle)
	defer timer.Stop()
	for ctx.Err() == nil {
		timer.Reset(q.startDue(ctx, &wg))
		select {
		case <-ctx.Done():
		case <-q.wake:
		case <-timer.C:
		}
	}
	return nil
}

// startDue starts what may start now, and returns how long nothing else will be due.
func (q *Queue) startDue(ctx context.Context, wg *sync.WaitGroup) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.cfg.Now()
	for o := q.timed.first(); o != nil && !o.due.After(now); o = q.timed.first() {
		o.state = Waiting
		q.placeLocked(o, now)
	}
	if q.probeDueLocked(now) {
		q.probing = true
		wg.Go(func() { q.probe(ctx) })
	}
	for q.mayStartLocked(now) {
		q.startLocked(ctx, wg, q.ready.first())
	}
	wait := idle
	sooner := func(t time.Time) { wait = max(0, min(wait, t.Sub(now))) }
	if o := q.timed.first(); o != nil {
		sooner(o.due)
	}
	if !q.online && q.cfg.Probe != nil && !q.probing {
		sooner(q.nextProbe)
	}
	if q.pausedUntil.After(now) && q.ready.Len() > 0 {
		sooner(q.pausedUntil)
	}
	return wait
}

func (q *Queue) mayStartLocked(now time.Time) bool {
	return q.online && !q.suspect && q.ready.Len() > 0 && q.running < int(q.limit) && !q.pausedUntil.After(now)
}

func (q *Queue) probeDueLocked(now time.Time) bool {
	return q.cfg.Probe != nil && !q.probing && (q.suspect || !q.online && !q.nextProbe.After(now))
}

func (q *Queue) startLocked(ctx context.Context, wg *sync.WaitGroup, o *op) {
	o.leave()
	o.state, o.startGen, o.kicked = Running, o.gen, false
	q.running++
	ctx, o.cancel = context.WithCancel(ctx)
	wg.Go(func() {
		err := q.cfg.Do(ctx, o.Key)
		ended := ctx.Err() != nil
		o.cancel()
		var v Verdict
		if err != nil {
			v = q.cfg.Classify(err)
		}
		q.finish(o, err, v, ended)
	})
}

// finish puts an op that has run where it belongs now. ended: its context was over, so an error says nothing of it.
func (q *Queue) finish(o *op, err error, v Verdict, ended bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	defer q.signal()
	q.running--
	o.state = Waiting
	switch {
	case o.removed:
		q.dropLocked(o)
		return
	case err == nil || v.Outcome == Gone:
		q.succeedLocked(o)
	case ended:
	default:
		q.failLocked(o, err, v)
	}
	if q.ops[o.Key] == o {
		q.placeLocked(o, q.cfg.Now())
	}
}

func (q *Queue) succeedLocked(o *op) {
	q.limit = min(float64(q.cfg.MaxParallel), q.limit+1/q.limit)
	o.attempt, o.lastErr, o.retryAt, o.serverTime = 0, nil, time.Time{}, time.Time{}
	o.hurried = o.hurried && o.kicked
	q.settleLocked(o, o.startGen, nil)
	if !o.touchedSinceStart() {
		q.dropLocked(o)
		return
	}
	o.First, o.quietFrom = o.firstNew, o.firstNew
}

func (q *Queue) failLocked(o *op, err error, v Verdict) {
	now := q.cfg.Now()
	o.attempt++
	o.lastErr = err
	o.kicked = o.kicked && o.touchedSinceStart()
	wait := q.backOff(o.attempt)
	if v.After > 0 {
		o.serverTime = now.Add(v.After)
	}
	switch v.Outcome {
	case Throttled:
		q.throttleLocked(now, max(v.After, 0))
	case Offline:
		if q.cfg.Probe != nil {
			q.suspect = q.online
		} else {
			q.setOnlineLocked(false)
		}
		if !q.online {
			wait = 0
		}
	case Refused:
		if !o.touchedSinceStart() {
			o.state, o.retryAt = Failed, now.Add(q.cfg.RefusedRetry)
			q.refuseLocked(o, err)
			q.cfg.Log.WithFields(logrus.Fields{"op": o.Key, "attempt": o.attempt, "err": err}).Warn("change refused by the service")
			return
		}
		wait, o.quietFrom = 0, o.firstNew
	case Retry, Gone:
	}
	o.retryAt = now.Add(wait)
	q.cfg.Log.WithFields(logrus.Fields{"op": o.Key, "attempt": o.attempt, "wait": wait, "err": err}).Info("change not sent, trying again")
}

// throttleLocked halves the limit, at most once a second, for one burst of refusals is one piece of news.
func (q *Queue) throttleLocked(now time.Time, after time.Duration) {
	if until := now.Add(after); until.After(q.pausedUntil) {
		q.pausedUntil = until
	}
	if now.Sub(q.cutAt) >= time.Second {
		q.cutAt = now
		q.limit = max(1, q.limit/2)
	}
}

// backOff is the wait after the attempt-th failure in a row: doubling, with up to a quarter of jitter either way,
// within [MinBackOff, MaxBackOff].
func (q *Queue) backOff(attempt int) time.Duration {
	b := backoff.ExponentialBackOff{
		InitialInterval: q.cfg.MinBackOff, Multiplier: 2, MaxInterval: q.cfg.MaxBackOff, RandomizationFactor: 0.25,
	}
	b.Reset()
	var d time.Duration
	for range min(attempt, 64) {
		d = b.NextBackOff()
	}
	return min(max(d, q.cfg.MinBackOff), q.cfg.MaxBackOff)
}

// probe asks whether the service is there and sets online by the answer.
func (q *Queue) probe(ctx context.Context) {
	err := q.cfg.Probe(ctx)
	q.mu.Lock()
	defer q.signal()
	q.probing = false
	if ctx.Err() != nil {
		q.mu.Unlock()
		return
	}
	changed := q.setOnlineLocked(err == nil)
	if err != nil && !changed {
		q.nextProbe = q.cfg.Now().Add(q.probeWait.NextBackOff())
	}
	q.mu.Unlock()
	if changed {
		q.cfg.OnOnline(err == nil)
	}
}

// placeLocked sorts o, which does not run, into the heap and the state that fit what is known of it.
func (q *Queue) placeLocked(o *op, now time.Time) {
	if o.state == Running {
		return
	}
	o.leave()
	if len(o.before) > 0 && o.state != Failed {
		o.state = Blocked
		return
	}
	o.due = q.dueLocked(o)
	if o.due.After(now) {
		switch {
		case o.state == Failed:
		case o.retryAt.Equal(o.due) || o.serverTime.Equal(o.due):
			o.state = BackingOff
		default:
			o.state = Waiting
		}
		heap.Push(q.timed, o)
		return
	}
	o.state = Ready
	heap.Push(q.ready, o)
}

// dueLocked is the instant before which o does not start.
func (q *Queue) dueLocked(o *op) time.Time {
	due := o.serverTime
	if o.kicked {
		return due
	}
	later := func(t time.Time) {
		if t.After(due) {
			due = t
		}
	}
	later(o.retryAt)
	if o.hurried {
		return due
	}
	later(o.NotBefore)
	if !o.NoQuiet {
		quiet := o.Last.Add(q.cfg.Quiet)
		if bound := o.quietFrom.Add(q.cfg.MaxQuiet); bound.Before(quiet) {
			quiet = bound
		}
		later(quiet)
	}
	return due
}

// dropLocked takes o, which does not run, out of the queue; what follows it follows what it followed.
func (q *Queue) dropLocked(o *op) {
	o.leave()
	q.settleLocked(o, o.gen, nil)
	delete(q.ops, o.Key)
	if o.Lane != 0 && q.lanes[o.Lane] == o {
		delete(q.lanes, o.Lane)
		for dep := range o.before {
			if last := q.lanes[o.Lane]; dep.Lane == o.Lane && (last == nil || last.order < dep.order) {
				q.lanes[o.Lane] = dep
			}
		}
	}
	for dep := range o.before {
		delete(dep.behind, o)
	}
	for next := range o.behind {
		delete(next.before, o)
		for dep := range o.before {
			tie(next, dep)
		}
		q.placeLocked(next, q.cfg.Now())
	}
}
