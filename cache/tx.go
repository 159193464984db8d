package cache

import (
	"fmt"
	"time"

	"dropfs/cache/index"
)

// txn is one change of the tree: an index transaction, and what is to happen once it is committed.
type txn struct {
	*index.Tx
	r       *Replica
	now     time.Time
	ops     []index.Op // queued or touched in it
	drops   []int64    // ops that left the journal
	after   []func()   // run in order after the commit, without locks
	foreign bool       // others' changes are being merged: their sidecars tell of them
	dirs    bool       // a directory moved or went: walked places are no longer true
}

// write runs fn in one transaction. After the commit the queue learns of new ops and after-functions run; if fn fails
// nothing of it remains.
func (r *Replica) write(fn func(*txn) error) error {
	if r.cfg.ReadOnly {
		return ErrReadOnly
	}
	return r.writeAlways(fn)
}

// writeAlways is write for what also a read-only replica does: keep what it fetched.
func (r *Replica) writeAlways(fn func(*txn) error) error {
	t := &txn{r: r, now: r.cfg.Now()}
	err := r.idx.Write(func(tx *index.Tx) error {
		t.Tx = tx
		err := fn(t)
		if err != nil || t.dirs {
			r.dirs.Purge()
		}
		return err
	})
	if err != nil {
		return asKind(err)
	}
	r.commits.Add(1)
	for _, seq := range t.drops {
		if r.queue != nil {
			r.queue.Remove(seq)
		}
	}
	for _, op := range t.ops {
		r.enqueue(op)
	}
	for _, f := range t.after {
		f()
	}
	return nil
}

// read runs fn on one state of the index.
func (r *Replica) read(fn func(*txn) error) error {
	t := &txn{r: r, now: r.cfg.Now()}
	return asKind(r.idx.Read(func(tx *index.Tx) error {
		t.Tx = tx
		return fn(t)
	}))
}

// asKind makes a failure of the index itself an ErrIO; what already has a kind passes.
func asKind(err error) error {
	if err == nil || hasKind(err) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrIO, err)
}

// mounts counts those that show this account.
func (r *Replica) mounts() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.notify {
		if l.Entry != nil || l.Gone != nil || l.Inode != nil {
			n++
		}
	}
	return n
}

// shared tells whether several mounts show this account: then each must learn of what is done through another.
func (r *Replica) shared() bool { return r.mounts() > 1 }

// entryTold has the other mounts of the account learn of a name that is new or means something else.
func (t *txn) entryTold(parent int64, name string) {
	if t.r.shared() {
		t.after = append(t.after, func() { t.r.tellEntry(Ino(parent), name) })
	}
}

// inodeTold has the other mounts of the account learn of changed attributes or content.
func (t *txn) inodeTold(ino int64) {
	if t.r.shared() {
		t.after = append(t.after, func() { t.r.tellInode(Ino(ino)) })
	}
}

// queue journals an op for a target, due no earlier than delay from now.
func (t *txn) queue(kind index.OpKind, target int64, asset string, delay time.Duration) error {
	op, _, err := t.QueueOp(kind, target, asset, t.now, t.now.Add(delay))
	if err == nil {
		t.ops = append(t.ops, op)
	}
	return err
}

// unqueue takes an op out of the journal. An upload that it had under way is given up.
func (t *txn) unqueue(kind index.OpKind, target int64, asset string) error {
	op, found, err := t.OpFor(kind, target, asset)
	if err != nil || !found {
		return err
	}
	t.drops = append(t.drops, op.Seq)
	if err := t.endSaga(op.Seq); err != nil {
		return err
	}
	return t.DeleteOp(op.Seq)
}

// node finds an inode that must be there.
func (t *txn) node(ino Ino) (index.Node, error) {
	n, found, err := t.Node(int64(ino))
	if err == nil && !found {
		err = ErrStale
	}
	return n, err
}

// dir finds a directory that must be there and have a name.
func (t *txn) dir(ino Ino) (index.Node, error) {
	n, err := t.node(ino)
	switch {
	case err != nil:
		return n, err
	case !isDir(n.Mode):
		return n, ErrNotDir
	case n.Nlink == 0:
		return n, ErrNotExist
	}
	return n, nil
}

// changed notes that a directory's entries changed.
func (t *txn) changed(dir index.Node, links int) error {
	dir.Mtime, dir.Ctime = t.now.UnixNano(), t.now.UnixNano()
	dir.Nlink = uint32(int(dir.Nlink) + links)
	if err := t.UpdateNode(dir); err != nil || t.foreign {
		return err
	}
	return t.touch(dir.Ino)
}
