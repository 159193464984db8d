package cache

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"dropfs/cache/index"
	"dropfs/remote"
)

// newDrop makes a directory of the root a drop that the service is yet to make.
func (t *txn) newDrop(ino int64, gb float64, days int) error {
	// Nothing is listed there before it is made, and then it is empty: it needs no first listing.
	d := index.Drop{Ino: ino, Remote: remote.Drop{GB: gb, Days: days, MaxSize: int64(gb * 1e9)}, Listed: t.now.UnixNano()}
	if err := t.PutDrop(d); err != nil {
		return err
	}
	t.dirs = true
	return t.queue(index.OpMkdrop, ino, "", 0)
}

// endDrop forgets a drop whose directory goes, and has the service delete it.
func (t *txn) endDrop(d index.Drop) error {
	t.dirs = true
	for _, kind := range []index.OpKind{index.OpMkdrop, index.OpUpdrop, index.OpSidecar} {
		if err := t.unqueue(kind, d.Ino, ""); err != nil {
			return err
		}
	}
	assets, err := t.AssetsIn(d.Ino)
	if err != nil {
		return err
	}
	for _, a := range assets {
		if err := t.unqueue(index.OpDelete, d.Ino, string(a.Remote.ID)); err != nil {
			return err
		}
	}
	if err := t.DeleteDrop(d.Ino); err != nil {
		return err
	}
	if d.Remote.ID == "" || d.Gone {
		return nil
	}
	return t.queue(index.OpRmdrop, d.Ino, string(d.Remote.ID), t.r.cfg.UndeleteWindow)
}

func (r *Replica) doMkdrop(ctx context.Context, op index.Op) error {
	var d index.Drop
	var name string
	found := false
	err := r.read(func(t *txn) (err error) {
		if d, found, err = t.Drop(op.Target); err != nil || !found {
			return err
		}
		at, err := t.dirPlace(op.Target)
		name = at.name
		return err
	})
	if err != nil {
		return err
	}
	if !found || d.Remote.ID != "" {
		return r.writeAlways(func(t *txn) error { return t.DeleteOp(op.Seq) })
	}
	if op.Saga != nil { // asked for before, and the answer lost: it may be there (adoptMade)
		if err := r.refreshDrops(ctx); err != nil {
			return err
		}
		return r.makeDrop(ctx, op, d, name)
	}
	err = r.writeAlways(func(t *txn) error { return t.SetSaga(op.Seq, []byte(`{"making":true}`)) })
	if err != nil {
		return err
	}
	r.at("mkdrop recorded")
	return r.makeDrop(ctx, op, d, name)
}

// makeDrop has the service make a drop, unless it has been met meanwhile.
func (r *Replica) makeDrop(ctx context.Context, op index.Op, d index.Drop, name string) error {
	if err := r.dropsTurn.Acquire(ctx, 1); err != nil {
		return err
	}
	defer r.dropsTurn.Release(1)
	queued := false
	err := r.read(func(t *txn) (err error) {
		_, queued, err = t.Op(op.Seq)
		return err
	})
	if err != nil || !queued {
		return err
	}
	made, err := r.cfg.Service.CreateDrop(ctx, remote.DropSpec{Name: name, GB: d.Remote.GB, Days: d.Remote.Days})
	if err != nil {
		return err
	}
	r.at("mkdrop made")
	return r.writeAlways(func(t *txn) error {
		if err := t.DeleteOp(op.Seq); err != nil {
			return err
		}
		now, found, err := t.Drop(op.Target)
		if err != nil {
			return err
		}
		if !found { // removed meanwhile
			return t.queue(index.OpRmdrop, op.Target, string(made.ID), 0)
		}
		now.Remote = made
		return t.PutDrop(now)
	})
}

func (r *Replica) doUpdrop(ctx context.Context, op index.Op) error {
	var d index.Drop
	var name string
	found := false
	err := r.read(func(t *txn) (err error) {
		if d, found, err = t.Drop(op.Target); err != nil || !found {
			return err
		}
		at, err := t.dirPlace(op.Target)
		name = at.name
		return err
	})
	if err == nil && found && d.Remote.ID == "" {
		return r.postpone(op.Seq, r.cfg.Now().Add(r.cfg.WriteDelay))
	}
	if err == nil && found && !d.Gone {
		var caps remote.Caps
		if caps, err = r.abilities(ctx); err == nil && caps.RenameDrop {
			_, err = r.cfg.Service.UpdateDrop(ctx, d.Remote.ID, remote.DropSpec{Name: name})
		}
	}
	if err != nil {
		return err
	}
	return r.writeAlways(func(t *txn) error { return t.DeleteOp(op.Seq) })
}

func (r *Replica) doRmdrop(ctx context.Context, op index.Op) error {
	caps, err := r.abilities(ctx)
	if err != nil {
		return err
	}
	if caps.DeleteDrop {
		err = r.cfg.Service.DeleteDrop(ctx, remote.DropID(op.Asset))
		if err != nil && !errors.Is(err, remote.ErrNotFound) {
			return err
		}
	} else {
		r.log.WithField("op", "rmdrop").Info("the service cannot delete a drop; it is forgotten here and expires there")
	}
	return r.writeAlways(func(t *txn) error { return t.DeleteOp(op.Seq) })
}

// refreshDrops lists the account's drops and merges them: new ones appear, those that are gone become read-only.
func (r *Replica) refreshDrops(ctx context.Context) error {
	caps, err := r.abilities(ctx)
	if err != nil {
		return err
	}
	if err := r.dropsTurn.Acquire(ctx, 1); err != nil {
		return err
	}
	defer r.dropsTurn.Release(1)
	var list []remote.Drop
	since := r.traffic.now()
	if caps.ListDrops {
		list, err = r.cfg.Service.Drops(ctx)
		r.noteTrouble(int64(RootIno), err)
		if err != nil {
			return err
		}
	}
	var names []string
	err = r.writeAlways(func(t *txn) error {
		if err := t.SetMeta("drops_listed", []byte{1}); err != nil {
			return err
		}
		if !caps.ListDrops {
			return nil
		}
		removed, err := t.removedDrops()
		if err != nil {
			return err
		}
		for _, d := range list {
			if removed[d.ID] {
				continue
			}
			name, err := t.meetDrop(d, d.Name, false, since)
			if err != nil {
				return err
			}
			if name != "" {
				names = append(names, name)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, name := range names {
		r.tellEntry(RootIno, name)
	}
	return r.countUnlisted()
}

// removedDrops are those whose deletion is queued here.
func (t *txn) removedDrops() (map[remote.DropID]bool, error) {
	ops, err := t.Ops()
	removed := map[remote.DropID]bool{}
	for _, op := range ops {
		if op.Kind == index.OpRmdrop {
			removed[remote.DropID(op.Asset)] = true
		}
	}
	return removed, err
}

// meetDrop updates a drop that is known, or gives a new one a directory; then it answers the directory's name.
func (t *txn) meetDrop(d remote.Drop, name string, added bool, since calm) (string, error) {
	known, found, err := t.DropByID(d.ID)
	if err != nil {
		return "", err
	}
	if found {
		if d.MaxSize == 0 && d.Created.IsZero() {
			return "", nil // only the id was told
		}
		if _, err := t.told(&known, d, since); err != nil {
			return "", err
		}
		known.Gone = false
		return "", t.PutDrop(known)
	}
	if adopted, err := t.adoptMade(d); err != nil || adopted {
		return "", err
	}
	name, err = t.dropName(d, name)
	if err != nil {
		return "", err
	}
	root, err := t.node(RootIno)
	if err != nil {
		return "", err
	}
	now := t.now.UnixNano()
	n := index.Node{
		Mode: unix.S_IFDIR | 0o755, UID: t.r.cfg.UID, GID: t.r.cfg.GID, Nlink: 2, Atime: now, Mtime: now, Ctime: now, Btime: now,
	}
	if n, _, err = t.insert(root, name, n); err != nil {
		return "", err
	}
	t.dirs = true
	return name, t.PutDrop(index.Drop{Ino: n.Ino, Remote: d, Added: added})
}

// adoptMade finds the directory for which an unknown, empty drop was made by us and the answer lost.
func (t *txn) adoptMade(d remote.Drop) (bool, error) {
	ops, err := t.Ops()
	for _, op := range ops {
		if err != nil || op.Kind != index.OpMkdrop || op.Saga == nil || d.Name == "" || d.Used != 0 {
			continue
		}
		at, err := t.dirPlace(op.Target)
		if err != nil {
			return false, err
		}
		mine, found, err := t.Drop(op.Target)
		if err != nil {
			return false, err
		}
		if !found || mine.Remote.ID != "" || at.name != d.Name || mine.Remote.GB != d.GB || mine.Remote.Days != d.Days {
			continue
		}
		mine.Remote = d
		if err := t.PutDrop(mine); err != nil {
			return false, err
		}
		return true, t.unqueue(index.OpMkdrop, op.Target, "")
	}
	return false, err
}

// dropName finds a free name for a drop's directory: its own where that can be one, else its id.
func (t *txn) dropName(d remote.Drop, name string) (string, error) {
	name = strings.Map(func(c rune) rune {
		if c == '/' || c < ' ' || c == 0x7f {
			return '_'
		}
		return c
	}, strings.TrimLeft(name, "."))
	if name == "" || len(name) > maxName-4 || t.r.cfg.Classify(name) != Ordinary {
		name = "drop-" + string(d.ID)[:min(len(d.ID), 6)]
	}
	for i, try := 1, name; ; i++ {
		_, taken, err := t.Entry(int64(RootIno), try)
		if err != nil || !taken {
			return try, err
		}
		try = fmt.Sprintf("%s %d", name, i+1)
	}
}

// updateDrop stores what the service says of a drop.
// The service was asked at the instant since; stale tells that its figure of the room in use was not taken.
func (r *Replica) updateDrop(ino int64, info remote.Drop, since calm) (stale bool, err error) {
	return stale, r.writeAlways(func(t *txn) error {
		d, found, err := t.Drop(ino)
		if err != nil || !found {
			return err
		}
		if stale, err = t.told(&d, info, since); err != nil {
			return err
		}
		t.after = append(t.after, func() { r.quotaStale(ino) })
		return t.PutDrop(d)
	})
}

// dropGone makes a drop that expired, or was deleted elsewhere, read-only; what is held of it stays.
func (r *Replica) dropGone(ino int64) error {
	r.log.WithField("ino", ino).Warn("drop expired or was deleted elsewhere; what is held here stays until it is forgotten")
	err := r.writeAlways(func(t *txn) error {
		d, found, err := t.Drop(ino)
		if err != nil || !found {
			return err
		}
		d.Gone = true
		return t.PutDrop(d)
	})
	if err != nil {
		return err
	}
	return r.countUnlisted()
}
