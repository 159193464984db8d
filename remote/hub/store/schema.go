package store

import (
	"context"
	"fmt"
)

// schemaVersion is raised by every change of the schema; a database of a later version is refused.
const schemaVersion = "1"

// schema is the common part: every statement can be run again.
var schema = [...]string{
	`CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)`,
	`CREATE TABLE IF NOT EXISTS apikeys (
		id TEXT PRIMARY KEY, name TEXT NOT NULL, hash TEXT NOT NULL UNIQUE, created BIGINT NOT NULL,
		balance BIGINT NOT NULL, granted BIGINT NOT NULL, unlimited INTEGER NOT NULL, embedded INTEGER NOT NULL,
		may_create INTEGER NOT NULL, parent TEXT NOT NULL, revoked INTEGER NOT NULL)`,
	`CREATE UNIQUE INDEX IF NOT EXISTS apikeys_name ON apikeys (name) WHERE revoked = 0`,
	`CREATE TABLE IF NOT EXISTS drops (
		id TEXT PRIMARY KEY, code TEXT NOT NULL UNIQUE, name TEXT NOT NULL, owner TEXT NOT NULL,
		created BIGINT NOT NULL, updated BIGINT NOT NULL, expires BIGINT NOT NULL, gb BIGINT NOT NULL,
		days INTEGER NOT NULL, max_size BIGINT NOT NULL, used BIGINT NOT NULL, seq BIGINT NOT NULL,
		embedded INTEGER NOT NULL)`,
	`CREATE UNIQUE INDEX IF NOT EXISTS drops_name ON drops (owner, name)`,
	`CREATE INDEX IF NOT EXISTS drops_expires ON drops (expires) WHERE expires > 0`,
	`CREATE TABLE IF NOT EXISTS files (
		id TEXT PRIMARY KEY, drop_id TEXT NOT NULL, name TEXT NOT NULL, type TEXT NOT NULL, size BIGINT NOT NULL,
		created BIGINT NOT NULL, confirmed BIGINT NOT NULL, etag TEXT NOT NULL, md5 TEXT NOT NULL, seq BIGINT NOT NULL,
		uploader TEXT NOT NULL, upload_id TEXT NOT NULL, part_size BIGINT NOT NULL, stale_at BIGINT NOT NULL)`,
	`CREATE INDEX IF NOT EXISTS files_drop ON files (drop_id, seq)`,
	`CREATE INDEX IF NOT EXISTS files_stale ON files (stale_at) WHERE confirmed = 0`,
	`CREATE TABLE IF NOT EXISTS grants (
		subject TEXT NOT NULL, grantee TEXT NOT NULL, permission TEXT NOT NULL,
		PRIMARY KEY (subject, grantee, permission))`,
	`CREATE TABLE IF NOT EXISTS garbage (obj TEXT PRIMARY KEY, upload_id TEXT NOT NULL)`,
}

func (s *Store) migrate(ctx context.Context, events string) error {
	return s.write(ctx, durable, func(t *tx) error {
		for _, stmt := range append(schema[:], events,
			`CREATE INDEX IF NOT EXISTS events_drop ON events (drop_id, seq)`,
			`CREATE INDEX IF NOT EXISTS events_owner ON events (owner, seq)`) {
			if _, err := t.exec(ctx, stmt); err != nil {
				return err
			}
		}
		if _, err := t.exec(ctx, `INSERT INTO meta (name, value) VALUES ('schema', ?) ON CONFLICT (name) DO NOTHING`,
			schemaVersion); err != nil {
			return err
		}
		var v string
		if err := t.row(ctx, `SELECT value FROM meta WHERE name = 'schema'`).Scan(&v); err != nil {
			return err
		}
		if v != schemaVersion {
			return fmt.Errorf("schema %s is not %s: made by another version of dropfs", v, schemaVersion)
		}
		return nil
	})
}
