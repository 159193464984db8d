package cache

import (
	"context"
	"errors"
	"fmt"
	"sort"

	"golang.org/x/sys/unix"

	"dropfs/cache/index"
	"dropfs/remote"
)

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
