package cache

import (
	"context"
	"maps"
	"slices"
	"time"

	"dropfs/remote"
)

// A flight is a change of one asset that the service was asked for and that is not recorded here yet. The feed is often
// faster than the answer: a merge that meets the change waits for a flight a little, for then it is known already and costs
// no look at the whole drop. No lock is held over a flight, for it may last minutes (a confirm that is never answered). A
// merge that did not wait long enough finds in the journal that the change is our own (saga), and records it in place of
// whoever asked for it. It is the same after a kill.
type flight struct {
	asset remote.AssetID
	began time.Time
	ended chan struct{}
}

// flightWait is how long a flight may last that is waited for: ordinary answers take less.
const flightWait = 2 * time.Second

// fly runs fn, which changes an asset of a drop on the service and records it.
func (r *Replica) fly(drop int64, asset remote.AssetID, fn func() error) error {
	rc := r.recentOf(drop)
	f := &flight{asset: asset, began: time.Now(), ended: make(chan struct{})}
	rc.mu.Lock()
	rc.flights[f] = true
	rc.mu.Unlock()
	defer func() {
		rc.mu.Lock()
		delete(rc.flights, f)
		rc.mu.Unlock()
		close(f.ended)
	}()
	return fn()
}

// land waits for the flights that h is about and that are not slow yet.
func (rc *recent) land(ctx context.Context, h heard) error {
	rc.mu.Lock()
	flights := slices.Collect(maps.Keys(rc.flights))
	rc.mu.Unlock()
	for _, f := range flights {
		if !h.tells(f.asset) {
			continue
		}
		select {
		case <-f.ended:
		case <-time.After(time.Until(f.began.Add(flightWait))):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// tells whether h says something of an asset: a whole listing also does by not having it.
func (h heard) tells(id remote.AssetID) bool {
	return h.complete || slices.Contains(h.gone, id) || slices.ContainsFunc(h.assets, func(a remote.Asset) bool { return a.ID == id })
}
