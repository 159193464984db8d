package cache

import (
	"context"
	"errors"

	"dropfs/cache/content"
	"dropfs/cache/index"
)

// SetAttr changes attributes. A new size is set first; where that fails nothing is changed.
func (r *Replica) SetAttr(ctx context.Context, ino Ino, s SetAttr) (Attr, error) {
	if r.cfg.ReadOnly {
		return Attr{}, ErrReadOnly
	}
	var in *inode
	if s.Size != nil || s.Mtime != nil {
		in = r.acquire(ino, s.Size != nil)
		defer func() { r.logRelease(in.release(s.Size != nil), ino) }()
	}
	if s.Size != nil {
		if err := r.resize(ctx, in, *s.Size); err != nil {
			return Attr{}, err
		}
	}
	if in != nil {
		in.mu.Lock()
		defer in.mu.Unlock()
	}
	since := r.epochs()
	var n index.Node
	err := r.write(func(t *txn) (err error) {
		if n, err = t.node(ino); err != nil {
			return err
		}
		if in != nil && in.stale {
			n.Size, n.Mtime, n.Ctime = in.size, in.mtime, max(n.Ctime, in.ctime)
		}
		apply(&n, s)
		if isDir(n.Mode) {
			n.Flags &^= index.Implicit // somebody cares for it: it stays when it is emptied
		}
		n.Ctime = t.now.UnixNano()
		if err := t.UpdateNode(n); err != nil {
			return err
		}
		t.inodeTold(n.Ino)
		return t.touch(n.Ino)
	})
	if err != nil {
		return Attr{}, err
	}
	if in != nil && in.file != nil {
		in.told, in.mtime, in.ctime, in.stale = n.Size, n.Mtime, n.Ctime, false
		in.ahead.set(0, 0)
		if s.Mtime != nil && in.file.Dirty() {
			// The content file's own time is what a kill leaves to go by.
			if err := in.file.SetTimes(*s.Mtime, *s.Mtime); err != nil {
				return Attr{}, asSpace(err)
			}
		}
	}
	if in == nil {
		return r.attrAt(n, &since), nil
	}
	a := indexAttr(n)
	in.overlayLocked(&a)
	r.mu.Lock()
	a.Unsettled = in.writers > 0
	r.mu.Unlock()
	return a, nil
}

func (r *Replica) logRelease(err error, ino Ino) {
	if err != nil {
		r.log.WithError(err).WithField("ino", ino).Error("what was written is not in the index yet")
	}
}

func apply(n *index.Node, s SetAttr) {
	if s.Mode != nil {
		n.Mode = n.Mode&^0o7777 | *s.Mode&0o7777
	}
	if s.UID != nil {
		n.UID = *s.UID
	}
	if s.GID != nil {
		n.GID = *s.GID
	}
	if s.Atime != nil {
		n.Atime = s.Atime.UnixNano()
	}
	if s.Mtime != nil {
		n.Mtime = s.Mtime.UnixNano()
	}
	if s.KillPriv {
		n.Mode = killPriv(n.Mode)
	}
}

func (r *Replica) resize(ctx context.Context, in *inode, size int64) error {
	a, err := r.GetAttr(ctx, in.ino)
	switch {
	case err != nil:
		return err
	case isDir(a.Mode):
		return ErrIsDir
	case !isFile(a.Mode), size < 0:
		return ErrInvalid
	}
	if err := r.mayWrite(in.ino); err != nil {
		return err
	}
	return in.truncate(ctx, size)
}

// truncate sets the size of the content.
//
// What is not whole here and goes to nothing need not be fetched: a new, empty content takes its place in one
// transaction; killed before, nothing has happened, after it, the file is empty. Else the content is armed first and
// then cut: killed between the two, it is sent again unchanged.
func (in *inode) truncate(ctx context.Context, size int64) error {
	if size == 0 {
		in.mu.Lock()
		err := in.load()
		if err == nil && !in.file.Complete() {
			err = in.empty()
		}
		in.mu.Unlock()
		if err != nil {
			return err
		}
	}
	return in.change(ctx, func() error {
		if size > in.size {
			if err := in.r.mayGrow(in.ino, in.size, size); err != nil {
				return err
			}
		}
		if err := in.file.Truncate(ctx, size); err != nil {
			return asSpace(err)
		}
		in.r.forgetOrigin(in.ino)
		in.wrote(size)
		return nil
	})
}

// empty puts a new, empty content in the place of one that is not whole; in.mu is held exclusively.
func (in *inode) empty() error {
	r := in.r
	old := in.file
	var file *content.File
	err := r.write(func(t *txn) error {
		n, err := t.node(in.ino)
		if err != nil {
			return err
		}
		if err := t.DeleteContent(n.Content); err != nil {
			return err
		}
		n.Content = int64(r.newContentID())
		if err := t.InsertContent(index.Content{ID: n.Content, Ino: n.Ino, Complete: true, Dirty: true, Boot: r.boot}); err != nil {
			return err
		}
		n.Chg++
		n.Size = 0
		n.Flags |= index.Writing
		n.Mtime, n.Ctime = t.now.UnixNano(), t.now.UnixNano()
		if err := t.UpdateNode(n); err != nil {
			return err
		}
		if file, err = r.store.Create(content.ID(n.Content)); err != nil {
			return asSpace(err)
		}
		return t.contentChanged(n.Ino)
	})
	if err != nil {
		if file != nil {
			file.Release()
			err = errors.Join(err, r.store.Remove(file.ID()))
		}
		return err
	}
	in.file, in.armed, in.open, in.told = file, true, true, 0
	in.noteOpened()
	in.wrote(0)
	old.Release()
	if err := r.store.Remove(old.ID()); err != nil {
		r.log.WithError(err).Warn("content file not removed")
	}
	return nil
}
