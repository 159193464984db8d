package index

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// ErrVersion is a file written by a later dropfs.
var ErrVersion = errors.New("index was written by a later version of dropfs")

// DB is an open index. All methods may be called at the same time.
type DB struct {
	// writeMu is held over each commit, for SQLite has one writer: who waits for another's sync waits here, and not
	// polling inside SQLite with mu held, which would keep readers waiting too.
	writeMu  sync.Mutex
	syncConn *sqlite.Conn // guarded by writeMu: commits with synchronous=FULL

	mu   sync.Mutex
	conn *sqlite.Conn // guarded by mu

	flushMu  sync.Mutex
	flushing *flush // the one under way, guarded by flushMu
	waiting  *flush // the next, which those join who come meanwhile
}

type flush struct {
	done chan struct{}
	err  error
}

// Open opens or makes the index.db in dir.
func Open(dir string) (*DB, error) {
	path := filepath.Join(dir, "index.db")
	conn, err := connect(path, "NORMAL")
	if err != nil {
		return nil, fmt.Errorf("open index: %w", err)
	}
	if err := migrate(conn); err != nil {
		return nil, errors.Join(fmt.Errorf("open index: %w", err), conn.Close())
	}
	syncConn, err := connect(path, "FULL")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open index: %w", err), conn.Close())
	}
	return &DB{conn: conn, syncConn: syncConn}, nil
}

func connect(path, synchronous string) (*sqlite.Conn, error) {
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadWrite|sqlite.OpenCreate|sqlite.OpenWAL)
	if err != nil {
		return nil, err
	}
	conn.SetBlockOnBusy()
	script := "PRAGMA journal_mode=WAL; PRAGMA synchronous=" + synchronous +
		"; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-16384; PRAGMA wal_autocheckpoint=4000;"
	if err := execAll(conn, script); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

func migrate(conn *sqlite.Conn) (err error) {
	end, err := sqlitex.ImmediateTransaction(conn)
	if err != nil {
		return err
	}
	defer end(&err)
	version := 0
	err = sqlitex.ExecuteTransient(conn, "PRAGMA user_version", &sqlitex.ExecOptions{
		ResultFunc: func(s *sqlite.Stmt) error { version = s.ColumnInt(0); return nil },
	})
	if err != nil {
		return err
	}
	if version > schemaVersion {
		return ErrVersion
	}
	if version == schemaVersion {
		return nil
	}
	if err := execAll(conn, schema); err != nil {
		return err
	}
	return execAll(conn, fmt.Sprintf("PRAGMA user_version = %d;", schemaVersion))
}

// execAll runs a script without a transaction of its own.
func execAll(conn *sqlite.Conn, script string) error {
	for script = strings.TrimSpace(script); script != ""; script = strings.TrimSpace(script) {
		stmt, rest, err := conn.PrepareTransient(script)
		if err != nil {
			return err
		}
		_, err = stmt.Step()
		if err = errors.Join(err, stmt.Finalize()); err != nil {
			return err
		}
		script = script[len(script)-rest:]
	}
	return nil
}

// Close flushes and closes the index. No other method may be under way.
func (db *DB) Close() error {
	err := db.Flush()
	db.mu.Lock()
	defer db.mu.Unlock()
	return errors.Join(err, db.syncConn.Close(), db.conn.Close())
}

// Tx is one transaction. It is valid until the function that was given it returns.
type Tx struct {
	conn *sqlite.Conn
}

// Read runs fn on one state of the index.
func (db *DB) Read(fn func(*Tx) error) error {
	db.mu.Lock()
	defer db.mu.Unlock()
	return fn(&Tx{conn: db.conn})
}

// Write runs fn in one transaction: all of it is kept, or, where fn fails or panics, nothing.
func (db *DB) Write(fn func(*Tx) error) (err error) {
	db.writeMu.Lock()
	defer db.writeMu.Unlock()
	db.mu.Lock()
	defer db.mu.Unlock()
	t := &Tx{conn: db.conn}
	if err := t.rows("BEGIN IMMEDIATE", nil); err != nil {
		return err
	}
	done := false
	defer func() {
		if done {
			return
		}
		if rerr := t.rows("ROLLBACK", nil); rerr != nil { // also where fn panicked
			err = errors.Join(err, rerr)
		}
	}()
	if err := fn(t); err != nil {
		return err
	}
	if err := t.rows("COMMIT", nil); err != nil {
		return err
	}
	done = true
	return nil
}

// Flush makes everything committed so far durable against power loss (I4). A commit with synchronous=FULL syncs the
// whole WAL, but only if it changes a row, so a counter is kept for it.
func (db *DB) Flush() error {
	db.flushMu.Lock()
	f := db.waiting
	if f == nil {
		f = &flush{done: make(chan struct{})}
		db.waiting = f
		if db.flushing == nil {
			db.startFlush()
		}
	}
	db.flushMu.Unlock()
	<-f.done
	return f.err
}

// startFlush needs flushMu. The goroutine ends when nobody waits any more.
func (db *DB) startFlush() {
	db.flushing, db.waiting = db.waiting, nil
	go func() {
		for {
			f := db.flushing
			f.err = db.commitFull()
			close(f.done)
			db.flushMu.Lock()
			db.flushing, db.waiting = db.waiting, nil
			again := db.flushing != nil
			db.flushMu.Unlock()
			if !again {
				return
			}
		}
	}()
}

func (db *DB) commitFull() error {
	db.writeMu.Lock()
	defer db.writeMu.Unlock()
	err := sqlitex.Execute(db.syncConn,
		"INSERT INTO meta(key, value) VALUES('flush', ?) ON CONFLICT(key) DO UPDATE SET value = excluded.value",
		&sqlitex.ExecOptions{Args: []any{time.Now().UnixNano()}})
	if err != nil {
		return fmt.Errorf("flush index: %w", err)
	}
	return nil
}
