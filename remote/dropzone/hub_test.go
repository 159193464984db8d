package dropzone_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"go.uber.org/goleak"

	"dropfs/remote"
	"dropfs/remote/dropzone"
	"dropfs/remote/httpx/faultproxy"
	"dropfs/remote/hub"
	"dropfs/remote/remotetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testKey = "key-of-the-tests-0123456789"

func quiet() *logrus.Entry {
	l := logrus.New()
	l.SetLevel(logrus.PanicLevel)
	return logrus.NewEntry(l)
}

// startHub serves a hub until the test ends and returns the base URL of its API.
func startHub(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	h, err := hub.Open(ctx, hub.Config{
		DataDir: t.TempDir(), Keys: []hub.KeySpec{{Key: testKey, GBMonths: -1}}, Log: quiet(),
	})
	if err != nil {
		t.Fatal(err)
	}
	ran := make(chan struct{})
	go func() {
		defer close(ran)
		if err := h.Run(ctx); err != nil && ctx.Err() == nil {
			t.Error(err)
		}
	}()
	srv := httptest.NewServer(h.Handler())
	t.Cleanup(func() {
		cancel()
		<-ran
		srv.CloseClientConnections()
		srv.Close()
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return srv.URL
}

func newClient(t *testing.T, cfg dropzone.Config) *dropzone.Client {
	t.Helper()
	c, err := dropzone.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// watch fails the test when a credential goes anywhere but to the API.
type watch struct {
	t    *testing.T
	base http.RoundTripper
	mu   sync.Mutex
	seen map[string]int // requests by method and shape of their path
}

func (w *watch) RoundTrip(r *http.Request) (*http.Response, error) {
	api := strings.HasPrefix(r.URL.Path, "/api/")
	if !api && (r.Header.Get("x-api-key") != "" || r.Header.Get("x-dropzone-id") != "") {
		w.t.Errorf("credentials go to %s", r.URL.Path)
	}
	shape := "bytes"
	if api {
		shape = ids.ReplaceAllString(r.URL.Path, "/{id}$2")
	}
	w.mu.Lock()
	if w.seen == nil {
		w.seen = map[string]int{}
	}
	w.seen[r.Method+" "+shape]++
	w.mu.Unlock()
	return w.base.RoundTrip(r)
}

func (w *watch) counts() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for k, n := range w.seen {
		out = append(out, fmt.Sprintf("%s %d", k, n))
	}
	slices.Sort(out)
	clear(w.seen)
	return strings.Join(out, ", ")
}

var ids = regexp.MustCompile(`/([^/]{12,})(/|$)`)

func watching(t *testing.T, through *faultproxy.Faults) *watch {
	t.Helper()
	tr := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 16}
	t.Cleanup(tr.CloseIdleConnections)
	w := &watch{t: t, base: tr}
	if through != nil {
		w.base = through.Transport(tr)
	}
	return w
}

// expire ends an upload's URLs as far as the client can tell.
func expire(_ *testing.T, up remote.Upload) remote.Upload {
	up.Expires = time.Now().Add(-time.Second)
	return up
}

func TestContractAgainstHub(t *testing.T) {
	big := int64(0)
	if !testing.Short() {
		big = 64<<20 + 12345
	}
	for _, gen := range []dropzone.Generation{dropzone.Auto, dropzone.G3, dropzone.G2} {
		t.Run(string(gen), func(t *testing.T) {
			remotetest.Run(t, func(t *testing.T) remotetest.Subject {
				cfg := dropzone.Config{BaseURL: startHub(t) + "/api/v1", Key: testKey, Generation: gen}
				cfg.HTTP.RoundTripper = watching(t, nil)
				sub := remotetest.Subject{Service: newClient(t, cfg), Other: newClient(t, cfg), ExpireURLs: expire}
				if gen == dropzone.Auto {
					sub.MultipartSize = big
				}
				return sub
			})
		})
	}
}

// public is a hub made to look like the public service of one generation: no abilities, no routes of a hub, a confirm
// that is refused when it is repeated.
func public(t *testing.T, gen dropzone.Generation) string {
	t.Helper()
	target, err := url.Parse(startHub(t))
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	rp := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host },
		ModifyResponse: func(r *http.Response) error {
			r.Header.Del("Dropfs-Abilities")
			return nil
		},
		Transport: tr, ErrorLog: log.New(io.Discard, "", 0),
	}
	var mu sync.Mutex
	confirmed := map[string]bool{}
	refuse := func(w http.ResponseWriter, code int) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_, _ = fmt.Fprint(w, `{"status":"error","message":"no"}`)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shape := r.Method + " " + ids.ReplaceAllString(strings.TrimPrefix(r.URL.Path, "/api/v1"), "/{id}$2")
		unknown := hubOnly[shape]
		switch gen { //nolint:exhaustive // the servers of the older ones are tested elsewhere
		case dropzone.G2:
			unknown = unknown || strings.HasPrefix(r.URL.Path, "/api/v1/dropzones/") ||
				r.Header.Get("x-dropzone-id") == "" && strings.Contains(r.URL.Path, "/files")
		case dropzone.G3:
			unknown = unknown || shape == "GET /dropzone" || shape == "GET /files" || shape == "POST /files"
			if strings.HasPrefix(r.URL.Path, "/api/") {
				r.Header.Del("x-dropzone-id")
			}
		}
		switch {
		case r.URL.Path == "/expired":
			w.WriteHeader(http.StatusForbidden)
			_, _ = fmt.Fprint(w, `<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>`)
			return
		case unknown:
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(http.StatusNotFound)
			_, _ = fmt.Fprint(w, "<html>Cannot "+r.Method+"</html>")
			return
		case strings.HasSuffix(shape, "/confirm"):
			mu.Lock()
			again := confirmed[r.URL.Path]
			mu.Unlock()
			if again {
				refuse(w, http.StatusBadRequest)
				return
			}
			rec := httptest.NewRecorder()
			rp.ServeHTTP(rec, r)
			mu.Lock()
			confirmed[r.URL.Path] = rec.Code == http.StatusOK
			mu.Unlock()
			w.WriteHeader(rec.Code)
			_, _ = w.Write(rec.Body.Bytes())
			return
		}
		rp.ServeHTTP(w, r)
	}))
	t.Cleanup(func() { srv.CloseClientConnections(); srv.Close() })
	return srv.URL
}

// hubOnly are the routes that only a hub has.
var hubOnly = map[string]bool{
	"OPTIONS /dropzones": true, "GET /dropzones": true, "DELETE /dropzones/{id}": true, "PUT /dropzones/{id}": true,
	"PATCH /dropzones/{id}": true, "POST /dropzones/{id}": true, "PATCH /files/{id}": true,
	"POST /files/{id}/link": true, "GET /files/{id}/upload": true, "GET /changes": true,
}

func TestContractAgainstThePublicService(t *testing.T) {
	for _, tt := range []struct{ client, server dropzone.Generation }{
		{dropzone.Auto, dropzone.G3},
		{dropzone.Auto, dropzone.G2},
		{dropzone.G3, dropzone.G3},
		{dropzone.G2, dropzone.G2},
	} {
		t.Run(fmt.Sprintf("%s to %s", tt.client, tt.server), func(t *testing.T) {
			remotetest.Run(t, func(t *testing.T) remotetest.Subject {
				base := public(t, tt.server)
				cfg := dropzone.Config{BaseURL: base + "/api/v1", Key: testKey, Generation: tt.client}
				cfg.HTTP.RoundTripper = watching(t, nil)
				return remotetest.Subject{
					Service: newClient(t, cfg), Other: newClient(t, cfg),
					ExpireURLs: func(_ *testing.T, up remote.Upload) remote.Upload {
						up.URL = remote.Secret(base + "/expired?sig=1")
						return up
					},
				}
			})
		})
	}
}

// upload sends one file through a client and returns what it became.
func upload(t *testing.T, c remote.Service, drop remote.DropID, name, content string) remote.Asset {
	t.Helper()
	up, err := c.StartUpload(t.Context(), drop, remote.UploadSpec{Name: name, Type: "text/plain", Size: int64(len(content))})
	if err != nil {
		t.Fatal(err)
	}
	up, err = c.Send(t.Context(), up, strings.NewReader(content), func(remote.Upload) error { return nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := c.Confirm(t.Context(), up, remote.ConfirmSpec{})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func read(t *testing.T, c remote.Service, a remote.Asset, off, n int64) string {
	t.Helper()
	rc, err := c.Fetch(t.Context(), a, off, n)
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	b, err := io.ReadAll(rc)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestOldGenerationsAndIDsAlone does a file's whole life where the contract's oddities do not apply.
func TestOldGenerationsAndIDsAlone(t *testing.T) {
	for _, tt := range []struct {
		name, path string
		gen        dropzone.Generation
		key        remote.Secret
	}{
		{"g0", "/api", dropzone.G0, testKey},
		{"g1", "/api", dropzone.G1, testKey},
		{"id alone, auto", "/api/v1", dropzone.Auto, ""},
		{"id alone, g2", "/api/v1", dropzone.G2, ""},
		{"id alone, g0", "/api", dropzone.G0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			base := startHub(t)
			owner := newClient(t, dropzone.Config{BaseURL: base + "/api/v1", Key: testKey})
			cfg := dropzone.Config{BaseURL: base + tt.path, Key: tt.key, Generation: tt.gen}
			cfg.HTTP.RoundTripper = watching(t, nil)
			c := newClient(t, cfg)
			maker := owner
			if tt.key != "" {
				maker = c
			}
			d, err := maker.CreateDrop(t.Context(), remote.DropSpec{GB: 1, Days: 30})
			if err != nil {
				t.Fatal(err)
			}
			if got, err := c.Drop(t.Context(), d.ID); err != nil || got.ID != d.ID {
				t.Errorf("drop %+v, %v", got, err)
			}
			a := upload(t, c, d.ID, "f \"1\".txt", "hello world")
			if got := read(t, c, a, 6, 5); got != "world" {
				t.Errorf("read %q", got)
			}
			all, err := c.Assets(t.Context(), d.ID)
			if err != nil || len(all.Assets) != 1 || all.Assets[0].ID != a.ID || all.Assets[0].Name != "f \"1\".txt" || all.Assets[0].Size != 11 {
				t.Errorf("listed %+v, %v", all, err)
			}
			if got, err := c.Asset(t.Context(), d.ID, a.ID); err != nil || got.ID != a.ID {
				t.Errorf("asset %+v, %v", got, err)
			}
			if err := c.Delete(t.Context(), d.ID, a.ID); err != nil {
				t.Error(err)
			}
			if all, err := c.Assets(t.Context(), d.ID); err != nil || len(all.Assets) != 0 {
				t.Errorf("listed %+v, %v", all, err)
			}
			if tt.key == "" {
				if _, err := c.CreateDrop(t.Context(), remote.DropSpec{GB: 1, Days: 30}); !errors.Is(err, remote.ErrCredentials) {
					t.Errorf("a drop without a key: %v", err)
				}
				if _, err := c.Drops(t.Context()); !errors.Is(err, remote.ErrUnsupported) {
					t.Errorf("drops without a key: %v", err)
				}
			}
		})
	}
}

// TestD4LostAnswers loses the answer of each step that changes something: nothing is lost, nothing is there twice.
func TestD4LostAnswers(t *testing.T) {
	for _, service := range []string{"hub", "public"} {
		for _, fault := range []faultproxy.Fault{faultproxy.Lost, faultproxy.Reset, faultproxy.Truncate} {
			t.Run(service+" "+string(fault), func(t *testing.T) {
				base := startHub(t)
				if service == "public" {
					base = public(t, dropzone.G3)
				}
				faults := faultproxy.New(1)
				cfg := dropzone.Config{BaseURL: base + "/api/v1", Key: testKey}
				cfg.HTTP.RoundTripper = watching(t, faults)
				c := newClient(t, cfg)
				d, err := c.CreateDrop(t.Context(), remote.DropSpec{GB: 1, Days: 30})
				if err != nil {
					t.Fatal(err)
				}
				faults.Add(
					faultproxy.Rule{Method: "PUT", Fault: faultproxy.Lost, Nth: 1},
					faultproxy.Rule{Method: "POST", Path: regexp.MustCompile("/confirm$"), Fault: fault, Nth: 1, After: 10},
					faultproxy.Rule{Method: "GET", Path: regexp.MustCompile("/files$"), Fault: fault, Nth: 1, After: 10},
					faultproxy.Rule{Method: "DELETE", Fault: faultproxy.Lost, Nth: 1},
				)
				a := upload(t, c, d.ID, "a", "abc")
				all, err := c.Assets(t.Context(), d.ID)
				if err != nil || len(all.Assets) != 1 || all.Assets[0].ID != a.ID {
					t.Errorf("listed %+v, %v", all, err)
				}
				if err := c.Delete(t.Context(), d.ID, a.ID); err != nil {
					t.Errorf("delete whose answer is lost: %v", err)
				}
				if all, err := c.Assets(t.Context(), d.ID); err != nil || len(all.Assets) != 0 {
					t.Errorf("listed %+v, %v", all, err)
				}
				if hits := faults.Hits(); hits[faultproxy.Lost] < 2 {
					t.Errorf("faults struck %v", hits)
				}
			})
		}
	}
}

func TestD5Requests(t *testing.T) {
	w := watching(t, nil)
	cfg := dropzone.Config{BaseURL: startHub(t) + "/api/v1", Key: testKey}
	cfg.HTTP.RoundTripper = w
	c := newClient(t, cfg)
	d, err := c.CreateDrop(t.Context(), remote.DropSpec{GB: 1, Days: 30})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Caps(t.Context()); err != nil {
		t.Fatal(err)
	}
	var a remote.Asset
	for _, tt := range []struct {
		name string
		do   func()
		want string
	}{
		{"before", func() {}, "OPTIONS /api/v1/dropzones 1, POST /api/v1/dropzones 1"},
		{"upload", func() { a = upload(t, c, d.ID, "a", "abc") }, "POST /api/v1/dropzones/{id}/files 1, POST /api/v1/files/{id}/confirm 1, PUT bytes 1"},
		{"list", func() { _, err = c.Assets(t.Context(), d.ID) }, "GET /api/v1/dropzones/{id}/files 1"},
		{"fetch", func() { read(t, c, a, 0, -1) }, "GET /api/v1/files/{id}/download 1"},
		{"delete", func() { err = c.Delete(t.Context(), d.ID, a.ID) }, "DELETE /api/v1/files/{id} 1"},
		{"ping", func() { err = c.Ping(t.Context()) }, "OPTIONS /api/v1/dropzones 1"},
	} {
		tt.do()
		if got := w.counts(); got != tt.want || err != nil {
			t.Errorf("%s: %s, %v; want %s", tt.name, got, err, tt.want)
		}
	}
}

// TestPingIsBounded asks a service that never answers.
func TestPingIsBounded(t *testing.T) {
	faults := faultproxy.New(1)
	faults.Add(faultproxy.Rule{Fault: faultproxy.BlackHole})
	cfg := dropzone.Config{BaseURL: "http://127.0.0.1:9/api/v1", Key: testKey}
	cfg.HTTP.RoundTripper = watching(t, faults)
	began := time.Now()
	if err := newClient(t, cfg).Ping(t.Context()); !errors.Is(err, remote.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it takes %v", took)
	}
}
