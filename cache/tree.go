package cache

import (
	"context"
	"time"

	"dropfs/cache/content"
	"dropfs/cache/index"
)

// firstCookie leaves room for "." and "..", whose cookies are the reader's own.
const firstCookie = 16

// Lookup finds a name in a directory. The first look into a drop waits for its listing.
func (r *Replica) Lookup(ctx context.Context, parent Ino, name string) (Attr, error) {
	if len(name) > maxName {
		return Attr{}, ErrNameTooLong
	}
	if err := r.ready(ctx, parent); err != nil {
		return Attr{}, err
	}
	since := r.epochs()
	var n index.Node
	err := r.read(func(t *txn) (err error) {
		n, err = t.child(parent, name)
		return err
	})
	if err != nil {
		return Attr{}, err
	}
	return r.attrAt(n, &since), nil
}

// child finds the inode of a name.
func (t *txn) child(parent Ino, name string) (index.Node, error) {
	e, found, err := t.Entry(int64(parent), name)
	if err != nil {
		return index.Node{}, err
	}
	if !found {
		if _, err := t.dir(parent); err != nil {
			return index.Node{}, err
		}
		return index.Node{}, ErrNotExist
	}
	return t.node(Ino(e.Ino))
}

// GetAttr tells the attributes of an inode, also of one without a name that is open or not yet forgotten.
func (r *Replica) GetAttr(_ context.Context, ino Ino) (Attr, error) {
	since := r.epochs()
	var n index.Node
	err := r.read(func(t *txn) (err error) {
		n, err = t.node(ino)
		return err
	})
	if err != nil {
		return Attr{}, err
	}
	return r.attrAt(n, &since), nil
}

// ReadDir lists up to limit entries behind the cookie after (0: from the first), in the order of cookies, without "."
// and "..". None are left when it returns none. An entry that stays while the directory is read is seen exactly once.
func (r *Replica) ReadDir(ctx context.Context, ino Ino, after uint64, limit int) ([]DirEntry, error) {
	if err := r.ready(ctx, ino); err != nil {
		return nil, err
	}
	if after == 0 {
		r.use(ino)
	}
	since := r.epochs()
	var listed []index.Listed
	err := r.read(func(t *txn) error {
		if after == 0 {
			if _, err := t.node(ino); err != nil {
				return err
			}
		}
		var err error
		listed, err = t.List(int64(ino), max(int64(after)-firstCookie, 0), limit)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := make([]DirEntry, len(listed))
	for i, l := range listed {
		out[i] = DirEntry{Name: l.Name, Cookie: uint64(l.ID) + firstCookie, Attr: r.attrAt(l.Node, &since)}
	}
	return out, nil
}

// Parent tells the directory that holds a directory; the root's is the root.
func (r *Replica) Parent(_ context.Context, ino Ino) (parent Ino, err error) {
	if ino == RootIno {
		return RootIno, nil
	}
	err = r.read(func(t *txn) error {
		at, err := t.dirPlace(int64(ino))
		parent = Ino(at.parent)
		return err
	})
	return parent, err
}

// Path tells where an inode is below the account's root; of several names the oldest.
func (r *Replica) Path(_ context.Context, ino Ino) (path string, err error) {
	if ino == RootIno {
		return "", nil
	}
	err = r.read(func(t *txn) error {
		entries, err := t.EntriesOf(int64(ino))
		if err != nil {
			return err
		}
		if len(entries) == 0 {
			return ErrNotExist
		}
		path, err = t.path(entries[0].Parent, entries[0].Name)
		return err
	})
	return path, err
}

// Resolve finds a "/"-separated path below the account's root. Symlinks are not followed.
func (r *Replica) Resolve(ctx context.Context, path string) (Attr, error) {
	a, err := r.GetAttr(ctx, RootIno)
	for _, name := range splitPath(path) {
		if err != nil {
			return Attr{}, err
		}
		a, err = r.Lookup(ctx, a.Ino, name)
	}
	return a, err
}

// stripes is how many counters there are of files that were settled.
const stripes = 64

func stripe(ino Ino) int { return int(ino % stripes) }

// epochs are these counters at one moment.
type epochs [stripes]int64

func (r *Replica) epochs() (e epochs) {
	for i := range e {
		e[i] = r.settled[i].Load()
	}
	return e
}

// attrAt makes what stat tells of n, which was read from the index after since was taken. Of a file that was settled in
// between n is too old, and the open file may be gone already: it is read again.
func (r *Replica) attrAt(n index.Node, since *epochs) Attr {
	a := r.attr(n)
	if !isFile(n.Mode) {
		return a
	}
	counter := &r.settled[stripe(Ino(n.Ino))]
	for seen := since[stripe(Ino(n.Ino))]; counter.Load() != seen; a = r.attr(n) {
		seen = counter.Load()
		err := r.read(func(t *txn) (err error) {
			n, err = t.node(Ino(n.Ino))
			return err
		})
		if err != nil {
			return a // removed meanwhile: what it was
		}
	}
	return a
}

// attr makes what stat tells of n, with what an open file knows better.
func (r *Replica) attr(n index.Node) Attr {
	a := indexAttr(n)
	if !isFile(n.Mode) {
		return a
	}
	if held, ok := r.store.Allocated(content.ID(n.Content)); ok {
		a.Blocks = (held + 511) / 512
	}
	r.mu.Lock()
	in := r.open[Ino(n.Ino)]
	a.Unsettled = in != nil && in.writers > 0
	r.mu.Unlock()
	if in != nil {
		in.overlay(&a)
	}
	return a
}

func indexAttr(n index.Node) Attr {
	a := Attr{
		Ino: Ino(n.Ino), Mode: n.Mode, Nlink: n.Nlink, UID: n.UID, GID: n.GID, Rdev: n.Rdev, Size: n.Size,
		Atime: time.Unix(0, n.Atime), Mtime: time.Unix(0, n.Mtime), Ctime: time.Unix(0, n.Ctime), Btime: time.Unix(0, n.Btime),
	}
	if isSymlink(n.Mode) {
		a.Size = int64(len(n.Target))
	}
	a.Blocks = (a.Size + 4095) / 4096 * 8
	return a
}
