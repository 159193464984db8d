package cache

import (
	"context"
	"errors"
	"fmt"
	"sort"
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
	r.dropsMu.Lock()
	defer r.dropsMu.Unlock()
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
	r.dropsMu.Lock()
	defer r.dropsMu.Unlock()
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

// Drops tells of all drops, by name.
func (r *Replica) Drops(context.Context) []DropStatus { return r.dropStatus() }

func (r *Replica) dropStatus() []DropStatus {
	var list []DropStatus
	err := r.read(func(t *txn) error {
		drops, err := t.Drops()
		if err != nil {
			return err
		}
		for _, d := range drops {
			at, err := t.dirPlace(d.Ino)
			if err != nil {
				return err
			}
			list = append(list, DropStatus{
				Account: r.cfg.Account, Name: at.name, ID: d.Remote.ID, GB: d.Remote.GB, Days: d.Remote.Days,
				Used: d.Remote.Used, Size: d.Remote.MaxSize, Expires: d.Remote.Expires, Gone: d.Gone,
			})
		}
		return nil
	})
	if err != nil {
		r.log.WithError(err).Error("drops cannot be read from the index")
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Name < list[j].Name })
	return list
}

// CreateDrop makes a drop of its own size and days. It is made on the service before this returns.
func (r *Replica) CreateDrop(ctx context.Context, name string, spec remote.DropSpec) (Attr, error) {
	if err := r.ready(ctx, RootIno); err != nil {
		return Attr{}, err
	}
	if spec.GB == 0 {
		spec.GB = r.cfg.DropGB
	}
	if spec.Days == 0 {
		spec.Days = r.cfg.DropDays
	}
	var n index.Node
	err := r.write(func(t *txn) error {
		root, err := t.vacant(RootIno, name)
		if err != nil {
			return err
		}
		n = t.fresh(root, unix.S_IFDIR|0o755, Caller{r.cfg.UID, r.cfg.GID})
		n.Nlink = 2
		if n, _, err = t.insert(root, name, n); err != nil {
			return err
		}
		return t.newDrop(n.Ino, spec.GB, spec.Days)
	})
	if err != nil {
		return Attr{}, err
	}
	r.tellEntry(RootIno, name)
	return r.attr(n), nil
}

// findDrop finds a drop by the name of its directory.
func (r *Replica) findDrop(name string) (d index.Drop, err error) {
	err = r.read(func(t *txn) error {
		e, found, err := t.Entry(int64(RootIno), name)
		if err == nil && found {
			d, found, err = t.Drop(e.Ino)
		}
		if err == nil && !found {
			err = ErrNotExist
		}
		return err
	})
	return d, err
}

// ExtendDrop gives a drop more room or more days; zero values stay.
func (r *Replica) ExtendDrop(ctx context.Context, name string, gb float64, days int) error {
	d, err := r.findDrop(name)
	if err != nil {
		return err
	}
	if d.Remote.ID == "" {
		return errWaitsForDrop
	}
	since := r.traffic.now()
	info, err := r.cfg.Service.UpdateDrop(ctx, d.Remote.ID, remote.DropSpec{GB: gb, Days: days})
	if err != nil {
		return err
	}
	_, err = r.updateDrop(d.Ino, info, since)
	return err
}

// AddDrop shows a drop that was made elsewhere under a name. Where the service can be asked, it must have it.
func (r *Replica) AddDrop(ctx context.Context, name string, id remote.DropID) error {
	since := r.traffic.now()
	info, err := r.cfg.Service.Drop(ctx, id)
	if err != nil {
		return err
	}
	return r.addDrop(name, info, since)
}

func (r *Replica) addDrop(name string, info remote.Drop, since calm) error {
	shown := ""
	err := r.writeAlways(func(t *txn) (err error) {
		shown, err = t.meetDrop(info, name, true, since)
		return err
	})
	if err == nil && shown != "" {
		r.tellEntry(RootIno, shown)
	}
	return errors.Join(err, r.countUnlisted())
}

// ForgetDrop takes a drop off this machine, with everything that is held of it; the service keeps it. What is unsent in
// it is refused unless the drop is gone.
func (r *Replica) ForgetDrop(_ context.Context, name string) error {
	d, err := r.findDrop(name)
	if err != nil {
		return err
	}
	if n := r.unsentIn(d.Ino); n > 0 && !d.Gone {
		return fmt.Errorf("%w: %d changes are not sent yet", ErrBusy, n)
	}
	err = r.writeAlways(func(t *txn) error {
		root, err := t.node(RootIno)
		if err != nil {
			return err
		}
		if err := t.removeTree(d.Ino); err != nil {
			return err
		}
		e, found, err := t.Entry(int64(RootIno), name)
		if err != nil || !found {
			return err
		}
		if err := t.DeleteDrop(d.Ino); err != nil {
			return err
		}
		if err := t.DeleteEntry(e.ID); err != nil {
			return err
		}
		t.dirs = true
		return errors.Join(t.DeleteNode(d.Ino), t.changed(root, -1))
	})
	if err == nil {
		r.tellGone(RootIno, name, Ino(d.Ino))
	}
	return err
}

// removeTree takes everything below a directory out of the index, sending nothing.
func (t *txn) removeTree(dir int64) error {
	children, err := t.Children(dir)
	for _, e := range children {
		if err != nil {
			return err
		}
		var n index.Node
		if n, err = t.node(Ino(e.Ino)); err != nil {
			return err
		}
		if isDir(n.Mode) {
			if err = t.removeTree(n.Ino); err != nil {
				return err
			}
		}
		if err = t.unqueue(index.OpEntry, e.ID, ""); err != nil {
			return err
		}
		if err = t.DeleteEntry(e.ID); err != nil {
			return err
		}
		n.Nlink = 0
		n.Flags &^= index.Trashed
		if err = t.UpdateNode(n); err != nil {
			return err
		}
		t.after = append(t.after, func() { t.r.logRelease(t.r.dropOrphan(Ino(n.Ino)), Ino(n.Ino)) })
	}
	return err
}

// DeleteDrop deletes a drop with all that is in it, here and on the service, which must be able to.
func (r *Replica) DeleteDrop(ctx context.Context, name string) error {
	d, err := r.findDrop(name)
	if err != nil {
		return err
	}
	if d.Remote.ID != "" && !d.Gone {
		if err := r.cfg.Service.DeleteDrop(ctx, d.Remote.ID); err != nil && !errors.Is(err, remote.ErrNotFound) {
			return err
		}
		if err := r.dropGone(d.Ino); err != nil {
			return err
		}
	}
	return r.ForgetDrop(ctx, name)
}
