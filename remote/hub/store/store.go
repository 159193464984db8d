package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"sync"
	"time"
)

// Store is the metadata of one hub, or of several that share a database. Its methods may be called at the same time.
type Store struct {
	now    func() time.Time
	rebind func(string) string // the dialect's form of a query written with ?
	reopen func(conns int, params ...string) (*sql.DB, error)
	jobs   *Jobs // nil until OpenJobs

	read *sql.DB // never writes

	mu      sync.Mutex
	waiting []*change  // guarded by mu: changes that the next transaction takes along
	writer  sync.Mutex // held for the length of a transaction; taken before mu
	full    *sql.DB    // guarded by writer
	fast    *sql.DB    // guarded by writer: its commits are not synced
}

// Close closes the database. No method may be running.
func (s *Store) Close() error {
	var errs []error
	for _, db := range []*sql.DB{s.read, s.fast, s.full} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}

func (s *Store) row(ctx context.Context, q string, args ...any) *sql.Row {
	return s.read.QueryRowContext(ctx, s.rebind(q), args...)
}

// each runs fn for every row of a query, outside of any transaction.
func (s *Store) each(ctx context.Context, fn func(*sql.Rows) error, q string, args ...any) error {
	return scanAll(s.read.QueryContext(ctx, s.rebind(q), args...))(fn)
}

func scanAll(rows *sql.Rows, err error) func(func(*sql.Rows) error) error {
	return func(fn func(*sql.Rows) error) error {
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			if err := fn(rows); err != nil {
				return err
			}
		}
		return rows.Err()
	}
}

// Ping tells whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	var one int
	return s.row(ctx, `SELECT 1`).Scan(&one)
}

// Secret returns the hub's secret of that name, 32 bytes, made at first use and the same for every hub of the database.
func (s *Store) Secret(ctx context.Context, name string) ([]byte, error) {
	fresh := make([]byte, 32)
	_, _ = rand.Read(fresh) // never fails: crypto/rand
	var text string
	err := s.write(ctx, durable, func(t *tx) error {
		if _, err := t.exec(ctx, `INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING`,
			"secret."+name, hex.EncodeToString(fresh)); err != nil {
			return err
		}
		return t.row(ctx, `SELECT value FROM meta WHERE name = ?`, "secret."+name).Scan(&text)
	})
	if err != nil {
		return nil, fmt.Errorf("secret %s: %w", name, err)
	}
	return hex.DecodeString(text)
}

// idAlphabet has no two letters that look alike.
const idAlphabet = "23456789ABCDEFGHJKLMNPQRSTWXYZabcdefghijkmnopqrstuvwxyz"

// NewID returns n unguessable letters and digits; 20 of them hold 115 bits.
func NewID(n int) string {
	b := make([]byte, n)
	size := big.NewInt(int64(len(idAlphabet)))
	for i := range b {
		v, err := rand.Int(rand.Reader, size)
		if err != nil {
			panic("crypto/rand does not fail: " + err.Error())
		}
		b[i] = idAlphabet[v.Int64()]
	}
	return string(b)
}

// notFound turns the absence of a row into ErrNotFound.
func notFound(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	return err
}
