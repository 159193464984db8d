package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strconv"
	"time"
)

// nextSeq returns the number that the next event of this transaction will have.
func (t *tx) nextSeq(ctx context.Context) (int64, error) {
	last, err := lastSeq(ctx, t.row)
	return last + 1, err
}

// lastSeq is the number of the last event. The feed is never pruned empty, so it is the greatest one kept.
func lastSeq(ctx context.Context, row func(context.Context, string, ...any) *sql.Row) (int64, error) {
	var last int64
	err := row(ctx, `SELECT COALESCE(max(seq), 0) FROM events`).Scan(&last)
	return last, err
}

// event appends to the feed and moves the drop's own sequence number along (S1).
func (t *tx) event(ctx context.Context, d Drop, e Event) (int64, error) {
	if d.Owner == "" {
		if err := t.row(ctx, `SELECT owner FROM drops WHERE id = ?`, d.ID).Scan(&d.Owner); err != nil {
			return 0, notFound(err)
		}
	}
	seq, err := t.nextSeq(ctx)
	if err != nil {
		return 0, err
	}
	if e.DropInfo != nil {
		info := *e.DropInfo
		info.Seq = seq
		e.DropInfo = &info
	}
	body, err := json.Marshal(e)
	if err != nil {
		return 0, err
	}
	if _, err := t.exec(ctx, `INSERT INTO events (seq, at, kind, drop_id, owner, body) VALUES (?, ?, ?, ?, ?, ?)`,
		seq, millis(t.s.now()), e.Kind, d.ID, d.Owner, string(body)); err != nil {
		return 0, err
	}
	_, err = t.exec(ctx, `UPDATE drops SET seq = ? WHERE id = ?`, seq, d.ID)
	return seq, err
}

// LastSeq returns the number of the last event, 0 before the first.
func (s *Store) LastSeq(ctx context.Context) (int64, error) { return lastSeq(ctx, s.row) }

// Pruned returns the number of the last event that is kept no longer, 0 where all are.
func (s *Store) Pruned(ctx context.Context) (int64, error) {
	var text string
	err := notFound(s.row(ctx, `SELECT value FROM meta WHERE name = 'pruned'`).Scan(&text))
	if errors.Is(err, ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(text, 10, 64)
}

// Events returns up to limit events behind since: those of one drop where drop is given, else those of owner's drops.
func (s *Store) Events(ctx context.Context, since int64, owner, drop string, limit int) ([]Event, error) {
	column, value := "owner", owner
	if drop != "" {
		column, value = "drop_id", drop
	}
	var all []Event
	err := s.each(ctx, func(r *sql.Rows) error {
		var e Event
		var body string
		if err := r.Scan(&e.Seq, &e.Kind, &e.Drop, &e.Owner, &body); err != nil {
			return err
		}
		err := json.Unmarshal([]byte(body), &e)
		all = append(all, e)
		return err
	}, `SELECT seq, kind, drop_id, owner, body FROM events WHERE `+column+` = ? AND seq > ? ORDER BY seq LIMIT ?`,
		value, since, limit)
	return all, err
}

// PruneEvents forgets all but the newest keep events, and those older than age; the newest one always stays.
func (s *Store) PruneEvents(ctx context.Context, keep int64, age time.Duration) error {
	last, err := s.LastSeq(ctx)
	if err != nil || last == 0 {
		return err
	}
	var aged int64
	if err := s.row(ctx, `SELECT COALESCE(max(seq), 0) FROM events WHERE at < ?`, millis(s.now().Add(-age))).Scan(&aged); err != nil {
		return err
	}
	upTo := min(max(last-keep, aged), last-1)
	var oldest int64
	if err := s.row(ctx, `SELECT COALESCE(min(seq), 0) FROM events`).Scan(&oldest); err != nil || oldest > upTo {
		return err
	}
	return s.write(ctx, quick, func(t *tx) error {
		if _, err := t.exec(ctx, `DELETE FROM events WHERE seq <= ?`, upTo); err != nil {
			return err
		}
		_, err := t.exec(ctx, `INSERT INTO meta (name, value) VALUES ('pruned', ?)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value`, strconv.FormatInt(upTo, 10))
		return err
	})
}
