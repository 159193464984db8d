package cache

import (
	"context"
	"errors"
	"maps"

	"dropfs/remote"
)

// offline tells whether the service was last found unreachable.
func (r *Replica) offline() bool { return !r.queue.Online() }

// observe learns from a request's outcome whether the service can be reached: a failure has it probed.
func (r *Replica) observe(err error) {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, ErrOffline) {
		return
	}
	var e *remote.Error
	if errors.As(err, &e) && e.Kind == remote.ErrUnavailable && e.Status == 0 {
		r.mu.Lock()
		r.offlineWhy = err.Error()
		r.mu.Unlock()
		r.queue.Suspect()
	}
}

// onOnline is told when the service came back or went.
func (r *Replica) onOnline(online bool) {
	r.poller.SetOnline(online)
	log := r.log.WithField("op", "probe")
	if !online {
		log.Warn("service unreachable, working offline")
		return
	}
	r.mu.Lock()
	r.offlineWhy = ""
	if r.endFeed != nil {
		r.endFeed()
	}
	r.mu.Unlock()
	select {
	case r.back <- struct{}{}:
	default:
	}
	log.Info("service reachable again")
}

// noteTrouble remembers why a drop, or the list of drops (RootIno), could not be refreshed, for the status. An
// unreachable service is told of otherwise.
func (r *Replica) noteTrouble(ino int64, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch remote.KindOf(err) {
	case "", remote.ErrUnavailable, remote.ErrNotFound:
		delete(r.trouble, ino)
	default:
		r.trouble[ino] = err.Error()
	}
}

// troubles are what noteTrouble remembers.
func (r *Replica) troubles() map[int64]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.trouble)
}

// abilities are the service's, asked once a while by the client itself.
func (r *Replica) abilities(ctx context.Context) (remote.Caps, error) {
	if c := r.caps.Load(); c != nil {
		return *c, nil
	}
	c, err := r.cfg.Service.Caps(ctx)
	if err != nil {
		return c, err
	}
	r.caps.Store(&c)
	return c, nil
}
