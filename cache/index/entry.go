package index

import (
	"cmp"
	"slices"

	"zombiezen.com/go/sqlite"
)

// Entry is a name in a directory. Its ID survives renames (I3).
type Entry struct {
	ID     int64
	Parent int64
	Name   string
	Ino    int64
}

func scanEntry(s *sqlite.Stmt) Entry {
	return Entry{ID: s.ColumnInt64(0), Parent: s.ColumnInt64(1), Name: string(columnBytes(s, 2)), Ino: s.ColumnInt64(3)}
}

const entryColumns = "e.eid, e.parent, e.name, e.ino"

// Entry finds a name in a directory.
func (t *Tx) Entry(parent int64, name string) (e Entry, found bool, err error) {
	found, err = t.row("SELECT "+entryColumns+" FROM entries e WHERE e.parent = ? AND e.name = ?", func(s *sqlite.Stmt) { e = scanEntry(s) }, parent, []byte(name))
	return e, found, err
}

// EntryByID finds an entry.
func (t *Tx) EntryByID(eid int64) (e Entry, found bool, err error) {
	found, err = t.row("SELECT "+entryColumns+" FROM entries e WHERE e.eid = ?", func(s *sqlite.Stmt) { e = scanEntry(s) }, eid)
	return e, found, err
}

// EntriesOf lists the names of an inode, the oldest first.
func (t *Tx) EntriesOf(ino int64) (list []Entry, err error) {
	err = t.rows("SELECT "+entryColumns+" FROM entries e WHERE e.ino = ?", func(s *sqlite.Stmt) { list = append(list, scanEntry(s)) }, ino)
	slices.SortFunc(list, func(a, b Entry) int { return cmp.Compare(a.ID, b.ID) }) // by SQL it would be prepared at each call
	return list, err
}

// InsertEntry adds a name and returns its id.
func (t *Tx) InsertEntry(parent int64, name string, ino int64) (int64, error) {
	_, err := t.exec("INSERT INTO entries(parent, name, ino) VALUES(?, ?, ?)", parent, []byte(name), ino)
	return t.conn.LastInsertRowID(), err
}

// MoveEntry gives an entry a new place. Its conflict, if it had one, is over.
func (t *Tx) MoveEntry(eid, parent int64, name string) error {
	if _, err := t.exec("DELETE FROM conflicts WHERE eid = ?", eid); err != nil {
		return err
	}
	_, err := t.exec("UPDATE entries SET parent = ?, name = ? WHERE eid = ?", parent, []byte(name), eid)
	return err
}

// RebindEntry gives a name another inode.
func (t *Tx) RebindEntry(eid, ino int64) error {
	_, err := t.exec("UPDATE entries SET ino = ? WHERE eid = ?", ino, eid)
	return err
}

// DeleteEntry removes a name.
func (t *Tx) DeleteEntry(eid int64) error {
	if _, err := t.exec("DELETE FROM conflicts WHERE eid = ?", eid); err != nil {
		return err
	}
	_, err := t.exec("DELETE FROM entries WHERE eid = ?", eid)
	return err
}

// AddConflict notes that an entry has a conflict name.
func (t *Tx) AddConflict(eid int64) error {
	_, err := t.exec("INSERT OR IGNORE INTO conflicts(eid) VALUES(?)", eid)
	return err
}

// ConflictEntries lists the entries noted by AddConflict.
func (t *Tx) ConflictEntries() (list []Entry, err error) {
	err = t.rows("SELECT "+entryColumns+" FROM conflicts c JOIN entries e ON e.eid = c.eid", func(s *sqlite.Stmt) { list = append(list, scanEntry(s)) })
	return list, err
}

// HasEntries tells whether a directory has a name.
func (t *Tx) HasEntries(parent int64) (bool, error) {
	return t.row("SELECT 1 FROM entries WHERE parent = ? LIMIT 1", nil, parent)
}

// Listed is an entry with its inode.
type Listed struct {
	Entry
	Node Node
}

// List returns up to limit entries of a directory with an id above after, in the order of ids.
func (t *Tx) List(parent, after int64, limit int) (list []Listed, err error) {
	err = t.rows("SELECT "+entryColumns+", "+nodeColumns+" FROM entries e JOIN nodes n ON n.ino = e.ino WHERE e.parent = ? AND e.eid > ? ORDER BY e.eid LIMIT ?",
		func(s *sqlite.Stmt) { list = append(list, Listed{Entry: scanEntry(s), Node: scanNode(s, 4)}) }, parent, after, limit)
	return list, err
}

// Children lists the entries of a directory without their inodes.
func (t *Tx) Children(parent int64) (list []Entry, err error) {
	err = t.rows("SELECT "+entryColumns+" FROM entries e WHERE e.parent = ? ORDER BY e.eid", func(s *sqlite.Stmt) { list = append(list, scanEntry(s)) }, parent)
	return list, err
}
