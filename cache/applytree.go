package cache

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"dropfs/cache/index"
	"dropfs/cache/refresh"
	"dropfs/remote"
)

// place moves an entry to where a wire name is shown, making the directories on the way.
func (a *applier) place(eid int64, wire string) error {
	dir, name, err := a.spot(wire)
	if err != nil {
		return err
	}
	return a.t.MoveEntry(eid, dir, name)
}

// spot makes the place free where a wire name is shown, for an entry that the caller puts there.
func (a *applier) spot(wire string) (dir int64, name string, err error) {
	path := refresh.DecodeName(wire)
	if len(path) == 0 {
		return 0, "", fmt.Errorf("%w: asset name %q shows nowhere", ErrIO, wire)
	}
	if dir, err = a.dirs(path[:len(path)-1]); err != nil {
		return 0, "", err
	}
	name = path[len(path)-1]
	if err := a.vacate(dir, name); err != nil {
		return 0, "", err
	}
	a.grown[dir] = true
	a.tell(func() { a.t.r.tellEntry(Ino(dir), name) })
	return dir, name, nil
}

// dirs finds or makes the directory at a path below the drop.
func (a *applier) dirs(path []string) (int64, error) {
	t := a.t
	key := strings.Join(path, "/")
	if dir, ok := a.paths[key]; ok {
		return dir, nil
	}
	dir := a.drop
	for _, name := range path {
		e, found, err := t.Entry(dir, name)
		if err != nil {
			return 0, err
		}
		if found {
			n, err := t.node(Ino(e.Ino))
			if err != nil {
				return 0, err
			}
			if isDir(n.Mode) {
				dir = n.Ino
				continue
			}
			if err := a.vacate(dir, name); err != nil {
				return 0, err
			}
		}
		if dir, err = a.mkdir(dir, name, index.Implicit); err != nil {
			return 0, err
		}
	}
	a.paths[key] = dir
	return dir, nil
}

func (a *applier) mkdir(parent int64, name string, flags index.Flags) (int64, error) {
	t := a.t
	n := a.fresh(remote.Asset{}, unix.S_IFDIR|0o755)
	n.Nlink, n.Flags, n.Chg = 2, flags, 0
	dir, err := t.node(Ino(parent))
	if err != nil {
		return 0, err
	}
	n, _, err = t.insert(dir, name, n)
	a.tell(func() { t.r.tellEntry(Ino(parent), name) })
	return n.Ino, err
}

// vacate makes a name free. What has it without the merge's knowing (an empty directory that existed only for what lay
// in it, a symlink) goes or takes a conflict name.
func (a *applier) vacate(dir int64, name string) error {
	t := a.t
	e, found, err := t.Entry(dir, name)
	if err != nil || !found {
		return err
	}
	n, err := t.node(Ino(e.Ino))
	if err != nil {
		return err
	}
	if isDir(n.Mode) && n.Flags&index.Implicit != 0 {
		if full, err := t.HasEntries(n.Ino); err != nil {
			return err
		} else if !full {
			return a.rmdir(e, n)
		}
	}
	free := ""
	for i := 0; free == ""; i++ {
		to := refresh.ConflictName(refresh.EncodePath([]string{name}), t.r.cfg.Host, t.now, func(w string) bool {
			_, taken, terr := t.Entry(dir, strings.Join(refresh.DecodeName(w), "/"))
			return taken || terr != nil
		})
		free = strings.Join(refresh.DecodeName(to), "/")
	}
	if err := t.MoveEntry(e.ID, dir, free); err != nil {
		return err
	}
	if isDir(n.Mode) {
		t.dirs = true
		t.r.dirs.Purge()
		clear(a.paths)
	}
	a.goneName(e)
	a.tell(func() { t.r.tellEntry(Ino(dir), free) })
	return t.movedTo(e.ID)
}

// movedTo queues what follows from a new place of an entry that was moved to a conflict name.
func (t *txn) movedTo(eid int64) error {
	e, found, err := t.EntryByID(eid)
	if err != nil || !found {
		return err
	}
	n, err := t.node(Ino(e.Ino))
	if err != nil {
		return err
	}
	if err := t.noteConflict(e); err != nil {
		return err
	}
	p, err := t.placeOf(e)
	if err != nil {
		return err
	}
	return t.moved(e, n, p)
}

func (a *applier) rmdir(e index.Entry, n index.Node) error {
	t := a.t
	clear(a.paths)
	if err := t.removeEntry(e, &n); err != nil {
		return err
	}
	dir, err := t.node(Ino(e.Parent))
	if err != nil {
		return err
	}
	a.goneName(e)
	return t.changed(dir, -1)
}

// pruneDirs removes directories that existed only because assets lay in them, from the innermost out.
func (a *applier) pruneDirs(ino int64) error {
	t := a.t
	for ino != a.drop && ino != int64(RootIno) && ino != 0 {
		n, found, err := t.Node(ino)
		if err != nil || !found || n.Flags&index.Implicit == 0 {
			return err
		}
		if full, err := t.HasEntries(ino); err != nil || full {
			return err
		}
		entries, err := t.EntriesOf(ino)
		if err != nil || len(entries) == 0 {
			return err
		}
		if err := a.rmdir(entries[0], n); err != nil {
			return err
		}
		ino = entries[0].Parent
	}
	return nil
}

func (a *applier) goneName(e index.Entry) {
	r := a.t.r
	a.tell(func() { r.tellGone(Ino(e.Parent), e.Name, Ino(e.Ino)) })
}
