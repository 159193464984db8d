package index

import "zombiezen.com/go/sqlite"

// PutResult keeps which inode holds the result of a key, and what is known of its making.
func (t *Tx) PutResult(key string, ino int64, about []byte) error {
	_, err := t.exec("INSERT OR REPLACE INTO results(key, ino, about) VALUES(?, ?, ?)", key, ino, about)
	return err
}

// Result finds the inode of a result.
func (t *Tx) Result(key string) (ino int64, about []byte, found bool, err error) {
	found, err = t.row("SELECT ino, about FROM results WHERE key = ?", func(s *sqlite.Stmt) {
		ino, about = s.ColumnInt64(0), columnBytes(s, 1)
	}, key)
	return ino, about, found, err
}

// DeadResults lists the results whose content went, with their inodes.
func (t *Tx) DeadResults() (map[string]int64, error) {
	dead := map[string]int64{}
	err := t.rows("SELECT r.key, r.ino FROM results r JOIN nodes n ON n.ino = r.ino WHERE n.content = 0",
		func(s *sqlite.Stmt) { dead[s.ColumnText(0)] = s.ColumnInt64(1) })
	return dead, err
}

// DeleteResult forgets a result; its inode stays.
func (t *Tx) DeleteResult(key string) error {
	_, err := t.exec("DELETE FROM results WHERE key = ?", key)
	return err
}
