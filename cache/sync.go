package cache

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"dropfs/cache/index"
	"dropfs/cache/writeback"
)

// SyncError names what the service refuses.
type SyncError struct{ Ops []OpError }

func (e *SyncError) Error() string {
	s := make([]string, len(e.Ops))
	for i, op := range e.Ops {
		s[i] = op.Path + ": " + op.Err
	}
	return "refused by the service: " + strings.Join(s, "; ")
}

// Sync sends everything that is queued below the inodes given, or everything (nil), without quiet times and windows,
// and returns when it is on the service, sidecars included. ErrOffline where the service cannot be reached and ctx has
// no deadline; a *SyncError names what it refuses.
func (r *Replica) Sync(ctx context.Context, inos []Ino) error {
	r.hurry.Add(1)
	defer r.hurry.Add(-1)
	if err := r.settleOpen(); err != nil {
		return err
	}
	_, bounded := ctx.Deadline()
	refused := map[writeback.Key]error{}
	for range 64 { // what one round sends (a tree that moved, an upload) may queue more
		keys, err := r.opsBelow(inos)
		if err != nil {
			return err
		}
		fresh := keys[:0]
		for _, k := range keys {
			if refused[k] == nil {
				fresh = append(fresh, k)
			}
		}
		if len(fresh) == 0 {
			break
		}
		r.queue.Kick(fresh...)
		failed, err := r.queue.Wait(ctx, !bounded, fresh...)
		for k, why := range failed {
			refused[k] = why
		}
		if errors.Is(err, writeback.ErrOffline) {
			return fmt.Errorf("%w: %w", ErrOffline, err)
		}
		if err != nil {
			return err
		}
	}
	if len(refused) == 0 {
		return nil
	}
	return r.syncError(refused)
}

// settleOpen brings the index up to what writers have written so far.
func (r *Replica) settleOpen() error {
	r.mu.Lock()
	var list []*inode
	for _, in := range r.open {
		list = append(list, in)
	}
	r.mu.Unlock()
	var errs []error
	for _, in := range list {
		in.mu.Lock()
		errs = append(errs, in.settle(false))
		in.mu.Unlock()
	}
	return errors.Join(errs...)
}

// opsBelow lists the ops that change something below the inodes, or all.
func (r *Replica) opsBelow(inos []Ino) (keys []writeback.Key, err error) {
	want := map[int64]bool{}
	for _, i := range inos {
		want[int64(i)] = true
	}
	err = r.read(func(t *txn) error {
		drops := map[int64]bool{}
		for i := range want {
			if p, err := t.placeOfInode(i); err == nil && p.drop != 0 {
				drops[p.drop] = true
			}
		}
		ops, err := t.Ops()
		for _, op := range ops {
			if inos == nil || want[int64(RootIno)] || t.concerns(op, want, drops) {
				keys = append(keys, op.Seq)
			}
		}
		return err
	})
	return keys, err
}

// concerns tells whether an op changes something at or below the inodes of want. What has no place in the tree any more
// concerns every inode of its drop.
func (t *txn) concerns(op index.Op, want, drops map[int64]bool) bool {
	dir := op.Target
	switch op.Kind {
	case index.OpEntry:
		e, found, err := t.EntryByID(op.Target)
		if err != nil || !found {
			return false
		}
		if want[e.Ino] {
			return true
		}
		dir = e.Parent
	case index.OpTree:
	default:
		return drops[op.Target]
	}
	for dir != int64(RootIno) {
		if want[dir] {
			return true
		}
		at, err := t.dirPlace(dir)
		if err != nil {
			return false
		}
		dir = at.parent
	}
	return false
}

func (r *Replica) syncError(refused map[writeback.Key]error) error {
	e := &SyncError{}
	err := r.read(func(t *txn) error {
		for k, why := range refused {
			op, found, err := t.Op(k)
			if err != nil {
				return err
			}
			if found {
				e.Ops = append(e.Ops, OpError{Path: t.pathOfOp(op), Op: string(op.Kind), Err: why.Error(), Refused: true})
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(e.Ops) == 0 {
		return nil // undone by others meanwhile
	}
	return e
}

// FsyncDir makes the entries of a directory survive power loss.
func (r *Replica) FsyncDir(context.Context, Ino) error { return asKind(r.idx.Flush()) }
