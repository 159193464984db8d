package cache

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"dropfs/cache/index"
	"dropfs/cache/refresh"
	"dropfs/remote"
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

// steady keeps merges of a drop away while fn changes the service and records it, so that the change is never met as
// somebody else's.
func (r *Replica) steady(drop int64, fn func() error) error {
	mu := r.mergeLock(drop)
	mu.RLock()
	defer mu.RUnlock()
	return fn()
}

func (r *Replica) mergeLock(drop int64) *sync.RWMutex {
	v, _ := r.merges.LoadOrStore(drop, &sync.RWMutex{})
	return v.(*sync.RWMutex)
}

// recent remembers what changed on the service, by our own hand or by the word of the feed, while a listing may have been
// under way, which therefore says nothing of it.
type recent struct {
	mu      sync.Mutex
	fresh   map[remote.AssetID]time.Time
	deleted map[remote.AssetID]time.Time
	asked   time.Time // for the latest listing that was merged; one that was asked for before is out of date
}

func (r *Replica) recentOf(drop int64) *recent {
	v, _ := r.recents.LoadOrStore(drop, &recent{fresh: map[remote.AssetID]time.Time{}, deleted: map[remote.AssetID]time.Time{}})
	return v.(*recent)
}

func (r *Replica) noteFresh(drop int64, id remote.AssetID) {
	rc := r.recentOf(drop)
	rc.mu.Lock()
	defer rc.mu.Unlock()
	rc.fresh[id] = r.cfg.Now()
}

func (r *Replica) noteDeleted(drop int64, id remote.AssetID) {
	rc := r.recentOf(drop)
	rc.mu.Lock()
	defer rc.mu.Unlock()
	rc.deleted[id] = r.cfg.Now()
}

// outdated tells whether a later listing than h was merged already; else it notes h. The drop's merge lock is held.
func (rc *recent) outdated(h heard) bool {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	if !h.complete {
		return false
	}
	if h.asked.Before(rc.asked) {
		return true
	}
	rc.asked = h.asked
	return false
}

// since answers what was confirmed or heard of since the listing was asked for at asked, and what was deleted in the last
// minute: an id never comes back, so a listing or an event that still tells of it is late. What is older it forgets.
func (rc *recent) since(asked, now time.Time) (fresh, deleted map[remote.AssetID]bool) {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	fresh, deleted = map[remote.AssetID]bool{}, map[remote.AssetID]bool{}
	for id, at := range rc.fresh {
		switch {
		case !at.Before(asked):
			fresh[id] = true
		case asked.Sub(at) > time.Minute:
			delete(rc.fresh, id)
		}
	}
	for id, at := range rc.deleted {
		if now.Sub(at) > time.Minute && at.Before(asked) {
			delete(rc.deleted, id)
		} else {
			deleted[id] = true
		}
	}
	return fresh, deleted
}

// heard is what the service said of a drop.
type heard struct {
	complete bool
	assets   []remote.Asset
	gone     []remote.AssetID
	asked    time.Time
	sums     map[Ino]sum // of unsent files under whose name something new is
}

// refreshDrop lists a drop and merges the listing. It is the Fetch of the poller.
func (r *Replica) refreshDrop(ctx context.Context, ino int64) error {
	var d index.Drop
	var found bool
	err := r.read(func(t *txn) (err error) {
		d, found, err = t.Drop(ino)
		return err
	})
	if err != nil || !found || d.Gone || d.Remote.ID == "" {
		return err
	}
	h := heard{complete: true, asked: r.cfg.Now()}
	h.assets, err = r.cfg.Service.Assets(ctx, d.Remote.ID)
	r.observe(err)
	r.noteTrouble(ino, err)
	if errors.Is(err, remote.ErrNotFound) {
		return r.dropGone(ino)
	}
	if err != nil {
		return err
	}
	if err := r.merge(ctx, ino, h); err != nil {
		return err
	}
	return r.refreshInfo(ctx, d)
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

// merge brings what was heard of a drop into the tree.
func (r *Replica) merge(ctx context.Context, ino int64, h heard) error {
	for _, id := range h.gone {
		r.noteDeleted(ino, id)
	}
	// Before the lock too, for asking for it holds up what changes the service.
	if echo, err := r.isEcho(ino, h); err != nil || echo {
		return err
	}
	var err error
	if h.sums, err = r.sumRivals(ctx, ino, h); err != nil {
		return err
	}
	mu := r.mergeLock(ino)
	mu.Lock()
	defer mu.Unlock()
	if echo, err := r.isEcho(ino, h); err != nil || echo {
		return err
	}
	if r.recentOf(ino).outdated(h) {
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
			d.Listed = h.asked.UnixNano()
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
	if h.complete {
		return r.countUnlisted()
	}
	for _, a := range h.assets {
		r.noteFresh(ino, a.ID)
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
	fresh, deleted := t.r.recentOf(drop).since(h.asked, t.now)
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
