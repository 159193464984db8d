package cache

import (
	"context"
	"fmt"
	"math"

	"dropfs/cache/index"
	"dropfs/cache/refresh"
	"dropfs/remote"
)

// merge brings what was heard of a drop into the tree.
func (r *Replica) merge(ctx context.Context, ino int64, h heard) error {
	for _, id := range h.gone {
		r.noteDeleted(ino, id)
	}
	rc := r.recentOf(ino)
	// Here too, for the rest costs a look at the whole drop.
	if echo, err := r.isEcho(ino, h); err != nil || echo {
		return err
	}
	var err error
	if h.sums, err = r.sumRivals(ctx, ino, h); err != nil {
		return err
	}
	if err := rc.land(ctx, h); err != nil {
		return err
	}
	if err := rc.merging.Acquire(ctx, 1); err != nil {
		return err
	}
	defer rc.merging.Release(1)
	if echo, err := r.isEcho(ino, h); err != nil || echo {
		return err
	}
	if rc.outdated(h) {
		return nil
	}
	segs, err := r.fetchSegments(ctx, ino, h)
	if err != nil {
		return err
	}
	var told []func()
	err = r.writeAlways(func(t *txn) error {
		d, found, err := t.Drop(ino)
		if err != nil || !found {
			return err
		}
		t.foreign = true
		a := &applier{t: t, drop: ino, first: d.Listed == 0, paths: map[string]int64{}, grown: map[int64]bool{}}
		if err := a.segments(segs); err != nil {
			return err
		}
		in, quiet, err := t.mergeInput(ino, h)
		if err != nil {
			return err
		}
		if !quiet {
			if err := a.apply(refresh.Merge(in)); err != nil {
				return err
			}
		}
		if err := a.end(); err != nil {
			return err
		}
		if err := a.records(); err != nil {
			return err
		}
		if h.complete {
			d, _, err = t.Drop(ino)
			if err != nil {
				return err
			}
			d.Listed = t.now.UnixNano()
			if err := t.PutDrop(d); err != nil {
				return err
			}
		}
		told = a.told
		return nil
	})
	if err != nil {
		return fmt.Errorf("merge: %w", err)
	}
	for _, tell := range told {
		tell()
	}
	rc.heardOf(h)
	if h.complete {
		return r.countUnlisted()
	}
	for _, a := range h.assets {
		r.noteFresh(ino, a.ID, h.seq)
	}
	return nil
}

// mergeInput reads a drop as Merge sees it. quiet tells that nothing was heard that is not known already.
func (t *txn) mergeInput(drop int64, h heard) (in refresh.Input, quiet bool, err error) {
	assets, err := t.AssetsIn(drop)
	if err != nil {
		return in, false, err
	}
	segs, err := t.Segments(drop)
	if err != nil {
		return in, false, err
	}
	fresh, deleted := t.r.recentOf(drop).since(h, t.now)
	if !h.complete {
		for _, a := range h.assets {
			delete(fresh, a.ID) // it is this that says what became of it
		}
	}
	in = refresh.Input{Complete: h.complete, Assets: h.assets, Gone: h.gone, Host: t.r.cfg.Host, Now: t.now}
	for id := range deleted {
		in.Deleted = append(in.Deleted, id)
	}
	known := make(map[remote.AssetID]index.Asset, len(assets))
	for _, a := range assets {
		known[a.Remote.ID] = a
	}
	for _, a := range h.assets {
		if k, ok := known[a.ID]; ok && k.Remote.Name != a.Name && !fresh[a.ID] {
			if known[a.ID], err = t.ownRename(k, a.Name); err != nil {
				return in, false, err
			}
		}
	}
	for _, a := range assets {
		a = known[a.Remote.ID]
		in.Bases = append(in.Bases, refresh.Base{
			Asset: a.Remote, Bound: a.Entry, Chg: a.Chg, Old: a.Old, Mine: a.Mine, Shown: a.Shadow, Fresh: fresh[a.Remote.ID],
		})
	}
	for _, s := range segs {
		in.Segments = append(in.Segments, s.ID)
	}
	if nothingNew(h, known, segs, fresh, deleted) {
		return in, true, nil
	}
	err = t.readLocals(drop, known, h.sums, &in)
	return in, false, err
}

// nothingNew tells whether what was heard is what is known: the common case, which costs no walk.
func nothingNew(h heard, known map[remote.AssetID]index.Asset, segs []index.Segment, fresh, deleted map[remote.AssetID]bool) bool {
	segments := map[remote.AssetID]bool{}
	for _, s := range segs {
		segments[s.ID] = true
	}
	seen := 0
	for _, a := range h.assets {
		k, ok := known[a.ID]
		switch {
		case segments[a.ID]:
			seen++
		case deleted[a.ID]:
		case !ok || k.Remote.Name != a.Name || k.Remote.Size != a.Size:
			return false
		default:
			seen++
		}
	}
	for _, id := range h.gone {
		if _, ok := known[id]; ok || segments[id] {
			return false
		}
	}
	if !h.complete {
		return true
	}
	for id := range fresh {
		if _, ok := known[id]; ok {
			seen++ // it may be in the listing or not; counted twice it only costs a merge
		}
	}
	return seen == len(known)+len(segments)
}

// readLocals walks the entries of a drop.
func (t *txn) readLocals(drop int64, known map[remote.AssetID]index.Asset, sums map[Ino]sum, in *refresh.Input) error {
	bound := map[int64]index.Asset{}
	for _, a := range known {
		if a.Entry != 0 && !a.Old {
			bound[a.Entry] = a
		}
	}
	ops, err := t.Ops()
	if err != nil {
		return err
	}
	queued := map[int64]index.Op{}
	for _, op := range ops {
		if op.Kind == index.OpEntry {
			queued[op.Target] = op
		}
	}
	type dir struct {
		ino  int64
		path []string
	}
	dirs := []dir{{ino: drop}}
	for len(dirs) > 0 {
		d := dirs[len(dirs)-1]
		dirs = dirs[:len(dirs)-1]
		list, err := t.List(d.ino, 0, math.MaxInt32)
		if err != nil {
			return err
		}
		for _, e := range list {
			path := append(d.path[:len(d.path):len(d.path)], e.Name)
			class := t.r.cfg.Classify(e.Name)
			switch {
			case class == Local || !isDir(e.Node.Mode) && !isFile(e.Node.Mode):
				in.Dirs = append(in.Dirs, refresh.EncodePath(path)) // its name is taken
			case isDir(e.Node.Mode):
				if e.Node.Flags&index.Implicit == 0 {
					in.Dirs = append(in.Dirs, refresh.EncodePath(path))
				}
				dirs = append(dirs, dir{e.Node.Ino, path})
			default:
				op, sends := queued[e.ID]
				l, err := t.local(e, path, bound, op, sends)
				if err != nil {
					return err
				}
				if s := sums[Ino(e.Node.Ino)]; s.is(e.Node) {
					l.MD5 = s.md5
				}
				in.Locals = append(in.Locals, l)
			}
		}
	}
	return nil
}

func (t *txn) local(e index.Listed, path []string, bound map[int64]index.Asset, op index.Op, queued bool) (refresh.Local, error) {
	l := refresh.Local{Entry: e.ID, Wire: refresh.EncodePath(path), Chg: e.Node.Chg, Size: e.Node.Size}
	if b, ok := bound[e.ID]; ok && b.Chg == e.Node.Chg {
		l.MD5 = b.Remote.MD5
	}
	t.r.mu.Lock()
	l.Open = t.r.open[Ino(e.Node.Ino)] != nil
	t.r.mu.Unlock()
	if e.Node.Content != 0 {
		c, found, err := t.Content(e.Node.Content)
		if err != nil {
			return l, err
		}
		l.Held = found && c.Complete
	}
	if queued {
		if b, ok := bound[e.ID]; !ok || b.Chg != e.Node.Chg {
			l.Dirty = true
		}
		if sg, ok := uploadOf(op); ok {
			l.Upload = sg.Upload.ID
		}
	}
	return l, nil
}
