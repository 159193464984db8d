package store

import (
	"context"
	"database/sql"
	"errors"
)

// batch bounds how long a sweep keeps other writers waiting.
const batch = 500

// Swept counts what a sweep removed.
type Swept struct {
	Drops, Uploads int
}

// Sweep removes drops that have expired and uploads that were not confirmed in time.
func (s *Store) Sweep(ctx context.Context) (Swept, error) {
	var n Swept
	for {
		var ids []string
		collect := func(r *sql.Rows) error {
			var id string
			err := r.Scan(&id)
			ids = append(ids, id)
			return err
		}
		if err := s.each(ctx, collect, `SELECT id FROM drops WHERE expires > 0 AND expires <= ? LIMIT ?`,
			millis(s.now()), batch); err != nil {
			return n, err
		}
		for _, id := range ids {
			if err := s.expireDrop(ctx, id); err != nil {
				return n, err
			}
			n.Drops++
		}
		ids = nil
		if err := s.each(ctx, collect, `SELECT id FROM files WHERE confirmed = 0 AND stale_at <= ? LIMIT ?`,
			millis(s.now()), batch); err != nil {
			return n, err
		}
		gone, err := s.dropStale(ctx, ids)
		n.Uploads += gone
		if err != nil || len(ids) < batch {
			return n, err
		}
	}
}

func (s *Store) expireDrop(ctx context.Context, id string) error {
	return s.write(ctx, durable, func(t *tx) error {
		d, err := scanDrop(t.row(ctx, `SELECT `+dropColumns+` FROM drops WHERE id = ? AND expires > 0 AND expires <= ?`,
			id, millis(s.now())))
		if errors.Is(err, ErrNotFound) {
			return nil // extended, or swept by another hub
		}
		if err != nil {
			return err
		}
		return t.removeDrop(ctx, d)
	})
}

// dropStale removes those of ids that are still pending and stale.
func (s *Store) dropStale(ctx context.Context, ids []string) (int, error) {
	if len(ids) == 0 {
		return 0, nil
	}
	gone := 0
	err := s.write(ctx, durable, func(t *tx) error {
		for _, id := range ids {
			f, err := t.file(ctx, id)
			if errors.Is(err, ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			if !f.Pending() || f.StaleAt.After(s.now()) {
				continue
			}
			if err := t.removeFile(ctx, f); err != nil {
				return err
			}
			gone++
		}
		return nil
	})
	return gone, err
}

// Garbage returns up to limit objects to be removed.
func (s *Store) Garbage(ctx context.Context, limit int) ([]Garbage, error) {
	var all []Garbage
	err := s.each(ctx, func(r *sql.Rows) error {
		var g Garbage
		err := r.Scan(&g.Key, &g.UploadID)
		all = append(all, g)
		return err
	}, `SELECT obj, upload_id FROM garbage ORDER BY obj LIMIT ?`, limit)
	return all, err
}

// DropGarbage forgets objects that were removed.
func (s *Store) DropGarbage(ctx context.Context, keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	args := make([]any, len(keys))
	for i, k := range keys {
		args[i] = k
	}
	return s.write(ctx, quick, func(t *tx) error {
		_, err := t.exec(ctx, `DELETE FROM garbage WHERE obj IN (`+marks(len(keys))+`)`, args...)
		return err
	})
}

// Known tells which of ids are files, and whether they are confirmed. At most a few hundred ids at once.
func (s *Store) Known(ctx context.Context, ids []string) (confirmed map[string]bool, err error) {
	confirmed = map[string]bool{}
	if len(ids) == 0 {
		return confirmed, nil
	}
	args := make([]any, len(ids))
	for i, id := range ids {
		args[i] = id
	}
	err = s.each(ctx, func(r *sql.Rows) error {
		var id string
		var at int64
		err := r.Scan(&id, &at)
		confirmed[id] = at > 0
		return err
	}, `SELECT id, confirmed FROM files WHERE id IN (`+marks(len(ids))+`)`, args...)
	return confirmed, err
}
