package cache

import (
	"context"
	"encoding/binary"
	"fmt"

	"dropfs/cache/content"
	"dropfs/cache/index"
)

// recover puts right what the last owner left, whether it stopped or was killed: files that were open for writing get
// the size and time of their content file, what a power loss may have taken is fetched again or reported, inodes and
// content files that nothing refers to go. Every step may be repeated: a kill in the middle is met by the next start.
func (r *Replica) recover(context.Context) error {
	if err := r.root(); err != nil {
		return err
	}
	if err := r.afterPowerLoss(); err != nil {
		return err
	}
	if err := r.closeWriters(); err != nil {
		return err
	}
	if err := r.removeOrphans(); err != nil {
		return err
	}
	if err := r.sweep(); err != nil {
		return err
	}
	return r.read(func(t *txn) error {
		ops, err := t.Ops()
		r.recovered = append(r.recovered, ops...)
		return err
	})
}

// root makes the root directory and this replica's name, once.
func (r *Replica) root() error {
	return r.writeAlways(func(t *txn) error {
		name, err := t.Meta("replica")
		if err != nil {
			return err
		}
		if name == nil {
			name = []byte(newReplicaName())
			if err := t.SetMeta("replica", name); err != nil {
				return err
			}
		}
		r.replica = string(name)
		last, err := t.LastContentID()
		if err != nil {
			return err
		}
		r.contents.Store(last)
		_, found, err := t.Node(int64(RootIno))
		if err != nil || found {
			return err
		}
		now := t.now.UnixNano()
		_, err = t.InsertNode(index.Node{
			Ino: int64(RootIno), Mode: 0o040755, UID: r.cfg.UID, GID: r.cfg.GID, Nlink: 2,
			Atime: now, Mtime: now, Ctime: now, Btime: now,
		})
		return err
	})
}

// afterPowerLoss treats content that was written in an earlier boot and never synced: clean content is forgotten, and
// fetched again when it is read; dirty content is kept and reported, for it is all there is.
func (r *Replica) afterPowerLoss() error {
	return r.writeAlways(func(t *txn) error {
		list, err := t.UnsyncedContents(r.boot)
		if err != nil {
			return err
		}
		for _, c := range list {
			if c.Dirty {
				r.log.WithField("ino", c.Ino).Error("unsent file was written shortly before the machine stopped; it may be damaged")
				if err := t.SetSynced(c.ID); err != nil {
					return err
				}
				continue
			}
			if _, err := t.Evict([]int64{c.ID}); err != nil {
				return err
			}
		}
		return nil
	})
}

// closeWriters ends what was open for writing: the content file knows size and time better than the index.
func (r *Replica) closeWriters() error {
	var list []index.Node
	err := r.read(func(t *txn) (err error) {
		list, err = t.WritingNodes()
		return err
	})
	if err != nil {
		return err
	}
	for _, n := range list {
		if err := r.closeWriter(n); err != nil {
			return err
		}
	}
	return nil
}

func (r *Replica) closeWriter(n index.Node) error {
	in := r.acquire(Ino(n.Ino), false)
	in.mu.Lock()
	err := in.load()
	if err == nil && in.file.Dirty() {
		in.armed = true // what was written is of the change that the index has
		info, serr := in.file.Stat()
		if serr != nil {
			err = asSpace(serr)
		} else if info.Size != n.Size || info.Mtime.UnixNano() > n.Mtime {
			in.size, in.mtime, in.ctime, in.stale = info.Size, max(n.Mtime, info.Mtime.UnixNano()), max(n.Ctime, info.Mtime.UnixNano()), true
		}
	}
	found := in.stale
	in.mu.Unlock()
	if err == nil && found {
		err = r.writeAlways(func(t *txn) error { return t.touch(n.Ino) })
	}
	if err != nil {
		err = fmt.Errorf("file %d was open for writing: %w", n.Ino, err)
		r.log.WithError(err).WithField("ino", n.Ino).Error("unsent content cannot be read")
		return in.release(false)
	}
	return in.release(false)
}

func (r *Replica) removeOrphans() error {
	var list []index.Node
	err := r.read(func(t *txn) (err error) {
		list, err = t.UnlinkedNodes()
		return err
	})
	for _, n := range list {
		if err != nil {
			return err
		}
		err = r.dropOrphan(Ino(n.Ino))
	}
	return err
}

// sweep removes content files that no row names, and tells the store of those that one does.
func (r *Replica) sweep() error {
	known := map[content.ID]content.Flags{}
	err := r.read(func(t *txn) error {
		return t.Contents(func(c index.Content) {
			known[content.ID(c.ID)] = content.Flags{Dirty: c.Dirty, Cold: !c.Complete && len(c.Extents) == 0}
		})
	})
	if err != nil {
		return err
	}
	err = r.read(func(t *txn) error {
		pinned, err := t.PinnedNodes()
		for _, n := range pinned {
			if f, ok := known[content.ID(n.Content)]; ok {
				f.Pinned = true
				known[content.ID(n.Content)] = f
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	err = r.store.Sweep(func(id content.ID) (content.Flags, bool) {
		f, ok := known[id]
		return f, ok
	})
	if err != nil {
		return err
	}
	return r.loadRecency()
}

// saveRecency keeps the order of last use for the next start.
func (r *Replica) saveRecency() error {
	ids := r.store.Recency()
	b := make([]byte, 0, len(ids)*3)
	for _, id := range ids {
		b = binary.AppendVarint(b, int64(id))
	}
	return r.writeAlways(func(t *txn) error { return t.SetMeta("recency", b) })
}

func (r *Replica) loadRecency() error {
	return r.read(func(t *txn) error {
		b, err := t.Meta("recency")
		var ids []content.ID
		for len(b) > 0 {
			id, n := binary.Varint(b)
			if n <= 0 {
				break // damaged: the order is lost, nothing else
			}
			ids, b = append(ids, content.ID(id)), b[n:]
		}
		r.store.Seed(ids)
		return err
	})
}

// evict makes contents cold in the index, before the store removes their bytes (C2).
func (r *Replica) evict(ids []content.ID) error {
	return r.writeAlways(func(t *txn) error {
		cids := make([]int64, len(ids))
		for i, id := range ids {
			cids[i] = int64(id)
		}
		gone, err := t.Evict(cids)
		if err == nil && len(gone) != len(cids) {
			for _, c := range cids {
				if _, found, ferr := t.Content(c); ferr != nil || found {
					return fmt.Errorf("%w: content %d is not clean", ErrBusy, c)
				}
			}
		}
		return err
	})
}
