package store

import (
	"context"
	"database/sql"
	"fmt"
)

// Unbalanced checks S2, the used space, and that every file has a drop. "" where all is well.
func (s *Store) Unbalanced(ctx context.Context) string {
	var bad string
	err := s.each(ctx, func(r *sql.Rows) error {
		var id string
		var used, sum int64
		err := r.Scan(&id, &used, &sum)
		bad += fmt.Sprintf("drop %s: used is %d, its files have %d; ", id, used, sum)
		return err
	}, `SELECT d.id, d.used, COALESCE((SELECT sum(f.size) FROM files f WHERE f.drop_id = d.id), 0) FROM drops d
		WHERE d.used <> COALESCE((SELECT sum(f.size) FROM files f WHERE f.drop_id = d.id), 0)`)
	if err != nil {
		return err.Error()
	}
	var orphans int
	if err := s.row(ctx, `SELECT count(*) FROM files WHERE drop_id NOT IN (SELECT id FROM drops)`).Scan(&orphans); err != nil {
		return err.Error()
	}
	if orphans > 0 {
		bad += fmt.Sprintf("%d files without a drop", orphans)
	}
	return bad
}
