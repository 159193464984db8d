package vfs

import (
	"context"
	"fmt"

	"dropfs/cache"
)

// Rename moves an entry. Between accounts, and between an account's root and the inside of a drop, it answers
// cache.ErrCrossDrop, so that mv copies.
func (f *FS) Rename(ctx context.Context, parent Ino, name string, newParent Ino, newName string, flags cache.RenameFlags) error {
	from, err := f.dir(parent, "rename", name)
	if err != nil {
		return err
	}
	to, err := f.dir(newParent, "rename", newName)
	if err != nil {
		return err
	}
	if flags&^(cache.RenameNoReplace|cache.RenameExchange) != 0 ||
		flags == cache.RenameNoReplace|cache.RenameExchange {
		return fmt.Errorf("rename %q: flags %#x: %w", name, uint32(flags), cache.ErrInvalid)
	}
	if from.acc != to.acc {
		return fmt.Errorf("rename %q: %w", name, cache.ErrCrossDrop)
	}
	if hidden, err := f.hidden(ctx, from, name); err != nil || hidden {
		return orNotExist(err)
	}
	if hidden, err := f.hidden(ctx, to, newName); err != nil {
		return err
	} else if hidden {
		return f.refuse("rename", newName, "the name is kept for what dropfs itself stores in a drop")
	}
	if err := f.checkRootRename(ctx, from, name, to, newName); err != nil {
		return err
	}
	switch {
	case f.isMagic(ctx, from, name):
		return fmt.Errorf("rename %q: a conversion is no file of the drop: %w", name, cache.ErrCrossDrop)
	case f.isMagic(ctx, to, newName):
		return fmt.Errorf("rename to %q: it is a conversion of another file: %w", newName, cache.ErrReadOnly)
	}
	if err := from.acc.r.Rename(ctx, from.ino, name, to.ino, newName, flags); err != nil {
		return err
	}
	f.entryChanged(from, name)
	f.entryChanged(to, newName)
	return nil
}

// checkRootRename keeps what is no drop out of an account's root and drops out of drops.
func (f *FS) checkRootRename(ctx context.Context, from place, name string, to place, newName string) error {
	switch {
	case !from.atAccountRoot() && !to.atAccountRoot():
		return nil
	case from.atAccountRoot() && to.atAccountRoot():
		// A drop stays a drop, and a local-only directory one: renaming does not turn one into the other.
		if ClassifyDrop(name) != ClassifyDrop(newName) {
			return fmt.Errorf("rename %q to %q: %w", name, newName, cache.ErrCrossDrop)
		}
		return f.checkDropName("rename", newName)
	case from.atAccountRoot():
		return fmt.Errorf("rename %q into a drop: %w", name, cache.ErrCrossDrop)
	}
	a, err := from.acc.r.Lookup(ctx, from.ino, name)
	if err != nil {
		return err
	}
	if a.Mode&typeMask != typeDir {
		return f.refuse("rename", newName, "only drops are here; make one with mkdir and put files into it")
	}
	return fmt.Errorf("rename %q to the account's root: %w", name, cache.ErrCrossDrop)
}
