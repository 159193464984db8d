package hub

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"dropfs/remote"
)

const testKey = "test-key-0123456789"

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Now().Truncate(time.Second)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// site is a hub behind a real HTTP server.
type site struct {
	*testing.T
	hub   *Hub
	srv   *httptest.Server
	clock *clock
	key   string
}

// newSite opens a hub with one unlimited key, testKey, and serves it without Run; collect and sweep are called by hand.
func newSite(t *testing.T, change func(*Config)) *site {
	t.Helper()
	leaks := goleak.IgnoreCurrent()
	c := newClock()
	cfg := Config{DataDir: t.TempDir(), Keys: []KeySpec{{Key: testKey, GBMonths: -1}}, Now: c.Now}
	if change != nil {
		change(&cfg)
	}
	h, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(nil)
	srv.Config = h.Server()
	srv.Start()
	t.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
		if err := h.Close(); err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
		goleak.VerifyNone(t, leaks)
	})
	return &site{T: t, hub: h, srv: srv, clock: c, key: testKey}
}

// reply is an answer, read whole.
type reply struct {
	Status int
	Header http.Header
	Body   []byte
}

// request is one request of a test.
type request struct {
	method, path string
	header       map[string]string
	body         any // []byte and string as they are; nil none; else JSON
}

func (s *site) do(q request) reply {
	s.Helper()
	var body io.Reader
	switch b := q.body.(type) {
	case nil:
	case []byte:
		body = bytes.NewReader(b)
	case string:
		body = bytes.NewReader([]byte(b))
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			s.Fatal(err)
		}
		body = bytes.NewReader(raw)
	}
	target := q.path
	if target[0] == '/' {
		target = s.srv.URL + target
	}
	r, err := http.NewRequestWithContext(s.Context(), q.method, target, body)
	if err != nil {
		s.Fatal(err)
	}
	for k, v := range q.header {
		r.Header.Set(k, v)
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(r)
	if err != nil {
		s.Fatalf("%s %s: %v", q.method, q.path, err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.Fatalf("%s %s: %v", q.method, q.path, err)
	}
	return reply{resp.StatusCode, resp.Header, b}
}

// key sends a request with the site's key.
func (s *site) withKey(method, path string, body any) reply {
	s.Helper()
	return s.do(request{method, path, map[string]string{"x-api-key": s.key}, body})
}

// want fails the test unless the status is as given; an error must be JSON of the wire's shape.
func (s *site) want(r reply, status int) map[string]any {
	s.Helper()
	var m map[string]any
	if err := json.Unmarshal(r.Body, &m); err != nil {
		s.Fatalf("status %d, body is no JSON object: %q", r.Status, r.Body)
	}
	if r.Status != status {
		s.Fatalf("status %d, not %d: %s", r.Status, status, r.Body)
	}
	if status >= 400 && (m["status"] != "error" || m["message"] == "" || m["message"] == nil) {
		s.Fatalf("not the shape of an error: %s", r.Body)
	}
	if status < 400 && m["status"] != "success" {
		s.Fatalf("not the shape of a success: %s", r.Body)
	}
	return m
}

// data is want's answer below data.
func (s *site) data(r reply) map[string]any {
	s.Helper()
	m, ok := s.want(r, http.StatusOK)["data"].(map[string]any)
	if !ok {
		s.Fatalf("data is no object: %s", r.Body)
	}
	return m
}

func (s *site) list(r reply) []any {
	s.Helper()
	l, ok := s.want(r, http.StatusOK)["data"].([]any)
	if !ok {
		s.Fatalf("data is no list: %s", r.Body)
	}
	return l
}

func (s *site) drop(gb float64, days int) string {
	s.Helper()
	return s.data(s.withKey("POST", "/api/v1/dropzones", map[string]any{"gb": gb, "days": days}))["_id"].(string)
}

// start asks for an upload URL.
func (s *site) start(drop, name, mime string, size int) (id, url string) {
	s.Helper()
	d := s.data(s.withKey("POST", "/api/v1/dropzones/"+drop+"/files", map[string]any{"name": name, "type": mime, "size": size}))
	return d["fileId"].(string), d["signedUrl"].(string)
}

func (s *site) put(url, mime string, body []byte) reply {
	s.Helper()
	return s.do(request{"PUT", url, map[string]string{"Content-Type": mime}, body})
}

// upload sends a whole file and returns its id.
func (s *site) upload(drop, name, mime string, body []byte) string {
	s.Helper()
	id, url := s.start(drop, name, mime, len(body))
	if r := s.put(url, mime, body); r.Status != http.StatusOK {
		s.Fatalf("put: %d %s", r.Status, r.Body)
	}
	s.data(s.withKey("POST", "/api/v1/files/"+id+"/confirm", nil))
	return id
}

func (s *site) used(drop string) int64 {
	s.Helper()
	return int64(s.data(s.withKey("GET", "/api/v1/dropzones/"+drop, nil))["usedSpace"].(float64))
}

func (s *site) sweep() {
	s.Helper()
	if err := s.hub.Sweep(context.WithoutCancel(s.Context()), true); err != nil {
		s.Fatal(err)
	}
}

var _ = remote.Secret("")
