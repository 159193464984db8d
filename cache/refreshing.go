package cache

import (
	"context"
	"errors"
	"fmt"
	"time"

	"dropfs/cache/index"
)

// ready waits until what a directory holds is known: at the root the drops, in a drop its listing. It waits only where
// it was never listed before; there an unreachable service is ErrOffline, never an empty directory.
func (r *Replica) ready(ctx context.Context, ino Ino) error {
	if r.unlisted.Load() == 0 {
		return nil
	}
	var drop index.Drop
	needs := false
	err := r.read(func(t *txn) error {
		if ino == RootIno {
			listed, err := t.Meta("drops_listed")
			needs = listed == nil
			return err
		}
		p, err := t.placeOfDir(int64(ino))
		if err != nil || p.drop == 0 {
			return err
		}
		drop, needs, err = t.Drop(p.drop)
		needs = needs && drop.Listed == 0 && !drop.Gone && drop.Remote.ID != ""
		return err
	})
	if errors.Is(err, ErrNotExist) || errors.Is(err, ErrStale) {
		return nil // removed meanwhile; who asks finds out
	}
	if err != nil || !needs {
		return err
	}
	if ino == RootIno {
		return r.waitShared(ctx, "drops", func(ctx context.Context) error { return r.refreshDrops(ctx) })
	}
	return r.waitShared(ctx, fmt.Sprint(drop.Ino), func(ctx context.Context) error { return r.refreshDrop(ctx, drop.Ino) })
}

// waitShared runs fn once for all who ask at the same time, under the replica's own context; each waits for as long as
// its own.
func (r *Replica) waitShared(ctx context.Context, key string, fn func(context.Context) error) error {
	if r.offline() {
		return ErrOffline
	}
	ch := r.lists.DoChan(key, func() (any, error) { //nolint:contextcheck // it is shared: no single caller's context ends it
		if !r.beginShared() {
			return nil, context.Canceled
		}
		defer r.waits.Done()
		own, cancel := context.WithTimeout(r.workCtx, listTimeout)
		defer cancel()
		return nil, r.watched(own, fn)
	})
	select {
	case <-ctx.Done():
		return ctx.Err()
	case res := <-ch:
		r.observe(res.Err)
		if r.offline() && res.Err != nil {
			return fmt.Errorf("%w: %w", ErrOffline, res.Err)
		}
		return res.Err
	}
}

// beginShared counts one run of waitShared, which Close waits for; false once the replica is closed.
func (r *Replica) beginShared() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.waits.Add(1)
	}
	return !r.closed
}

// listTimeout bounds a listing that somebody waits for.
const listTimeout = 5 * time.Minute

// countUnlisted counts what ready may have to wait for.
func (r *Replica) countUnlisted() error {
	return r.read(func(t *txn) error {
		n := int32(0)
		if listed, err := t.Meta("drops_listed"); err != nil {
			return err
		} else if listed == nil {
			n++
		}
		drops, err := t.Drops()
		for _, d := range drops {
			if d.Listed == 0 && !d.Gone {
				n++
			}
		}
		r.unlisted.Store(n)
		return err
	})
}

// Refresh lists the drop of an inode again, or at the root the drops, and waits for it.
func (r *Replica) Refresh(ctx context.Context, ino Ino) error {
	if ino == RootIno {
		return r.waitShared(ctx, "drops", r.refreshDrops)
	}
	var drop int64
	err := r.read(func(t *txn) error {
		p, err := t.placeOfDir(int64(ino))
		drop = p.drop
		return err
	})
	if err != nil || drop == 0 {
		return err
	}
	return r.waitShared(ctx, fmt.Sprint(drop), func(ctx context.Context) error { return r.refreshDrop(ctx, drop) })
}

// use tells the poller that the drop of an inode is in use, where polls are how its changes are met.
func (r *Replica) use(ino Ino) {
	if r.feed.Load() {
		return
	}
	err := r.read(func(t *txn) error {
		p, err := t.placeOfInode(int64(ino))
		if err == nil && p.drop != 0 {
			r.poller.Use(p.drop)
		}
		return err
	})
	if err != nil && !errors.Is(err, ErrNotExist) && !errors.Is(err, ErrStale) {
		r.log.WithError(err).WithField("ino", ino).Error("place of an inode cannot be read")
	}
}

// soon has a drop listed again, without waiting.
func (r *Replica) soon(drop int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || r.workCtx.Err() != nil {
		return
	}
	r.work.Go(func() {
		err := r.waitShared(r.workCtx, fmt.Sprint(drop), func(ctx context.Context) error { return r.refreshDrop(ctx, drop) })
		if err != nil && r.workCtx.Err() == nil {
			r.log.WithError(err).WithField("ino", drop).Info("drop not refreshed")
		}
	})
}

// infoEvery is how often a drop's quota and expiry are asked for: its own uploads and deletes are counted here.
const infoEvery = 5 * time.Minute

func (r *Replica) refreshInfo(ctx context.Context, d index.Drop) error {
	now := r.cfg.Now()
	if at, ok := r.infoAt.Load(d.Ino); ok && now.Sub(at.(time.Time)) < infoEvery {
		return nil
	}
	since := r.traffic.now()
	info, err := r.cfg.Service.Drop(ctx, d.Remote.ID)
	if err != nil {
		return err
	}
	stale, err := r.updateDrop(d.Ino, info, since)
	if err == nil && !stale {
		r.infoAt.Store(d.Ino, now)
	}
	return err
}
