package index

import (
	"zombiezen.com/go/sqlite"

	"dropfs/remote"
)

// Drop is a drop and the directory that shows it. The name is the directory's.
type Drop struct {
	Ino    int64
	Remote remote.Drop // ID "" until the service has made it
	Listed int64       // Unix ns of the last merged listing; 0: never
	Gone   bool        // expired or deleted elsewhere
	Added  bool        // made elsewhere, named in the configuration
}

const dropColumns = "ino, id, spec_gb, spec_days, created, expires, max_size, max_file, used, listed, gone, added, url"

func scanDrop(s *sqlite.Stmt) Drop {
	return Drop{
		Ino: s.ColumnInt64(0),
		Remote: remote.Drop{
			ID: remote.DropID(s.ColumnText(1)), GB: s.ColumnFloat(2), Days: s.ColumnInt(3),
			Created: fromNano(s.ColumnInt64(4)), Expires: fromNano(s.ColumnInt64(5)),
			MaxSize: s.ColumnInt64(6), MaxFileSize: s.ColumnInt64(7), Used: s.ColumnInt64(8), WebURL: s.ColumnText(12),
		},
		Listed: s.ColumnInt64(9), Gone: s.ColumnBool(10), Added: s.ColumnBool(11),
	}
}

// Drop finds the drop that a directory shows.
func (t *Tx) Drop(ino int64) (d Drop, found bool, err error) {
	found, err = t.row("SELECT "+dropColumns+" FROM drops WHERE ino = ?", func(s *sqlite.Stmt) { d = scanDrop(s) }, ino)
	return d, found, err
}

// DropByID finds a drop by the service's name for it.
func (t *Tx) DropByID(id remote.DropID) (d Drop, found bool, err error) {
	found, err = t.row("SELECT "+dropColumns+" FROM drops WHERE id = ?", func(s *sqlite.Stmt) { d = scanDrop(s) }, string(id))
	return d, found, err
}

// Drops lists all drops.
func (t *Tx) Drops() (list []Drop, err error) {
	err = t.rows("SELECT "+dropColumns+" FROM drops ORDER BY ino", func(s *sqlite.Stmt) { list = append(list, scanDrop(s)) })
	return list, err
}

// PutDrop adds or replaces a drop.
func (t *Tx) PutDrop(d Drop) error {
	r := d.Remote
	_, err := t.exec("INSERT OR REPLACE INTO drops("+dropColumns+") VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		d.Ino, nullable(string(r.ID)), r.GB, r.Days, toNano(r.Created), toNano(r.Expires), r.MaxSize, r.MaxFileSize, r.Used, d.Listed, d.Gone, d.Added, r.WebURL)
	return err
}

// DeleteDrop forgets a drop, what it held and what was queued for it; the tree is the caller's.
func (t *Tx) DeleteDrop(ino int64) error {
	for _, q := range []string{
		"DELETE FROM drops WHERE ino = ?", "DELETE FROM assets WHERE drop_ino = ?", "DELETE FROM attrs WHERE drop_ino = ?",
		"DELETE FROM attrs_touched WHERE drop_ino = ?", "DELETE FROM segments WHERE drop_ino = ?",
		"DELETE FROM ops WHERE target = ? AND kind IN ('delete', 'mkdrop', 'updrop', 'sidecar')",
	} {
		if _, err := t.exec(q, ino); err != nil {
			return err
		}
	}
	return nil
}
