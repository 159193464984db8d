package index

import (
	"fmt"

	"zombiezen.com/go/sqlite"
)

// exec runs a statement that answers no rows and returns how many rows it changed.
func (t *Tx) exec(query string, args ...any) (int, error) {
	err := t.rows(query, nil, args...)
	return t.conn.Changes(), err
}

// row runs a query and gives its first row to scan; found tells whether there was one.
func (t *Tx) row(query string, scan func(*sqlite.Stmt), args ...any) (found bool, err error) {
	stmt, err := t.prepare(query, args)
	if err != nil {
		return false, err
	}
	found, err = stmt.Step()
	if err == nil && found && scan != nil {
		scan(stmt)
	}
	if rerr := stmt.Reset(); err == nil {
		err = rerr
	}
	if err != nil {
		return false, fmt.Errorf("index: %w", err)
	}
	return found, nil
}

// rows runs a query and gives each row to scan, which must not use t.
func (t *Tx) rows(query string, scan func(*sqlite.Stmt), args ...any) error {
	stmt, err := t.prepare(query, args)
	if err != nil {
		return err
	}
	for {
		more, err := stmt.Step()
		if err != nil {
			_ = stmt.Reset() // repeats the error of Step
			return fmt.Errorf("index: %w", err)
		}
		if !more {
			return nil
		}
		if scan != nil {
			scan(stmt)
		}
	}
}

func (t *Tx) prepare(query string, args []any) (*sqlite.Stmt, error) {
	stmt, err := t.conn.Prepare(query)
	if err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	for i, a := range args {
		bind(stmt, i+1, a)
	}
	return stmt, nil
}

// bind panics on a type that the index does not store: a mistake of this package.
func bind(stmt *sqlite.Stmt, i int, a any) {
	switch v := a.(type) {
	case int64:
		stmt.BindInt64(i, v)
	case int:
		stmt.BindInt64(i, int64(v))
	case uint32:
		stmt.BindInt64(i, int64(v))
	case Flags:
		stmt.BindInt64(i, int64(v))
	case float64:
		stmt.BindFloat(i, v)
	case bool:
		stmt.BindBool(i, v)
	case string:
		stmt.BindText(i, v)
	case OpKind:
		stmt.BindText(i, string(v))
	case []byte:
		stmt.BindBytes(i, v)
	case nil:
		stmt.BindNull(i)
	default:
		panic(fmt.Sprintf("index: cannot bind %T", a))
	}
}

func columnBytes(s *sqlite.Stmt, i int) []byte {
	n := s.ColumnLen(i)
	if n == 0 {
		return nil
	}
	b := make([]byte, n)
	s.ColumnBytes(i, b)
	return b
}

// nullable stores "" as NULL.
func nullable(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// Meta returns a named value; nil where it was never set.
func (t *Tx) Meta(key string) (value []byte, err error) {
	_, err = t.row("SELECT value FROM meta WHERE key = ?", func(s *sqlite.Stmt) { value = columnBytes(s, 0) }, key)
	return value, err
}

// SetMeta keeps a named value.
func (t *Tx) SetMeta(key string, value []byte) error {
	_, err := t.exec("INSERT INTO meta(key, value) VALUES(?, ?) ON CONFLICT(key) DO UPDATE SET value = excluded.value", key, value)
	return err
}
