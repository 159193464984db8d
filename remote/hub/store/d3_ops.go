package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"
)

const d3TaskColumns = `id, op, owner, seq, inputs, step, name, output, size, status, code, message, attempts`

func scanD3Task(row interface{ Scan(...any) error }) (D3Task, error) {
	var k D3Task
	var inputs string
	err := row.Scan(&k.ID, &k.Op, &k.Owner, &k.Seq, &inputs, &k.Step, &k.Name, &k.Output, &k.Size, &k.Status, &k.Code, &k.Message, &k.Attempts)
	if err == nil {
		err = json.Unmarshal([]byte(inputs), &k.Inputs)
	}
	return k, notFound(err)
}

// AddD3Op records an operation with its tasks, and a job for each that is queued. IDs and Created are filled in; events
// are told of an operation that failed at once.
func (s *Store) AddD3Op(ctx context.Context, op D3Op, events D3Events) (D3Op, error) {
	op.ID, op.Created = "main_"+NewID(27), s.now().Truncate(time.Millisecond).UTC()
	for i := range op.Tasks {
		k := &op.Tasks[i]
		k.ID, k.Op, k.Owner, k.Seq = "task_"+NewID(27), op.ID, op.Owner, i
	}
	op.Status = d3Status(op.Tasks)
	err := s.write(ctx, durable, func(t *tx) error {
		if _, err := t.exec(ctx, `INSERT INTO d3_ops (id, owner, action, notes, base, status, created, expires)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?)`, op.ID, op.Owner, op.Action, string(op.Notes), op.Base, op.Status,
			millis(op.Created), millis(op.Expires)); err != nil {
			return err
		}
		for _, k := range op.Tasks {
			if err := t.addD3Task(ctx, k); err != nil {
				return err
			}
			if !k.Finished() {
				continue
			}
			list, err := events(op, k, false)
			if err == nil {
				err = t.deliver(ctx, op.Owner, list)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	return op, err
}

func (t *tx) addD3Task(ctx context.Context, k D3Task) error {
	inputs, err := json.Marshal(k.Inputs)
	if err != nil {
		return err
	}
	if _, err := t.exec(ctx, `INSERT INTO d3_tasks (`+d3TaskColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, '', 0, ?, ?, ?, 0)`,
		k.ID, k.Op, k.Owner, k.Seq, string(inputs), k.Step, k.Name, k.Status, k.Code, k.Message); err != nil {
		return err
	}
	if k.Finished() {
		return nil
	}
	for _, file := range k.Inputs {
		if _, err := t.exec(ctx, `INSERT INTO d3_inputs (task, file) VALUES (?, ?) ON CONFLICT DO NOTHING`, k.ID, file); err != nil {
			return err
		}
	}
	return t.enqueue(ctx, TaskJob{Task: k.ID})
}

// d3Status is that of an operation with these tasks: failed when all failed, completed when all ended otherwise.
func d3Status(tasks []D3Task) string {
	n := map[string]int{}
	for _, k := range tasks {
		n[k.Status]++
	}
	switch len(tasks) {
	case n[D3Queued]:
		return D3Queued
	case n[D3Failed]:
		return D3Failed
	case n[D3Failed] + n[D3Completed]:
		return D3Completed
	}
	return D3Running
}

// rows is what both a transaction and the reading side can do.
type queryer func(ctx context.Context, fn func(*sql.Rows) error, q string, args ...any) error

func (t *tx) each(ctx context.Context, fn func(*sql.Rows) error, q string, args ...any) error {
	return scanAll(t.t.QueryContext(context.WithoutCancel(ctx), t.s.rebind(q), args...))(fn)
}

// d3Op reads an operation. ErrNotFound.
func d3Op(ctx context.Context, each queryer, id string) (D3Op, error) {
	var op D3Op
	err := each(ctx, func(r *sql.Rows) error {
		var notes string
		var created, expires int64
		err := r.Scan(&op.ID, &op.Owner, &op.Action, &notes, &op.Base, &op.Status, &created, &expires)
		if notes != "" {
			op.Notes = json.RawMessage(notes)
		}
		op.Created, op.Expires = fromMillis(created), fromMillis(expires)
		return err
	}, `SELECT id, owner, action, notes, base, status, created, expires FROM d3_ops WHERE id = ?`, id)
	if err != nil || op.ID == "" {
		if err == nil {
			err = ErrNotFound
		}
		return op, err
	}
	err = each(ctx, func(r *sql.Rows) error {
		k, err := scanD3Task(r)
		op.Tasks = append(op.Tasks, k)
		return err
	}, `SELECT `+d3TaskColumns+` FROM d3_tasks WHERE op = ? ORDER BY seq`, id)
	return op, err
}

// D3Op returns an operation with its tasks. ErrNotFound.
func (s *Store) D3Op(ctx context.Context, id string) (D3Op, error) {
	op, err := d3Op(ctx, s.each, id)
	if err == nil && op.Status != D3Queued && op.Status != D3Running && !op.Expires.After(s.now()) {
		err = ErrNotFound
	}
	return op, err
}

// StartD3Task says that a task is being done, and answers it with one more attempt. One that is finished is answered as
// it is. ErrNotFound.
func (s *Store) StartD3Task(ctx context.Context, id string) (D3Task, error) {
	var k D3Task
	err := s.write(ctx, quick, func(t *tx) error {
		var err error
		if k, err = scanD3Task(t.row(ctx, `SELECT `+d3TaskColumns+` FROM d3_tasks WHERE id = ?`, id)); err != nil || k.Finished() {
			return err
		}
		k.Status, k.Attempts = D3Running, k.Attempts+1
		if _, err := t.exec(ctx, `UPDATE d3_tasks SET status = ?, attempts = ? WHERE id = ?`, k.Status, k.Attempts, id); err != nil {
			return err
		}
		if _, err := t.exec(ctx, `UPDATE d3_ops SET status = ? WHERE id = ?`, D3Running, k.Op); err != nil {
			return err
		}
		if err := t.dropD3Progress(ctx, id); err != nil {
			return err
		}
		return t.dropD3Objects(ctx, `file = ?`, id) // of a run that died
	})
	return k, err
}

// PauseD3Task says that a run of a task was broken off by the end of the hub, and does not count as an attempt.
func (s *Store) PauseD3Task(ctx context.Context, id string) error {
	return s.write(ctx, quick, func(t *tx) error {
		_, err := t.exec(ctx, `UPDATE d3_tasks SET attempts = attempts - 1 WHERE id = ? AND status = ?`, id, D3Running)
		return err
	})
}

// D3Events makes what webhooks are told of a task that finished; done: and of its operation, which finished with it.
type D3Events func(op D3Op, task D3Task, done bool) ([]D3Event, error)

// FinishD3Task records how a task ended, its result, and what webhooks are told of it, in one step. A task that is
// finished stays as it is, and the new result goes. Operation and result are kept until expires.
func (s *Store) FinishD3Task(ctx context.Context, id string, res D3Result, expires time.Time, events D3Events) error {
	return s.write(ctx, durable, func(t *tx) error {
		k, err := scanD3Task(t.row(ctx, `SELECT `+d3TaskColumns+` FROM d3_tasks WHERE id = ?`, id))
		if err != nil {
			return err
		}
		if k.Finished() {
			return t.dropD3Objects(ctx, `obj = ? AND file = ?`, res.File.Obj, id)
		}
		k.Status, k.Code, k.Message = D3Failed, res.Code, res.Message
		if res.Code == "" {
			f := res.File
			f.Created, f.Expires = s.now().Truncate(time.Millisecond).UTC(), expires
			k.Status, k.Output, k.Size = D3Completed, f.ID, f.Size
			if err := t.insertD3File(ctx, f); err != nil {
				return err
			}
			n, err := t.exec(ctx, `UPDATE d3_objects SET file = ?, size = ?, etag = ? WHERE obj = ? AND file = ?`,
				f.ID, f.Size, f.ETag, f.Obj, id)
			if err == nil && n == 0 {
				err = ErrNotFound // another run of the task has begun
			}
			if err != nil {
				return err
			}
		}
		if err := t.dropD3Objects(ctx, `file = ?`, id); err != nil {
			return err
		}
		return t.finishD3(ctx, k, expires, events)
	})
}

func (t *tx) finishD3(ctx context.Context, k D3Task, expires time.Time, events D3Events) error {
	if _, err := t.exec(ctx, `UPDATE d3_tasks SET status = ?, step = '', output = ?, size = ?, code = ?, message = ? WHERE id = ?`,
		k.Status, k.Output, k.Size, k.Code, k.Message, k.ID); err != nil {
		return err
	}
	if _, err := t.exec(ctx, `DELETE FROM d3_inputs WHERE task = ?`, k.ID); err != nil {
		return err
	}
	if err := t.dropD3Progress(ctx, k.ID); err != nil {
		return err
	}
	op, err := d3Op(ctx, t.each, k.Op)
	if err != nil {
		return err
	}
	op.Status = d3Status(op.Tasks)
	if _, err := t.exec(ctx, `UPDATE d3_ops SET status = ?, expires = ? WHERE id = ?`, op.Status, millis(expires), op.ID); err != nil {
		return err
	}
	list, err := events(op, k, op.Status == D3Completed || op.Status == D3Failed)
	if err != nil {
		return err
	}
	return t.deliver(ctx, op.Owner, list)
}

// AddD3Result records the object of a result, whose file is as yet the task, before its bytes come (S3).
func (s *Store) AddD3Result(ctx context.Context, o D3Object) error {
	return s.write(ctx, quick, func(t *tx) error { return t.addD3Object(ctx, o) })
}
