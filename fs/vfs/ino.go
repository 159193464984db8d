package vfs

import (
	"fmt"

	"dropfs/cache"
)

// Ino is an inode number of the whole tree: the account's slot in the upper sixteen bits, the replica's number below (V1).
type Ino uint64

// RootIno is the root of the tree, whatever it shows.
const RootIno Ino = 1

const (
	slotShift = 48
	maxSlot   = 1<<15 - 1 // numbers from 2^63 are the front end's own
	inoMask   = 1<<slotShift - 1
)

// The bits of st_mode that tell the type; the same on all systems that this runs on.
const (
	typeMask  = 0o170000
	typeDir   = 0o040000
	typeReg   = 0o100000
	typeLink  = 0o120000
	setUID    = 0o4000
	setGID    = 0o2000
	groupExec = 0o010
)

// Attr is what stat tells, with the number that the inode has in the whole tree.
type Attr struct {
	Ino Ino
	cache.Attr
	// Volatile is set where the name may come to mean something else without anybody being told: it must not be kept.
	Volatile bool
}

// IsDir tells whether it is a directory.
func (a *Attr) IsDir() bool { return a.Mode&typeMask == typeDir }

// global returns the number in the tree of a replica's inode.
func (f *FS) global(acc *account, ino cache.Ino) Ino {
	if f.root.acc == acc && f.root.ino == ino {
		return RootIno
	}
	return Ino(acc.slot)<<slotShift | Ino(ino)
}

// place finds the account and inode behind a number. The list of accounts has none: its place has no account. What is
// behind a magic name has no place (V7).
func (f *FS) place(ino Ino) (place, error) {
	if ino == RootIno {
		return f.root, nil
	}
	acc := f.bySlot[uint16(ino>>slotShift)]
	if acc != nil && ino&magicBit != 0 {
		return place{}, cache.ErrReadOnly // what is behind a magic name takes no change
	}
	if acc == nil {
		return place{}, fmt.Errorf("inode %#x: %w", uint64(ino), cache.ErrStale)
	}
	return place{acc, cache.Ino(ino & inoMask)}, nil
}

// dir is place for an operation that changes entries of a directory.
func (f *FS) dir(ino Ino, op, name string) (place, error) {
	if f.readOnly {
		return place{}, cache.ErrReadOnly
	}
	p, err := f.place(ino)
	if err != nil {
		return place{}, err
	}
	if p.acc == nil {
		return place{}, f.refuse(op, name, "accounts are made with `dropfs login`")
	}
	return p, nil
}

func (f *FS) attr(acc *account, a cache.Attr) Attr {
	return Attr{Ino: f.global(acc, a.Ino), Attr: a}
}

// atAccountRoot tells whether the entries of p are drops.
func (p place) atAccountRoot() bool { return p.acc != nil && p.ino == cache.RootIno }
