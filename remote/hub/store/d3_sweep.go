package store

import (
	"context"
	"database/sql"
)

// SweepD3 removes files and operations that have expired, but for what an unfinished task needs, and audit entries older
// than they. It answers how many files went.
func (s *Store) SweepD3(ctx context.Context) (int, error) {
	gone := 0
	for {
		var ids []string
		if err := s.each(ctx, func(r *sql.Rows) error {
			var id string
			err := r.Scan(&id)
			ids = append(ids, id)
			return err
		}, `SELECT id FROM d3_files WHERE expires <= ? AND id NOT IN (SELECT file FROM d3_inputs) LIMIT ?`,
			millis(s.now()), batch); err != nil {
			return gone, err
		}
		if len(ids) > 0 {
			if err := s.expireD3Files(ctx, ids); err != nil {
				return gone, err
			}
			gone += len(ids)
		}
		if len(ids) < batch {
			return gone, s.expireD3Ops(ctx)
		}
	}
}

func (s *Store) expireD3Files(ctx context.Context, ids []string) error {
	return s.write(ctx, durable, func(t *tx) error {
		for _, id := range ids {
			var used int
			if err := t.row(ctx, `SELECT count(*) FROM d3_inputs WHERE file = ?`, id).Scan(&used); err != nil {
				return err
			}
			if used > 0 {
				continue // an operation was begun meanwhile
			}
			if err := t.dropD3Objects(ctx, `file = ?`, id); err != nil {
				return err
			}
			if _, err := t.exec(ctx, `DELETE FROM d3_files WHERE id = ?`, id); err != nil {
				return err
			}
		}
		return nil
	})
}

// expired are the operations that are over and whose time is over.
const d3ExpiredOps = `expires <= ? AND status IN ('completed', 'failed')`

func (s *Store) expireD3Ops(ctx context.Context) error {
	var n int
	if err := s.row(ctx, `SELECT (SELECT count(*) FROM d3_ops WHERE `+d3ExpiredOps+`) +
		(SELECT count(*) FROM d3_deliveries WHERE created <= ?) + (SELECT count(*) FROM d3_attempts WHERE sent <= ?)`,
		millis(s.now()), millis(s.now().Add(-auditAge)), millis(s.now().Add(-auditAge))).Scan(&n); err != nil || n == 0 {
		return err
	}
	return s.write(ctx, quick, func(t *tx) error {
		now, old := millis(s.now()), millis(s.now().Add(-auditAge))
		for _, q := range []struct {
			text string
			arg  int64
		}{
			{`DELETE FROM d3_tasks WHERE op IN (SELECT id FROM d3_ops WHERE ` + d3ExpiredOps + `)`, now},
			{`DELETE FROM d3_ops WHERE ` + d3ExpiredOps, now},
			{`DELETE FROM d3_deliveries WHERE created <= ?`, old},
			{`DELETE FROM d3_attempts WHERE sent <= ?`, old},
		} {
			if _, err := t.exec(ctx, q.text, q.arg); err != nil {
				return err
			}
		}
		return nil
	})
}
