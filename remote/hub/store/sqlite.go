package store

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"time"

	_ "modernc.org/sqlite" // the database/sql driver "sqlite", pure Go
)

// sqliteEvents differs from the common part in one thing: how the sequence of the feed never goes back.
const sqliteEvents = `CREATE TABLE IF NOT EXISTS events (
	seq INTEGER PRIMARY KEY AUTOINCREMENT,
	at BIGINT NOT NULL, kind TEXT NOT NULL, drop_id TEXT NOT NULL, owner TEXT NOT NULL, body TEXT NOT NULL)`

// OpenSQLite opens or makes the database file at path. Several processes may have it open at once.
func OpenSQLite(ctx context.Context, path string, now func() time.Time) (*Store, error) {
	s := &Store{now: now, rebind: func(q string) string { return q }}
	open := func(conns int, params ...string) (*sql.DB, error) {
		v := url.Values{"_txlock": {"immediate"}, "_pragma": append([]string{
			"busy_timeout(20000)", "journal_mode(WAL)", "foreign_keys(0)",
		}, params...)}
		u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: v.Encode()}
		db, err := sql.Open("sqlite", u.String())
		if err != nil {
			return nil, fmt.Errorf("open %s: %w", path, err)
		}
		db.SetMaxOpenConns(conns)
		db.SetMaxIdleConns(conns)
		return db, nil
	}
	s.reopen = open
	var err error
	// The writer that syncs each commit comes first: it makes the file.
	if s.full, err = open(1, "synchronous(FULL)"); err != nil {
		return nil, err
	}
	if s.fast, err = open(1, "synchronous(NORMAL)"); err == nil {
		s.read, err = open(4, "query_only(1)")
	}
	if err == nil {
		err = s.migrate(ctx, sqliteEvents)
	}
	if err != nil {
		_ = s.Close()
		return nil, fmt.Errorf("metadata %s: %w", path, err)
	}
	return s, nil
}
