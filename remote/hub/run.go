package hub

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"dropfs/remote/hub/store"
)

// How often the hub looks after itself.
const (
	sweepEvery = 30 * time.Second
	pollEvery  = time.Second
	scanEvery  = time.Hour
)

// What the change feed keeps.
const (
	eventsKept = 100_000
	eventsAge  = 7 * 24 * time.Hour
)

// Run expires drops, gives up uploads, removes objects, does conversions and follows the feed of other processes, until
// ctx ends; then it ends the change feeds and returns nil. It begins with a whole sweep (H2).
func (h *Hub) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		h.feed.Poll(ctx, h.store, pollEvery)
		h.feed.Close()
		return nil
	})
	g.Go(func() error {
		h.look(ctx)
		return nil
	})
	if h.jobs != nil {
		g.Go(func() error { return h.runJobs(ctx) })
	}
	return g.Wait()
}

// look sweeps by the clock and collects at wish.
func (h *Hub) look(ctx context.Context) {
	h.logged(ctx, h.Sweep(ctx, true))
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	scanned := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.collect:
			h.logged(ctx, h.collectGarbage(ctx))
		case <-tick.C:
			scan := time.Since(scanned) > scanEvery
			if scan {
				scanned = time.Now()
			}
			h.logged(ctx, h.Sweep(ctx, scan))
		}
	}
}

func (h *Hub) logged(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil {
		h.log.WithError(err).Warn("sweep incomplete, tried again later")
	}
}

// Sweep removes what has expired, was never confirmed in time, or was deleted. scan also looks through all that is stored
// for what has no metadata: broken uploads, parts that were joined, objects nobody knows.
func (h *Hub) Sweep(ctx context.Context, scan bool) error {
	if h.objects == nil { // opened for its keys
		return nil
	}
	n, err := h.store.Sweep(ctx)
	if err != nil {
		return err
	}
	if n.Drops+n.Uploads > 0 {
		h.log.WithField("kind", "sweep").WithField("len", n.Drops+n.Uploads).Debug("expired")
		h.feed.Notify()
	}
	files, err := h.store.SweepD3(ctx)
	if err != nil {
		return err
	}
	if files > 0 {
		h.log.WithField("kind", "sweep").WithField("len", files).Debug("expired")
	}
	if err := h.collectGarbage(ctx); err != nil {
		return err
	}
	if err := h.store.PruneEvents(ctx, eventsKept, eventsAge); err != nil {
		return err
	}
	if !scan {
		return nil
	}
	known := func(keys []string) (map[string]bool, error) { return h.known(ctx, keys) }
	if err := h.objects.Sweep(ctx, known); err != nil {
		return err
	}
	return h.objects.Each(ctx, func(keys []string) error {
		there, err := known(keys)
		if err != nil {
			return err
		}
		for _, key := range keys {
			if _, ok := there[key]; ok {
				continue
			}
			if err := h.objects.Delete(ctx, key, ""); err != nil {
				return err
			}
		}
		return nil
	})
}

// garbageBatch is how many objects are removed between two commits.
const garbageBatch = 200

// collectGarbage removes the objects that the store has given up, and then forgets them: a death in between removes them
// again.
func (h *Hub) collectGarbage(ctx context.Context) error {
	for h.objects != nil {
		list, err := h.store.Garbage(ctx, garbageBatch)
		if err != nil || len(list) == 0 {
			return err
		}
		gone, err := h.removeAll(ctx, list)
		if err2 := h.store.DropGarbage(ctx, gone); err == nil {
			err = err2
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (h *Hub) removeAll(ctx context.Context, list []store.Garbage) (gone []string, err error) {
	for _, g := range list {
		if err := h.objects.Delete(ctx, g.Key, g.UploadID); err != nil {
			return gone, err
		}
		gone = append(gone, g.Key)
	}
	return gone, nil
}
