package store

import (
	"context"
	"database/sql"
)

// SetD3Progress records how far a task came that is being done, in percent. It is worth no sync, and nothing is lost with it.
func (s *Store) SetD3Progress(ctx context.Context, task string, percent int) error {
	return s.write(ctx, quick, func(t *tx) error {
		_, err := t.exec(ctx, `INSERT INTO d3_progress (task, percent) SELECT id, ? FROM d3_tasks WHERE id = ? AND status = ?
			ON CONFLICT (task) DO UPDATE SET percent = excluded.percent`, percent, task, D3Running)
		return err
	})
}

// D3Progress answers how far the tasks of an operation came, as far as that was told, in percent.
func (s *Store) D3Progress(ctx context.Context, op string) (map[string]int, error) {
	out := map[string]int{}
	err := s.each(ctx, func(r *sql.Rows) error {
		var task string
		var percent int
		err := r.Scan(&task, &percent)
		out[task] = percent
		return err
	}, `SELECT p.task, p.percent FROM d3_tasks k JOIN d3_progress p ON p.task = k.id WHERE k.op = ?`, op)
	return out, err
}

// dropD3Progress forgets it where a task begins again, or ends.
func (t *tx) dropD3Progress(ctx context.Context, task string) error {
	_, err := t.exec(ctx, `DELETE FROM d3_progress WHERE task = ?`, task)
	return err
}
