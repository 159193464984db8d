package remotetest

import (
	"context"
	"slices"

	"dropfs/remote"
)

// Changes implements remote.Service. Nothing is told while nothing happens.
func (f *Fake) Changes(ctx context.Context, since int64, fn func(remote.Change) error) error {
	_, err := call(ctx, f, "Changes", "", func() (struct{}, *remote.Error) {
		if !f.caps.Changes {
			return struct{}{}, fail(remote.ErrUnsupported, "there is no change feed")
		}
		return struct{}{}, nil
	})
	if err != nil {
		return err
	}
	f.mu.Lock()
	gen := f.feedGen
	f.mu.Unlock()
	first := true
	for {
		f.mu.Lock()
		news := f.newsLocked(since, first)
		wake, broken := f.wake, f.offline || f.feedGen != gen
		f.mu.Unlock()
		first = false
		if broken {
			return asError("Changes", "", fail(remote.ErrUnavailable, "the connection broke"))
		}
		for _, c := range news {
			since = c.Seq
			if err := ctx.Err(); err != nil {
				return asError("Changes", "", err)
			}
			if err := fn(c); err != nil {
				return err
			}
		}
		if len(news) > 0 {
			continue
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return asError("Changes", "", ctx.Err())
		}
	}
}

// newsLocked returns what there is to tell behind since, at the first time perhaps a ChangeReset.
func (f *Fake) newsLocked(since int64, first bool) []remote.Change {
	if since < f.keptFrom || since > f.seq || first && since == 0 {
		return []remote.Change{{Seq: f.seq, Kind: remote.ChangeReset}}
	}
	i, _ := slices.BinarySearchFunc(f.events, since+1, func(c remote.Change, s int64) int { return int(c.Seq - s) })
	return slices.Clone(f.events[i:])
}
