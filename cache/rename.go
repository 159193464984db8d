package cache

import (
	"context"

	"dropfs/cache/content"
	"dropfs/cache/index"
)

// move is a rename as it is being decided.
type move struct {
	fromDir, toDir index.Node
	src, dst       index.Entry
	srcNode        index.Node
	dstNode        index.Node
	replaces       bool // dst exists
	from, to       place
	toParent       int64
	toName         string
}

// Rename moves an entry, in one transaction, whatever is below it. The service follows (ops.go).
func (r *Replica) Rename(ctx context.Context, parent Ino, name string, newParent Ino, newName string, flags RenameFlags) error {
	if flags&^(RenameNoReplace|RenameExchange) != 0 || flags == RenameNoReplace|RenameExchange {
		return ErrInvalid
	}
	for _, dir := range []Ino{parent, newParent} {
		if err := r.ready(ctx, dir); err != nil {
			return err
		}
	}
	var orphan Ino
	defer r.moves.Add(1)
	err := r.write(func(t *txn) error {
		m, err := t.planMove(parent, name, newParent, newName)
		if err != nil {
			return err
		}
		switch {
		case flags&RenameExchange != 0:
			return t.exchange(m)
		case m.replaces && flags&RenameNoReplace != 0:
			return ErrExist
		case m.replaces && m.src.Ino == m.dst.Ino:
			return nil // POSIX: two names of one file stay as they are
		}
		if m.replaces {
			if err := t.replaceTarget(&m); err != nil {
				return err
			}
			if m.dstNode.Nlink == 0 {
				orphan = Ino(m.dstNode.Ino)
			}
		}
		if err := t.move(m); err != nil {
			return err
		}
		return t.moveTimes(m)
	})
	if err == nil && orphan != 0 {
		err = r.unnamed(orphan)
	}
	return err
}

func (t *txn) planMove(parent Ino, name string, newParent Ino, newName string) (m move, err error) {
	m.toParent, m.toName = int64(newParent), newName
	if m.fromDir, m.src, err = t.present(parent, name); err != nil {
		return m, err
	}
	if m.toDir, err = t.dir(newParent); err != nil {
		return m, err
	}
	if err := checkName(newName); err != nil {
		return m, err
	}
	if err := t.writable(m.toParent, newName); err != nil {
		return m, err
	}
	if m.srcNode, err = t.node(Ino(m.src.Ino)); err != nil {
		return m, err
	}
	if m.dst, m.replaces, err = t.Entry(m.toParent, newName); err != nil {
		return m, err
	}
	if m.replaces {
		if m.dstNode, err = t.node(Ino(m.dst.Ino)); err != nil {
			return m, err
		}
	}
	if m.from, err = t.placeOf(m.src); err != nil {
		return m, err
	}
	if m.to, err = t.place(m.toParent, newName); err != nil {
		return m, err
	}
	return m, t.mayMove(m)
}

// mayMove keeps drops at the root and everything else below it, and a directory out of itself.
func (t *txn) mayMove(m move) error {
	fromRoot, toRoot := m.src.Parent == int64(RootIno), m.toParent == int64(RootIno)
	if fromRoot != toRoot {
		return ErrCrossDrop
	}
	if toRoot {
		_, isDrop, err := t.Drop(m.src.Ino)
		if err != nil {
			return err
		}
		if drops := t.r.cfg.Classify(m.toName) == Ordinary && m.toName[0] != '.'; drops != isDrop {
			return ErrCrossDrop
		}
	}
	if isDir(m.srcNode.Mode) && m.src.Parent != m.toParent {
		inside, err := t.within(m.toParent, m.src.Ino)
		if err != nil {
			return err
		}
		if inside {
			return ErrInvalid
		}
	}
	return nil
}

// replaceTarget takes the entry away that is renamed over. What the service holds for it goes once the new content is
// confirmed under its name (C4).
func (t *txn) replaceTarget(m *move) error {
	switch src, dst := isDir(m.srcNode.Mode), isDir(m.dstNode.Mode); {
	case src && !dst:
		return ErrNotDir
	case !src && dst:
		return ErrIsDir
	case dst:
		if _, err := t.emptyDir(m.dst); err != nil {
			return err
		}
		if d, found, err := t.Drop(m.dst.Ino); err != nil {
			return err
		} else if found {
			if err := t.endDrop(d); err != nil {
				return err
			}
		}
	}
	assets, err := t.AssetsOf(m.dst.ID)
	if err != nil {
		return err
	}
	if isFile(m.srcNode.Mode) && m.to.sent() {
		for _, a := range assets {
			a.Entry, a.Old = m.src.ID, true
			if err := t.PutAsset(a); err != nil {
				return err
			}
		}
	}
	return t.removeEntry(m.dst, &m.dstNode)
}

// move gives the entry its new place and queues what follows from it.
func (t *txn) move(m move) error {
	if err := t.gone(m.src, m.srcNode); err != nil {
		return err
	}
	if err := t.MoveEntry(m.src.ID, m.toParent, m.toName); err != nil {
		return err
	}
	if isDir(m.srcNode.Mode) {
		t.dirs = true
		t.r.dirs.Purge()
	}
	t.entryTold(m.src.Parent, m.src.Name)
	t.entryTold(m.toParent, m.toName)
	m.src.Parent, m.src.Name = m.toParent, m.toName
	return t.moved(m.src, m.srcNode, m.from)
}

// moved queues what the service must learn of an entry that has a new place.
func (t *txn) moved(e index.Entry, n index.Node, from place) error {
	switch {
	case e.Parent == int64(RootIno):
		if _, isDrop, err := t.Drop(e.Ino); err != nil || !isDrop {
			return err
		}
		return t.queue(index.OpUpdrop, e.Ino, "", 0)
	case isDir(n.Mode):
		if err := t.queue(index.OpTree, n.Ino, "", 0); err != nil {
			return err
		}
	case isFile(n.Mode):
		if err := t.fileMoved(e, from); err != nil {
			return err
		}
	}
	return t.touch(n.Ino)
}

// fileMoved is moved for a file: to a name that is not sent, the service's copy goes.
func (t *txn) fileMoved(e index.Entry, from place) error {
	to, err := t.placeOf(e)
	if err != nil {
		return err
	}
	if from.sent() && !to.sent() {
		return t.withdraw(e)
	}
	return t.entryChanged(e)
}

func (t *txn) moveTimes(m move) error {
	n, err := t.node(Ino(m.src.Ino))
	if err != nil {
		return err
	}
	n.Ctime = t.now.UnixNano()
	if err := t.UpdateNode(n); err != nil {
		return err
	}
	links := 0
	if isDir(n.Mode) {
		links = 1
	}
	replaced := 0
	if m.replaces && isDir(m.dstNode.Mode) {
		replaced = 1
	}
	from, err := t.node(Ino(m.fromDir.Ino))
	if err != nil {
		return err
	}
	if m.fromDir.Ino == m.toDir.Ino {
		return t.changed(from, -replaced)
	}
	if err := t.changed(from, -links); err != nil {
		return err
	}
	to, err := t.node(Ino(m.toDir.Ino))
	if err != nil {
		return err
	}
	return t.changed(to, links-replaced)
}

// exchange swaps two entries.
func (t *txn) exchange(m move) error {
	if !m.replaces {
		return ErrNotExist
	}
	if m.src.Ino == m.dst.Ino {
		return nil
	}
	back := move{
		fromDir: m.toDir, toDir: m.fromDir, src: m.dst, srcNode: m.dstNode, from: m.to, to: m.from,
		toParent: m.src.Parent, toName: m.src.Name,
	}
	if err := t.mayMove(back); err != nil {
		return err
	}
	// Under a name that no entry can have, until the place is free.
	if err := t.MoveEntry(m.dst.ID, 0, m.dst.Name); err != nil {
		return err
	}
	if err := t.move(m); err != nil {
		return err
	}
	if err := t.move(back); err != nil {
		return err
	}
	m.replaces = false
	if err := t.moveTimes(m); err != nil {
		return err
	}
	return t.moveTimes(back)
}

// withdraw takes a name back from the service that is not sent any more. Its bytes are then here alone, and kept; the
// service's copy stays where they are not all here.
func (t *txn) withdraw(e index.Entry) error {
	n, err := t.node(Ino(e.Ino))
	if err != nil {
		return err
	}
	c, found, err := t.Content(n.Content)
	if err != nil {
		return err
	}
	if n.Size > 0 && (!found || !c.Complete) {
		return t.unqueue(index.OpEntry, e.ID, "")
	}
	if found && !c.Dirty {
		c.Dirty, c.Size = true, n.Size
		if err := t.UpdateContent(c); err != nil {
			return err
		}
		t.after = append(t.after, func() { t.r.logRelease(t.r.markDirty(content.ID(c.ID), c.Size), Ino(n.Ino)) })
	}
	return t.doom(e, true)
}
