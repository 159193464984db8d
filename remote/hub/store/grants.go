package store

import (
	"context"
	"database/sql"
	"strings"
)

// Anyone is the grantee that stands for everybody, with a key or without.
const Anyone = "anyone"

// Grant gives grantee (a Key.ID, or Anyone) permissions on subject, a drop or file.
func (s *Store) Grant(ctx context.Context, subject, grantee string, permissions []string) error {
	return s.write(ctx, durable, func(t *tx) error {
		for _, p := range permissions {
			if _, err := t.exec(ctx, `INSERT INTO grants (subject, grantee, permission) VALUES (?, ?, ?)
				ON CONFLICT (subject, grantee, permission) DO NOTHING`, subject, grantee, p); err != nil {
				return err
			}
		}
		return nil
	})
}

// Revoke takes permissions back; those that were not held are no error.
func (s *Store) Revoke(ctx context.Context, subject, grantee string, permissions []string) error {
	return s.write(ctx, durable, func(t *tx) error {
		for _, p := range permissions {
			if _, err := t.exec(ctx, `DELETE FROM grants WHERE subject = ? AND grantee = ? AND permission = ?`,
				subject, grantee, p); err != nil {
				return err
			}
		}
		return nil
	})
}

// Grants returns who holds what on subject, permissions sorted.
func (s *Store) Grants(ctx context.Context, subject string) (map[string][]string, error) {
	all := map[string][]string{}
	err := s.each(ctx, func(r *sql.Rows) error {
		var grantee, permission string
		err := r.Scan(&grantee, &permission)
		all[grantee] = append(all[grantee], permission)
		return err
	}, `SELECT grantee, permission FROM grants WHERE subject = ? ORDER BY grantee, permission`, subject)
	return all, err
}

// Held returns the permissions that any of grantees holds on any of subjects.
func (s *Store) Held(ctx context.Context, subjects, grantees []string) (map[string]bool, error) {
	held := map[string]bool{}
	var args []any
	for _, list := range [][]string{subjects, grantees} {
		for _, v := range list {
			args = append(args, v)
		}
	}
	err := s.each(ctx, func(r *sql.Rows) error {
		var p string
		err := r.Scan(&p)
		held[p] = true
		return err
	}, `SELECT permission FROM grants WHERE subject IN (`+marks(len(subjects))+`) AND grantee IN (`+marks(len(grantees))+`)`,
		args...)
	return held, err
}

// marks is "?, ?, ?" for n values.
func marks(n int) string { return strings.TrimSuffix(strings.Repeat("?, ", n), ", ") }
