package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"dropfs/remote"
)

// patience is how long a request that somebody waits for may be silent before it is asked whether the service is there
// at all. With the bound of that question (remote.Service.Ping) nobody waits for a service that is gone for more than
// about two seconds, while one that is only slow is waited for.
const patience = time.Second / 2

// watched runs fn, which asks the service something, under a context that ends with ErrOffline when the service turns out
// to be gone.
func (r *Replica) watched(ctx context.Context, fn func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := r.watch(ctx, cancel)
	defer stop()
	err := fn(ctx)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return fmt.Errorf("%w: %w", cause, err)
	}
	return err
}

// watch asks whether the service is there when stop is not called within patience, again and again, and ends ctx when it
// is not.
func (r *Replica) watch(ctx context.Context, cancel context.CancelCauseFunc) (stop func()) {
	stopped := make(chan struct{})
	timer := time.AfterFunc(patience, func() {
		for {
			err := r.cfg.Service.Ping(ctx)
			select {
			case <-stopped:
				return
			default:
			}
			if err != nil {
				r.observe(err)
				cancel(ErrOffline)
				return
			}
			select {
			case <-stopped:
				return
			case <-ctx.Done():
				return
			case <-time.After(4 * patience):
			}
		}
	})
	return func() {
		timer.Stop()
		close(stopped)
	}
}

// watchedBody is a body whose reads end when the service is gone.
type watchedBody struct {
	io.ReadCloser
	r      *Replica
	ctx    context.Context
	cancel context.CancelCauseFunc
}

// Read implements io.Reader.
func (b *watchedBody) Read(p []byte) (int, error) {
	stop := b.r.watch(b.ctx, b.cancel)
	defer stop()
	n, err := b.ReadCloser.Read(p)
	if cause := context.Cause(b.ctx); err != nil && !errors.Is(err, io.EOF) && cause != nil {
		err = fmt.Errorf("%w: %w", cause, err)
	}
	return n, err
}

// Close implements io.Closer.
func (b *watchedBody) Close() error {
	defer b.cancel(nil)
	return b.ReadCloser.Close()
}

// fetchTries is how often bytes are asked for again that came damaged or with another version's mark.
const fetchTries = 2

// fetch opens bytes of an asset for somebody who waits for them.
func (r *Replica) fetch(ctx context.Context, open func(context.Context) (io.ReadCloser, error)) (io.ReadCloser, error) {
	if r.offline() {
		return nil, ErrOffline
	}
	ctx, cancel := context.WithCancelCause(ctx)
	stop := r.watch(ctx, cancel)
	body, err := open(ctx)
	for range fetchTries { // an asset's bytes never change: another answer than its own is one damaged on the way
		if !errors.Is(err, remote.ErrChanged) && !errors.Is(err, remote.ErrCorrupt) {
			break
		}
		body, err = open(ctx)
	}
	stop()
	r.observe(err)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = fmt.Errorf("%w: %w", cause, err)
		}
		cancel(nil)
		return nil, err
	}
	return &watchedBody{body, r, ctx, cancel}, nil
}
