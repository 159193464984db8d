package cache

import (
	"context"
	"fmt"
	"path"
	"time"

	"dropfs/cache/index"
	"dropfs/remote"
)

const (
	trashAge = 7 * 24 * time.Hour
	trashMax = 10000 // deleted files kept, where the cache still holds them
)

// toTrash notes a file that is being deleted, so that Undelete can bring it back. The caller stores n.
func (t *txn) toTrash(e index.Entry, n *index.Node) error {
	if t.r.cfg.UndeleteWindow == 0 || !isFile(n.Mode) || n.Nlink != 1 {
		return nil
	}
	p, err := t.placeOf(e)
	if err != nil || !p.sent() || p.class == Held {
		return err
	}
	at, err := t.path(e.Parent, e.Name)
	if err != nil {
		return err
	}
	x := index.Trash{Ino: n.Ino, Parent: e.Parent, Name: e.Name, Path: at, At: t.now, Drop: p.drop, Chg: n.Chg}
	assets, err := t.AssetsOf(e.ID)
	if err != nil {
		return err
	}
	for _, a := range assets {
		if !a.Old && a.Chg == n.Chg {
			x.Asset = a.Remote.ID
		}
	}
	if x.Asset == "" && n.Size == 0 {
		return nil // nothing would be brought back
	}
	if err := t.AddTrash(x); err != nil {
		return err
	}
	n.Flags |= index.Trashed
	return nil
}

// emptyTrash forgets what was deleted long ago, and what is beyond the number that is kept.
func (r *Replica) emptyTrash() error {
	var old []index.Trash
	err := r.read(func(t *txn) error {
		var err error
		if old, err = t.TrashedBefore(t.now.Add(-trashAge)); err != nil {
			return err
		}
		more, err := t.Trashed(trashMax, 1000)
		old = append(old, more...)
		return err
	})
	for _, x := range old {
		if err != nil {
			return err
		}
		err = r.forgetTrash(x)
	}
	return err
}

func (r *Replica) forgetTrash(x index.Trash) error {
	err := r.writeAlways(func(t *txn) error {
		if err := t.DeleteTrash(x.ID); err != nil {
			return err
		}
		n, found, err := t.Node(x.Ino)
		if err != nil || !found {
			return err
		}
		n.Flags &^= index.Trashed
		return t.UpdateNode(n)
	})
	if err != nil {
		return err
	}
	return r.dropOrphan(Ino(x.Ino))
}

// Deleted lists what Undelete can bring back, the latest first.
func (r *Replica) Deleted() []Deleted {
	var out []Deleted
	err := r.read(func(t *txn) error {
		list, err := t.Trashed(0, trashMax)
		if err != nil {
			return err
		}
		for _, x := range list {
			n, found, err := t.Node(x.Ino)
			if err != nil {
				return err
			}
			if !found || n.Nlink > 0 {
				continue
			}
			_, held, err := t.Asset(x.Drop, x.Asset)
			if err != nil {
				return err
			}
			if !held && n.Content == 0 {
				continue
			}
			out = append(out, Deleted{Path: x.Path, Size: n.Size, Deleted: x.At, Sent: !held})
		}
		return nil
	})
	if err != nil {
		r.log.WithError(err).Error("deleted files cannot be read from the index")
	}
	return out
}

// Undelete brings the file back that was deleted last under a path below the account's root: with the service's copy
// while that is there, else from the cache, and then it is sent anew.
func (r *Replica) Undelete(ctx context.Context, at string) error {
	dir, err := r.Resolve(ctx, path.Dir("/" + at)[1:])
	if err != nil {
		return fmt.Errorf("directory of %s: %w", at, err)
	}
	var name string
	err = r.write(func(t *txn) error {
		x, n, err := t.lastTrash(at)
		if err != nil {
			return err
		}
		name = x.Name
		d, err := t.vacant(dir.Ino, name)
		if err != nil {
			return err
		}
		eid, err := t.InsertEntry(d.Ino, name, n.Ino)
		if err != nil {
			return err
		}
		asset, held, err := t.Asset(x.Drop, x.Asset)
		if err != nil {
			return err
		}
		n.Nlink, n.Ctime, n.Flags = 1, t.now.UnixNano(), n.Flags&^index.Trashed
		if held && asset.Entry == 0 && n.Chg == x.Chg {
			asset.Entry, asset.Chg = eid, n.Chg
			if err := t.PutAsset(asset); err != nil {
				return err
			}
			if err := t.unqueue(index.OpDelete, x.Drop, string(x.Asset)); err != nil {
				return err
			}
		} else if err := t.sendAgain(&n); err != nil {
			return err
		}
		if err := t.UpdateNode(n); err != nil {
			return err
		}
		if err := t.DeleteTrash(x.ID); err != nil {
			return err
		}
		if err := t.contentChanged(n.Ino); err != nil {
			return err
		}
		if err := t.touch(n.Ino); err != nil {
			return err
		}
		return t.changed(d, 0)
	})
	if err == nil {
		r.tellEntry(dir.Ino, name)
	}
	return err
}

// lastTrash finds what was deleted last under a path.
func (t *txn) lastTrash(at string) (index.Trash, index.Node, error) {
	list, err := t.Trashed(0, trashMax)
	if err != nil {
		return index.Trash{}, index.Node{}, err
	}
	for _, x := range list {
		if x.Path != at {
			continue
		}
		n, found, err := t.Node(x.Ino)
		if err != nil {
			return x, n, err
		}
		if found && n.Nlink == 0 {
			return x, n, nil
		}
	}
	return index.Trash{}, index.Node{}, ErrNotExist
}

// sendAgain makes the content of a node, which must be whole here, dirty.
func (t *txn) sendAgain(n *index.Node) error {
	c, found, err := t.Content(n.Content)
	if err != nil {
		return err
	}
	if !found || !c.Complete {
		return fmt.Errorf("%w: its content is no longer here", ErrNotExist)
	}
	n.Chg++
	c.Dirty, c.Size = true, n.Size
	return t.UpdateContent(c)
}

// trashedSource finds the asset of a deleted file that is still open.
func (t *txn) trashedSource(n index.Node) (remote.Asset, error) {
	list, err := t.Trashed(0, trashMax)
	for _, x := range list {
		if err != nil {
			break
		}
		if x.Ino != n.Ino || x.Asset == "" || x.Chg != n.Chg {
			continue
		}
		var a index.Asset
		var found bool
		if a, found, err = t.Asset(x.Drop, x.Asset); found {
			return a.Remote, err
		}
	}
	if err != nil {
		return remote.Asset{}, err
	}
	return remote.Asset{}, fmt.Errorf("%w: the service has no copy of it", ErrIO)
}
