package hub

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"

	"dropfs/remote/hub/store"
	"dropfs/remote/hub/web"
)

func TestW1EveryErrorIsJSON(t *testing.T) {
	s := newSite(t, nil)
	drop := s.drop(1, 30)
	for _, c := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", "/", 404, ""},
		{"GET", "/nothing", 404, ""},
		{"GET", "/api", 404, ""},
		{"GET", "/api/v1", 404, ""},
		{"GET", "/api/v2/dropzones", 404, ""},
		{"GET", "/api/v1/dropzones/a/b/c/d", 404, ""},
		{"GET", "/cdn/x", 404, ""},
		{"GET", "/cdn/x/download", 404, ""},
		{"GET", "/link/x", 403, ""},
		{"GET", "/objects/x", 405, "PUT, OPTIONS"},
		{"DELETE", "/api/v1/files", 405, "GET, HEAD, POST, OPTIONS"},
		{"PUT", "/api/v1/files/x/confirm", 405, "POST, OPTIONS"},
		{"BREW", "/api/v1/files", 405, "GET, HEAD, POST, OPTIONS"},
		{"GET", "/api/v1//dropzones//" + drop + "//", 200, ""},
		{"GET", "/api/v1/../v1/dropzones/" + drop, 200, ""},
		{"GET", "/api/v1/dropzones/%2e%2e", 404, ""},
		{"POST", "/healthz", 405, "GET, HEAD, OPTIONS"},
		{"GET", "/healthz/", 200, ""},
	} {
		r := s.withKey(c.method, c.path, nil)
		if r.Status != c.status || r.Header.Get("Allow") != c.allow {
			t.Errorf("%s %s: %d, Allow %q", c.method, c.path, r.Status, r.Header.Get("Allow"))
			continue
		}
		s.want(r, c.status)
		if ct := r.Header.Get("Content-Type"); ct != "application/json; charset=utf-8" {
			t.Errorf("%s %s: %s", c.method, c.path, ct)
		}
		if c.method == "GET" {
			if h := s.withKey("HEAD", c.path, nil); h.Status != c.status && c.status != 405 || len(h.Body) != 0 {
				t.Errorf("HEAD %s: %d", c.path, h.Status)
			}
		}
	}
}

func TestBrowsers(t *testing.T) {
	s := newSite(t, nil)
	drop := s.drop(1, 30)
	_, put := s.start(drop, "x", "text/plain", 1)
	for _, c := range [][2]string{
		{"GET", "/api/v1/files"},
		{"POST", "/api/v1/dropzones"},
		{"DELETE", "/api/v1/files/x"},
		{"PUT", put},
		{"GET", "/cdn/x/download"},
		{"PATCH", "/api/v1/dropzone"},
	} {
		r := s.do(request{"OPTIONS", c[1], map[string]string{
			"Origin": "https://page.example", "Access-Control-Request-Method": c[0],
			"Access-Control-Request-Headers": "content-type,x-api-key,x-dropzone-id",
		}, nil})
		if r.Status != 204 || r.Header.Get("Access-Control-Allow-Origin") != "*" ||
			!strings.Contains(r.Header.Get("Access-Control-Allow-Methods"), c[0]) ||
			!strings.Contains(r.Header.Get("Access-Control-Allow-Headers"), "x-api-key") ||
			r.Header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("preflight of %v: %d %v", c, r.Status, r.Header)
		}
		if r := s.do(request{"OPTIONS", c[1], nil, nil}); r.Status != 204 || !strings.Contains(r.Header.Get("Allow"), c[0]) {
			t.Errorf("OPTIONS of %v: %d %v", c, r.Status, r.Header)
		}
	}
	r := s.do(request{"PUT", put, map[string]string{"Origin": "https://page.example", "Content-Type": "text/plain"}, []byte("x")})
	if r.Status != 200 || r.Header.Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(r.Header.Get("Access-Control-Expose-Headers"), "Etag") {
		t.Errorf("PUT: %d %v", r.Status, r.Header)
	}
	r = s.do(request{"GET", "/api/v1/files", map[string]string{"Origin": "https://page.example"}, nil})
	if r.Status != 401 || r.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("an error a page cannot read: %d %v", r.Status, r.Header)
	}
}

func TestAbilitiesAreOnEveryAnswer(t *testing.T) {
	s := newSite(t, nil)
	for _, q := range []request{
		{"OPTIONS", "/api/v1/dropzones", nil, nil},
		{"GET", "/nothing", nil, nil},
		{"GET", "/healthz", nil, nil},
		{"OPTIONS", "/api/v1/dropzones", map[string]string{"Origin": "https://x", "Access-Control-Request-Method": "GET"}, nil},
	} {
		const want = "list-drops, delete-drop, rename-drop, multipart, copy, rename, replace, changes, link, renew"
		if got := s.do(q).Header.Get("Dropfs-Abilities"); got != want {
			t.Errorf("%v: %q", q, got)
		}
	}
}

func TestBaseURL(t *testing.T) {
	forward := map[string]string{"x-api-key": testKey, "X-Forwarded-Proto": "https", "X-Forwarded-Host": "drops.example"}
	for _, c := range []struct {
		name   string
		change func(*Config)
		prefix string
	}{
		{"direct", nil, "http://127.0.0.1:"},
		{"proxy", func(c *Config) { c.BehindProxy = true }, "https://drops.example/"},
		{"public", func(c *Config) { c.PublicURL = "https://hub.example/base/" }, "https://hub.example/base/objects/"},
	} {
		s := newSite(t, c.change)
		drop := s.drop(1, 30)
		d := s.data(s.do(request{"POST", "/api/v1/dropzones/" + drop + "/files", forward, map[string]any{"name": "n", "type": "t/t", "size": 1}}))
		if u := d["signedUrl"].(string); !strings.HasPrefix(u, c.prefix) {
			t.Errorf("%s: %s", c.name, u)
		}
	}
}

func TestW2NoSecretIsLogged(t *testing.T) {
	var out bytes.Buffer
	log := logrus.New()
	log.SetOutput(&out)
	log.SetLevel(logrus.TraceLevel)
	s := newSite(t, func(c *Config) { c.Log = logrus.NewEntry(log) })
	drop := s.drop(1, 30)
	id := s.upload(drop, "secret-name.txt", "text/plain", []byte("hello"))
	link := s.data(s.withKey("POST", "/api/v1/files/"+id+"/link", nil))["url"].(string)
	s.do(request{"GET", link, nil, nil})
	made := s.data(s.withKey("POST", "/api/v1/apikeys", nil))["apiKey"].(string)
	s.do(request{"GET", "/api/v1/files/" + id + "?x-api-key=" + testKey, map[string]string{"x-api-key": "wrong-key"}, nil})
	_, sig, _ := strings.Cut(link, "/link/")
	sig, _, _ = strings.Cut(sig, "/")
	s.srv.Close()
	if !strings.Contains(out.String(), "POST /api/v1/files/{file}/confirm") {
		t.Fatalf("requests are not logged: %s", out.String())
	}
	for name, secret := range map[string]string{
		"key": testKey, "new key": made, "drop": drop, "file": id, "signature": sig, "wrong key": "wrong-key", "name": "secret-name",
	} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("the log holds the %s", name)
		}
	}
}

func TestMetrics(t *testing.T) {
	s := newSite(t, nil)
	s.drop(1, 30)
	s.withKey("GET", "/nothing/SECRETID", nil)
	r := s.do(request{"GET", "/metrics", nil, nil})
	for _, want := range []string{
		`dropfs_hub_requests_total{method="POST",route="POST /api/v1/dropzones",status="200"} 1`,
		`dropfs_hub_requests_total{method="GET",route="none",status="404"} 1`,
		"dropfs_hub_request_seconds_bucket", "dropfs_hub_body_bytes_total",
	} {
		if !strings.Contains(string(r.Body), want) {
			t.Errorf("no %s", want)
		}
	}
	if strings.Contains(string(r.Body), "SECRETID") {
		t.Error("a path is a label")
	}
}

func TestPanicIsAnError(t *testing.T) {
	d := &d3Site{site: newSite(t, nil)}
	h := d.hub.observed(d.hub.recovered(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("oops") })))
	d.srv.Config.Handler = h
	for _, path := range []string{"/x", "/healthz", "/api/v1/dropzones", "/objects/x"} {
		d.want(d.do(request{"GET", path, nil, nil}), 500)
	}
	for _, path := range []string{"/api/v1/do", "/v1/biz/status/x", "/v1/external/upload", "/v1/upload/x", "/v1/download/x", "/mcp"} {
		a := d.answer(d.do(request{"GET", path, nil, nil}), 500)
		if a["error"] != "internal_error" {
			t.Errorf("%s: %v", path, a)
		}
	}
}

func TestUploadThatBreaksOffStoresNothing(t *testing.T) {
	s := newSite(t, nil)
	drop := s.drop(1, 30)
	id, url := s.start(drop, "x", "text/plain", 1000)
	conn, err := net.Dial("tcp", s.srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.WriteString(conn, "PUT "+strings.TrimPrefix(url, s.srv.URL)+" HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 1000\r\n\r\nhalf")
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	s.want(s.withKey("POST", "/api/v1/files/"+id+"/confirm", nil), 409)
	s.want(s.withKey("DELETE", "/api/v1/files/"+id, nil), 200)
	s.srv.CloseClientConnections()
	s.srv.Close() // waits for the handler
	checkSpace(t, s.hub, map[string]int{})
}

func TestListingIsConditional(t *testing.T) {
	s := newSite(t, nil)
	drop := s.drop(1, 30)
	path := "/api/v1/dropzones/" + drop + "/files"
	r := s.withKey("GET", path, nil)
	h := map[string]string{"x-api-key": testKey, "If-None-Match": r.Header.Get("ETag")}
	if again := s.do(request{"GET", path, h, nil}); again.Status != 304 || len(again.Body) != 0 {
		t.Fatalf("unchanged: %d", again.Status)
	}
	s.upload(drop, "x", "t/t", []byte("x"))
	if again := s.do(request{"GET", path, h, nil}); again.Status != 200 {
		t.Fatalf("changed: %d", again.Status)
	}
}

func TestLongListing(t *testing.T) {
	s := newSite(t, nil)
	drop := s.drop(1, 30)
	const n = 2100 // more than a page
	var wg sync.WaitGroup
	for w := range 30 { // who write at once share a sync
		wg.Go(func() {
			for i := w; i < n; i += 30 {
				f, err := s.hub.store.Reserve(t.Context(), store.File{Drop: drop, Name: fmt.Sprint("f", i)}, 0)
				if err == nil {
					_, err = s.hub.store.Confirm(t.Context(), f.ID, "e", "", "")
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	seen, last := map[any]bool{}, 0.0
	for _, v := range s.list(s.withKey("GET", "/api/v1/dropzones/"+drop+"/files", nil)) {
		f := v.(map[string]any)
		seen[f["name"]] = true
		if seq := f["meta"].(map[string]any)["seq"].(float64); seq <= last {
			t.Fatalf("seq %v behind %v", seq, last)
		} else {
			last = seq
		}
	}
	if len(seen) != n {
		t.Fatalf("%d files", len(seen))
	}
	if r := s.withKey("HEAD", "/api/v1/dropzones/"+drop+"/files", nil); r.Status != 200 || len(r.Body) != 0 {
		t.Fatalf("HEAD %d", r.Status)
	}
}

func TestW3StandstillIsBrokenOff(t *testing.T) {
	for _, c := range []struct {
		name, sends string
		least, most time.Duration // until the server hangs up or answers
	}{
		{"half a header", "GET / HTTP/1.1\r\nHo", 9 * time.Second, 11 * time.Second},
		{"a body nobody reads", "DELETE / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf", 59 * time.Second, 61 * time.Second},
		{"half a body", "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf", 59 * time.Second, 61 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &Hub{metrics: newMetrics(), log: withDefaults(Config{}).Log}
				h.handler = h.observed(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.Method == http.MethodDelete {
						web.WriteError(w, web.Fail(http.StatusForbidden, "No."))
					} else if _, err := io.ReadAll(r.Body); err != nil {
						web.WriteError(w, web.Fail(http.StatusRequestTimeout, "Too slow."))
					}
				}))
				near, far := net.Pipe()
				srv := h.Server()
				served := make(chan struct{})
				l := &oneConn{conn: far, closed: make(chan struct{})}
				go func() { defer close(served); _ = srv.Serve(l) }()
				began := time.Now()
				if _, err := io.WriteString(near, c.sends); err != nil {
					t.Fatal(err)
				}
				_, _ = near.Read(make([]byte, 1))
				if took := time.Since(began); took < c.least || took > c.most {
					t.Errorf("broken off after %v", took)
				}
				_ = near.Close()
				_ = srv.Close()
				<-served
			})
		})
	}
}

// oneConn is a listener with one connection.
type oneConn struct {
	conn   net.Conn
	once   sync.Once
	closed chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	if c := l.conn; c != nil {
		l.conn = nil
		return c, nil
	}
	<-l.closed
	return nil, net.ErrClosed
}

func (l *oneConn) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{} }
