package cache

import (
	"context"
	"sort"

	"dropfs/cache/index"
	"dropfs/cache/writeback"
	"dropfs/remote"
)

// Status tells how the account stands. It waits for nothing but the index.
func (r *Replica) Status() Status {
	u := r.store.Usage()
	s := Status{
		Account: r.cfg.Account, Online: !r.offline(), Transfers: r.transfersNow(), Drops: r.dropStatus(),
		Errors: []OpError{}, Conflicts: []string{},
		Cache: CacheUsage{Max: u.Max, Allocated: u.Allocated, Dirty: u.Dirty, Pinned: u.Pinned, Files: u.Files},
	}
	if !s.Online {
		r.mu.Lock()
		s.OfflineWhy = r.offlineWhy
		r.mu.Unlock()
	}
	s.UnsentFiles, s.UnsentBytes = r.Unsent()
	queued := map[int64]writeback.OpStatus{}
	for _, o := range r.queue.Snapshot().Ops {
		queued[o.Key] = o
	}
	err := r.read(func(t *txn) error {
		ops, err := t.Ops()
		if err != nil {
			return err
		}
		for _, op := range ops {
			if op.Err == "" {
				continue
			}
			q := queued[op.Seq]
			s.Errors = append(s.Errors, OpError{
				Path: t.pathOfOp(op), Op: string(op.Kind), Err: op.Err, Attempt: q.Attempt, Next: q.Next, Refused: op.Refused,
			})
		}
		for ino, why := range r.troubles() {
			at, err := t.dirPlace(ino)
			if err != nil {
				at.name = "" // the root
			}
			s.Errors = append(s.Errors, OpError{Path: at.name, Op: "refresh", Err: why})
		}
		s.Conflicts, err = t.conflicts()
		return err
	})
	if err != nil {
		r.log.WithError(err).Error("status cannot be read from the index")
	}
	return s
}

// pathOfOp names what an op is about, for people.
func (t *txn) pathOfOp(op index.Op) string {
	switch op.Kind {
	case index.OpEntry:
		e, found, err := t.EntryByID(op.Target)
		if err == nil && found {
			if p, err := t.path(e.Parent, e.Name); err == nil {
				return p
			}
		}
	case index.OpDelete:
		a, found, err := t.Asset(op.Target, remote.AssetID(op.Asset))
		if err == nil && found {
			if at, err := t.dirPlace(op.Target); err == nil {
				return at.name + "/" + a.Remote.Name
			}
			return a.Remote.Name
		}
	default:
		if at, err := t.dirPlace(op.Target); err == nil {
			return at.name
		}
	}
	return ""
}

// Unsent counts what the service does not have yet: queued changes, held deletes and sidecars among them, and the bytes
// of files to be sent.
func (r *Replica) Unsent() (ops int, bytes int64) {
	err := r.read(func(t *txn) error {
		list, err := t.Ops()
		if err != nil {
			return err
		}
		ops = len(list)
		unsent, err := t.UnsentEntries()
		for _, u := range unsent {
			if !u.SameBytes {
				bytes += u.Size
			}
		}
		return err
	})
	if err != nil {
		r.log.WithError(err).Error("journal cannot be read")
		ops++ // in doubt there is something
	}
	return ops, bytes
}

// Info tells everything known of one inode.
func (r *Replica) Info(_ context.Context, ino Ino) (FileInfo, error) {
	var f FileInfo
	var n index.Node
	err := r.read(func(t *txn) error {
		var err error
		if n, err = t.node(ino); err != nil {
			return err
		}
		p, err := t.placeOfInode(int64(ino))
		if err != nil {
			return err
		}
		if d, found, err := t.Drop(p.drop); err != nil {
			return err
		} else if found {
			f.Drop = d.Remote
		}
		f.State = StateClean
		f.Pinned = n.Flags&index.Pinned != 0
		if !p.sent() {
			f.State = StateLocal
			return nil
		}
		if isFile(n.Mode) {
			return t.fileInfo(n, &f)
		}
		return nil
	})
	if err != nil {
		return f, err
	}
	if p, ok := r.percentOf(int64(ino)); ok {
		f.State, f.Percent = StateUploading, p
	}
	return f, nil
}

// fileInfo fills in what is known of a file that is sent.
func (t *txn) fileInfo(n index.Node, f *FileInfo) error {
	entries, err := t.EntriesOf(n.Ino)
	if err != nil {
		return err
	}
	for _, e := range entries {
		assets, err := t.AssetsOf(e.ID)
		if err != nil {
			return err
		}
		for _, a := range assets {
			if !a.Old {
				f.Asset = a.Remote
			}
		}
		op, queued, err := t.OpFor(index.OpEntry, e.ID, "")
		if err != nil {
			return err
		}
		if queued && f.State != StateFailed {
			f.State = StateDirty
			if op.Err != "" {
				f.State, f.Err = StateFailed, op.Err
			}
		}
	}
	c, found, err := t.Content(n.Content)
	if err != nil {
		return err
	}
	if found && c.Complete {
		f.Cached = n.Size
	}
	if f.State == StateClean && (!found || !c.Complete) && n.Size > 0 {
		f.State = StateCold
	}
	return nil
}

// conflicts lists the entries that have a conflict name.
func (t *txn) conflicts() ([]string, error) {
	out := []string{}
	list, err := t.ConflictEntries()
	for _, e := range list {
		if err != nil {
			return out, err
		}
		var p string
		if p, err = t.path(e.Parent, e.Name); err == nil {
			out = append(out, p)
		}
	}
	sort.Strings(out)
	return out, err
}

// noteConflict remembers that an entry has a conflict name now.
func (t *txn) noteConflict(e index.Entry) error {
	at, err := t.path(e.Parent, e.Name)
	if err != nil {
		return err
	}
	t.r.log.WithField("path", at).Warn("two changes of one file: the later one kept under a conflict name")
	return t.AddConflict(e.ID)
}
