package cache

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"dropfs/cache/index"
	"dropfs/remote"
)

// renameThere brings the service in step by a rename there, where that is all that is missing and it can. An upload that
// was under way is given up first.
func (r *Replica) renameThere(ctx context.Context, op index.Op, s *entryState, caps remote.Caps) (done bool, err error) {
	if s.base == nil || s.base.Chg != s.node.Chg || s.base.Drop != s.place.drop || !caps.Rename {
		return false, nil
	}
	if old, ok := uploadOf(op); ok {
		return true, r.giveUp(op, old)
	}
	sg := saga{Renames: s.base.Remote.ID, RenameTo: []string{s.want}}
	if former := sagaOf(op); former.mayHaveRenamed(*s.base) {
		sg.RenameTo = append(sg.RenameTo, slices.DeleteFunc(former.RenameTo, func(name string) bool { return name == s.want })...)
	}
	if err := r.saveSaga(op, sg); err != nil {
		return true, err
	}
	r.at("rename recorded")
	return true, r.fly(s.place.drop, s.base.Remote.ID, func() error {
		a, err := r.cfg.Service.Rename(ctx, s.drop.Remote.ID, s.base.Remote.ID, s.want)
		if err != nil {
			return r.lostBase(err, s)
		}
		r.at("renamed there")
		return r.recordRename(op, s, a)
	})
}

// recordRename records a renamed asset, unless a merge met it first. One that went meanwhile does not come back.
func (r *Replica) recordRename(op index.Op, s *entryState, a remote.Asset) error {
	return r.writeAlways(func(t *txn) error {
		now, queued, err := t.Op(op.Seq)
		if err != nil {
			return err
		}
		row, known, err := t.Asset(s.place.drop, a.ID)
		switch {
		case err != nil:
			return err
		case !known:
			return t.SetSaga(op.Seq, nil)
		case !queued: // the entry went meanwhile
			row.Remote.Name = a.Name
			return t.PutAsset(row)
		case sagaOf(now).Renames != a.ID:
			return nil
		}
		return t.recordAsset(op.Seq, s, a, nil)
	})
}

// ownRename takes over the name that the service has for an asset, where it is one that was asked for from here.
func (t *txn) ownRename(a index.Asset, name string) (index.Asset, error) {
	e, found, err := t.EntryByID(a.Entry)
	if err != nil || !found {
		return a, err
	}
	op, queued, err := t.OpFor(index.OpEntry, a.Entry, "")
	sg := sagaOf(op)
	if err != nil || !queued || sg.Renames != a.Remote.ID || !slices.Contains(sg.RenameTo, name) {
		return a, err
	}
	sg.RenameTo = slices.DeleteFunc(sg.RenameTo, func(n string) bool { return n == name })
	if len(sg.RenameTo) == 0 {
		sg.Renames = ""
	}
	if err := t.setSaga(op.Seq, sg); err != nil {
		return a, err
	}
	if err := t.touch(e.Ino); err != nil {
		return a, err
	}
	a.Remote.Name, a.Shadow = name, ""
	return a, t.PutAsset(a)
}

// lostBase forgets an asset that the service has no longer, so that the content is sent anew: an edit beats a delete.
func (r *Replica) lostBase(err error, s *entryState) error {
	if !errors.Is(err, remote.ErrNotFound) {
		return err
	}
	werr := r.writeAlways(func(t *txn) error { return t.DeleteAsset(s.base.Drop, s.base.Remote.ID) })
	r.soon(s.place.drop)
	return errors.Join(werr, fmt.Errorf("%w: %w", remote.ErrConflict, err))
}
