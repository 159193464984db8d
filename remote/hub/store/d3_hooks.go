package store

import (
	"context"
	"database/sql"
	"time"
)

// auditAge is how long deliveries and their attempts are kept.
const auditAge = 7 * 24 * time.Hour

// hooksMax bounds the webhooks of a key.
const hooksMax = 20

// AddD3Hook records a webhook; ID and Created are filled in. ErrQuota where the key has too many.
func (s *Store) AddD3Hook(ctx context.Context, h D3Hook) (D3Hook, error) {
	h.ID, h.Created = "wh_"+NewID(27), s.now().Truncate(time.Millisecond).UTC()
	err := s.write(ctx, durable, func(t *tx) error {
		var n int
		if err := t.row(ctx, `SELECT count(*) FROM d3_hooks WHERE owner = ?`, h.Owner).Scan(&n); err != nil {
			return err
		}
		if n >= hooksMax {
			return ErrQuota
		}
		_, err := t.exec(ctx, `INSERT INTO d3_hooks (id, owner, url, secret, created) VALUES (?, ?, ?, ?, ?)`,
			h.ID, h.Owner, h.URL, h.Secret, millis(h.Created))
		return err
	})
	return h, err
}

// D3Hooks returns the webhooks of a key, oldest first.
func (s *Store) D3Hooks(ctx context.Context, owner string) ([]D3Hook, error) {
	var all []D3Hook
	err := s.each(ctx, func(r *sql.Rows) error {
		var h D3Hook
		var created int64
		err := r.Scan(&h.ID, &h.Owner, &h.URL, &h.Secret, &created)
		h.Created = fromMillis(created)
		all = append(all, h)
		return err
	}, `SELECT id, owner, url, secret, created FROM d3_hooks WHERE owner = ? ORDER BY created, id`, owner)
	return all, err
}

// DeleteD3Hook removes a webhook of a key; what is on its way to it is given up. ErrNotFound.
func (s *Store) DeleteD3Hook(ctx context.Context, owner, id string) error {
	return s.write(ctx, durable, func(t *tx) error {
		n, err := t.exec(ctx, `DELETE FROM d3_hooks WHERE owner = ? AND id = ?`, owner, id)
		if err == nil && n == 0 {
			return ErrNotFound
		}
		return err
	})
}

// deliver puts events on their way to the webhooks of a key.
func (t *tx) deliver(ctx context.Context, owner string, events []D3Event) error {
	var hooks []string
	if err := t.each(ctx, func(r *sql.Rows) error {
		var id string
		err := r.Scan(&id)
		hooks = append(hooks, id)
		return err
	}, `SELECT id FROM d3_hooks WHERE owner = ?`, owner); err != nil {
		return err
	}
	for _, hook := range hooks {
		for _, e := range events {
			var id int64
			if err := t.row(ctx, `INSERT INTO d3_deliveries (hook, event, payload, attempt, done, created)
				VALUES (?, ?, ?, 0, 0, ?) RETURNING id`, hook, e.Type, string(e.Payload), millis(t.s.now())).Scan(&id); err != nil {
				return err
			}
			if err := t.enqueue(ctx, DeliveryJob{Delivery: id}); err != nil {
				return err
			}
		}
	}
	return nil
}

// D3Delivery returns a delivery with its webhook. ErrNotFound where either is gone.
func (s *Store) D3Delivery(ctx context.Context, id int64) (D3Delivery, error) {
	d := D3Delivery{ID: id}
	var payload string
	var done int
	var created int64
	err := s.row(ctx, `SELECT d.event, d.payload, d.attempt, d.done, h.id, h.owner, h.url, h.secret, h.created
		FROM d3_deliveries d JOIN d3_hooks h ON h.id = d.hook WHERE d.id = ?`, id).
		Scan(&d.Event.Type, &payload, &d.Attempt, &done, &d.Hook.ID, &d.Hook.Owner, &d.Hook.URL, &d.Hook.Secret, &created)
	d.Event.Payload, d.Done, d.Hook.Created = []byte(payload), done != 0, fromMillis(created)
	return d, notFound(err)
}

// Delivered records one try of a delivery.
func (s *Store) Delivered(ctx context.Context, d D3Delivery, a D3Attempt) error {
	return s.write(ctx, quick, func(t *tx) error {
		if _, err := t.exec(ctx, `UPDATE d3_deliveries SET attempt = ?, done = ? WHERE id = ?`, a.Number, toInt(a.Succeeded), d.ID); err != nil {
			return err
		}
		_, err := t.exec(ctx, `INSERT INTO d3_attempts (owner, event, url, payload, status, number, succeeded, message, sent)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`, d.Hook.Owner, a.Event, a.URL, a.Payload, a.Status, a.Number, toInt(a.Succeeded),
			a.Message, millis(a.Sent))
		return err
	})
}

// D3Attempts returns up to limit tries of the deliveries of a key, newest first.
func (s *Store) D3Attempts(ctx context.Context, owner string, limit int) ([]D3Attempt, error) {
	var all []D3Attempt
	err := s.each(ctx, func(r *sql.Rows) error {
		var a D3Attempt
		var ok int
		var sent int64
		err := r.Scan(&a.Event, &a.URL, &a.Payload, &a.Status, &a.Number, &ok, &a.Message, &sent)
		a.Succeeded, a.Sent = ok != 0, fromMillis(sent)
		all = append(all, a)
		return err
	}, `SELECT event, url, payload, status, number, succeeded, message, sent FROM d3_attempts WHERE owner = ?
		ORDER BY id DESC LIMIT ?`, owner, limit)
	return all, err
}
