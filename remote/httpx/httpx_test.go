package httpx_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"go.uber.org/goleak"

	"dropfs/remote"
	"dropfs/remote/httpx"
	"dropfs/remote/httpx/faultproxy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	key  = "sekrit-key-0123456789"
	drop = "sekrit-drop-abcdef"
)

// logs collects all that is logged.
type logs struct {
	mu sync.Mutex
	bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Buffer.Write(p)
}

func (l *logs) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.String()
}

func serve(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s
}

func client(t *testing.T, cfg httpx.Config) (*httpx.Client, *logs) {
	t.Helper()
	out := &logs{}
	l := logrus.New()
	l.SetOutput(out)
	l.SetLevel(logrus.TraceLevel)
	cfg.Log = logrus.NewEntry(l)
	c, err := httpx.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, out
}

func auth() map[string]remote.Secret { return map[string]remote.Secret{"x-api-key": key} }

func TestNewRefusesWhatIsNoBase(t *testing.T) {
	for _, base := range []string{"", "ftp://h", "http://", "host/api", "https://user:pw@host", "https://h?key=abc", "http://h\x7f"} {
		if _, err := httpx.New(httpx.Config{BaseURL: base}); err == nil {
			t.Errorf("%q is taken", base)
		} else if strings.Contains(err.Error(), "pw") || strings.Contains(err.Error(), "abc") {
			t.Errorf("%v shows the URL", err)
		}
	}
	_, err := httpx.New(httpx.Config{BaseURL: "http://h", Auth: map[string]remote.Secret{"x-api-key": "a\r\nb: c"}})
	if err == nil || strings.Contains(err.Error(), "b: c") {
		t.Errorf("a key with a line break: %v", err)
	}
}

// TestX1CredentialsStayHome follows redirects of every kind and looks for the key wherever they lead.
func TestX1CredentialsStayHome(t *testing.T) {
	var abroad, home atomic.Int64
	var away, base *httptest.Server
	see := func(n *atomic.Int64, r *http.Request) bool {
		has := r.Header.Get("x-api-key") != "" || r.Header.Get("x-dropzone-id") != "" || r.Header.Get("Authorization") != "" ||
			r.Header.Get("Cookie") != "" || r.Header.Get("Referer") != ""
		if has {
			n.Add(1)
		}
		return has
	}
	away = serve(t, func(w http.ResponseWriter, r *http.Request) {
		see(&abroad, r)
		if r.URL.Path == "/back" {
			http.Redirect(w, r, base.URL+"/plain", http.StatusFound)
			return
		}
		_, _ = fmt.Fprint(w, `{}`)
	})
	base = serve(t, func(w http.ResponseWriter, r *http.Request) {
		had := see(&home, r)
		w.Header().Set("Had-Key", fmt.Sprint(had))
		switch r.URL.Path {
		case "/api/away":
			w.Header().Set("Set-Cookie", "a=b")
			w.Header().Set("Location", away.URL+"/x?X-Sig=1")
			code := http.StatusFound
			if c := r.URL.Query().Get("code"); c != "" {
				_, _ = fmt.Sscan(c, &code)
			}
			w.WriteHeader(code)
		case "/api/other-name": // the same server under another name is another origin
			http.Redirect(w, r, strings.Replace(base.URL, "127.0.0.1", "localhost", 1)+"/plain", http.StatusFound)
		case "/api/userinfo":
			http.Redirect(w, r, strings.Replace(away.URL, "http://", "http://user:pw@", 1)+"/x", http.StatusFound)
		case "/api/bounce":
			http.Redirect(w, r, away.URL+"/back", http.StatusFound)
		case "/api/near":
			http.Redirect(w, r, "/plain", http.StatusFound)
		default:
			_, _ = fmt.Fprint(w, `{}`)
		}
	})
	c, _ := client(t, httpx.Config{BaseURL: base.URL + "/api", Auth: auth()})
	for _, tt := range []struct {
		name    string
		req     httpx.Request
		lastHad string // what the last stop, where it is at home, saw
		fails   bool
	}{
		{"to another host", httpx.Request{Method: "GET", Path: "/away"}, "", false},
		{"301", httpx.Request{Method: "GET", Path: "/away", Query: url.Values{"code": {"301"}}}, "", false},
		{"303", httpx.Request{Method: "GET", Path: "/away", Query: url.Values{"code": {"303"}}}, "", false},
		{"307", httpx.Request{Method: "GET", Path: "/away", Query: url.Values{"code": {"307"}}}, "", false},
		{"308", httpx.Request{Method: "GET", Path: "/away", Query: url.Values{"code": {"308"}}}, "", false},
		{"a body to another host", httpx.Request{Method: "POST", Path: "/away", Query: url.Values{"code": {"307"}}, JSON: map[string]string{"apiKey": key}}, "", true},
		{"to another name", httpx.Request{Method: "GET", Path: "/other-name"}, "false", false},
		{"to user and password", httpx.Request{Method: "GET", Path: "/userinfo"}, "", false},
		{"away and back", httpx.Request{Method: "GET", Path: "/bounce"}, "false", false},
		{"within the service", httpx.Request{Method: "GET", Path: "/near"}, "true", false},
		{"a signed URL at home", httpx.Request{Method: "GET", URL: remote.Secret(base.URL + "/signed?sig=1")}, "false", false},
		{"a path that is another host", httpx.Request{Method: "GET", Path: "@" + strings.TrimPrefix(away.URL, "http://")}, "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.req.Op, tt.req.Auth = "test", map[string]remote.Secret{"x-dropzone-id": drop}
			h, err := c.Do(t.Context(), tt.req, nil)
			if (err != nil) != tt.fails {
				t.Fatalf("got %v", err)
			}
			if got := h.Get("Had-Key"); got != tt.lastHad {
				t.Errorf("the key arrived: %q, want %q", got, tt.lastHad)
			}
		})
	}
	if n := abroad.Load(); n != 0 {
		t.Errorf("credentials arrived at another host %d times", n)
	}
	if home.Load() == 0 {
		t.Error("credentials never arrived at home: the test sees nothing")
	}
}

// TestX2NothingIsShown provokes errors of every kind and looks for secrets in them and in the log.
func TestX2NothingIsShown(t *testing.T) {
	const sig = "X-Amz-Signature=deadbeefdeadbeefdeadbeef"
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/echo":
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = fmt.Fprintf(w, `{"status":"error","message":"unknown key %s for %s at http://%s%s?%s\r\nand\u0000 more"}`,
				r.Header.Get("x-api-key"), r.Header.Get("x-dropzone-id"), r.Host, r.URL.Path, sig)
		case "/drop/" + drop:
			w.WriteHeader(http.StatusNotFound)
			_, _ = fmt.Fprintf(w, `{"message":"no drop %s"}`, drop)
		case "/page":
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(http.StatusForbidden)
			_, _ = fmt.Fprintf(w, "<html>%s</html>", key)
		case "/cut":
			w.Header().Set("Content-Length", "100")
			_, _ = fmt.Fprint(w, `{"a":`)
		default:
			_, _ = fmt.Fprintf(w, `not json but %s`, key)
		}
	})
	dead := httptest.NewServer(nil)
	dead.Close()
	faults := faultproxy.New(1)
	faults.Add(faultproxy.Rule{Path: nil, Method: "PUT", Fault: faultproxy.Lost})
	c, out := client(t, httpx.Config{
		BaseURL: srv.URL, Auth: auth(), RoundTripper: faults.Transport(urlErrors{http.DefaultTransport}),
		HeaderTimeout: time.Second, RetryWithin: 200 * time.Millisecond,
	})
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
	for name, req := range map[string]httpx.Request{
		"echoed":       {Method: "GET", Path: "/echo", Auth: map[string]remote.Secret{"x-dropzone-id": drop}},
		"in the path":  {Method: "GET", Path: "/drop/" + drop, Hide: []remote.Secret{drop}},
		"page":         {Method: "GET", Path: "/page"},
		"cut":          {Method: "GET", Path: "/cut"},
		"not JSON":     {Method: "GET", Path: "/text"},
		"dead host":    {Method: "GET", URL: remote.Secret(dead.URL + "/x?" + sig)},
		"lost answer":  {Method: "PUT", URL: remote.Secret(srv.URL + "/x?" + sig)},
		"bad URL":      {Method: "GET", URL: remote.Secret("http://h\x7f/?" + sig)},
		"bad redirect": {Method: "GET", URL: remote.Secret("gopher://h/?" + sig)},
	} {
		t.Run(name, func(t *testing.T) {
			req.Op = "test"
			var v any
			_, err := c.Do(t.Context(), req, httpx.JSON(&v))
			var re *remote.Error
			if !errors.As(err, &re) {
				t.Fatalf("got %v, want an *remote.Error", err)
			}
			text := fmt.Sprintf("%v %+v %q %s", err, re, re.Message, out.text())
			for e := err; e != nil; e = errors.Unwrap(e) {
				text += fmt.Sprintf(" %v %#v", e, e)
			}
			if re.Err != nil {
				text += fmt.Sprintf(" %v %+v", re.Err, re.Err)
			}
			for _, s := range []string{key, drop, "deadbeefdeadbeef", url.QueryEscape(sig)} {
				if strings.Contains(text, s) {
					t.Errorf("%q is shown in %s", s, text)
				}
			}
			if strings.ContainsAny(re.Message, "\r\n\x00") {
				t.Errorf("message %q is not one line", re.Message)
			}
		})
	}
	if !strings.Contains(out.text(), "op=test") {
		t.Error("nothing was logged: the test sees nothing")
	}
}

// urlErrors wraps errors the way http.Client does, with the whole URL.
type urlErrors struct{ base http.RoundTripper }

func (u urlErrors) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := u.base.RoundTrip(r)
	if err != nil {
		return nil, &url.Error{Op: "Get", URL: r.URL.String(), Err: err}
	}
	return resp, nil
}

func TestX3WhatIsSentAgain(t *testing.T) {
	for _, tt := range []struct {
		name   string
		rule   faultproxy.Rule
		repeat bool
		want   int // requests that the server or the fault saw
		kind   remote.Kind
	}{
		{"refused once, once only", faultproxy.Rule{Fault: faultproxy.Refused, Nth: 1}, false, 1, ""},
		{"refused always", faultproxy.Rule{Fault: faultproxy.Refused}, true, 0, remote.ErrUnavailable},
		{"lost, once only", faultproxy.Rule{Fault: faultproxy.Lost, Nth: 1}, false, 1, remote.ErrUnavailable},
		{"lost, repeatable", faultproxy.Rule{Fault: faultproxy.Lost, Nth: 1}, true, 2, ""},
		{"503 once, once only", faultproxy.Rule{Fault: faultproxy.Status, Nth: 1}, false, 0, remote.ErrUnavailable},
		{"503 once, repeatable", faultproxy.Rule{Fault: faultproxy.Status, Nth: 1}, true, 1, ""},
		{"500 always, repeatable", faultproxy.Rule{Fault: faultproxy.Status, Code: 500}, true, 0, remote.ErrUnavailable},
		{"429 once, once only", faultproxy.Rule{Fault: faultproxy.Status, Code: 429, Nth: 1, RetryAfter: time.Second}, false, 1, ""},
		{"429 for an hour", faultproxy.Rule{Fault: faultproxy.Status, Code: 429, RetryAfter: time.Hour}, true, 0, remote.ErrRateLimited},
		{"404", faultproxy.Rule{Fault: faultproxy.Status, Code: 404}, true, 0, remote.ErrNotFound},
		{"reset in the answer, repeatable", faultproxy.Rule{Fault: faultproxy.Reset, After: 3, Nth: 1}, true, 2, ""},
		{"truncated, repeatable", faultproxy.Rule{Fault: faultproxy.Truncate, After: 3, Nth: 1}, true, 2, ""},
		{"truncated, once only", faultproxy.Rule{Fault: faultproxy.Truncate, After: 3, Nth: 1}, false, 1, remote.ErrUnavailable},
		{"shortened, repeatable", faultproxy.Rule{Fault: faultproxy.Shorten, After: 3, Nth: 1}, true, 2, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got atomic.Int64
			srv := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				got.Add(1)
				_, _ = fmt.Fprint(w, `{"answer":42}`)
			})
			faults := faultproxy.New(1)
			faults.Add(tt.rule)
			tr := &http.Transport{}
			t.Cleanup(tr.CloseIdleConnections)
			c, _ := client(t, httpx.Config{BaseURL: srv.URL, RoundTripper: faults.Transport(tr)})
			var v struct{ Answer int }
			_, err := c.Do(t.Context(), httpx.Request{Op: "test", Method: "POST", JSON: 1, Path: "/", Repeat: tt.repeat}, httpx.JSON(&v))
			if tt.kind == "" {
				if err != nil || v.Answer != 42 {
					t.Errorf("got %v, %v", v, err)
				}
			} else if !errors.Is(err, tt.kind) {
				t.Errorf("got %v, want %s", err, tt.kind)
			}
			if int(got.Load()) != tt.want {
				t.Errorf("the server saw %d requests, want %d", got.Load(), tt.want)
			}
			if tt.rule.RetryAfter == time.Hour && remote.RetryAfterOf(err) != time.Hour {
				t.Errorf("Retry-After %v", remote.RetryAfterOf(err))
			}
		})
	}
}

func TestX4NothingHangs(t *testing.T) {
	release := make(chan struct{})
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/head":
			<-release
		case "/body":
			w.Header().Set("Content-Length", "100")
			_, _ = fmt.Fprint(w, `{`)
			_ = http.NewResponseController(w).Flush()
			<-release
		case "/unread": // a body that nobody reads
			<-release
		}
	})
	t.Cleanup(func() { close(release) })
	c, _ := client(t, httpx.Config{
		BaseURL: srv.URL, HeaderTimeout: 100 * time.Millisecond, StallTimeout: 100 * time.Millisecond,
		ConnectTimeout: 100 * time.Millisecond, Attempts: 1,
	})
	for _, req := range []httpx.Request{
		{Method: "GET", Path: "/head"},
		{Method: "GET", Path: "/body"},
		{Method: "PUT", Path: "/unread", Size: 64 << 20, Body: func() io.Reader { return io.LimitReader(zeros{}, 64<<20) }},
	} {
		t.Run(req.Path[1:], func(t *testing.T) {
			req.Op = "test"
			began := time.Now()
			var v any
			_, err := c.Do(t.Context(), req, httpx.JSON(&v))
			if !errors.Is(err, remote.ErrUnavailable) {
				t.Errorf("got %v, want %s", err, remote.ErrUnavailable)
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("it takes %v", took)
			}
		})
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestX5SourceIsFree reads a source that panics once the call has returned.
func TestX5SourceIsFree(t *testing.T) {
	srv := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden) // at once, the body unread
		_, _ = fmt.Fprint(w, `{"message":"no"}`)
	})
	c, _ := client(t, httpx.Config{BaseURL: srv.URL, Attempts: 1})
	for range 30 {
		var closed atomic.Bool
		src := readerFunc(func(p []byte) (int, error) {
			if closed.Load() {
				t.Error("the source is read after the call")
			}
			clear(p)
			return len(p), nil
		})
		_, err := c.Open(t.Context(), httpx.Request{
			Op: "test", Method: "PUT", Path: "/", Size: 8 << 20, Body: func() io.Reader { return src },
		})
		closed.Store(true)
		if err == nil {
			t.Fatal("the refusal is lost")
		}
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestX6CancelledIsTheContextsError(t *testing.T) {
	block := make(chan struct{})
	srv := serve(t, func(http.ResponseWriter, *http.Request) { <-block })
	t.Cleanup(func() { close(block) })
	c, _ := client(t, httpx.Config{BaseURL: srv.URL})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := c.Do(ctx, httpx.Request{Op: "test", Method: "GET", Path: "/", Repeat: true}, nil)
	if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, remote.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}

func TestErrorsOfAnswers(t *testing.T) {
	for _, tt := range []struct {
		status      int
		contentType string
		body        string
		kind        remote.Kind
		message     string
	}{
		{400, "application/json", `{"status":"error","message":"Missing dropzoneId or fileId."}`, remote.ErrInvalid, "Missing dropzoneId or fileId."},
		{401, "application/json", `{"status":"error","message":"m"}`, remote.ErrCredentials, "m"},
		{402, "application/json", `{"message":"m"}`, remote.ErrPayment, "m"},
		{403, "application/json", `{"error":"m"}`, remote.ErrDenied, "m"},
		{404, "application/json", `{"error":{"message":"m"}}`, remote.ErrNotFound, "m"},
		{404, "text/html", `<html>nginx</html>`, remote.ErrProtocol, "a page for people instead of an answer"},
		{401, "", "<!DOCTYPE HTML><title>portal", remote.ErrProtocol, "a page for people instead of an answer"},
		{404, "text/plain", "nope", remote.ErrNotFound, ""},
		{405, "", "", remote.ErrUnsupported, ""},
		{409, "application/json", `{}`, remote.ErrConflict, ""},
		{410, "", "", remote.ErrNotFound, ""},
		{412, "", "", remote.ErrChanged, ""},
		{413, "", "", remote.ErrQuota, ""},
		{418, "", "", remote.ErrInvalid, ""},
		{500, "text/html", `<html>`, remote.ErrUnavailable, ""},
		{502, "text/html", `<html>`, remote.ErrUnavailable, ""},
		{302, "", "", remote.ErrProtocol, "a redirect that cannot be followed"},
		{304, "", "", remote.ErrProtocol, ""},
		{400, "application/json", `{"message":"` + strings.Repeat("é", 5000) + `"}`, remote.ErrInvalid, strings.Repeat("é", 300) + "…"},
	} {
		t.Run(fmt.Sprint(tt.status, tt.contentType), func(t *testing.T) {
			srv := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Content-Type"] = []string{tt.contentType}
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
			})
			c, _ := client(t, httpx.Config{BaseURL: srv.URL, Attempts: 1})
			_, err := c.Do(t.Context(), httpx.Request{Op: "test", Subject: "it", Method: "GET", Path: "/"}, nil)
			var e *remote.Error
			if !errors.As(err, &e) || e.Kind != tt.kind || e.Status != tt.status || e.Message != tt.message || e.Op != "test" || e.Subject != "it" {
				t.Errorf("got %+v", e)
			}
		})
	}
}

func TestDecoding(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = io.WriteString(z, `{"n":7}`)
	_ = z.Close()
	bomb := &bytes.Buffer{}
	z = gzip.NewWriter(bomb)
	_, _ = io.Copy(z, io.LimitReader(zeros{}, 4<<20))
	_ = z.Close()
	for _, tt := range []struct {
		name, encoding, body string
		kind                 remote.Kind
	}{
		{"plain", "", `{"n":7}`, ""},
		{"packed", "gzip", packed.String(), ""},
		{"bomb", "gzip", bomb.String(), remote.ErrProtocol},
		{"no gzip", "gzip", `{"n":7}`, remote.ErrProtocol},
		{"too long", "", `{"x":"` + strings.Repeat("a", 1<<20) + `"}`, remote.ErrProtocol},
		{"page", "", `<html>`, remote.ErrProtocol},
		{"empty", "", ``, remote.ErrProtocol},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				if tt.encoding != "" {
					w.Header().Set("Content-Encoding", tt.encoding)
				}
				_, _ = io.WriteString(w, tt.body)
			})
			c, _ := client(t, httpx.Config{BaseURL: srv.URL, MaxJSON: 1 << 20})
			var v struct{ N int }
			_, err := c.Do(t.Context(), httpx.Request{Op: "test", Method: "GET", Path: "/"}, httpx.JSON(&v))
			if tt.kind == "" && (err != nil || v.N != 7) || tt.kind != "" && !errors.Is(err, tt.kind) {
				t.Errorf("got %+v, %v", v, err)
			}
		})
	}
}

func TestMetricsCountRequests(t *testing.T) {
	srv := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, `{}`) })
	c, _ := client(t, httpx.Config{BaseURL: srv.URL})
	for range 3 {
		if _, err := c.Do(t.Context(), httpx.Request{Op: "list assets", Method: "GET", Path: "/"}, nil); err != nil {
			t.Fatal(err)
		}
	}
	all, err := c.Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if f.GetName() == "dropfs_http_requests_total" {
			m := f.GetMetric()
			if len(m) != 1 || m[0].GetCounter().GetValue() != 3 || m[0].GetLabel()[0].GetValue() != "list assets" {
				b, _ := json.Marshal(m)
				t.Errorf("counted %s", b)
			}
			return
		}
	}
	t.Error("requests are not counted")
}

func TestBandwidth(t *testing.T) {
	const size = 256 << 10
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.Copy(w, io.LimitReader(zeros{}, size))
	})
	for _, tt := range []struct {
		name     string
		up, down int64
	}{{"down", 0, size}, {"up", size, 0}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, _ := client(t, httpx.Config{BaseURL: srv.URL, LimitUp: tt.up, LimitDown: tt.down})
			began := time.Now()
			resp, err := c.Open(t.Context(), httpx.Request{
				Op: "test", Method: "PUT", Path: "/", Size: size, Body: func() io.Reader { return io.LimitReader(zeros{}, size) },
			})
			if err != nil {
				t.Fatal(err)
			}
			n, err := io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			if n != size || err != nil {
				t.Fatal(n, err)
			}
			if took := time.Since(began); took < 700*time.Millisecond || took > 5*time.Second {
				t.Errorf("a second's worth of bytes takes %v", took)
			}
		})
	}
}

// TestStaleConnections closes kept connections under a client: what may be repeated arrives whole, what may not arrives
// at most once.
func TestStaleConnections(t *testing.T) {
	var got atomic.Int64
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err == nil && string(b) == `"body"` {
			got.Add(1)
		}
		_, _ = fmt.Fprint(w, `{}`)
	})
	c, _ := client(t, httpx.Config{BaseURL: srv.URL})
	for _, repeat := range []bool{true, false} {
		got.Store(0)
		ok := int64(0)
		for range 40 {
			_, err := c.Do(t.Context(), httpx.Request{Op: "test", Method: "POST", Path: "/", JSON: "body", Repeat: repeat}, nil)
			switch {
			case err == nil:
				ok++
			case repeat || !errors.Is(err, remote.ErrUnavailable):
				t.Fatal(err)
			}
			srv.CloseClientConnections()
		}
		if n := got.Load(); n < ok || !repeat && n > 40 {
			t.Errorf("%d bodies have arrived of %d calls that succeeded", n, ok)
		}
	}
}
