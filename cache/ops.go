package cache

import (
	"context"
	"errors"
	"fmt"
	"time"

	"dropfs/cache/content"
	"dropfs/cache/index"
	"dropfs/cache/writeback"
	"dropfs/remote"
)

// An op says that something may not be in step with the service: an entry, a directory that moved, an asset that is to
// go, a drop. What has to be done is decided when it runs, from the index as it then is, so that a rewritten or renamed
// file costs what its last state costs. An op ends in the transaction that records what the service answered.

// enqueue gives a journalled op to the queue. Without a queue (recovery) it waits in the journal.
func (r *Replica) enqueue(op index.Op) {
	if r.queue == nil {
		return
	}
	w := writeback.Op{Key: op.Seq, First: op.First, Last: r.cfg.Now(), NoQuiet: op.Kind != index.OpEntry}
	if op.Due.After(r.cfg.Now()) {
		w.NotBefore = op.Due
	}
	r.mu.Lock()
	if hold := r.holds[op.Target]; op.Kind == index.OpEntry && hold.After(w.NotBefore) && hold.After(r.cfg.Now()) {
		w.NotBefore = hold
	}
	r.mu.Unlock()
	if err := r.queue.Add(w); err != nil {
		r.log.WithError(err).WithField("op", string(op.Kind)).Error("op queued without its order")
	}
}

// errNotYet ends a try that came too early; the op stays queued.
var errNotYet = errors.New("not yet")

// classifyOp says what a failed op means for the queue.
func classifyOp(err error) writeback.Verdict {
	if errors.Is(err, ErrReadOnly) || errors.Is(err, ErrTooLarge) {
		return writeback.Verdict{Outcome: writeback.Refused}
	}
	return writeback.Classify(err)
}

// do runs one op. It is the Do of the queue.
func (r *Replica) do(ctx context.Context, seq writeback.Key) error {
	var op index.Op
	var found bool
	err := r.read(func(t *txn) (err error) {
		op, found, err = t.Op(seq)
		return err
	})
	if err != nil || !found {
		return err
	}
	switch op.Kind {
	case index.OpEntry:
		err = r.doEntry(ctx, op)
	case index.OpTree:
		err = r.doTree(op)
	case index.OpDelete:
		err = r.doDelete(ctx, op)
	case index.OpMkdrop:
		err = r.doMkdrop(ctx, op)
	case index.OpUpdrop:
		err = r.doUpdrop(ctx, op)
	case index.OpRmdrop:
		err = r.doRmdrop(ctx, op)
	case index.OpSidecar:
		err = r.doSidecar(ctx, op)
	default:
		err = fmt.Errorf("%w: op of kind %q", ErrIO, op.Kind)
	}
	if errors.Is(err, errNotYet) {
		return nil // it was touched
	}
	r.observe(err)
	r.noteOpError(op, err)
	return err
}

func (r *Replica) noteOpError(op index.Op, err error) {
	if err == nil || errors.Is(err, context.Canceled) {
		return
	}
	refused := classifyOp(err).Outcome == writeback.Refused
	werr := r.writeAlways(func(t *txn) error { return t.SetOpError(op.Seq, err.Error(), refused) })
	if werr != nil {
		r.log.WithError(werr).Error("reason of a failed op not recorded")
	}
}

// postpone keeps an op in the queue until at.
func (r *Replica) postpone(seq int64, at time.Time) error {
	r.queue.Touch(seq, r.cfg.Now())
	r.queue.Hold(seq, at)
	return errNotYet
}

// behindDrop has an op wait until the service has made its drop.
func (r *Replica) behindDrop(seq, drop int64) error {
	var mk index.Op
	err := r.read(func(t *txn) (err error) {
		mk, _, err = t.OpFor(index.OpMkdrop, drop, "")
		return err
	})
	if err != nil {
		return err
	}
	r.queue.Touch(seq, r.cfg.Now())
	if err := r.queue.After(seq, mk.Seq); err != nil {
		return fmt.Errorf("%w: %w", ErrIO, err)
	}
	return errNotYet
}

// errWaitsForDrop is an op whose drop the service has not made yet.
var errWaitsForDrop = errors.New("the drop is not made yet")

// liveDrop finds the drop of an op, which the service must have.
func (t *txn) liveDrop(ino int64) (index.Drop, error) {
	d, found, err := t.Drop(ino)
	switch {
	case err != nil:
		return d, err
	case !found || d.Gone:
		return d, fmt.Errorf("%w: the drop expired or was deleted", ErrReadOnly)
	case d.Remote.ID == "":
		return d, errWaitsForDrop
	}
	return d, nil
}

// entryState is an entry with all that decides what its op has to do.
type entryState struct {
	entry index.Entry
	node  index.Node
	place place
	drop  index.Drop
	base  *index.Asset  // what the service has for it now
	old   []index.Asset // what goes once it is in step
	want  string        // the asset name it is to have
}

// inStep tells whether the service has the entry as it is.
func (s *entryState) inStep() bool { return s.base != nil && s.shownBy(*s.base) }

// shownBy tells whether an asset has the content and the name that s has, in its drop.
func (s *entryState) shownBy(a index.Asset) bool {
	return !a.Old && a.Chg == s.node.Chg && a.Drop == s.place.drop && a.Remote.Name == s.want
}

// state reads an entry; found is false where there is nothing to send any more.
func (t *txn) state(eid int64) (s entryState, found bool, err error) {
	if s.entry, found, err = t.EntryByID(eid); err != nil || !found {
		return s, false, err
	}
	if s.node, err = t.node(Ino(s.entry.Ino)); err != nil {
		return s, false, err
	}
	if s.place, err = t.placeOf(s.entry); err != nil {
		return s, false, err
	}
	if !s.place.sent() || !isFile(s.node.Mode) {
		return s, false, nil
	}
	if s.drop, err = t.liveDrop(s.place.drop); err != nil {
		return s, true, err
	}
	assets, err := t.AssetsOf(eid)
	if err != nil {
		return s, true, err
	}
	for _, a := range assets {
		if !a.Old && s.base == nil {
			s.base = &a
		} else {
			s.old = append(s.old, a)
		}
	}
	s.want = s.place.wire()
	if s.base != nil && shownAt(*s.base, s.place) {
		s.want = s.base.Remote.Name
	}
	return s, true, nil
}

func (r *Replica) doEntry(ctx context.Context, op index.Op) error {
	for range 6 { // a look at what a lost answer did, a rename, an upload, a look at what came meanwhile
		var s entryState
		var found, queued bool
		err := r.read(func(t *txn) (err error) {
			if op, queued, err = t.Op(op.Seq); err != nil || !queued {
				return err
			}
			s, found, err = t.state(op.Target)
			return err
		})
		if errors.Is(err, errWaitsForDrop) {
			return r.behindDrop(op.Seq, s.place.drop)
		}
		if err != nil || !queued {
			return err
		}
		if !found {
			return r.writeAlways(func(t *txn) error { return t.DeleteOp(op.Seq) })
		}
		if s.inStep() && !sagaOf(op).mayHaveRenamed(*s.base) {
			return r.finishEntry(op, &s)
		}
		caps, err := r.abilities(ctx)
		if err != nil {
			return err
		}
		done, err := r.renameThere(ctx, op, &s, caps)
		if !done && err == nil {
			done, err = r.copyThere(ctx, op, &s, caps)
		}
		if !done && err == nil {
			err = r.upload(ctx, op, &s, caps)
		}
		if err != nil {
			return err
		}
	}
	return r.postpone(op.Seq, r.cfg.Now().Add(r.cfg.WriteDelay)) // it changes faster than it is sent
}

// recordAsset notes that the service now has s as a, with the bytes of s.node.Chg. What it replaces goes at once (C4).
func (t *txn) recordAsset(op int64, s *entryState, a remote.Asset, replaced []remote.AssetID) error {
	fresh, err := t.recordMade(op, s, a, replaced)
	if err != nil {
		return err
	}
	if s.base != nil && (s.base.Remote.ID != a.ID || s.base.Drop != s.place.drop) {
		if err := t.retire(*s.base); err != nil {
			return err
		}
	}
	_, found, err := t.EntryByID(s.entry.ID)
	if err != nil {
		return err
	}
	if !found {
		return t.doomAsset(fresh, false)
	}
	if err := t.touch(s.node.Ino); err != nil {
		return err
	}
	return t.PutAsset(fresh)
}

// recordUnwanted notes that the service has a, which is to go again.
func (t *txn) recordUnwanted(op int64, s *entryState, a remote.Asset, replaced []remote.AssetID) error {
	fresh, err := t.recordMade(op, s, a, replaced)
	if err != nil {
		return err
	}
	return t.doomAsset(fresh, false)
}

// recordMade ends the upload of an op and counts what came and went on the service. It answers the asset's row, which is
// not stored yet.
func (t *txn) recordMade(op int64, s *entryState, a remote.Asset, replaced []remote.AssetID) (fresh index.Asset, err error) {
	confirmed := a.Seq
	if s.base != nil && s.base.Remote.ID == a.ID {
		confirmed = 0 // it was renamed, and the number of that is not told
	} else if err := t.used(s.place.drop, a.Size); err != nil {
		return fresh, err
	}
	for _, id := range replaced {
		t.r.noteDeleted(s.place.drop, id)
		if err := t.removed(s.place.drop, id); err != nil {
			return fresh, err
		}
		if err := t.unqueue(index.OpDelete, s.place.drop, string(id)); err != nil {
			return fresh, err
		}
	}
	if a.Created.IsZero() { // the service does not tell; it tells a confirmed asset from one that was given up
		a.Created = t.now
	}
	t.r.noteFresh(s.place.drop, a.ID, confirmed)
	fresh = index.Asset{Drop: s.place.drop, Remote: a, Entry: s.entry.ID, Chg: s.node.Chg, Mine: true}
	return fresh, t.SetSaga(op, nil)
}

// retire makes an asset one that goes when its entry is in step; one that is known no longer stays so.
func (t *txn) retire(a index.Asset) error {
	now, found, err := t.Asset(a.Drop, a.Remote.ID)
	if err != nil || !found || now.Entry == 0 {
		return err
	}
	now.Old = true
	return t.PutAsset(now)
}

// finishEntry ends the op of an entry that is in step, and dooms what it replaced. If it changed meanwhile, it stays.
func (r *Replica) finishEntry(op index.Op, s *entryState) error {
	in := r.acquire(Ino(s.node.Ino), false)
	in.mu.Lock()
	var clean content.ID
	err := r.writeAlways(func(t *txn) error {
		now, found, err := t.state(op.Target)
		if err != nil || !found || !now.inStep() || now.node.Chg != s.node.Chg {
			return err
		}
		for _, a := range now.old {
			if err := t.doomAsset(a, false); err != nil {
				return err
			}
		}
		if err := t.endSaga(op.Seq); err != nil { // of an upload that is not needed any more
			return err
		}
		if err := t.DeleteOp(op.Seq); err != nil {
			return err
		}
		clean, err = t.sentWhole(now.node)
		return err
	})
	if err == nil && clean != 0 {
		in.armed = false
		if in.file != nil {
			err = asSpace(in.file.SetDirty(false))
		} else {
			err = r.markClean(clean)
		}
	}
	in.mu.Unlock()
	return errors.Join(err, in.release(false))
}

// sentWhole marks the content of a node clean when none of its names waits to be sent, and answers which it was.
func (t *txn) sentWhole(n index.Node) (content.ID, error) {
	all, err := t.allInStep(n)
	if err != nil || !all {
		return 0, err
	}
	c, found, err := t.Content(n.Content)
	if err != nil || !found || !c.Dirty {
		return 0, err
	}
	c.Dirty, c.Size = false, n.Size
	return content.ID(c.ID), t.UpdateContent(c)
}

// allInStep tells whether no name of an inode waits to be sent.
func (t *txn) allInStep(n index.Node) (bool, error) {
	entries, err := t.EntriesOf(n.Ino)
	for _, e := range entries {
		if err != nil {
			return false, err
		}
		var queued bool
		if _, queued, err = t.OpFor(index.OpEntry, e.ID, ""); queued {
			return false, err
		}
		var p place
		if p, err = t.placeOf(e); err == nil && !p.sent() {
			return false, nil // this name's bytes are here alone
		}
	}
	return err == nil, err
}

// doTree looks through all below a directory that moved.
func (r *Replica) doTree(op index.Op) error {
	return r.writeAlways(func(t *txn) error {
		dirs := []int64{op.Target}
		for len(dirs) > 0 {
			dir := dirs[len(dirs)-1]
			dirs = dirs[:len(dirs)-1]
			children, err := t.Children(dir)
			if err != nil {
				return err
			}
			for _, e := range children {
				n, err := t.node(Ino(e.Ino))
				if err != nil {
					return err
				}
				switch {
				case isDir(n.Mode):
					dirs = append(dirs, n.Ino)
					err = t.touch(n.Ino)
				case isFile(n.Mode):
					err = t.lookAgain(e)
				default:
					err = t.touch(n.Ino)
				}
				if err != nil {
					return err
				}
			}
		}
		return t.DeleteOp(op.Seq)
	})
}

// lookAgain queues an entry whose path changed, or dooms its assets where it is not sent from there.
func (t *txn) lookAgain(e index.Entry) error {
	p, err := t.placeOf(e)
	if err != nil {
		return err
	}
	if !p.sent() {
		return t.withdraw(e)
	}
	return t.entryChanged(e)
}

func (r *Replica) doDelete(ctx context.Context, op index.Op) error {
	defer r.traffic.begin()()
	var d index.Drop
	var found bool
	err := r.read(func(t *txn) (err error) {
		d, found, err = t.Drop(op.Target)
		return err
	})
	if err != nil {
		return err
	}
	id := remote.AssetID(op.Asset)
	if found && !d.Gone && d.Remote.ID != "" {
		err := r.cfg.Service.Delete(ctx, d.Remote.ID, id)
		if errors.Is(err, remote.ErrNotFound) { // or an upload that was never confirmed
			err = r.cfg.Service.Abort(ctx, remote.Upload{ID: id, Drop: d.Remote.ID})
		}
		if err != nil && !errors.Is(err, remote.ErrNotFound) {
			return err
		}
	}
	r.noteDeleted(op.Target, id)
	return r.writeAlways(func(t *txn) error {
		if err := t.removed(op.Target, id); err != nil {
			return err
		}
		return t.DeleteOp(op.Seq)
	})
}

// removed forgets an asset that the service has deleted.
func (t *txn) removed(drop int64, id remote.AssetID) error {
	a, found, err := t.Asset(drop, id)
	if err != nil || !found {
		return err
	}
	if !a.Remote.Created.IsZero() { // what was never confirmed was never counted
		if err := t.used(drop, -a.Remote.Size); err != nil {
			return err
		}
	}
	return t.DeleteAsset(drop, id)
}

// used keeps what is known of a drop's quota in step with our own doing, until the service is asked again.
func (t *txn) used(drop, bytes int64) error {
	d, found, err := t.Drop(drop)
	if err != nil || !found {
		return err
	}
	d.Remote.Used = max(0, d.Remote.Used+bytes)
	return t.PutDrop(d)
}
