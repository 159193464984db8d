package faultproxy_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"dropfs/remote/httpx/faultproxy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a server with a proxy in front of it.
type world struct {
	proxy  *faultproxy.Proxy
	client *http.Client
	served atomic.Int64
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{}
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		n := w.served.Add(1)
		_, _ = io.Copy(io.Discard, r.Body)
		rw.Header().Set("ETag", `"right"`)
		_, _ = io.WriteString(rw, strings.Repeat(string(rune('0'+n%10)), 1000)+r.Host)
	}))
	p, err := faultproxy.NewProxy(faultproxy.New(1), srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{}
	w.proxy, w.client = p, &http.Client{Transport: tr, Timeout: 10 * time.Second}
	t.Cleanup(func() { tr.CloseIdleConnections(); p.Close(); srv.Close() })
	return w
}

func (w *world) get(ctx context.Context, path string) (*http.Response, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.proxy.URL()+path, nil)
	if err != nil {
		return nil, "", err
	}
	resp, err := w.client.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp, string(b), err
}

func TestEachFault(t *testing.T) {
	for _, tt := range []struct {
		rule   faultproxy.Rule
		served int64 // requests that reached the server (P3)
		check  func(t *testing.T, resp *http.Response, body string, err error)
	}{
		{faultproxy.Rule{Fault: faultproxy.Refused}, 0, broken},
		{faultproxy.Rule{Fault: faultproxy.Lost}, 1, broken},
		{faultproxy.Rule{Fault: faultproxy.Reset, After: 100}, 1, broken},
		{faultproxy.Rule{Fault: faultproxy.Truncate, After: 100}, 1, broken},
		{faultproxy.Rule{Fault: faultproxy.Shorten, After: 100}, 1, func(t *testing.T, _ *http.Response, body string, err error) {
			if err != nil || len(body) != 100 {
				t.Errorf("%d bytes, %v", len(body), err)
			}
		}},
		{faultproxy.Rule{Fault: faultproxy.Status, Code: 429, RetryAfter: 7 * time.Second}, 0, func(t *testing.T, resp *http.Response, _ string, err error) {
			if err != nil || resp.StatusCode != 429 || resp.Header.Get("Retry-After") != "7" {
				t.Errorf("%v, %v", resp, err)
			}
		}},
		{faultproxy.Rule{Fault: faultproxy.Expired}, 0, func(t *testing.T, resp *http.Response, body string, err error) {
			if err != nil || resp.StatusCode != 403 || !strings.Contains(body, "<Code>AccessDenied</Code>") {
				t.Errorf("%v, %v", resp, err)
			}
		}},
		{faultproxy.Rule{Fault: faultproxy.WrongETag}, 1, func(t *testing.T, resp *http.Response, body string, err error) {
			if err != nil || resp.Header.Get("ETag") == `"right"` || len(body) < 1000 {
				t.Errorf("%v, %v", resp, err)
			}
		}},
		{faultproxy.Rule{Fault: faultproxy.Delay, Wait: 50 * time.Millisecond}, 1, func(t *testing.T, _ *http.Response, body string, err error) {
			if err != nil || len(body) < 1000 {
				t.Errorf("%d bytes, %v", len(body), err)
			}
		}},
	} {
		t.Run(string(tt.rule.Fault), func(t *testing.T) {
			w := newWorld(t)
			tt.rule.Path, tt.rule.Times = regexp.MustCompile("^/struck$"), 0
			w.proxy.Faults.Add(tt.rule)
			if resp, body, err := w.get(t.Context(), "/other"); err != nil || resp.StatusCode != 200 || len(body) < 1000 {
				t.Fatalf("what is not struck: %v", err)
			}
			w.served.Store(0)
			resp, body, err := w.get(t.Context(), "/struck")
			tt.check(t, resp, body, err)
			// The transport repeats a GET whose reused connection broke, so a fault may strike twice.
			if n := w.served.Load(); (n > 0) != (tt.served > 0) {
				t.Errorf("the server saw %d requests, want %d", n, tt.served)
			}
		})
	}
}

func broken(t *testing.T, _ *http.Response, body string, err error) {
	t.Helper()
	if err == nil {
		t.Errorf("%d bytes without an error", len(body))
	}
}

func TestBlackHoleEndsWithItsClient(t *testing.T) {
	w := newWorld(t)
	w.proxy.Faults.Add(faultproxy.Rule{Fault: faultproxy.BlackHole})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, _, err := w.get(ctx, "/"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestReplayAnswersTheFirst(t *testing.T) {
	w := newWorld(t)
	_, first, _ := w.get(t.Context(), "/list")
	_, second, _ := w.get(t.Context(), "/list")
	w.proxy.Faults.Add(faultproxy.Rule{Fault: faultproxy.Replay, Nth: 1})
	_, replayed, _ := w.get(t.Context(), "/list")
	_, after, _ := w.get(t.Context(), "/list")
	if first == second || replayed != first || after == first {
		t.Error("the first answer was not replayed, or not once")
	}
}

func TestDownAndUp(t *testing.T) {
	w := newWorld(t)
	before := w.proxy.URL()
	w.proxy.Down()
	w.proxy.Down()
	if _, _, err := w.get(t.Context(), "/"); err == nil {
		t.Error("a proxy that is down answers")
	}
	if err := w.proxy.Up(); err != nil {
		t.Fatal(err)
	}
	if _, body, err := w.get(t.Context(), "/"); err != nil || !strings.HasSuffix(body, strings.TrimPrefix(before, "http://")) {
		t.Errorf("after Up: %v; the server saw the host %q", err, body[min(len(body), 1000):])
	}
}

func TestP1TheSeedDecides(t *testing.T) {
	run := func(seed uint64) (struck []int) {
		f := faultproxy.New(seed)
		f.Add(faultproxy.Rule{Fault: faultproxy.Status, Chance: 0.3, Times: 80})
		rt := f.Transport(answering{})
		for i := range 100 {
			resp, err := rt.RoundTrip(httptest.NewRequest(http.MethodGet, "http://h/", nil))
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if resp.StatusCode == 503 {
				struck = append(struck, i)
			}
		}
		return struck
	}
	a, b, c := run(1), run(1), run(2)
	if !reflect.DeepEqual(a, b) || reflect.DeepEqual(a, c) {
		t.Errorf("struck %v, %v with the same seed, %v with another", a, b, c)
	}
	if len(a) < 10 || len(a) > 40 || a[len(a)-1] >= 80 {
		t.Errorf("%d of 80 were struck: %v", len(a), a)
	}
}

type answering struct{}

func (answering) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("x")), Request: r}, nil
}
