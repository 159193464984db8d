package cache

import (
	"context"
	"slices"
)

// maxXattr is the kernel's own limit of a value (XATTR_SIZE_MAX).
const maxXattr = 64 << 10

// GetXattr reads a stored extended attribute.
func (r *Replica) GetXattr(_ context.Context, ino Ino, name string) (value []byte, err error) {
	err = r.read(func(t *txn) error {
		var found bool
		if value, found, err = t.Xattr(int64(ino), name); err == nil && !found {
			err = ErrNoAttr
		}
		return err
	})
	return value, err
}

// SetXattr stores an extended attribute.
func (r *Replica) SetXattr(_ context.Context, ino Ino, name string, value []byte, flags XattrFlags) error {
	if len(name) > maxName || len(value) > maxXattr {
		return ErrRange
	}
	return r.write(func(t *txn) error {
		n, err := t.node(ino)
		if err != nil {
			return err
		}
		_, found, err := t.Xattr(n.Ino, name)
		switch {
		case err != nil:
			return err
		case found && flags&XattrCreate != 0:
			return ErrExist
		case !found && flags&XattrReplace != 0:
			return ErrNoAttr
		}
		if err := t.SetXattr(n.Ino, name, value); err != nil {
			return err
		}
		n.Ctime = t.now.UnixNano()
		if err := t.UpdateNode(n); err != nil {
			return err
		}
		return t.touch(n.Ino)
	})
}

// ListXattr lists the stored extended attributes in order.
func (r *Replica) ListXattr(_ context.Context, ino Ino) (names []string, err error) {
	err = r.read(func(t *txn) error {
		all, err := t.Xattrs(int64(ino))
		for name := range all {
			names = append(names, name)
		}
		return err
	})
	slices.Sort(names)
	return names, err
}

// RemoveXattr removes a stored extended attribute.
func (r *Replica) RemoveXattr(_ context.Context, ino Ino, name string) error {
	return r.write(func(t *txn) error {
		n, err := t.node(ino)
		if err != nil {
			return err
		}
		found, err := t.DeleteXattr(n.Ino, name)
		if err != nil {
			return err
		}
		if !found {
			return ErrNoAttr
		}
		n.Ctime = t.now.UnixNano()
		if err := t.UpdateNode(n); err != nil {
			return err
		}
		return t.touch(n.Ino)
	})
}
