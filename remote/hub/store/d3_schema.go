package store

import "context"

// d3Schema is the part of the schema that the D3 wire needs: every statement can be run again.
var d3Schema = [...]string{
	`CREATE TABLE IF NOT EXISTS d3_files (
		id TEXT PRIMARY KEY, owner TEXT NOT NULL, name TEXT NOT NULL, type TEXT NOT NULL, size BIGINT NOT NULL,
		parts INTEGER NOT NULL, upload_id TEXT NOT NULL, obj TEXT NOT NULL, etag TEXT NOT NULL, created BIGINT NOT NULL,
		expires BIGINT NOT NULL)`,
	`CREATE INDEX IF NOT EXISTS d3_files_expires ON d3_files (expires)`,
	`CREATE INDEX IF NOT EXISTS d3_files_upload ON d3_files (upload_id)`,
	`CREATE TABLE IF NOT EXISTS d3_objects (
		obj TEXT PRIMARY KEY, file TEXT NOT NULL, n INTEGER NOT NULL, size BIGINT NOT NULL, etag TEXT NOT NULL)`,
	`CREATE INDEX IF NOT EXISTS d3_objects_file ON d3_objects (file, n)`,
	// Objects whose parts clients send to the object store itself, until they are whole.
	`CREATE TABLE IF NOT EXISTS d3_multiparts (obj TEXT PRIMARY KEY, upload_id TEXT NOT NULL)`,
	`CREATE TABLE IF NOT EXISTS d3_ops (
		id TEXT PRIMARY KEY, owner TEXT NOT NULL, action TEXT NOT NULL, notes TEXT NOT NULL, base TEXT NOT NULL,
		status TEXT NOT NULL, created BIGINT NOT NULL, expires BIGINT NOT NULL)`,
	`CREATE INDEX IF NOT EXISTS d3_ops_expires ON d3_ops (expires)`,
	`CREATE TABLE IF NOT EXISTS d3_tasks (
		id TEXT PRIMARY KEY, op TEXT NOT NULL, owner TEXT NOT NULL, seq INTEGER NOT NULL, inputs TEXT NOT NULL,
		step TEXT NOT NULL, name TEXT NOT NULL, output TEXT NOT NULL, size BIGINT NOT NULL, status TEXT NOT NULL,
		code TEXT NOT NULL, message TEXT NOT NULL, attempts INTEGER NOT NULL)`,
	`CREATE INDEX IF NOT EXISTS d3_tasks_op ON d3_tasks (op, seq)`,
	`CREATE INDEX IF NOT EXISTS d3_tasks_open ON d3_tasks (status) WHERE status IN ('queued', 'running')`,
	// How far a task came that is being done.
	`CREATE TABLE IF NOT EXISTS d3_progress (task TEXT PRIMARY KEY, percent INTEGER NOT NULL)`,
	// Which files an unfinished task still reads.
	`CREATE TABLE IF NOT EXISTS d3_inputs (task TEXT NOT NULL, file TEXT NOT NULL, PRIMARY KEY (task, file))`,
	`CREATE INDEX IF NOT EXISTS d3_inputs_file ON d3_inputs (file)`,
	`CREATE TABLE IF NOT EXISTS d3_hooks (
		id TEXT PRIMARY KEY, owner TEXT NOT NULL, url TEXT NOT NULL, secret TEXT NOT NULL, created BIGINT NOT NULL)`,
	`CREATE INDEX IF NOT EXISTS d3_hooks_owner ON d3_hooks (owner)`,
	`CREATE TABLE IF NOT EXISTS d3_deliveries (
		id INTEGER PRIMARY KEY, hook TEXT NOT NULL, event TEXT NOT NULL, payload TEXT NOT NULL, attempt INTEGER NOT NULL,
		done INTEGER NOT NULL, created BIGINT NOT NULL)`,
	`CREATE TABLE IF NOT EXISTS d3_attempts (
		id INTEGER PRIMARY KEY, owner TEXT NOT NULL, event TEXT NOT NULL, url TEXT NOT NULL, payload TEXT NOT NULL,
		status INTEGER NOT NULL, number INTEGER NOT NULL, succeeded INTEGER NOT NULL, message TEXT NOT NULL,
		sent BIGINT NOT NULL)`,
	`CREATE INDEX IF NOT EXISTS d3_attempts_owner ON d3_attempts (owner, id)`,
}

// PrepareD3 makes the tables of the D3 wire where they are not there yet.
func (s *Store) PrepareD3(ctx context.Context) error {
	return s.write(ctx, durable, func(t *tx) error {
		for _, stmt := range d3Schema {
			if _, err := t.exec(ctx, stmt); err != nil {
				return err
			}
		}
		return nil
	})
}
