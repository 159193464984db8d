package cache

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"dropfs/cache/content"
	"dropfs/cache/index"
)

// fresh makes the inode of a new node below dir, as POSIX wants it: of the caller, and of the directory's group where
// that has the set-group-id bit.
func (t *txn) fresh(dir index.Node, mode uint32, who Caller) index.Node {
	now := t.now.UnixNano()
	n := index.Node{Mode: mode, UID: who.UID, GID: who.GID, Nlink: 1, Atime: now, Mtime: now, Ctime: now, Btime: now}
	if dir.Mode&unix.S_ISGID != 0 {
		n.GID = dir.GID
		if isDir(mode) {
			n.Mode |= unix.S_ISGID
		}
	}
	return n
}

// vacant finds the directory for a new name.
func (t *txn) vacant(parent Ino, name string) (index.Node, error) {
	dir, err := t.dir(parent)
	if err != nil {
		return dir, err
	}
	if err := checkName(name); err != nil {
		return dir, err
	}
	if _, found, err := t.Entry(int64(parent), name); err != nil || found {
		if found {
			err = ErrExist
		}
		return dir, err
	}
	return dir, t.writable(int64(parent), name)
}

// writable refuses a change in a drop that is gone, and the hidden directory of sidecars.
func (t *txn) writable(parent int64, name string) error {
	p, err := t.place(parent, name)
	if err != nil || p.drop == 0 {
		return err
	}
	d, found, err := t.Drop(p.drop)
	if err != nil {
		return err
	}
	if found && d.Gone {
		return ErrReadOnly
	}
	if len(p.path) == 1 && p.path[0] == sidecarDir {
		return ErrPerm
	}
	return nil
}

// insert adds a new node under a name and tells the service's side of it.
func (t *txn) insert(dir index.Node, name string, n index.Node) (index.Node, int64, error) {
	ino, err := t.InsertNode(n)
	if err != nil {
		return n, 0, err
	}
	n.Ino = ino
	eid, err := t.InsertEntry(dir.Ino, name, ino)
	if err != nil {
		return n, 0, err
	}
	links := 0
	if isDir(n.Mode) {
		links = 1
	}
	t.entryTold(dir.Ino, name)
	return n, eid, t.changed(dir, links)
}

// Mkdir makes a directory; below the root, a drop of the configured size and days.
func (r *Replica) Mkdir(ctx context.Context, parent Ino, name string, mode uint32, who Caller) (Attr, error) {
	if err := r.ready(ctx, parent); err != nil {
		return Attr{}, err
	}
	var n index.Node
	err := r.write(func(t *txn) error {
		dir, err := t.vacant(parent, name)
		if err != nil {
			return err
		}
		n = t.fresh(dir, unix.S_IFDIR|mode&0o7777, who)
		n.Nlink = 2
		if n, _, err = t.insert(dir, name, n); err != nil {
			return err
		}
		if parent == RootIno && r.cfg.Classify(name) == Ordinary && name[0] != '.' {
			return t.newDrop(n.Ino, r.cfg.DropGB, r.cfg.DropDays)
		}
		return t.touch(n.Ino)
	})
	if err != nil {
		return Attr{}, err
	}
	return r.attr(n), nil
}

// Mknod makes a FIFO, socket or device, which stays on this machine, or an empty file.
func (r *Replica) Mknod(ctx context.Context, parent Ino, name string, mode, rdev uint32, who Caller) (Attr, error) {
	if isFile(mode) {
		h, a, err := r.Create(ctx, parent, name, mode, OpenRead, who)
		if err != nil {
			return Attr{}, err
		}
		return a, h.Release()
	}
	if !isSpecial(mode) {
		return Attr{}, ErrInvalid
	}
	return r.plant(ctx, parent, name, func(t *txn, dir index.Node) index.Node {
		n := t.fresh(dir, mode, who)
		n.Rdev = rdev
		return n
	})
}

// Symlink makes a symbolic link.
func (r *Replica) Symlink(ctx context.Context, parent Ino, name, target string, who Caller) (Attr, error) {
	if len(target) > maxTarget {
		return Attr{}, ErrNameTooLong
	}
	return r.plant(ctx, parent, name, func(t *txn, dir index.Node) index.Node {
		n := t.fresh(dir, unix.S_IFLNK|0o777, who)
		n.Target = target
		return n
	})
}

// plant makes a node without content. At the account's root there are none.
func (r *Replica) plant(ctx context.Context, parent Ino, name string, build func(*txn, index.Node) index.Node) (Attr, error) {
	if parent == RootIno {
		return Attr{}, ErrPerm
	}
	if err := r.ready(ctx, parent); err != nil {
		return Attr{}, err
	}
	var n index.Node
	err := r.write(func(t *txn) error {
		dir, err := t.vacant(parent, name)
		if err != nil {
			return err
		}
		if n, _, err = t.insert(dir, name, build(t, dir)); err != nil {
			return err
		}
		return t.touch(n.Ino)
	})
	if err != nil {
		return Attr{}, err
	}
	return r.attr(n), nil
}

// Readlink tells where a symbolic link points.
func (r *Replica) Readlink(_ context.Context, ino Ino) (target string, err error) {
	err = r.read(func(t *txn) error {
		n, err := t.node(ino)
		if err == nil && !isSymlink(n.Mode) {
			err = ErrInvalid
		}
		target = n.Target
		return err
	})
	return target, err
}

// Create makes a file that is not there and opens it. It is on the disk, dirty and queued, before it returns.
func (r *Replica) Create(ctx context.Context, parent Ino, name string, mode uint32, flags OpenFlags, who Caller) (*Handle, Attr, error) {
	if parent == RootIno {
		return nil, Attr{}, ErrPerm
	}
	if err := r.ready(ctx, parent); err != nil {
		return nil, Attr{}, err
	}
	return r.newFile(mode, flags, who, func(t *txn, n index.Node) (index.Node, error) {
		dir, err := t.vacant(parent, name)
		if err != nil {
			return n, err
		}
		n, _, err = t.insert(dir, name, n)
		return n, err
	}, parent)
}

// TmpFile makes a file without a name, which Link may give it (O_TMPFILE).
func (r *Replica) TmpFile(_ context.Context, parent Ino, mode uint32, flags OpenFlags, who Caller) (*Handle, Attr, error) {
	if parent == RootIno {
		return nil, Attr{}, ErrPerm
	}
	return r.newFile(mode, flags, who, func(t *txn, n index.Node) (index.Node, error) {
		if err := t.writable(int64(parent), "x"); err != nil {
			return n, err
		}
		n.Nlink = 0
		var err error
		n.Ino, err = t.InsertNode(n)
		return n, err
	}, parent)
}

// newFile makes an empty file, whose inode insert puts where it belongs, and opens it.
//
// Killed before the commit: nothing, but perhaps an empty content file that no row names, which the next start sweeps.
// Killed after it: the file is there, empty and queued.
func (r *Replica) newFile(mode uint32, flags OpenFlags, who Caller, insert func(*txn, index.Node) (index.Node, error), parent Ino) (*Handle, Attr, error) {
	if r.cfg.ReadOnly {
		return nil, Attr{}, ErrReadOnly
	}
	file, err := r.store.Create(r.newContentID())
	if err != nil {
		return nil, Attr{}, asSpace(err)
	}
	var n index.Node
	in := &inode{r: r}
	err = r.write(func(t *txn) error {
		dir, err := t.dir(parent)
		if err != nil {
			return err
		}
		n = t.fresh(dir, unix.S_IFREG|mode&0o7777, who)
		n.Flags |= index.Writing
		n.Chg, n.Content = 1, int64(file.ID())
		if n, err = insert(t, n); err != nil {
			return err
		}
		c := index.Content{ID: n.Content, Ino: n.Ino, Complete: true, Dirty: true, Boot: r.boot}
		if err := t.InsertContent(c); err != nil {
			return err
		}
		return t.contentChanged(n.Ino)
	})
	if err != nil {
		file.Release()
		return nil, Attr{}, errors.Join(err, r.store.Remove(file.ID()))
	}
	in.ino, in.file, in.armed, in.open = Ino(n.Ino), file, true, true
	in.size, in.mtime, in.ctime = 0, n.Mtime, n.Ctime
	r.adopt(in, flags)
	in.noteOpened()
	return &Handle{in: in, flags: flags}, r.attr(n), nil
}

// newContentID is a number that no content ever had.
func (r *Replica) newContentID() content.ID { return content.ID(r.contents.Add(1)) }

// Link gives an inode a further name in the same drop.
func (r *Replica) Link(ctx context.Context, ino, parent Ino, name string) (Attr, error) {
	if parent == RootIno {
		return Attr{}, ErrPerm
	}
	if err := r.ready(ctx, parent); err != nil {
		return Attr{}, err
	}
	since := r.epochs()
	var n index.Node
	err := r.write(func(t *txn) error {
		dir, err := t.vacant(parent, name)
		if err != nil {
			return err
		}
		if n, err = t.node(ino); err != nil {
			return err
		}
		if err := t.mayLink(n, int64(parent), name); err != nil {
			return err
		}
		n.Nlink++
		n.Ctime = t.now.UnixNano()
		n.Flags &^= index.Trashed
		if n.Nlink > 1 && n.Link == "" && isFile(n.Mode) {
			n.Link = t.r.linkGroup(n.Ino)
		}
		if err := t.UpdateNode(n); err != nil {
			return err
		}
		if _, err = t.InsertEntry(int64(parent), name, n.Ino); err != nil {
			return err
		}
		t.entryTold(int64(parent), name)
		if err := t.changed(dir, 0); err != nil {
			return err
		}
		if isFile(n.Mode) {
			if err := t.contentChanged(n.Ino); err != nil {
				return err
			}
		}
		return t.touch(n.Ino)
	})
	if err != nil {
		return Attr{}, err
	}
	return r.attrAt(n, &since), nil
}

func (t *txn) mayLink(n index.Node, parent int64, name string) error {
	if isDir(n.Mode) {
		return ErrPerm
	}
	if n.Nlink >= maxLinks {
		return ErrManyLinks
	}
	entries, err := t.EntriesOf(n.Ino)
	if err != nil || len(entries) == 0 {
		return err // a file made without a name
	}
	from, err := t.placeOf(entries[0])
	if err != nil {
		return err
	}
	to, err := t.place(parent, name)
	if err != nil {
		return err
	}
	if from.drop != to.drop {
		return ErrCrossDrop
	}
	return nil
}

// contentChanged queues what the service must learn of an inode's bytes, for each of its names that it is to know.
func (t *txn) contentChanged(ino int64) error {
	entries, err := t.EntriesOf(ino)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := t.entryChanged(e); err != nil {
			return err
		}
	}
	return nil
}

// heldFor is how long an unfinished file of a sync tool or browser is kept back while it changes.
const heldFor = time.Hour

// entryChanged queues what the service must learn of one name of a file.
func (t *txn) entryChanged(e index.Entry) error {
	p, err := t.placeOf(e)
	if err != nil {
		return err
	}
	switch p.class {
	case Local:
		return t.unqueue(index.OpEntry, e.ID, "")
	case Held:
		op, queued, err := t.OpFor(index.OpEntry, e.ID, "")
		if err != nil {
			return err
		}
		left := heldFor
		if queued {
			left = max(0, op.First.Add(heldFor).Sub(t.now))
		}
		return t.queue(index.OpEntry, e.ID, "", left)
	case Ordinary:
	}
	return t.queue(index.OpEntry, e.ID, "", 0)
}
