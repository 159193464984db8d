package httpx

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"dropfs/remote"
)

// TestRateFileOutlivesTheProcess: a service that said "wait" is not asked by the next client, though the last was never
// closed; a second later, and without the file, it is.
func TestRateFileOutlivesTheProcess(t *testing.T) {
	var asked atomic.Int64
	say := func(w http.ResponseWriter) {}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		say(w)
	}))
	t.Cleanup(srv.Close)
	path := filepath.Join(t.TempDir(), "not", "there", "rate.json")
	ask := func(path string, keep bool) error {
		t.Helper()
		c, err := New(Config{BaseURL: srv.URL, RateFile: path, MaxWait: time.Millisecond, Attempts: 1})
		if err != nil {
			t.Fatal(err)
		}
		if keep {
			defer c.Close()
		} else { // as where the process is killed
			defer c.own.CloseIdleConnections()
		}
		_, err = c.Do(t.Context(), Request{Op: "ask", Method: http.MethodGet, Path: "/"}, func(r io.Reader) error { _, err := io.Copy(io.Discard, r); return err })
		return err
	}
	for _, tt := range []struct {
		name string
		say  func(w http.ResponseWriter)
		want time.Duration // 0: the next is asked at once
	}{
		{"refused for an hour", func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(http.StatusTooManyRequests)
		}, time.Hour},
		{"nothing is left", func(w http.ResponseWriter) {
			w.Header().Set("RateLimit-Remaining", "0")
			w.Header().Set("RateLimit-Reset", "60")
		}, time.Minute},
		{"something is left", func(w http.ResponseWriter) { w.Header().Set("RateLimit-Remaining", "3") }, 0},
	} {
		say = tt.say
		_ = os.Remove(path)
		_ = ask(path, false)
		before := asked.Load()
		err := ask(path, false)
		wait := remote.RetryAfterOf(err)
		if blocked := asked.Load() == before; blocked != (tt.want > 0) {
			t.Errorf("%s: the next did not ask: %v", tt.name, blocked)
		}
		if tt.want > 0 && (!errors.Is(err, remote.ErrRateLimited) || wait > tt.want || wait < tt.want-10*time.Second) {
			t.Errorf("%s: %v, to come again after %v", tt.name, err, wait)
		}
		if err := ask("", false); tt.want > 0 && asked.Load() == before {
			t.Errorf("%s: without the file: %v", tt.name, err)
		}
	}

	say = func(http.ResponseWriter) {}
	kept := func(s RateState) {
		t.Helper()
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	kept(RateState{At: time.Now(), Blocked: time.Now().Add(-time.Second)})
	if err := ask(path, false); err != nil {
		t.Errorf("after its time: %v", err)
	}
	kept(RateState{At: time.Now(), Blocked: time.Now().Add(48 * time.Hour)})
	if err := ask(path, false); err != nil {
		t.Errorf("by a clock that was put back: %v", err)
	}
	for _, text := range []string{"", "{", "[]", `{"blocked":"x"}`} { // what a death in a write may leave beside it, or a hand
		if err := errors.Join(os.WriteFile(path, []byte(text), 0o600), os.WriteFile(path+".new", []byte("{"), 0o600)); err != nil {
			t.Fatal(err)
		}
		if err := ask(path, true); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	var s RateState
	if text, err := os.ReadFile(path); err != nil || json.Unmarshal(text, &s) != nil || s.At.IsZero() {
		t.Errorf("Close kept %q, %v", text, err)
	}
	if _, err := os.Stat(path + ".new"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("left beside it: %v", err)
	}
}
