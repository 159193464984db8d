package cache

import (
	"slices"
	"strings"

	"dropfs/cache/index"
	"dropfs/cache/refresh"
)

// dirPlace is where a directory hangs.
type dirPlace struct {
	parent int64
	name   string
	drop   bool // a directory of the root that is a drop
}

// place is where a name is, from the service's point of view.
type place struct {
	drop  int64    // the drop's inode; 0: outside every drop
	path  []string // below the drop; empty: the drop's own directory
	class Class    // Local outside every drop, and below anything local-only
}

// sent tells whether what is here goes to the service.
func (p place) sent() bool { return p.class != Local }

// wire is the asset name that this place asks for.
func (p place) wire() string { return refresh.EncodePath(p.path) }

// dirPlace finds where a directory hangs; it must not be the root.
func (t *txn) dirPlace(ino int64) (dirPlace, error) {
	if p, ok := t.r.dirs.Get(ino); ok {
		return p, nil
	}
	entries, err := t.EntriesOf(ino)
	if err != nil {
		return dirPlace{}, err
	}
	if len(entries) == 0 {
		return dirPlace{}, ErrNotExist
	}
	p := dirPlace{parent: entries[0].Parent, name: entries[0].Name}
	if p.parent == int64(RootIno) {
		if _, p.drop, err = t.Drop(ino); err != nil {
			return dirPlace{}, err
		}
	}
	t.r.dirs.Add(ino, p)
	return p, nil
}

// place finds where a name in a directory is.
func (t *txn) place(parent int64, name string) (place, error) {
	path := []string{name}
	p := place{class: Local}
	for dir := parent; dir != int64(RootIno); {
		at, err := t.dirPlace(dir)
		if err != nil {
			return place{}, err
		}
		if at.parent == int64(RootIno) {
			if at.drop {
				p.drop, p.class = dir, Ordinary
			}
			break
		}
		path = append(path, at.name)
		dir = at.parent
	}
	if p.drop == 0 {
		return p, nil
	}
	slices.Reverse(path)
	p.path = path
	for i, c := range path {
		switch class := t.r.cfg.Classify(c); {
		case class == Local, i == 0 && c == sidecarDir:
			p.class = Local
			return p, nil
		case class == Held && i == len(path)-1:
			p.class = Held
		}
	}
	return p, nil
}

// placeOf is place for an entry.
func (t *txn) placeOf(e index.Entry) (place, error) { return t.place(e.Parent, e.Name) }

// placeOfDir is where the entries of a directory are: the place of its own name, or of the drop itself.
func (t *txn) placeOfDir(ino int64) (place, error) {
	if ino == int64(RootIno) {
		return place{class: Local}, nil
	}
	at, err := t.dirPlace(ino)
	if err != nil {
		return place{}, err
	}
	if at.parent == int64(RootIno) {
		if at.drop {
			return place{drop: ino}, nil
		}
		return place{class: Local}, nil
	}
	return t.place(at.parent, at.name)
}

// path is the place of a name below the account's root, for people.
func (t *txn) path(parent int64, name string) (string, error) {
	parts := []string{name}
	for dir := parent; dir != int64(RootIno); {
		at, err := t.dirPlace(dir)
		if err != nil {
			return "", err
		}
		parts = append(parts, at.name)
		dir = at.parent
	}
	slices.Reverse(parts)
	return strings.Join(parts, "/"), nil
}

// within tells whether directory ino is anc or lies below it.
func (t *txn) within(ino, anc int64) (bool, error) {
	for ino != int64(RootIno) {
		if ino == anc {
			return true, nil
		}
		at, err := t.dirPlace(ino)
		if err != nil {
			return false, err
		}
		ino = at.parent
	}
	return ino == anc, nil
}

// shownAt tells whether an asset's name is shown at a place, though the place may ask for another name for it.
func shownAt(a index.Asset, p place) bool {
	wire := a.Shadow
	if wire == "" {
		wire = a.Remote.Name
	}
	return a.Drop == p.drop && slices.Equal(refresh.DecodeName(wire), p.path)
}
