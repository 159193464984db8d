package fail_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"dropfs/cache"
	"dropfs/fs/cli/fail"
	"dropfs/remote"
)

func TestF2CodeOf(t *testing.T) {
	for _, tc := range []struct {
		name string
		err  error
		want fail.Code
	}{
		{"nil", nil, fail.Done},
		{"unknown", errors.New("boom"), fail.Failed},
		{"own", fail.New(fail.Mount, "mount", "no"), fail.Mount},
		{"wrapped own", fmt.Errorf("x: %w", fail.New(fail.Unsent, "unmount", "no")), fail.Unsent},
		{"interrupted", fmt.Errorf("x: %w", context.Canceled), fail.Interrupted},
		{"credentials", &remote.Error{Kind: remote.ErrCredentials, Op: "list"}, fail.Credentials},
		{"unreachable", &remote.Error{Kind: remote.ErrUnavailable, Op: "list"}, fail.Unreachable},
		{"offline", fmt.Errorf("read: %w", cache.ErrOffline), fail.Unreachable},
		{"gone", &remote.Error{Kind: remote.ErrNotFound, Op: "get"}, fail.NotFound},
		{"no file", os.ErrNotExist, fail.NotFound},
		{"quota", cache.ErrQuota, fail.Failed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := fail.CodeOf(tc.err); got != tc.want {
				t.Errorf("code %d, want %d", got, tc.want)
			}
		})
	}
}

func TestF1OneLine(t *testing.T) {
	e := fail.As(fail.Failed, "read", errors.New("first\nsecond\r\nthird"))
	if got, want := e.Error(), "read: first second third"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if again := fail.As(fail.Config, "other", fmt.Errorf("outer: %w", e)); again != e {
		t.Errorf("a failure was wrapped again: %v", again)
	}
	if fail.Of("x", nil) != nil {
		t.Error("a nil error became a failure")
	}
}
