package store

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

const dropColumns = `id, code, name, owner, created, updated, expires, gb, days, max_size, used, seq, embedded`

func scanDrop(row interface{ Scan(...any) error }) (Drop, error) {
	var d Drop
	var created, updated, expires int64
	var embedded int
	err := row.Scan(&d.ID, &d.Code, &d.Name, &d.Owner, &created, &updated, &expires, &d.GBMilli, &d.Days, &d.MaxSize,
		&d.Used, &d.Seq, &embedded)
	d.Created, d.Updated, d.Expires, d.Embedded = fromMillis(created), fromMillis(updated), fromMillis(expires), embedded != 0
	return d, notFound(err)
}

// live is the condition that a drop has not expired; its parameter is the present instant.
const live = `(expires = 0 OR expires > ?)`

// Drop returns a drop that has not expired.
func (s *Store) Drop(ctx context.Context, id string) (Drop, error) {
	return scanDrop(s.row(ctx, `SELECT `+dropColumns+` FROM drops WHERE id = ? AND `+live, id, millis(s.now())))
}

// DropsOf returns the drops that a key owns, oldest first.
func (s *Store) DropsOf(ctx context.Context, key string) ([]Drop, error) {
	var all []Drop
	err := s.each(ctx, func(r *sql.Rows) error {
		d, err := scanDrop(r)
		all = append(all, d)
		return err
	}, `SELECT `+dropColumns+` FROM drops WHERE owner = ? AND `+live+` ORDER BY created, id`, key, millis(s.now()))
	return all, err
}

// PutDrop makes a drop of key, or changes the one that already has the name, and charges the key for the difference.
// ErrPayment, ErrSmaller. A key that is Embedded pays nothing, and its drops have neither end nor size.
func (s *Store) PutDrop(ctx context.Context, key Key, spec DropSpec) (Drop, error) {
	var d Drop
	err := s.write(ctx, durable, func(t *tx) error {
		old, err := scanDrop(t.row(ctx, `SELECT `+dropColumns+` FROM drops WHERE owner = ? AND name = ?`, key.ID, spec.Name))
		switch {
		case err == nil && (old.Expires.IsZero() || old.Expires.After(s.now())):
			d, err = t.changeDrop(ctx, key, old, spec)
			return err
		case err == nil:
			if err := t.removeDrop(ctx, old); err != nil {
				return err
			}
		case !errors.Is(err, ErrNotFound):
			return err
		}
		now := s.now().Truncate(time.Millisecond).UTC()
		d = Drop{
			ID: NewID(20), Code: NewID(10), Name: spec.Name, Owner: key.ID, Created: now, GBMilli: spec.GBMilli,
			Days: spec.Days, Embedded: key.Embedded,
		}
		if _, err = t.exec(ctx, `INSERT INTO drops (`+dropColumns+`) VALUES (?, ?, ?, ?, ?, 0, 0, 0, 0, 0, 0, 0, ?)`,
			d.ID, d.Code, d.Name, d.Owner, millis(d.Created), toInt(d.Embedded)); err != nil {
			return err
		}
		blank := d
		blank.GBMilli, blank.Days = 0, 0
		d, err = t.changeDrop(ctx, key, blank, spec)
		return err
	})
	return d, err
}

// UpdateDrop extends or renames a drop; payer is charged. ErrNotFound, ErrPayment, ErrSmaller, ErrNameTaken.
func (s *Store) UpdateDrop(ctx context.Context, payer Key, id string, spec DropSpec) (Drop, error) {
	var d Drop
	err := s.write(ctx, durable, func(t *tx) error {
		old, err := scanDrop(t.row(ctx, `SELECT `+dropColumns+` FROM drops WHERE id = ? AND `+live, id, millis(s.now())))
		if err != nil {
			return err
		}
		if spec.Name != "" && spec.Name != old.Name {
			other, err := scanDrop(t.row(ctx, `SELECT `+dropColumns+` FROM drops WHERE owner = ? AND name = ?`, old.Owner, spec.Name))
			switch {
			case err == nil && (other.Expires.IsZero() || other.Expires.After(s.now())):
				return ErrNameTaken
			case err == nil:
				if err := t.removeDrop(ctx, other); err != nil {
					return err
				}
			case !errors.Is(err, ErrNotFound):
				return err
			}
		}
		d, err = t.changeDrop(ctx, payer, old, spec)
		return err
	})
	return d, err
}

// changeDrop gives d the size, duration and name of spec, charges payer, and records the event (S1, S5).
func (t *tx) changeDrop(ctx context.Context, payer Key, d Drop, spec DropSpec) (Drop, error) {
	gb, days := d.GBMilli, d.Days
	if spec.GBMilli != 0 {
		gb = spec.GBMilli
	}
	if spec.Days != 0 {
		days = spec.Days
	}
	if !d.Embedded {
		if gb < d.GBMilli || days < d.Days {
			return d, ErrSmaller
		}
		if !payer.Embedded {
			if err := t.charge(ctx, payer.ID, Charge(d.GBMilli, d.Days, gb, days)); err != nil {
				return d, err
			}
		}
		d.Expires = d.Created.Add(time.Duration(days) * 24 * time.Hour)
		d.MaxSize = gb * 1_000_000
	}
	d.GBMilli, d.Days, d.Updated = gb, days, t.s.now().Truncate(time.Millisecond).UTC()
	if spec.Name != "" {
		d.Name = spec.Name
	}
	if _, err := t.exec(ctx, `UPDATE drops SET name = ?, updated = ?, expires = ?, gb = ?, days = ?, max_size = ? WHERE id = ?`,
		d.Name, millis(d.Updated), millis(d.Expires), d.GBMilli, d.Days, d.MaxSize, d.ID); err != nil {
		return d, err
	}
	var err error
	d.Seq, err = t.event(ctx, d, Event{Kind: KindDrop, DropInfo: &d})
	return d, err
}

// DeleteDrop removes a drop with all its files. ErrNotFound.
func (s *Store) DeleteDrop(ctx context.Context, id string) error {
	return s.write(ctx, durable, func(t *tx) error {
		d, err := scanDrop(t.row(ctx, `SELECT `+dropColumns+` FROM drops WHERE id = ? AND `+live, id, millis(s.now())))
		if err != nil {
			return err
		}
		return t.removeDrop(ctx, d)
	})
}

// removeDrop turns all files of a drop into garbage (S3) and removes it.
func (t *tx) removeDrop(ctx context.Context, d Drop) error {
	for _, q := range []string{
		`INSERT INTO garbage (obj, upload_id) SELECT id, upload_id FROM files WHERE drop_id = ? ON CONFLICT (obj) DO NOTHING`,
		`DELETE FROM grants WHERE subject IN (SELECT id FROM files WHERE drop_id = ?)`,
		`DELETE FROM files WHERE drop_id = ?`,
		`DELETE FROM grants WHERE subject = ?`,
	} {
		if _, err := t.exec(ctx, q, d.ID); err != nil {
			return err
		}
	}
	if _, err := t.event(ctx, d, Event{Kind: KindDropGone}); err != nil {
		return err
	}
	_, err := t.exec(ctx, `DELETE FROM drops WHERE id = ?`, d.ID)
	return err
}
