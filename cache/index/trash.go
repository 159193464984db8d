package index

import (
	"time"

	"zombiezen.com/go/sqlite"

	"dropfs/remote"
)

// Trash is a deleted file that can come back while its node is kept.
type Trash struct {
	ID     int64
	Ino    int64
	Parent int64
	Name   string
	Path   string // below the account's root, as it was
	At     time.Time
	Drop   int64
	Asset  remote.AssetID // "" when it was never sent
	Chg    int64
}

const trashColumns = "id, ino, parent, name, path, at, drop_ino, asset, chg"

func scanTrash(s *sqlite.Stmt) Trash {
	return Trash{
		ID: s.ColumnInt64(0), Ino: s.ColumnInt64(1), Parent: s.ColumnInt64(2), Name: string(columnBytes(s, 3)),
		Path: string(columnBytes(s, 4)), At: fromNano(s.ColumnInt64(5)), Drop: s.ColumnInt64(6),
		Asset: remote.AssetID(s.ColumnText(7)), Chg: s.ColumnInt64(8),
	}
}

// AddTrash keeps a deleted file.
func (t *Tx) AddTrash(x Trash) error {
	_, err := t.exec("INSERT INTO trash(ino, parent, name, path, at, drop_ino, asset, chg) VALUES(?, ?, ?, ?, ?, ?, ?, ?)",
		x.Ino, x.Parent, []byte(x.Name), []byte(x.Path), toNano(x.At), x.Drop, string(x.Asset), x.Chg)
	return err
}

// Trashed lists deleted files, the latest first, at most limit behind the first skip.
func (t *Tx) Trashed(skip, limit int) (list []Trash, err error) {
	err = t.rows("SELECT "+trashColumns+" FROM trash ORDER BY id DESC LIMIT ? OFFSET ?", func(s *sqlite.Stmt) { list = append(list, scanTrash(s)) }, limit, skip)
	return list, err
}

// TrashedBefore lists deleted files older than at.
func (t *Tx) TrashedBefore(at time.Time) (list []Trash, err error) {
	err = t.rows("SELECT "+trashColumns+" FROM trash WHERE at < ?", func(s *sqlite.Stmt) { list = append(list, scanTrash(s)) }, toNano(at))
	return list, err
}

// DeleteTrash forgets a deleted file.
func (t *Tx) DeleteTrash(id int64) error {
	_, err := t.exec("DELETE FROM trash WHERE id = ?", id)
	return err
}
