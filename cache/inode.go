package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"dropfs/cache/content"
	"dropfs/cache/index"
	"dropfs/remote"
)

// inode is a file with open handles, or one that an op works on. The index knows everything of it but what the last
// writes changed: size and times, which it learns when the last writer leaves, at fsync, and from the content file after
// a kill (recover.go).
type inode struct {
	r   *Replica
	ino Ino

	forgotten      bool       // guarded by Replica.mu: no kernel refers to it any more
	opens, writers int        // guarded by Replica.mu
	opened         content.ID // guarded by Replica.mu: of file; 0: not loaded
	ahead          lead

	mu     sync.RWMutex
	file   *content.File // nil: not loaded
	armed  bool          // the index calls the content dirty, at a change that nothing has begun to send (C1)
	open   bool          // the index has the flag Writing
	stale  bool          // size, mtime or ctime are not yet in the index
	size   int64         // of no meaning while file is nil
	told   int64         // the size that the index has; likewise
	mtime  int64         // likewise
	ctime  int64         // likewise
	drop   int64         // dropOf, as of dropAt moves
	dropAt int64
	synced bool // fsync came since the last write
}

// acquire finds or makes the in-memory inode and counts one user of it.
func (r *Replica) acquire(ino Ino, writer bool) *inode {
	r.mu.Lock()
	defer r.mu.Unlock()
	in := r.open[ino]
	if in == nil {
		in = &inode{r: r, ino: ino}
		r.open[ino] = in
	}
	in.opens++
	if writer {
		in.writers++
	}
	return in
}

// adopt enters an inode that was made a moment ago, with its first user.
func (r *Replica) adopt(in *inode, flags OpenFlags) {
	r.mu.Lock()
	defer r.mu.Unlock()
	in.opens = 1
	if flags&OpenWrite != 0 {
		in.writers = 1
	}
	r.open[in.ino] = in
}

// overlay puts what the index does not know yet over a.
func (in *inode) overlay(a *Attr) {
	in.mu.RLock()
	defer in.mu.RUnlock()
	in.overlayLocked(a)
}

func (in *inode) overlayLocked(a *Attr) {
	if in.file == nil {
		return
	}
	a.Size = in.size
	a.Blocks = (a.Size + 4095) / 4096 * 8
	if in.file.Complete() {
		if info, err := in.file.Stat(); err == nil {
			a.Blocks = (info.Allocated + 511) / 512
		}
	}
	if in.stale {
		a.Mtime = time.Unix(0, in.mtime)
		if c := time.Unix(0, in.ctime); c.After(a.Ctime) {
			a.Ctime = c
		}
	}
}

const loadTries = 8

// load opens the content file; in.mu is held exclusively.
func (in *inode) load() error {
	if in.file != nil {
		return nil
	}
	r := in.r
	for try := range loadTries + 1 { // an eviction may come between the look into the index and the opening
		var n index.Node
		var c index.Content
		err := r.read(func(t *txn) (err error) {
			if n, err = t.node(in.ino); err != nil || n.Content == 0 {
				return err
			}
			var found bool
			if c, found, err = t.Content(n.Content); err == nil && !found {
				err = fmt.Errorf("%w: content %d is not in the index", ErrIO, n.Content)
			}
			return err
		})
		if err != nil {
			return err
		}
		if n.Content == 0 {
			if err := in.loadCold(n); err != nil {
				return err
			}
		} else {
			st := content.State{Size: c.Size, Complete: c.Complete, Dirty: c.Dirty, Pinned: n.Flags&index.Pinned != 0}
			if c.Dirty {
				st.Complete = true // nothing is made dirty before it is whole
			} else if st.Extents.UnmarshalBinary(c.Extents) != nil {
				st.Extents = content.Extents{} // damaged: fetched again
			}
			in.file, err = r.store.Open(content.ID(c.ID), st)
			if errors.Is(err, content.ErrLost) && try < loadTries {
				continue // it became clean and was evicted since the look
			}
			if err != nil {
				return asSpace(err)
			}
		}
		still := false
		err = r.read(func(t *txn) error {
			now, err := t.node(in.ino)
			still = now.Content == int64(in.file.ID())
			return err
		})
		if err == nil && still {
			// Whether its change has begun to be sent is not known: the next write is a new one.
			in.armed, in.open = false, n.Flags&index.Writing != 0
			in.size, in.told, in.mtime, in.ctime = n.Size, n.Size, n.Mtime, n.Ctime
			if c.Dirty {
				in.size = in.file.Size()
			}
			in.noteOpened()
			return nil
		}
		in.file.Release()
		in.file = nil
		if err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: content is evicted as fast as it is opened", ErrIO)
}

// noteOpened tells who syncs which content is in use; in.mu is held.
func (in *inode) noteOpened() {
	in.r.mu.Lock()
	defer in.r.mu.Unlock()
	in.opened = in.file.ID()
}

// loadCold makes an empty place for the content of a node of which nothing is here.
func (in *inode) loadCold(n index.Node) error {
	r := in.r
	id := int64(r.newContentID())
	err := r.writeAlways(func(t *txn) (err error) {
		now, err := t.node(in.ino)
		if err != nil {
			return err
		}
		err = t.InsertContent(index.Content{ID: id, Ino: n.Ino, Size: now.Size, Complete: now.Size == 0, Boot: r.boot})
		if err != nil {
			return err
		}
		now.Content = id
		return t.UpdateNode(now)
	})
	if err != nil {
		return err
	}
	in.file, err = r.store.Cold(content.ID(id), n.Size)
	return asSpace(err)
}

// arm tells the index that the content changes, before it does: a new change number where the present one is clean or
// being sent, dirty, open for writing, and an op for each name. in.mu is held exclusively and the content is complete.
func (in *inode) arm() error {
	if in.armed && in.open {
		return nil
	}
	err := in.r.write(func(t *txn) error {
		n, err := t.node(in.ino)
		if err != nil {
			return err
		}
		n.Flags |= index.Writing
		if !in.armed {
			n.Chg++
			if err := t.dirtyContent(n, in.size); err != nil {
				return err
			}
		}
		if err := t.UpdateNode(n); err != nil {
			return err
		}
		return t.contentChanged(n.Ino)
	})
	if err != nil {
		return err
	}
	if err := in.file.SetDirty(true); err != nil {
		return asSpace(err)
	}
	in.armed, in.open = true, true
	return nil
}

// dirtyContent notes that the content of n is whole here, size bytes long, and not on the service.
func (t *txn) dirtyContent(n index.Node, size int64) error {
	return t.UpdateContent(index.Content{ID: n.Content, Ino: n.Ino, Size: size, Complete: true, Dirty: true, Boot: t.r.boot})
}

// change runs fn with the content whole, here and known to be dirty, and in.mu held exclusively.
func (in *inode) change(ctx context.Context, fn func() error) error {
	for {
		in.mu.Lock()
		if err := in.load(); err != nil {
			in.mu.Unlock()
			return err
		}
		if in.armed || in.file.Complete() {
			err := in.arm()
			if err == nil {
				err = fn()
			}
			in.mu.Unlock()
			return err
		}
		file := in.file
		size := in.size
		in.mu.Unlock()
		if err := in.ensure(ctx, file, 0, size); err != nil {
			return err
		}
	}
}

// wrote notes a change of the bytes at the present instant; in.mu is held exclusively.
func (in *inode) wrote(size int64) {
	now := in.r.cfg.Now().UnixNano()
	in.size, in.mtime, in.ctime, in.stale, in.synced = size, now, now, true, false
	in.r.mu.Lock()
	in.r.unsynced[in.file.ID()] = true
	in.r.mu.Unlock()
	in.lead()
}

// ensure makes a range of the content be here.
func (in *inode) ensure(ctx context.Context, file *content.File, off, n int64) error {
	src, err := in.r.source(in.ino)
	if err != nil {
		return err
	}
	return asSpace(file.Ensure(ctx, off, n, src))
}

// source answers where the bytes of an inode that are not here come from: any asset that has its present version.
func (r *Replica) source(ino Ino) (content.Fetch, error) {
	var a remote.Asset
	err := r.read(func(t *txn) error {
		n, err := t.node(ino)
		if err != nil {
			return err
		}
		assets, err := t.AssetsWith(n.Ino, n.Chg)
		if err != nil {
			return err
		}
		if len(assets) == 0 {
			a, err = t.trashedSource(n)
			return err
		}
		a = assets[0].Remote
		return nil
	})
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, off, n int64) (io.ReadCloser, error) {
		return r.fetch(ctx, func(ctx context.Context) (io.ReadCloser, error) { return r.cfg.Service.Fetch(ctx, a, off, n) })
	}, nil
}

// storeAttr puts size and times into the index, inside a transaction of the caller; in.mu is held exclusively.
func (in *inode) storeAttr(t *txn) error {
	if !in.stale {
		return nil
	}
	n, err := t.node(in.ino)
	if err != nil {
		return err
	}
	n.Size, n.Mtime, n.Ctime = in.size, in.mtime, max(n.Ctime, in.ctime)
	return t.UpdateNode(n)
}

// settle brings the index up to what the content file is; in.mu is held exclusively. closed: no writer is left.
func (in *inode) settle(closed bool) error {
	if in.file == nil || !in.stale && !(closed && in.open) {
		return nil
	}
	err := in.r.write(func(t *txn) error {
		if err := in.storeAttr(t); err != nil {
			return err
		}
		t.inodeTold(int64(in.ino))
		n, err := t.node(in.ino)
		if err != nil {
			return err
		}
		if closed && n.Flags&index.Writing != 0 {
			n.Flags &^= index.Writing
			if err := t.UpdateNode(n); err != nil {
				return err
			}
		}
		if !in.armed {
			return nil
		}
		if err := t.dirtyContent(n, in.size); err != nil {
			return err
		}
		return t.contentChanged(n.Ino)
	})
	if err == nil {
		in.stale, in.told = false, in.size
		in.ahead.set(0, 0)
		in.open = in.open && !closed
		in.r.settled[stripe(in.ino)].Add(1)
	}
	return err
}

// keepExtents records what was fetched, so that a restart need not fetch it again; in.mu is held exclusively.
func (in *inode) keepExtents() error {
	if in.file == nil || in.armed {
		return nil
	}
	st := in.file.State()
	return in.r.writeAlways(func(t *txn) error {
		c, found, err := t.Content(int64(in.file.ID()))
		if err != nil || !found || c.Dirty || c.Complete && st.Complete {
			return err
		}
		c.Complete, c.Synced, c.Boot = st.Complete, false, in.r.boot
		if c.Extents, err = st.Extents.MarshalBinary(); err != nil {
			return err
		}
		return t.UpdateContent(c)
	})
}

// release takes one user away. The last writer's going stores what was written; the last user's closes the file. Until the
// index has all of it the inode can be found: who looks for it and finds none may believe the index.
func (in *inode) release(writer bool) error {
	r := in.r
	in.mu.Lock()
	r.mu.Lock()
	if writer {
		in.writers--
	}
	lastWriter := writer && in.writers == 0
	last := in.opens == 1
	r.mu.Unlock()
	var err error
	if lastWriter || last {
		err = in.settle(true)
	}
	if last {
		err = errors.Join(err, in.keepExtents())
	}
	r.mu.Lock()
	in.opens--
	if last = in.opens == 0; last { // nobody came meanwhile
		delete(r.open, in.ino)
	}
	r.mu.Unlock()
	if last && in.file != nil {
		in.file.Release()
		in.file = nil
	}
	in.mu.Unlock()
	if last {
		err = errors.Join(err, r.closedLast(in))
	}
	return err
}
