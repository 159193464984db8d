package cache

import (
	"context"
	"errors"
	"maps"
	"time"

	"dropfs/cache/content"
	"dropfs/cache/refresh"
	"dropfs/remote"
)

// Run sends what is queued, lists what is in use and listens to the service until ctx ends, and returns when all of it
// has stopped. What is not sent then stays in the journal.
func (r *Replica) Run(ctx context.Context) error {
	defer r.cancelWork()
	stop := context.AfterFunc(ctx, r.cancelWork)
	defer stop()
	r.work.Go(func() { r.logEnd("write-back", r.queue.Run(ctx)) })
	r.work.Go(func() { r.logEnd("refresh", r.poller.Run(ctx)) })
	r.work.Go(func() { r.listen(ctx) })
	r.work.Go(func() { r.syncEverySecond(ctx) })
	r.work.Go(func() { r.housekeeping(ctx) })
	r.work.Wait()
	return nil
}

func (r *Replica) logEnd(what string, err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		r.log.WithError(err).WithField("op", what).Error("background work ended")
	}
}

// syncEverySecond makes what was written survive power loss within a second of its close: bytes first, then the index
// that names them, then the note that they are safe.
func (r *Replica) syncEverySecond(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := r.syncLocal(); err != nil {
				r.log.WithError(err).Error("state directory cannot be synced")
			}
		}
	}
}

// syncLocal makes everything written so far survive power loss.
func (r *Replica) syncLocal() error {
	r.mu.Lock()
	written := r.unsynced
	r.unsynced = map[content.ID]bool{} // written is ours alone from here
	changed := r.commits.Swap(0) > 0
	r.mu.Unlock()
	if len(written) == 0 && !changed {
		return nil
	}
	if len(written) > 0 {
		err := asSpace(r.store.SyncFS())
		if err == nil {
			err = r.noteSynced(maps.Clone(written))
		}
		if err != nil {
			r.mu.Lock()
			maps.Copy(r.unsynced, written)
			r.mu.Unlock()
			return err
		}
	}
	return asKind(r.idx.Flush())
}

// noteSynced marks contents that nobody writes any more as safe from power loss.
func (r *Replica) noteSynced(written map[content.ID]bool) error {
	r.mu.Lock()
	for _, in := range r.open {
		if in.writers > 0 && in.opened != 0 {
			delete(written, in.opened)
			r.unsynced[in.opened] = true
		}
	}
	for id := range r.unsynced {
		delete(written, id)
	}
	r.mu.Unlock()
	if len(written) == 0 {
		return nil
	}
	err := r.writeAlways(func(t *txn) error {
		for id := range written {
			if err := t.SetSynced(int64(id)); err != nil {
				return err
			}
		}
		return nil
	})
	r.commits.Add(-1)
	return err
}

// housekeeping forgets old trash and results that were evicted, and lists the drops once in a while.
func (r *Replica) housekeeping(ctx context.Context) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		if err := r.emptyTrash(); err != nil {
			r.log.WithError(err).Warn("old deleted files are kept longer")
		}
		if err := r.trimResults(); err != nil {
			r.log.WithError(err).Warn("results that are gone are kept in the index longer")
		}
		r.pollDrops(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// pollDrops tells the poller which drops there are.
func (r *Replica) pollDrops(ctx context.Context) {
	if err := r.waitShared(ctx, "drops", r.refreshDrops); err != nil && ctx.Err() == nil && !errors.Is(err, ErrOffline) {
		r.log.WithError(err).Warn("drops cannot be listed")
	}
	err := r.read(func(t *txn) error {
		drops, err := t.Drops()
		for _, d := range drops {
			if d.Gone || d.Remote.ID == "" {
				r.poller.Remove(d.Ino)
			} else {
				r.poller.Add(d.Ino)
			}
		}
		return err
	})
	if err != nil {
		r.log.WithError(err).Error("drops cannot be read from the index")
	}
}

// listen follows the change feed, where the service has one, and brings each change into the tree as it happens.
func (r *Replica) listen(ctx context.Context) {
	wait := time.Second
	for ctx.Err() == nil {
		caps, err := r.abilities(ctx)
		if err == nil && !caps.Changes {
			return
		}
		if err == nil {
			began := r.cfg.Now()
			err = r.follow(ctx)
			if errors.Is(err, remote.ErrUnsupported) {
				return
			}
			if r.cfg.Now().Sub(began) > 10*time.Second {
				wait = time.Second
			}
		}
		r.setFeed(false)
		r.observe(err)
		select {
		case <-ctx.Done():
		case <-r.back: // the service is there again: at once
			wait = time.Second
		case <-time.After(wait):
		}
		wait = min(2*wait, time.Minute)
	}
}

// follow reads the feed until it breaks, or until the service was found gone and back: the connection may be one that
// nobody serves any more.
func (r *Replica) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r.mu.Lock()
	r.endFeed = cancel
	r.mu.Unlock()
	return r.cfg.Service.Changes(ctx, r.feedSeq(), func(c remote.Change) error { return r.heardChange(ctx, c) })
}

func (r *Replica) setFeed(on bool) {
	if r.feed.Swap(on) != on {
		r.poller.SetFeed(on)
	}
}

func (r *Replica) feedSeq() int64 { return r.seq.Load() }

// heardChange merges one change. What is our own doing is known already and changes nothing.
func (r *Replica) heardChange(ctx context.Context, c remote.Change) error {
	r.setFeed(true)
	var ino int64
	err := r.read(func(t *txn) error {
		d, found, err := t.DropByID(c.Drop)
		if found && !d.Gone && d.Listed != 0 {
			ino = d.Ino
		}
		return err
	})
	if err != nil {
		return err
	}
	h := heard{seq: c.Seq, turn: r.nextTurn()}
	switch c.Kind {
	case remote.ChangeKeptAlive:
		return nil
	case remote.ChangeAsset:
		h.assets = []remote.Asset{c.Asset}
		if c.Replaces != "" {
			h.gone = []remote.AssetID{c.Replaces}
		}
	case remote.ChangeAssetGone:
		h.gone = []remote.AssetID{c.Asset.ID}
	case remote.ChangeDrop:
		if ino != 0 {
			// An event is of some time ago: the room in use is asked for with the next poll.
			r.infoAt.Delete(ino)
			_, err = r.updateDrop(ino, c.DropInfo, 0)
		} else {
			err = r.refreshDrops(ctx)
		}
	case remote.ChangeDropGone:
		if ino != 0 {
			err = r.dropGone(ino)
		}
	default:
		if c.Kind == remote.ChangeReset {
			r.recents.Range(func(_, rc any) bool { rc.(*recent).wentBack(c.Seq); return true })
		}
		r.poller.PollAll()
	}
	if err == nil && ino != 0 && (len(h.assets) > 0 || len(h.gone) > 0) {
		if err = r.recentOf(ino).land(ctx, h); err != nil {
			return err
		}
		var late bool
		if late, err = r.maybeLate(ino, c); err != nil {
			return err
		}
		if late {
			err = r.refreshDrop(ctx, ino)
		} else {
			err = r.merge(ctx, ino, h)
		}
		if err != nil {
			r.soon(ino)
		}
	}
	if err == nil {
		r.seq.Store(c.Seq)
	}
	return err
}

// maybeLate tells whether an event may be older than what is known: it says another name of an asset than is known, or
// tells of a new asset where something is. The feed may lag behind what was done from here since; a listing settles it.
func (r *Replica) maybeLate(drop int64, c remote.Change) (late bool, err error) {
	if c.Kind != remote.ChangeAsset {
		return false, nil
	}
	err = r.read(func(t *txn) error {
		known, found, err := t.Asset(drop, c.Asset.ID)
		if err != nil {
			return err
		}
		if found {
			late = known.Remote.Name != c.Asset.Name
			return nil
		}
		named, err := t.AssetsNamed(drop, c.Asset.Name)
		for _, a := range named {
			late = late || a.Remote.ID != c.Replaces
		}
		if err != nil || late || len(named) > 0 {
			return err
		}
		_, _, late, err = t.atWire(drop, refresh.Canonical(c.Asset.Name))
		return err
	})
	return late, err
}
