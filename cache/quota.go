package cache

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"dropfs/cache/index"
)

// quota is how much may still be written into a drop. It is counted from the index once in a while, and guessed from
// what is written between; the service has the last word.
type quota struct {
	mu      sync.Mutex
	known   bool
	counted time.Time
	free    int64 // bytes
	total   int64
	maxFile int64 // 0: no limit
}

// recount is how long a count of a quota is trusted while it is being written.
const recount = 2 * time.Second

// quotaStale has a drop's quota counted again.
func (r *Replica) quotaStale(drop int64) {
	if v, ok := r.quotas.Load(drop); ok {
		q := v.(*quota)
		q.mu.Lock()
		q.known = false
		q.mu.Unlock()
	}
}

// quotaOf counts a drop's quota where that is due. q.mu is held when it returns.
func (r *Replica) quotaOf(drop int64) (*quota, error) {
	v, _ := r.quotas.LoadOrStore(drop, &quota{})
	q := v.(*quota)
	q.mu.Lock()
	if q.known && r.cfg.Now().Sub(q.counted) < recount {
		return q, nil
	}
	q.mu.Unlock() // the index comes before it
	free, total, maxFile, err := r.countQuota(drop)
	q.mu.Lock()
	if err == nil {
		q.known, q.counted, q.free, q.total, q.maxFile = true, r.cfg.Now(), free, total, maxFile
	}
	return q, err
}

// lead is how many bytes of a drop an open file takes beyond the size that the index has of it; below zero where it was
// cut. It is set under inode.mu and read by who counts, who holds that of another inode.
type lead struct {
	drop, bytes atomic.Int64
}

func (l *lead) set(drop, bytes int64) {
	l.drop.Store(drop)
	l.bytes.Store(bytes)
}

// lead notes how far in is ahead of the index; in.mu is held exclusively.
func (in *inode) lead() {
	if in.size == in.told && in.ahead.bytes.Load() == 0 {
		return
	}
	drop, err := in.r.dropOfOpen(in)
	if err != nil {
		drop = 0 // removed meanwhile: nobody's
	}
	in.ahead.set(drop, in.size-in.told)
}

// leads sums up what open files take beyond what the index knows.
func (r *Replica) leads(drop int64) (sum int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, in := range r.open {
		if in.ahead.drop.Load() == drop {
			sum += in.ahead.bytes.Load()
		}
	}
	return sum
}

// countQuota: what the service says is free, plus what queued deletes and replacements will free, less what is unsent,
// written or not yet in the index.
func (r *Replica) countQuota(drop int64) (free, total, maxFile int64, err error) {
	err = r.read(func(t *txn) error {
		d, found, err := t.Drop(drop)
		if err != nil || !found {
			return err
		}
		total, maxFile = d.Remote.MaxSize, d.Remote.MaxFileSize
		if total == 0 {
			free = math.MaxInt64 / 4 // not told
			return nil
		}
		free = total - d.Remote.Used
		assets, err := t.GoingBytes(drop)
		if err != nil {
			return err
		}
		unsent, err := t.unsentBytes(drop)
		free += assets - unsent - r.leads(drop)
		return err
	})
	return max(free, 0), total, maxFile, err
}

// unsentBytes sums up the files of a drop that are queued.
func (t *txn) unsentBytes(drop int64) (sum int64, err error) {
	list, err := t.UnsentEntries()
	for _, u := range list {
		if err != nil {
			return 0, err
		}
		var p place
		if p, err = t.place(u.Parent, u.Name); err == nil && p.drop == drop && p.sent() && !u.SameBytes {
			sum += u.Size
		}
	}
	return sum, err
}

// mayGrow refuses a file that grows beyond what its drop takes.
func (r *Replica) mayGrow(ino Ino, from, to int64) error {
	r.mu.Lock()
	in := r.open[ino]
	r.mu.Unlock()
	drop, err := r.dropOfOpen(in)
	if err != nil || drop == 0 {
		return err
	}
	q, err := r.quotaOf(drop)
	if err == nil && to-from > q.free { // what was cut or deleted since the last count is free too
		q.known = false
		q.mu.Unlock()
		q, err = r.quotaOf(drop)
	}
	defer q.mu.Unlock()
	if err != nil {
		return err
	}
	if q.maxFile > 0 && to > q.maxFile {
		return ErrTooLarge
	}
	if to-from > q.free {
		return ErrQuota
	}
	q.free -= to - from
	return nil
}

// dropOfOpen is dropOf, remembered while nothing is moved; in.mu is held exclusively.
func (r *Replica) dropOfOpen(in *inode) (int64, error) {
	if moves := r.moves.Load() + 1; in.dropAt != moves {
		drop, err := r.dropOf(in.ino)
		if err != nil {
			return 0, err
		}
		in.drop, in.dropAt = drop, moves
	}
	return in.drop, nil
}

// dropOf finds the drop in which a file is sent; 0 where it is not.
func (r *Replica) dropOf(ino Ino) (drop int64, err error) {
	err = r.read(func(t *txn) error {
		entries, err := t.EntriesOf(int64(ino))
		if err != nil || len(entries) == 0 {
			return err
		}
		p, err := t.placeOf(entries[0])
		if p.sent() {
			drop = p.drop
		}
		return err
	})
	return drop, err
}

// StatFS tells the size and the room of the drop that holds an inode; at the root of all drops together.
func (r *Replica) StatFS(_ context.Context, ino Ino) (StatFS, error) {
	var drops []int64
	var s StatFS
	err := r.read(func(t *txn) error {
		var err error
		if s.Files, err = t.CountNodes(); err != nil {
			return err
		}
		p, err := t.placeOfInode(int64(ino))
		if err != nil || p.drop != 0 {
			drops = append(drops, p.drop)
			return err
		}
		all, err := t.Drops()
		for _, d := range all {
			if !d.Gone {
				drops = append(drops, d.Ino)
			}
		}
		return err
	})
	if err != nil {
		return s, err
	}
	for _, d := range drops {
		q, err := r.quotaOf(d)
		if err == nil {
			s.Total += q.total
			s.Free += min(q.free, q.total)
		}
		unknown := q.total == 0
		q.mu.Unlock()
		if err != nil {
			return s, err
		}
		if unknown {
			if err := r.addDisk(&s); err != nil {
				return s, err
			}
		}
	}
	return s, nil
}

// addDisk counts what the cache's disk has, for a drop whose quota nobody tells.
func (r *Replica) addDisk(s *StatFS) error {
	var disk unix.Statfs_t
	if err := unix.Statfs(r.cfg.Dir, &disk); err != nil {
		return asKind(err)
	}
	s.Total += int64(disk.Blocks) * int64(disk.Bsize) //nolint:unconvert // of another type on darwin
	s.Free += int64(disk.Bavail) * int64(disk.Bsize)  //nolint:unconvert // likewise
	return nil
}

// placeOfInode is placeOfDir for any inode.
func (t *txn) placeOfInode(ino int64) (place, error) {
	n, err := t.node(Ino(ino))
	if err != nil {
		return place{}, err
	}
	if isDir(n.Mode) {
		return t.placeOfDir(ino)
	}
	entries, err := t.EntriesOf(ino)
	if err != nil || len(entries) == 0 {
		return place{class: Local}, err
	}
	return t.placeOf(entries[0])
}

// unsentIn counts the ops of a drop.
func (r *Replica) unsentIn(drop int64) int {
	n := 0
	err := r.read(func(t *txn) error {
		ops, err := t.Ops()
		for _, op := range ops {
			d, derr := t.dropOfOp(op)
			if derr == nil && d == drop {
				n++
			}
		}
		return err
	})
	if err != nil {
		r.log.WithError(err).Error("journal cannot be read")
		n++ // in doubt there is something
	}
	return n
}

// dropOfOp tells which drop an op changes.
func (t *txn) dropOfOp(op index.Op) (int64, error) {
	switch op.Kind {
	case index.OpEntry:
		e, found, err := t.EntryByID(op.Target)
		if err != nil || !found {
			return 0, err
		}
		p, err := t.placeOf(e)
		return p.drop, err
	case index.OpTree:
		p, err := t.placeOfDir(op.Target)
		return p.drop, err
	default:
		return op.Target, nil
	}
}
