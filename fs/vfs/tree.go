package vfs

import (
	"context"
	"errors"
	"fmt"

	"dropfs/cache"
)

// Lookup finds a name in a directory; cache.ErrNotExist when there is none.
//
// A name that is not there may be a magic one: the ordinary entry of the same name goes before it.
func (f *FS) Lookup(ctx context.Context, parent Ino, name string) (Attr, error) {
	if c := f.magics.get(parent); c != nil {
		child, err := f.conjureIn(ctx, c, name)
		if err != nil {
			return Attr{}, err
		}
		return f.conjuredAttr(ctx, child)
	}
	p, err := f.place(parent)
	if err != nil {
		return Attr{}, err
	}
	if p.acc == nil {
		acc := f.named(name)
		if acc == nil {
			return Attr{}, cache.ErrNotExist
		}
		return f.GetAttr(ctx, f.global(acc, cache.RootIno))
	}
	if hidden, err := f.hidden(ctx, p, name); err != nil || hidden {
		return Attr{}, orNotExist(err)
	}
	a, err := p.acc.r.Lookup(ctx, p.ino, name)
	if errors.Is(err, cache.ErrNotExist) {
		c, cerr := f.conjure(ctx, p, parent, name)
		if cerr != nil {
			return Attr{}, cerr
		}
		return f.conjuredAttr(ctx, c)
	}
	if err != nil {
		return Attr{}, err
	}
	return f.attr(p.acc, a), nil
}

// isMagic tells whether a name of p that is no real entry is a magic one, which nothing can be made under.
func (f *FS) isMagic(ctx context.Context, p place, name string) bool {
	if _, _, err := f.lookMagic(ctx, p, 0, name); err != nil {
		return false
	}
	_, err := p.acc.r.Lookup(ctx, p.ino, name)
	return errors.Is(err, cache.ErrNotExist)
}

func orNotExist(err error) error {
	if err != nil {
		return err
	}
	return cache.ErrNotExist
}

// hidden tells whether name in p is the sidecars' directory (V3).
func (f *FS) hidden(ctx context.Context, p place, name string) (bool, error) {
	if name != sidecarDir {
		return false, nil
	}
	return f.atDropTop(ctx, p)
}

// atDropTop tells whether p is a drop's own directory.
func (f *FS) atDropTop(ctx context.Context, p place) (bool, error) {
	if p.atAccountRoot() {
		return false, nil
	}
	up, err := p.acc.r.Parent(ctx, p.ino)
	if err != nil {
		return false, err
	}
	return up == cache.RootIno, nil
}

// placeToMake is dir for an operation that makes an entry which is no directory: nothing but drops at an account's root,
// and no sidecars' directory.
func (f *FS) placeToMake(ctx context.Context, parent Ino, op, name string) (place, error) {
	p, err := f.dir(parent, op, name)
	if err != nil {
		return place{}, err
	}
	if p.atAccountRoot() {
		return place{}, f.refuse(op, name, "only drops are here; make one with mkdir and put files into it")
	}
	if hidden, err := f.hidden(ctx, p, name); err != nil {
		return place{}, err
	} else if hidden {
		return place{}, f.refuse(op, name, "the name is kept for what dropfs itself stores in a drop")
	}
	if f.isMagic(ctx, p, name) {
		return place{}, fmt.Errorf("%s %q: it is a conversion of another file: %w", op, name, cache.ErrReadOnly)
	}
	return p, nil
}

// Mkdir makes a directory; at an account's root a drop, for which name may carry its size and days (ParseDrop), or a
// directory of this machine only (ClassifyDrop).
func (f *FS) Mkdir(ctx context.Context, parent Ino, name string, mode uint32, c cache.Caller) (Attr, error) {
	p, err := f.dir(parent, "mkdir", name)
	if err != nil {
		return Attr{}, err
	}
	if p.atAccountRoot() {
		return f.makeDrop(ctx, p, name, mode, c)
	}
	if p, err = f.placeToMake(ctx, parent, "mkdir", name); err != nil {
		return Attr{}, err
	}
	a, err := p.acc.r.Mkdir(ctx, p.ino, name, mode, c)
	if err != nil {
		return Attr{}, err
	}
	f.entryChanged(p, name)
	return f.attr(p.acc, a), nil
}

// makeDrop is Mkdir at an account's root.
func (f *FS) makeDrop(ctx context.Context, p place, name string, mode uint32, c cache.Caller) (Attr, error) {
	spec, sized := ParseDrop(name)
	if ClassifyDrop(name) == cache.Local {
		sized = false
	} else if err := f.checkDropName("mkdir", spec.Name); err != nil {
		return Attr{}, err
	}
	if !sized {
		a, err := p.acc.r.Mkdir(ctx, p.ino, name, mode, c)
		if err != nil {
			return Attr{}, err
		}
		f.entryChanged(p, name)
		return f.attr(p.acc, a), nil
	}
	a, err := p.acc.r.CreateDrop(ctx, spec.Name, spec)
	if err != nil {
		return Attr{}, err
	}
	// The drop is there by now: what of its attributes cannot be set is no reason to deny it.
	perm := mode & 0o7777
	if b, err := p.acc.r.SetAttr(ctx, a.Ino, cache.SetAttr{Mode: &perm, UID: &c.UID, GID: &c.GID}); err == nil {
		a = b
	} else {
		f.log.WithField("op", "mkdir").WithField("path", spec.Name).WithError(err).Warn("drop made without its mode")
	}
	// It appears under a name that nobody asked for, to this front end too.
	f.tell(p.acc.r, EventEntry, p.ino, spec.Name, 0)
	f.entryChanged(p, spec.Name)
	return f.attr(p.acc, a), nil
}

// Mknod makes an empty file, a FIFO, a socket or a device node.
func (f *FS) Mknod(ctx context.Context, parent Ino, name string, mode, rdev uint32, c cache.Caller) (Attr, error) {
	p, err := f.placeToMake(ctx, parent, "mknod", name)
	if err != nil {
		return Attr{}, err
	}
	a, err := p.acc.r.Mknod(ctx, p.ino, name, mode, rdev, c)
	if err != nil {
		return Attr{}, err
	}
	f.entryChanged(p, name)
	return f.attr(p.acc, a), nil
}

// Symlink makes a symbolic link.
func (f *FS) Symlink(ctx context.Context, parent Ino, name, target string, c cache.Caller) (Attr, error) {
	p, err := f.placeToMake(ctx, parent, "symlink", name)
	if err != nil {
		return Attr{}, err
	}
	a, err := p.acc.r.Symlink(ctx, p.ino, name, target, c)
	if err != nil {
		return Attr{}, err
	}
	f.entryChanged(p, name)
	return f.attr(p.acc, a), nil
}

// Readlink tells where a symbolic link points.
func (f *FS) Readlink(ctx context.Context, ino Ino) (string, error) {
	p, err := f.place(ino)
	if err != nil {
		return "", err
	}
	if p.acc == nil {
		return "", cache.ErrInvalid
	}
	return p.acc.r.Readlink(ctx, p.ino)
}

// Link gives an inode a further name, within one drop.
func (f *FS) Link(ctx context.Context, ino, parent Ino, name string) (Attr, error) {
	p, err := f.placeToMake(ctx, parent, "link", name)
	if err != nil {
		return Attr{}, err
	}
	if f.magics.get(ino) != nil {
		return Attr{}, fmt.Errorf("link %q: a conversion is no file of the drop: %w", name, cache.ErrCrossDrop)
	}
	t, err := f.place(ino)
	if err != nil {
		return Attr{}, err
	}
	if t.acc != p.acc {
		return Attr{}, fmt.Errorf("link %q: %w", name, cache.ErrCrossDrop)
	}
	a, err := p.acc.r.Link(ctx, t.ino, p.ino, name)
	if err != nil {
		return Attr{}, err
	}
	f.entryChanged(p, name)
	f.inodeChanged(t)
	return f.attr(p.acc, a), nil
}

// Unlink removes a name that is no directory.
func (f *FS) Unlink(ctx context.Context, parent Ino, name string) error {
	p, err := f.dir(parent, "unlink", name)
	if err != nil {
		return err
	}
	if hidden, err := f.hidden(ctx, p, name); err != nil || hidden {
		return orNotExist(err)
	}
	if err := p.acc.r.Unlink(ctx, p.ino, name); err != nil {
		if errors.Is(err, cache.ErrNotExist) && f.isMagic(ctx, p, name) {
			err = cache.ErrReadOnly
		}
		return err
	}
	f.entryChanged(p, name)
	return nil
}

// Rmdir removes an empty directory; at an account's root an empty drop.
func (f *FS) Rmdir(ctx context.Context, parent Ino, name string) error {
	p, err := f.dir(parent, "rmdir", name)
	if err != nil {
		return err
	}
	if hidden, err := f.hidden(ctx, p, name); err != nil || hidden {
		return orNotExist(err)
	}
	if err := p.acc.r.Rmdir(ctx, p.ino, name); err != nil {
		if errors.Is(err, cache.ErrNotExist) && f.isMagic(ctx, p, name) {
			err = cache.ErrReadOnly
		}
		return err
	}
	f.entryChanged(p, name)
	return nil
}
