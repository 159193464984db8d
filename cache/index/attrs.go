package index

import (
	"time"

	"zombiezen.com/go/sqlite"

	"dropfs/remote"
)

// Attrs finds the sidecar record of a key, encoded.
func (t *Tx) Attrs(drop int64, key string) (rec []byte, found bool, err error) {
	found, err = t.row("SELECT rec FROM attrs WHERE drop_ino = ? AND key = ?", func(s *sqlite.Stmt) { rec = columnBytes(s, 0) }, drop, key)
	return rec, found, err
}

// PutAttrs keeps a sidecar record.
func (t *Tx) PutAttrs(drop int64, key string, rec []byte) error {
	_, err := t.exec("INSERT OR REPLACE INTO attrs(drop_ino, key, rec) VALUES(?, ?, ?)", drop, key, rec)
	return err
}

// DeleteAttrs forgets a sidecar record.
func (t *Tx) DeleteAttrs(drop int64, key string) error {
	_, err := t.exec("DELETE FROM attrs WHERE drop_ino = ? AND key = ?", drop, key)
	return err
}

// AllAttrs calls fn with each sidecar record of a drop.
func (t *Tx) AllAttrs(drop int64, fn func(key string, rec []byte)) error {
	return t.rows("SELECT key, rec FROM attrs WHERE drop_ino = ?", func(s *sqlite.Stmt) { fn(s.ColumnText(0), columnBytes(s, 1)) }, drop)
}

// Touch notes that the attributes under key changed and are to go into the next sidecar.
func (t *Tx) Touch(drop int64, key string, at time.Time) error {
	_, err := t.exec("INSERT OR REPLACE INTO attrs_touched(drop_ino, key, at) VALUES(?, ?, ?)", drop, key, toNano(at))
	return err
}

// Touched lists the keys noted by Touch with their times.
func (t *Tx) Touched(drop int64) (map[string]time.Time, error) {
	keys := map[string]time.Time{}
	err := t.rows("SELECT key, at FROM attrs_touched WHERE drop_ino = ?", func(s *sqlite.Stmt) { keys[s.ColumnText(0)] = fromNano(s.ColumnInt64(1)) }, drop)
	return keys, err
}

// Untouch forgets a note of Touch that was not renewed since at.
func (t *Tx) Untouch(drop int64, key string, at time.Time) error {
	_, err := t.exec("DELETE FROM attrs_touched WHERE drop_ino = ? AND key = ? AND at <= ?", drop, key, toNano(at))
	return err
}

// Segment is a sidecar asset whose records have been merged.
type Segment struct {
	ID   remote.AssetID
	Name string
	Size int64
}

// Segments lists the sidecar assets of a drop that have been merged.
func (t *Tx) Segments(drop int64) (list []Segment, err error) {
	err = t.rows("SELECT id, name, size FROM segments WHERE drop_ino = ?", func(s *sqlite.Stmt) {
		list = append(list, Segment{ID: remote.AssetID(s.ColumnText(0)), Name: s.ColumnText(1), Size: s.ColumnInt64(2)})
	}, drop)
	return list, err
}

// PutSegment notes a merged sidecar asset.
func (t *Tx) PutSegment(drop int64, s Segment) error {
	_, err := t.exec("INSERT OR REPLACE INTO segments(drop_ino, id, name, size) VALUES(?, ?, ?, ?)", drop, string(s.ID), s.Name, s.Size)
	return err
}

// DeleteSegment forgets a sidecar asset.
func (t *Tx) DeleteSegment(drop int64, id remote.AssetID) error {
	_, err := t.exec("DELETE FROM segments WHERE drop_ino = ? AND id = ?", drop, string(id))
	return err
}
