package control_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dropfs/fs/cli/control"
	"dropfs/fs/cli/fail"
)

// serve runs a daemon's end in dir and returns its socket.
func serve(t *testing.T, dir string, h map[string]control.Handler) string {
	t.Helper()
	l, path, err := control.Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	srv := control.NewServer(h)
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	t.Cleanup(func() {
		_ = srv.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the socket stays behind: %v", err)
		}
	})
	return path
}

func TestCalls(t *testing.T) {
	info := func(context.Context, control.Call) (any, error) { return control.Info{PID: 7}, nil }
	h := map[string]control.Handler{
		control.CallInfo: info,
		control.CallSync: func(_ context.Context, c control.Call) (any, error) {
			var r control.SyncRequest
			if err := c.Decode(&r); err != nil {
				return nil, err
			}
			for i := range 3 {
				c.Progress(control.Progress{Done: int64(i), Total: 3, Text: strings.Join(r.Paths, " ")})
			}
			return nil, fail.New(fail.Unsent, "sync", "time is up").WithHint("wait longer")
		},
	}
	long := filepath.Join(t.TempDir(), strings.Repeat("long", 40))
	for name, dir := range map[string]string{"short": filepath.Join(t.TempDir(), "s"), "longer than a socket's path may be": long} {
		t.Run(name, func(t *testing.T) {
			path := serve(t, dir, h)
			if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
				t.Errorf("C1: socket %v, %v", st.Mode(), err)
			}
			if st, err := os.Stat(dir); err != nil || st.Mode().Perm() != 0o700 {
				t.Errorf("C1: directory %v, %v", st.Mode(), err)
			}
			var mine *control.Client
			for _, c := range control.Find(t.Context(), dir) {
				if c.Socket == path {
					mine = c
				}
			}
			if mine == nil || mine.Info.PID != 7 {
				t.Fatalf("daemon not found: %+v", mine)
			}
			n := 0
			err := mine.Call(t.Context(), control.CallSync, control.SyncRequest{Paths: []string{"/a", "/b"}}, func(p control.Progress) {
				if p.Done != int64(n) || p.Text != "/a /b" {
					t.Errorf("progress %d: %+v", n, p)
				}
				n++
			}, nil)
			var f *fail.Error
			if !errors.As(err, &f) || f.Code != fail.Unsent || f.Why != "time is up" || f.Hint != "wait longer" || n != 3 {
				t.Errorf("C3: %v after %d lines", err, n)
			}
			if err := mine.Call(t.Context(), "bogus", nil, nil, nil); err == nil {
				t.Error("an unknown call was answered")
			}
		})
	}
}

func TestC2DeadSocketIsNone(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "dropfs-1.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range control.Find(t.Context(), dir) {
		if c.Socket == path {
			t.Errorf("found %+v", c)
		}
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the dead socket stays: %v", err)
	}
}

func TestC1OpenDirectoryRefused(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, _, err := control.Listen(dir); err == nil || !strings.Contains(err.Error(), "closed to others") {
		t.Errorf("error %v", err)
	}
	l, path, err := control.Listen(dir, filepath.Join(dir, "own"))
	if err != nil || filepath.Dir(path) != filepath.Join(dir, "own") {
		t.Fatalf("%s, %v", path, err)
	}
	_ = l.Close()
}

func TestWaitEnd(t *testing.T) {
	started := make(chan struct{})
	h := map[string]control.Handler{control.CallWait: func(ctx context.Context, _ control.Call) (any, error) {
		close(started)
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	l, path, err := control.Listen(filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	srv := control.NewServer(h)
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	ended := make(chan error, 1)
	go func() { ended <- control.Dial(path).WaitEnd(t.Context()) }()
	<-started
	select {
	case err := <-ended:
		t.Fatalf("ended while the daemon lives: %v", err)
	default:
	}
	_ = srv.Close()
	if err := <-ended; err != nil {
		t.Errorf("error %v", err)
	}
	if err := <-done; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
}
