package cache

import (
	"context"
	"errors"

	"dropfs/cache/content"
	"dropfs/cache/index"
)

// Unlink removes a name that is not a directory's. What was sent is deleted on the service when the window for undelete
// has passed.
func (r *Replica) Unlink(ctx context.Context, parent Ino, name string) error {
	if err := r.ready(ctx, parent); err != nil {
		return err
	}
	var n index.Node
	defer r.moves.Add(1)
	err := r.write(func(t *txn) error {
		dir, e, err := t.present(parent, name)
		if err != nil {
			return err
		}
		if n, err = t.node(Ino(e.Ino)); err != nil {
			return err
		}
		if isDir(n.Mode) {
			return ErrIsDir
		}
		if err := t.toTrash(e, &n); err != nil {
			return err
		}
		if err := t.removeEntry(e, &n); err != nil {
			return err
		}
		return t.changed(dir, 0)
	})
	if err != nil {
		return err
	}
	if n.Nlink == 0 {
		return r.unnamed(Ino(n.Ino))
	}
	return nil
}

// unnamed is called for an inode whose last name went. While a kernel refers to it, it may still be asked for (by an open
// under way, a descriptor of its path); then Forget ends it, or the next start.
func (r *Replica) unnamed(ino Ino) error {
	if r.mounts() > 0 {
		return nil
	}
	return r.dropOrphan(ino)
}

// present finds a name that may be removed.
func (t *txn) present(parent Ino, name string) (dir index.Node, e index.Entry, err error) {
	if len(name) > maxName {
		return dir, e, ErrNameTooLong
	}
	if dir, err = t.dir(parent); err != nil {
		return dir, e, err
	}
	e, found, err := t.Entry(int64(parent), name)
	if err == nil && !found {
		err = ErrNotExist
	}
	if err == nil {
		err = t.writable(int64(parent), name)
	}
	if err == nil {
		err = t.ownDir(&dir)
	}
	return dir, e, err
}

// removeEntry takes a name away: its node loses a link, what the service holds for it is doomed, what was queued for it
// is dropped.
func (t *txn) removeEntry(e index.Entry, n *index.Node) error {
	if err := t.doom(e, t.r.cfg.UndeleteWindow != 0); err != nil {
		return err
	}
	if err := t.gone(e, *n); err != nil {
		return err
	}
	if err := t.DeleteEntry(e.ID); err != nil {
		return err
	}
	t.entryTold(e.Parent, e.Name)
	n.Nlink--
	if isDir(n.Mode) {
		n.Nlink = 0
		t.dirs = true
	}
	n.Ctime = t.now.UnixNano()
	return t.UpdateNode(*n)
}

// doom queues the delete of everything that the service holds for an entry, also of an upload that may have been
// confirmed without our knowing (C6).
func (t *txn) doom(e index.Entry, window bool) error {
	assets, err := t.AssetsOf(e.ID)
	if err != nil {
		return err
	}
	if err := t.unqueue(index.OpEntry, e.ID, ""); err != nil {
		return err
	}
	for _, a := range assets {
		if err := t.doomAsset(a, window && !a.Old); err != nil {
			return err
		}
	}
	return nil
}

// doomAsset queues the delete of an asset, with the window for undelete or at once.
func (t *txn) doomAsset(a index.Asset, window bool) error {
	a.Entry, a.Old = 0, false
	if err := t.PutAsset(a); err != nil {
		return err
	}
	delay := t.r.cfg.UndeleteWindow
	if !window {
		delay = 0
	}
	return t.queue(index.OpDelete, a.Drop, string(a.Remote.ID), delay)
}

// Rmdir removes an empty directory; below the root, an empty drop, which the service deletes where it can.
func (r *Replica) Rmdir(ctx context.Context, parent Ino, name string) error {
	if err := r.ready(ctx, parent); err != nil {
		return err
	}
	a, err := r.Lookup(ctx, parent, name)
	if err != nil {
		return err
	}
	if isDir(a.Mode) {
		if err := r.ready(ctx, a.Ino); err != nil { // a drop that was never listed may not be empty
			return err
		}
	}
	return r.write(func(t *txn) error {
		dir, e, err := t.present(parent, name)
		if err != nil {
			return err
		}
		n, err := t.emptyDir(e)
		if err != nil {
			return err
		}
		if d, found, err := t.Drop(n.Ino); err != nil {
			return err
		} else if found {
			if err := t.endDrop(d); err != nil {
				return err
			}
		}
		if err := t.removeEntry(e, &n); err != nil {
			return err
		}
		return t.changed(dir, -1)
	})
}

// emptyDir finds the directory of an entry, which must be empty.
func (t *txn) emptyDir(e index.Entry) (index.Node, error) {
	n, err := t.node(Ino(e.Ino))
	if err != nil {
		return n, err
	}
	if !isDir(n.Mode) {
		return n, ErrNotDir
	}
	full, err := t.HasEntries(n.Ino)
	if err == nil && full {
		err = ErrNotEmpty
	}
	return n, err
}

// dropOrphan removes an inode without a name once nobody has it open; one that can be undeleted is kept, clean, so that
// it may be evicted.
func (r *Replica) dropOrphan(ino Ino) error {
	r.mu.Lock()
	open := r.open[ino] != nil
	r.mu.Unlock()
	if open {
		return nil
	}
	var gone content.ID
	clean := false
	err := r.writeAlways(func(t *txn) error {
		n, found, err := t.Node(int64(ino))
		if err != nil || !found || n.Nlink > 0 {
			return err
		}
		if n.Flags&index.Trashed != 0 {
			gone, clean = content.ID(n.Content), true
			return t.cleanContent(n)
		}
		gone, clean = content.ID(n.Content), false
		if err := t.DeleteContent(n.Content); err != nil {
			return err
		}
		return t.DeleteNode(n.Ino)
	})
	if err != nil || gone == 0 {
		return err
	}
	if clean {
		return r.markClean(gone)
	}
	return asSpace(r.store.Remove(gone))
}

// closedLast is called when the last handle of an inode ended.
func (r *Replica) closedLast(in *inode) error {
	r.mu.Lock()
	forgotten := in.forgotten
	r.mu.Unlock()
	var n index.Node
	found := false
	err := r.read(func(t *txn) (err error) {
		n, found, err = t.Node(int64(in.ino))
		return err
	})
	switch {
	case err != nil || !found || n.Nlink > 0:
		return err
	case forgotten || n.Flags&index.Trashed != 0: // it stays, clean
		return r.dropOrphan(in.ino)
	default:
		return r.unnamed(in.ino)
	}
}

// cleanContent notes that what is held of n may be evicted.
func (t *txn) cleanContent(n index.Node) error {
	if n.Flags&index.Writing != 0 {
		n.Flags &^= index.Writing
		if err := t.UpdateNode(n); err != nil {
			return err
		}
	}
	c, found, err := t.Content(n.Content)
	if err != nil || !found || !c.Dirty {
		return err
	}
	c.Dirty = false
	c.Size = n.Size
	return t.UpdateContent(c)
}

// markClean tells the store what the index already knows.
func (r *Replica) markClean(id content.ID) error {
	f, err := r.store.Open(id, content.State{Complete: true, Dirty: true})
	if errors.Is(err, content.ErrLost) {
		return nil
	}
	if err != nil {
		return asSpace(err)
	}
	defer f.Release()
	return asSpace(f.SetDirty(false))
}

// markDirty tells the store what the index already knows.
func (r *Replica) markDirty(id content.ID, size int64) error {
	f, err := r.store.Open(id, content.State{Size: size, Complete: true, Dirty: true})
	if err != nil {
		return asSpace(err)
	}
	defer f.Release()
	return asSpace(f.SetDirty(true))
}

// Forget tells that no kernel refers to an inode any more.
func (r *Replica) Forget(ino Ino) {
	r.mu.Lock()
	in := r.open[ino]
	if in != nil {
		in.forgotten = true
	}
	r.mu.Unlock()
	if in != nil {
		return
	}
	var orphan bool
	err := r.read(func(t *txn) error {
		n, found, err := t.Node(int64(ino))
		orphan = found && n.Nlink == 0 && n.Flags&index.Trashed == 0
		return err
	})
	if err == nil && orphan {
		err = r.dropOrphan(ino)
	}
	if err != nil {
		r.log.WithError(err).WithField("ino", ino).Warn("unlinked file not removed")
	}
}

// ownDir makes a directory that existed only for the assets in it exist in its own right, for somebody here is using it:
// emptied, it stays.
func (t *txn) ownDir(dir *index.Node) error {
	if dir.Flags&index.Implicit == 0 {
		return nil
	}
	dir.Flags &^= index.Implicit
	if err := t.UpdateNode(*dir); err != nil {
		return err
	}
	return t.touch(dir.Ino)
}
