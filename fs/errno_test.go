package fs

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"syscall"
	"testing"

	"github.com/sirupsen/logrus"

	"dropfs/cache"
	"dropfs/convert"
	"dropfs/remote"
)

// kindsOf reads the constants of type Kind from a source file, so that a kind added there is missed here at once.
func kindsOf(t *testing.T, file string) []string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	ast.Inspect(f, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if id, ok := v.Type.(*ast.Ident); !ok || id.Name != "Kind" {
			return true
		}
		for _, x := range v.Values {
			if l, ok := x.(*ast.BasicLit); ok {
				s, err := strconv.Unquote(l.Value)
				if err != nil {
					t.Fatal(err)
				}
				out = append(out, s)
			}
		}
		return true
	})
	if len(out) < 7 {
		t.Fatalf("%s: %d kinds found", file, len(out))
	}
	return out
}

func TestF1ErrnoRulesAreTotal(t *testing.T) {
	for _, k := range kindsOf(t, "../cache/errors.go") {
		if _, ok := cacheRules[cache.Kind(k)]; !ok {
			t.Errorf("cache kind %q has no errno", k)
		}
	}
	for _, k := range kindsOf(t, "../convert/errors.go") {
		if _, ok := convertRules[convert.Kind(k)]; !ok {
			t.Errorf("conversion kind %q has no errno", k)
		}
	}
	for _, k := range kindsOf(t, "../remote/errors.go") {
		if _, ok := remoteRules[remote.Kind(k)]; !ok {
			t.Errorf("remote kind %q has no errno", k)
		}
	}
}

func TestF1Judge(t *testing.T) {
	for _, c := range []struct {
		name  string
		err   error
		errno syscall.Errno
		level logrus.Level
	}{
		{"kind", cache.ErrNotExist, syscall.ENOENT, quiet},
		{"wrapped twice", fmt.Errorf("open: %w", fmt.Errorf("x: %w", cache.ErrIsDir)), syscall.EISDIR, quiet},
		{"full cache", cache.ErrNoSpace, syscall.ENOSPC, warned},
		{"full drop", cache.ErrQuota, syscall.EDQUOT, notice},
		{"too large", cache.ErrTooLarge, syscall.EFBIG, notice},
		{"other drop", cache.ErrCrossDrop, syscall.EXDEV, quiet},
		{"local disk", cache.ErrIO, syscall.EIO, loud},
		{"service", &remote.Error{Kind: remote.ErrDenied, Op: "fetch"}, syscall.EACCES, notice},
		{"service wrapped", fmt.Errorf("read: %w", &remote.Error{Kind: remote.ErrUnavailable}), syscall.ENETUNREACH, notice},
		{"broken document", fmt.Errorf("pdf: %w: no xref", convert.ErrBroken), syscall.EIO, notice},
		{"locked document", convert.ErrLocked, syscall.EACCES, notice},
		{"bare service kind", remote.ErrCorrupt, syscall.EIO, warned},
		{"interrupted", fmt.Errorf("fetch: %w", context.Canceled), syscall.EINTR, quiet},
		{"interrupted fetch", &remote.Error{Kind: remote.ErrUnavailable, Err: context.Canceled}, syscall.EINTR, quiet},
		{"too slow", context.DeadlineExceeded, syscall.ETIMEDOUT, notice},
		{"disk full", &os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}, syscall.ENOSPC, warned},
		{"disk quota", syscall.EDQUOT, syscall.ENOSPC, warned},
		{"content file unreadable", &os.PathError{Op: "open", Path: "x", Err: syscall.EACCES}, syscall.EIO, loud},
		{"content file gone", os.ErrNotExist, syscall.EIO, loud},
		{"not implemented", syscall.ENOSYS, syscall.EIO, loud},
		{"unknown", errors.New("what"), syscall.EIO, loud},
		{"unknown kind", cache.Kind("new"), syscall.EIO, loud},
		{"unknown service kind", &remote.Error{Kind: "new"}, syscall.EIO, loud},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := judge(c.err)
			if got.errno != c.errno || got.level != c.level {
				t.Errorf("judge(%v) = %v at %v, want %v at %v", c.err, got.errno, got.level, c.errno, c.level)
			}
		})
	}
	if got := judge(nil); got.errno != 0 {
		t.Errorf("judge(nil) = %v", got.errno)
	}
}
