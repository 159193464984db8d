package store

import (
	"context"
	"database/sql"
	"errors"
)

// durability says what a commit survives.
type durability bool

const (
	durable durability = true  // power loss
	quick   durability = false // the death of the process
)

// tx is a writing transaction, or the part of one that belongs to one change.
type tx struct {
	s *Store
	t *sql.Tx
}

// A statement is not interrupted by the end of ctx: SQLite would undo the whole transaction, and with it the changes of
// others.

func (t *tx) exec(ctx context.Context, q string, args ...any) (int64, error) {
	r, err := t.t.ExecContext(context.WithoutCancel(ctx), t.s.rebind(q), args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

func (t *tx) row(ctx context.Context, q string, args ...any) *sql.Row {
	return t.t.QueryRowContext(context.WithoutCancel(ctx), t.s.rebind(q), args...)
}

// change is one function that waits to be run in a transaction.
type change struct {
	fn   func(*tx) error
	d    durability
	done bool
	err  error
}

// write runs fn as one transaction, which is undone where fn fails. Those who write at the same time share one
// transaction and one sync, each in a savepoint of its own: whoever gets the writer takes along all who wait.
func (s *Store) write(ctx context.Context, d durability, fn func(*tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c := &change{fn: fn, d: d}
	s.mu.Lock()
	s.waiting = append(s.waiting, c)
	s.mu.Unlock()

	s.writer.Lock()
	defer s.writer.Unlock()
	if c.done {
		return c.err
	}
	s.mu.Lock()
	all := s.waiting
	s.waiting = nil
	s.mu.Unlock()
	err := errBrokenOff // what the others hear where a change panics
	defer func() {
		for _, c := range all {
			if c.done = true; err != nil && c.err == nil {
				c.err = err
			}
		}
	}()
	if err = s.commit(context.WithoutCancel(ctx), all); err != nil && c.err == nil {
		return err
	}
	return c.err
}

var errBrokenOff = errors.New("the transaction was broken off")

// commit runs all changes in one transaction. Each keeps its own error; the one that is returned is everybody's.
func (s *Store) commit(ctx context.Context, all []*change) error {
	db := s.fast
	for _, c := range all {
		if c.d == durable {
			db = s.full
		}
	}
	t, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = t.Rollback() }() // which a commit makes void
	if len(all) == 1 {
		if all[0].err = all[0].fn(&tx{s, t}); all[0].err != nil {
			return nil
		}
		return t.Commit()
	}
	for _, c := range all {
		if err := s.savepoint(ctx, t, c); err != nil {
			return err
		}
	}
	return t.Commit()
}

// savepoint runs one change so that it can be undone alone.
func (s *Store) savepoint(ctx context.Context, t *sql.Tx, c *change) error {
	if _, err := t.ExecContext(ctx, `SAVEPOINT change`); err != nil {
		return err
	}
	if c.err = c.fn(&tx{s, t}); c.err != nil {
		if _, err := t.ExecContext(ctx, `ROLLBACK TO SAVEPOINT change`); err != nil {
			return errors.Join(err, c.err)
		}
	}
	_, err := t.ExecContext(ctx, `RELEASE SAVEPOINT change`)
	return err
}
