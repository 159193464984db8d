package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

const keyColumns = `id, name, created, balance, granted, unlimited, embedded, may_create, parent, revoked`

func scanKey(row interface{ Scan(...any) error }) (Key, error) {
	var k Key
	var created int64
	var unlimited, embedded, mayCreate, revoked int
	err := row.Scan(&k.ID, &k.Name, &created, &k.Balance, &k.Granted, &unlimited, &embedded, &mayCreate, &k.Parent, &revoked)
	k.Created = fromMillis(created)
	k.Unlimited, k.Embedded, k.MayCreate, k.Revoked = unlimited != 0, embedded != 0, mayCreate != 0, revoked != 0
	return k, notFound(err)
}

// AddKey records a new key under the hash of its text. ErrNameTaken where a live key has the name.
func (s *Store) AddKey(ctx context.Context, k Key, hash string) (Key, error) {
	k.ID, k.Created = NewID(17), s.now()
	err := s.write(ctx, durable, func(t *tx) error {
		var n int
		if err := t.row(ctx, `SELECT count(*) FROM apikeys WHERE name = ? AND revoked = 0`, k.Name).Scan(&n); err != nil {
			return err
		}
		if n > 0 {
			return ErrNameTaken
		}
		return t.insertKey(ctx, k, hash)
	})
	return k, err
}

func (t *tx) insertKey(ctx context.Context, k Key, hash string) error {
	_, err := t.exec(ctx, `INSERT INTO apikeys (hash, `+keyColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)`,
		hash, k.ID, k.Name, millis(k.Created), k.Balance, k.Granted, toInt(k.Unlimited), toInt(k.Embedded),
		toInt(k.MayCreate), k.Parent)
	return err
}

// EnsureKey makes the key of that hash be there as k says: made if new, revived if revoked. Where k.Granted differs from
// what the key was granted before, the difference is added to its balance, so that what was used stays used.
func (s *Store) EnsureKey(ctx context.Context, k Key, hash string) (Key, error) {
	err := s.write(ctx, durable, func(t *tx) error {
		old, err := scanKey(t.row(ctx, `SELECT `+keyColumns+` FROM apikeys WHERE hash = ?`, hash))
		if errors.Is(err, ErrNotFound) {
			k.ID, k.Created, k.Balance = NewID(17), s.now(), k.Granted
			return t.insertKey(ctx, k, hash)
		}
		if err != nil {
			return err
		}
		balance := max(old.Balance+k.Granted-old.Granted, 0)
		_, err = t.exec(ctx, `UPDATE apikeys SET balance = ?, granted = ?, unlimited = ?, embedded = ?, may_create = ?,
			revoked = 0 WHERE id = ?`, balance, k.Granted, toInt(k.Unlimited), toInt(k.Embedded), toInt(k.MayCreate), old.ID)
		k.ID, k.Name, k.Created, k.Balance = old.ID, old.Name, old.Created, balance
		return err
	})
	return k, err
}

// KeyByHash returns the live key of that hash.
func (s *Store) KeyByHash(ctx context.Context, hash string) (Key, error) {
	return scanKey(s.row(ctx, `SELECT `+keyColumns+` FROM apikeys WHERE hash = ? AND revoked = 0`, hash))
}

// KeyByID returns the live key with that public id.
func (s *Store) KeyByID(ctx context.Context, id string) (Key, error) {
	return scanKey(s.row(ctx, `SELECT `+keyColumns+` FROM apikeys WHERE id = ? AND revoked = 0`, id))
}

// Keys returns all keys, the revoked ones too, oldest first.
func (s *Store) Keys(ctx context.Context) ([]Key, error) {
	var all []Key
	err := s.each(ctx, func(r *sql.Rows) error {
		k, err := scanKey(r)
		all = append(all, k)
		return err
	}, `SELECT `+keyColumns+` FROM apikeys ORDER BY created, id`)
	return all, err
}

// RevokeKey makes the live key of that name, or with that public id, unusable. Its drops stay until they expire.
func (s *Store) RevokeKey(ctx context.Context, name string) error {
	return s.write(ctx, durable, func(t *tx) error {
		n, err := t.exec(ctx, `UPDATE apikeys SET revoked = 1 WHERE revoked = 0 AND (name = ? OR id = ?)`, name, name)
		if err == nil && n == 0 {
			return fmt.Errorf("key %s: %w", name, ErrNotFound)
		}
		return err
	})
}

// Transfer moves an amount, in thousandths, from one key to another, and returns both as they are then. An unlimited
// sender loses nothing; an unlimited receiver gains nothing.
func (s *Store) Transfer(ctx context.Context, from, to string, amount int64) (sender, receiver Key, err error) {
	err = s.write(ctx, durable, func(t *tx) error {
		if err := t.charge(ctx, from, amount); err != nil {
			return err
		}
		n, err := t.exec(ctx, `UPDATE apikeys SET balance = balance + ? WHERE id = ? AND revoked = 0`, amount, to)
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrNotFound
		}
		if sender, err = scanKey(t.row(ctx, `SELECT `+keyColumns+` FROM apikeys WHERE id = ?`, from)); err != nil {
			return err
		}
		receiver, err = scanKey(t.row(ctx, `SELECT `+keyColumns+` FROM apikeys WHERE id = ?`, to))
		return err
	})
	return sender, receiver, err
}

// charge takes an amount from a key's balance (S5).
func (t *tx) charge(ctx context.Context, key string, amount int64) error {
	if amount <= 0 {
		return nil
	}
	n, err := t.exec(ctx, `UPDATE apikeys SET balance = CASE WHEN unlimited = 1 THEN balance ELSE balance - ? END
		WHERE id = ? AND revoked = 0 AND (unlimited = 1 OR balance >= ?)`, amount, key, amount)
	if err == nil && n == 0 {
		return ErrPayment
	}
	return err
}
