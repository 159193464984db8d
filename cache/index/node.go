package index

import "zombiezen.com/go/sqlite"

// Flags of a node.
type Flags int64

// The flags. The first is indexed: at start its nodes are looked through.
const (
	Writing  Flags = 1 << iota // was opened for writing: size and times are those of the content file
	Pinned                     // wanted here always
	Implicit                   // a directory that exists because assets lie in it
	Trashed                    // unlinked, kept for undelete
)

// Node is an inode. Times are Unix nanoseconds.
type Node struct {
	Ino                        int64
	Mode, UID, GID, Rdev       uint32
	Nlink                      uint32
	Size                       int64
	Atime, Mtime, Ctime, Btime int64
	Target                     string
	Content                    int64 // 0: nothing held
	Chg                        int64
	Flags                      Flags
	Link                       string
}

const nodeColumns = "n.ino, n.mode, n.uid, n.gid, n.rdev, n.nlink, n.size, n.atime, n.mtime, n.ctime, n.btime, n.target, n.content, n.chg, n.flags, n.link"

func scanNode(s *sqlite.Stmt, at int) Node {
	return Node{
		Ino:  s.ColumnInt64(at),
		Mode: uint32(s.ColumnInt64(at + 1)), UID: uint32(s.ColumnInt64(at + 2)), GID: uint32(s.ColumnInt64(at + 3)),
		Rdev: uint32(s.ColumnInt64(at + 4)), Nlink: uint32(s.ColumnInt64(at + 5)), Size: s.ColumnInt64(at + 6),
		Atime: s.ColumnInt64(at + 7), Mtime: s.ColumnInt64(at + 8), Ctime: s.ColumnInt64(at + 9), Btime: s.ColumnInt64(at + 10),
		Target: string(columnBytes(s, at+11)), Content: s.ColumnInt64(at + 12), Chg: s.ColumnInt64(at + 13),
		Flags: Flags(s.ColumnInt64(at + 14)), Link: s.ColumnText(at + 15),
	}
}

// Node finds an inode.
func (t *Tx) Node(ino int64) (n Node, found bool, err error) {
	found, err = t.row("SELECT "+nodeColumns+" FROM nodes n WHERE n.ino = ?", func(s *sqlite.Stmt) { n = scanNode(s, 0) }, ino)
	return n, found, err
}

// InsertNode adds n under a new number, or under n.Ino where it is not 0, and returns the number.
func (t *Tx) InsertNode(n Node) (int64, error) {
	var ino any
	if n.Ino != 0 {
		ino = n.Ino
	}
	_, err := t.exec("INSERT INTO nodes(ino, mode, uid, gid, rdev, nlink, size, atime, mtime, ctime, btime, target, content, chg, flags, link) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		ino, n.Mode, n.UID, n.GID, n.Rdev, n.Nlink, n.Size, n.Atime, n.Mtime, n.Ctime, n.Btime, []byte(n.Target), n.Content, n.Chg, n.Flags, nullable(n.Link))
	return t.conn.LastInsertRowID(), err
}

// UpdateNode stores all of n.
func (t *Tx) UpdateNode(n Node) error {
	_, err := t.exec("UPDATE nodes SET mode = ?, uid = ?, gid = ?, rdev = ?, nlink = ?, size = ?, atime = ?, mtime = ?, ctime = ?, btime = ?, target = ?, content = ?, chg = ?, flags = ?, link = ? WHERE ino = ?",
		n.Mode, n.UID, n.GID, n.Rdev, n.Nlink, n.Size, n.Atime, n.Mtime, n.Ctime, n.Btime, []byte(n.Target), n.Content, n.Chg, n.Flags, nullable(n.Link), n.Ino)
	return err
}

// DeleteNode removes an inode with its extended attributes.
func (t *Tx) DeleteNode(ino int64) error {
	if _, err := t.exec("DELETE FROM xattrs WHERE ino = ?", ino); err != nil {
		return err
	}
	_, err := t.exec("DELETE FROM nodes WHERE ino = ?", ino)
	return err
}

func (t *Tx) nodes(where string, args ...any) (list []Node, err error) {
	err = t.rows("SELECT "+nodeColumns+" FROM nodes n WHERE "+where, func(s *sqlite.Stmt) { list = append(list, scanNode(s, 0)) }, args...)
	return list, err
}

// WritingNodes lists the nodes with the flag Writing.
func (t *Tx) WritingNodes() ([]Node, error) { return t.nodes("n.flags & 1") }

// UnlinkedNodes lists the nodes without a name, trash included.
func (t *Tx) UnlinkedNodes() ([]Node, error) { return t.nodes("n.nlink = 0") }

// NodesLinked lists the nodes of one hard-link group.
func (t *Tx) NodesLinked(group string) ([]Node, error) { return t.nodes("n.link = ?", group) }

// PinnedNodes lists the pinned nodes.
func (t *Tx) PinnedNodes() ([]Node, error) { return t.nodes("n.flags & ?", Pinned) }

// CountNodes returns how many inodes there are.
func (t *Tx) CountNodes() (n int64, err error) {
	_, err = t.row("SELECT count(*) FROM nodes", func(s *sqlite.Stmt) { n = s.ColumnInt64(0) })
	return n, err
}

// Xattr finds an extended attribute.
func (t *Tx) Xattr(ino int64, name string) (value []byte, found bool, err error) {
	found, err = t.row("SELECT value FROM xattrs WHERE ino = ? AND name = ?", func(s *sqlite.Stmt) { value = columnBytes(s, 0) }, ino, name)
	return value, found, err
}

// Xattrs lists the extended attributes of an inode.
func (t *Tx) Xattrs(ino int64) (map[string][]byte, error) {
	all := map[string][]byte{}
	err := t.rows("SELECT name, value FROM xattrs WHERE ino = ?", func(s *sqlite.Stmt) { all[s.ColumnText(0)] = columnBytes(s, 1) }, ino)
	return all, err
}

// SetXattr stores an extended attribute.
func (t *Tx) SetXattr(ino int64, name string, value []byte) error {
	if value == nil {
		value = []byte{}
	}
	_, err := t.exec("INSERT INTO xattrs(ino, name, value) VALUES(?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value", ino, name, value)
	return err
}

// DeleteXattr removes an extended attribute and tells whether it was there.
func (t *Tx) DeleteXattr(ino int64, name string) (bool, error) {
	n, err := t.exec("DELETE FROM xattrs WHERE ino = ? AND name = ?", ino, name)
	return n > 0, err
}
