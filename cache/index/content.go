package index

import "zombiezen.com/go/sqlite"

// Content is what is known of one content file.
type Content struct {
	ID       int64
	Ino      int64
	Size     int64
	Complete bool
	Dirty    bool   // not on the service as it is here
	Extents  []byte // encoded; of no meaning where Complete
	Synced   bool   // its bytes survive power loss
	Boot     string // the boot in which it was last written
}

const contentColumns = "cid, ino, size, complete, dirty, extents, synced, boot"

func scanContent(s *sqlite.Stmt) Content {
	return Content{
		ID: s.ColumnInt64(0), Ino: s.ColumnInt64(1), Size: s.ColumnInt64(2), Complete: s.ColumnBool(3),
		Dirty: s.ColumnBool(4), Extents: columnBytes(s, 5), Synced: s.ColumnBool(6), Boot: s.ColumnText(7),
	}
}

// Content finds a content.
func (t *Tx) Content(cid int64) (c Content, found bool, err error) {
	found, err = t.row("SELECT "+contentColumns+" FROM contents WHERE cid = ?", func(s *sqlite.Stmt) { c = scanContent(s) }, cid)
	return c, found, err
}

// Contents calls fn for every content.
func (t *Tx) Contents(fn func(Content)) error {
	return t.rows("SELECT "+contentColumns+" FROM contents", func(s *sqlite.Stmt) { fn(scanContent(s)) })
}

// UnsyncedContents lists what was written in another boot than this one and never synced.
func (t *Tx) UnsyncedContents(boot string) (list []Content, err error) {
	err = t.rows("SELECT "+contentColumns+" FROM contents WHERE synced = 0 AND boot != ?", func(s *sqlite.Stmt) { list = append(list, scanContent(s)) }, boot)
	return list, err
}

// LastContentID is the highest id that a content ever had (I2).
func (t *Tx) LastContentID() (id int64, err error) {
	_, err = t.row("SELECT seq FROM sqlite_sequence WHERE name = 'contents'", func(s *sqlite.Stmt) { id = s.ColumnInt64(0) })
	return id, err
}

// InsertContent adds a content under c.ID, which no content may have had (I2). The caller gives ids out, so that the
// content file can be made before its row.
func (t *Tx) InsertContent(c Content) error {
	_, err := t.exec("INSERT INTO contents("+contentColumns+") VALUES(?, ?, ?, ?, ?, ?, ?, ?)",
		c.ID, c.Ino, c.Size, c.Complete, c.Dirty, c.Extents, c.Synced, c.Boot)
	return err
}

// UpdateContent stores all of c.
func (t *Tx) UpdateContent(c Content) error {
	_, err := t.exec("UPDATE contents SET ino = ?, size = ?, complete = ?, dirty = ?, extents = ?, synced = ?, boot = ? WHERE cid = ?",
		c.Ino, c.Size, c.Complete, c.Dirty, c.Extents, c.Synced, c.Boot, c.ID)
	return err
}

// DeleteContent forgets a content.
func (t *Tx) DeleteContent(cid int64) error {
	_, err := t.exec("DELETE FROM contents WHERE cid = ?", cid)
	return err
}

// SetSynced notes that the bytes of a content survive power loss.
func (t *Tx) SetSynced(cid int64) error {
	_, err := t.exec("UPDATE contents SET synced = 1 WHERE cid = ?", cid)
	return err
}

// Evict forgets clean contents: their nodes become cold. It returns the ids that were forgotten; a dirty one is not.
func (t *Tx) Evict(cids []int64) (gone []int64, err error) {
	for _, cid := range cids {
		if _, err := t.exec("UPDATE nodes SET content = 0 WHERE content = ? AND ino = (SELECT ino FROM contents WHERE cid = ? AND dirty = 0)", cid, cid); err != nil {
			return nil, err
		}
		n, err := t.exec("DELETE FROM contents WHERE cid = ? AND dirty = 0", cid)
		if err != nil {
			return nil, err
		}
		if n == 0 {
			continue
		}
		gone = append(gone, cid)
	}
	return gone, nil
}
