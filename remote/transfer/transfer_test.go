package transfer_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"dropfs/remote"
	"dropfs/remote/httpx"
	"dropfs/remote/httpx/faultproxy"
	"dropfs/remote/transfer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const key = "sekrit-key-0123456789"

// store is an object store of signed URLs, and an API that redirects to it.
type store struct {
	t    *testing.T
	mu   sync.Mutex
	objs map[string][]byte
	puts []*http.Request // as they came, without body
	sig  string          // the signature that is valid now
	api  atomic.Int64    // requests to the API
	gets atomic.Int64    // requests to the store for bytes
	keys atomic.Int64    // requests to the store that carried a credential
	life string          // query that tells the URLs' lifetime
	srv  *httptest.Server
	base *httptest.Server
}

func newStore(t *testing.T) *store {
	s := &store{t: t, objs: map[string][]byte{}, sig: "1", life: "&expires=4102444800"}
	s.srv = httptest.NewServer(http.HandlerFunc(s.object))
	s.base = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.api.Add(1)
		if r.Header.Get("x-api-key") != key {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		http.Redirect(w, r, s.srv.URL+r.URL.Path+"?sig="+s.sig+s.life, http.StatusFound)
	}))
	t.Cleanup(func() { s.srv.Close(); s.base.Close() })
	return s
}

func (s *store) object(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("x-api-key") != "" {
		s.keys.Add(1)
	}
	s.mu.Lock()
	ok := r.URL.Query().Get("sig") == s.sig
	s.mu.Unlock()
	if !ok {
		w.WriteHeader(http.StatusForbidden)
		_, _ = fmt.Fprint(w, `<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>`)
		return
	}
	if r.Method == http.MethodPut {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		s.mu.Lock()
		s.objs[r.URL.Path] = body
		s.puts = append(s.puts, r)
		s.mu.Unlock()
		w.Header().Set("ETag", `"`+sum(body)+`"`)
		return
	}
	s.gets.Add(1)
	s.mu.Lock()
	body, ok := s.objs[r.URL.Path]
	s.mu.Unlock()
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		_, _ = fmt.Fprint(w, `<Error><Code>NoSuchKey</Code></Error>`)
		return
	}
	w.Header().Set("ETag", `"`+sum(body)+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

func sum(b []byte) string { h := md5.Sum(b); return hex.EncodeToString(h[:]) }

func (s *store) url(path string) remote.Secret {
	s.mu.Lock()
	defer s.mu.Unlock()
	return remote.Secret(s.srv.URL + path + "?sig=" + s.sig)
}

// client returns a client whose exchanges go through faults.
func (s *store) client(faults *faultproxy.Faults) *transfer.Client {
	s.t.Helper()
	tr := &http.Transport{DisableCompression: true}
	s.t.Cleanup(tr.CloseIdleConnections)
	h, err := httpx.New(httpx.Config{
		BaseURL: s.base.URL, Auth: map[string]remote.Secret{"x-api-key": key}, RoundTripper: faults.Transport(tr),
		HeaderTimeout: 2 * time.Second, StallTimeout: 2 * time.Second,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	c, err := transfer.New(transfer.Config{HTTP: h})
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

func (s *store) upload(size, part int64) remote.Upload {
	up := remote.Upload{ID: "a", Spec: remote.UploadSpec{Name: "a", Type: "text/x", Size: size}, URL: s.url("/a")}
	if part > 0 {
		up.URL, up.PartSize = "", part
		for n := 1; int64(n-1)*part < size; n++ {
			up.Parts = append(up.Parts, remote.Part{N: n, URL: s.url(fmt.Sprintf("/a.%d", n))})
		}
	}
	return up
}

// arrived is what the store has of an upload.
func (s *store) arrived(up remote.Upload) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if up.PartSize == 0 {
		return s.objs["/a"]
	}
	var all []byte
	for _, p := range up.Parts {
		all = append(all, s.objs[fmt.Sprintf("/a.%d", p.N)]...)
	}
	return all
}

func data(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}

func noRecord(remote.Upload) error { return nil }

func TestSendThroughFaults(t *testing.T) {
	put := func(f faultproxy.Fault, nth, times int) faultproxy.Rule {
		return faultproxy.Rule{Method: "PUT", Fault: f, Nth: nth, Times: times}
	}
	for _, tt := range []struct {
		name       string
		size, part int64
		rules      []faultproxy.Rule
		kind       remote.Kind
		puts       int
	}{
		{"empty", 0, 0, nil, "", 1},
		{"single", 100_000, 0, nil, "", 1},
		{"parts", 100_000, 30_000, nil, "", 4},
		{"one whole part", 30_000, 30_000, nil, "", 1},
		{"refused once", 100_000, 30_000, []faultproxy.Rule{put(faultproxy.Refused, 2, 0)}, "", 4},
		{"lost once", 100_000, 0, []faultproxy.Rule{put(faultproxy.Lost, 1, 0)}, "", 2},
		{"503 twice", 100_000, 30_000, []faultproxy.Rule{put(faultproxy.Status, 1, 2)}, "", 4},
		{"wrong ETag once", 100_000, 0, []faultproxy.Rule{put(faultproxy.WrongETag, 1, 0)}, "", 2},
		{"wrong ETag always", 1000, 0, []faultproxy.Rule{put(faultproxy.WrongETag, 0, 0)}, remote.ErrCorrupt, 3},
		{"refused always", 1000, 0, []faultproxy.Rule{put(faultproxy.Refused, 0, 0)}, remote.ErrUnavailable, 0},
		{"404", 1000, 0, []faultproxy.Rule{{Method: "PUT", Fault: faultproxy.Status, Code: 404}}, remote.ErrNotFound, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newStore(t)
			faults := faultproxy.New(1)
			faults.Add(tt.rules...)
			var told atomic.Int64
			src := data(int(tt.size))
			up, err := s.client(faults).Send(t.Context(), s.upload(tt.size, tt.part), bytes.NewReader(src), nil, noRecord,
				func(n int64) { told.Add(n) })
			if tt.kind != "" {
				if !errors.Is(err, tt.kind) {
					t.Errorf("got %v, want %s", err, tt.kind)
				}
				if told.Load() != 0 {
					t.Errorf("progress ends at %d bytes of none", told.Load())
				}
			} else {
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(s.arrived(up), src) {
					t.Error("other bytes have arrived")
				}
				if told.Load() != tt.size {
					t.Errorf("progress ends at %d bytes, want %d", told.Load(), tt.size)
				}
			}
			if len(s.puts) != tt.puts {
				t.Errorf("%d bodies have arrived, want %d", len(s.puts), tt.puts)
			}
			for _, r := range s.puts {
				if r.ContentLength < 0 || len(r.TransferEncoding) > 0 || r.Header.Get("Content-Type") != "text/x" || r.Header.Get("Expect") != "" {
					t.Errorf("sent with length %d, %v %v", r.ContentLength, r.TransferEncoding, r.Header)
				}
			}
			if s.keys.Load() != 0 {
				t.Error("the key went to the store")
			}
		})
	}
}

func TestF2OnlyWhatIsMissingIsSent(t *testing.T) {
	s := newStore(t)
	up := s.upload(100_000, 30_000)
	up.Parts[0].ETag, up.Parts[2].ETag = "have", "have"
	got, err := s.client(faultproxy.New(1)).Send(t.Context(), up, bytes.NewReader(data(100_000)), nil, noRecord, nil)
	if err != nil || len(s.puts) != 2 {
		t.Fatalf("%d bodies have arrived, want 2: %v", len(s.puts), err)
	}
	if got.Parts[0].ETag != "have" || got.Parts[1].ETag == "" || got.Parts[3].ETag == "" {
		t.Errorf("got %+v", got.Parts)
	}
	if up.Parts[1].ETag != "" {
		t.Error("the caller's upload was changed")
	}
}

// TestF4RecordAndRenewal ends the URLs in the middle of an upload.
func TestF4RecordAndRenewal(t *testing.T) {
	s := newStore(t)
	up := s.upload(300_000, 10_000)
	s.mu.Lock()
	s.sig = "2"
	s.mu.Unlock()
	var renewals atomic.Int64
	var inside atomic.Int32
	var last remote.Upload
	renew := func(_ context.Context, up remote.Upload) (remote.Upload, error) {
		renewals.Add(1)
		for i := range up.Parts {
			up.Parts[i].URL = s.url(fmt.Sprintf("/a.%d", up.Parts[i].N))
		}
		return up, nil
	}
	record := func(up remote.Upload) error {
		if inside.Add(1) != 1 {
			t.Error("record is called two at a time")
		}
		defer inside.Add(-1)
		n := 0
		for i, p := range up.Parts {
			if p.ETag != "" {
				n++
			} else if last.ID != "" && last.Parts[i].ETag != "" {
				t.Error("a part is forgotten")
			}
		}
		last = up
		return nil
	}
	got, err := s.client(faultproxy.New(1)).Send(t.Context(), up, bytes.NewReader(data(300_000)), renew, record, nil)
	if err != nil || !bytes.Equal(s.arrived(got), data(300_000)) {
		t.Fatal(err)
	}
	if renewals.Load() != 1 {
		t.Errorf("URLs were renewed %d times, want once for all parts", renewals.Load())
	}
	if fmt.Sprint(last.Parts) != fmt.Sprint(got.Parts) {
		t.Error("what was recorded last is not what Send answers")
	}
	_, err = s.client(faultproxy.New(1)).Send(t.Context(), up, bytes.NewReader(data(300_000)), nil, noRecord, nil)
	if !errors.Is(err, remote.ErrExpiredURL) {
		t.Errorf("without renewal: %v", err)
	}
	up.Expires = time.Now().Add(-time.Second)
	done := func(context.Context, remote.Upload) (remote.Upload, error) { return up, transfer.ErrDone }
	if _, err = s.client(faultproxy.New(1)).Send(t.Context(), up, bytes.NewReader(nil), done, noRecord, nil); err != nil {
		t.Errorf("an upload that is complete: %v", err)
	}
}

func TestSendRefusesPartsThatDoNotFit(t *testing.T) {
	s := newStore(t)
	for name, spoil := range map[string]func(*remote.Upload){
		"too few":   func(u *remote.Upload) { u.Parts = u.Parts[:2] },
		"numbered":  func(u *remote.Upload) { u.Parts[1].N = 7 },
		"negative":  func(u *remote.Upload) { u.PartSize = -1 },
		"too large": func(u *remote.Upload) { u.Spec.Size = 1 << 40 },
	} {
		up := s.upload(100_000, 30_000)
		spoil(&up)
		if _, err := s.client(faultproxy.New(1)).Send(t.Context(), up, bytes.NewReader(data(100_000)), nil, noRecord, nil); !errors.Is(err, remote.ErrProtocol) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(s.puts) != 0 {
		t.Error("something was sent")
	}
}

func (s *store) source(a remote.Asset) transfer.Source {
	return transfer.Source{Asset: a, Request: httpx.Request{Op: "fetch", Subject: a.Name, Path: "/" + string(a.ID)}}
}

func (s *store) put(id string, body []byte) remote.Asset {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.objs["/"+id] = body
	return remote.Asset{ID: remote.AssetID(id), Name: id, Size: int64(len(body)), ETag: sum(body), MD5: sum(body)}
}

func fetch(ctx context.Context, c *transfer.Client, src transfer.Source, off, n int64) ([]byte, error) {
	rc, err := c.Fetch(ctx, src, off, n)
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	return io.ReadAll(rc)
}

// TestF5ExactlyOrAnError reads through every fault: right bytes or an error of the right kind, never wrong bytes.
func TestF5ExactlyOrAnError(t *testing.T) {
	obj := regexp.MustCompile(`^/a$`)
	for _, tt := range []struct {
		name   string
		off, n int64
		rule   faultproxy.Rule
		kind   remote.Kind
	}{
		{"whole", 0, -1, faultproxy.Rule{Fault: faultproxy.Delay}, ""},
		{"range", 10_000, 5000, faultproxy.Rule{Fault: faultproxy.Delay}, ""},
		{"whole cut", 0, -1, faultproxy.Rule{Fault: faultproxy.Truncate, After: 99}, remote.ErrCorrupt},
		{"range cut", 10_000, 5000, faultproxy.Rule{Fault: faultproxy.Truncate, After: 99}, remote.ErrCorrupt},
		{"whole shortened", 0, -1, faultproxy.Rule{Fault: faultproxy.Shorten, After: 99}, remote.ErrCorrupt},
		{"range shortened", 10_000, 5000, faultproxy.Rule{Fault: faultproxy.Shorten, After: 99}, remote.ErrCorrupt},
		{"whole reset", 0, -1, faultproxy.Rule{Fault: faultproxy.Reset, After: 99}, remote.ErrUnavailable},
		{"other version", 10_000, 5000, faultproxy.Rule{Fault: faultproxy.WrongETag}, remote.ErrChanged},
		{"refused", 0, -1, faultproxy.Rule{Fault: faultproxy.Refused}, remote.ErrUnavailable},
		{"refused once", 0, -1, faultproxy.Rule{Fault: faultproxy.Refused, Nth: 1}, ""},
		{"lost once", 0, -1, faultproxy.Rule{Fault: faultproxy.Lost, Nth: 1}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newStore(t)
			body := data(50_000)
			a := s.put("a", body)
			faults := faultproxy.New(1)
			tt.rule.Path = obj
			c := s.client(faults)
			if _, err := fetch(t.Context(), c, s.source(a), 0, 1); err != nil { // the URL is known from now on
				t.Fatal(err)
			}
			faults.Add(tt.rule)
			got, err := fetch(t.Context(), c, s.source(a), tt.off, tt.n)
			if tt.kind != "" {
				if !errors.Is(err, tt.kind) {
					t.Errorf("%d bytes, %v, want %s", len(got), err, tt.kind)
				}
				return
			}
			want := body[tt.off:]
			if tt.n >= 0 {
				want = want[:tt.n]
			}
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
	}
}

// TestF5ServersThatLie answers a range in wrong ways.
func TestF5ServersThatLie(t *testing.T) {
	body := data(1 << 20)
	for _, tt := range []struct {
		name   string
		off, n int64
		answer func(w http.ResponseWriter, r *http.Request)
		kind   remote.Kind
	}{
		{"no ranges, near the start", 1000, 500, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) }, ""},
		{"no ranges, far inside", 800_000, 500, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) }, remote.ErrUnsupported},
		{"another range", 1000, 500, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Range", "bytes 0-499/1048576")
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(body[:500])
		}, remote.ErrProtocol},
		{"another size", 1000, 500, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Range", "bytes 1000-1499/2000")
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(body[:500])
		}, remote.ErrChanged},
		{"no Content-Range", 1000, 500, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(body[:500])
		}, remote.ErrProtocol},
		{"several parts", 1000, 500, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "multipart/byteranges; boundary=x")
			w.WriteHeader(http.StatusPartialContent)
		}, remote.ErrProtocol},
		{"packed", 0, -1, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(body)
		}, remote.ErrProtocol},
		{"more than the size", 0, -1, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(body)
			_ = http.NewResponseController(w).Flush()
			_, _ = w.Write([]byte("more"))
		}, remote.ErrCorrupt},
		{"other bytes of the size", 0, -1, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(make([]byte, len(body)))
		}, remote.ErrCorrupt},
		{"a page", 0, -1, func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, "<html>login</html>") }, remote.ErrCorrupt},
		{"416", 1000, 500, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(416) }, remote.ErrChanged},
		{"412", 0, -1, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(412) }, remote.ErrChanged},
		{"around in circles", 0, -1, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) }, remote.ErrProtocol},
		{"to a file", 0, -1, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "file:///etc/passwd")
			w.WriteHeader(http.StatusFound)
		}, remote.ErrProtocol},
		{"endless", 0, 1000, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Range", "bytes 0-999/1048576")
			w.WriteHeader(http.StatusPartialContent)
			for range 100 {
				if _, err := w.Write(body[:1000]); err != nil {
					return
				}
				_ = http.NewResponseController(w).Flush()
			}
		}, remote.ErrCorrupt},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := httptest.NewServer(http.HandlerFunc(tt.answer))
			t.Cleanup(srv.Close)
			h, err := httpx.New(httpx.Config{BaseURL: srv.URL})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(h.Close)
			c, err := transfer.New(transfer.Config{HTTP: h})
			if err != nil {
				t.Fatal(err)
			}
			a := remote.Asset{ID: "a", Size: int64(len(body)), MD5: sum(body)}
			got, err := fetch(t.Context(), c, transfer.Source{Asset: a, Request: httpx.Request{Op: "fetch", Path: "/a"}}, tt.off, tt.n)
			if tt.kind == "" && (err != nil || !bytes.Equal(got, body[tt.off:tt.off+tt.n])) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			if tt.kind != "" && !errors.Is(err, tt.kind) {
				t.Errorf("%d bytes, %v, want %s", len(got), err, tt.kind)
			}
		})
	}
}

// TestF6OneRequestToTheAPI reads in chunks, over the end of the URL's life.
func TestF6OneRequestToTheAPI(t *testing.T) {
	s := newStore(t)
	body := data(100_000)
	a := s.put("a", body)
	c := s.client(faultproxy.New(1))
	for off := int64(0); off < a.Size; off += 10_000 {
		got, err := fetch(t.Context(), c, s.source(a), off, 10_000)
		if err != nil || !bytes.Equal(got, body[off:off+10_000]) {
			t.Fatal(off, err)
		}
	}
	if s.api.Load() != 1 || s.gets.Load() != 10 {
		t.Errorf("%d requests to the API, %d to the store; want 1, 10", s.api.Load(), s.gets.Load())
	}
	s.mu.Lock()
	s.sig = "2" // the URL ends before its time
	s.mu.Unlock()
	for range 3 {
		if got, err := fetch(t.Context(), c, s.source(a), 5, 10); err != nil || !bytes.Equal(got, body[5:15]) {
			t.Fatal(err)
		}
	}
	if s.keys.Load() != 0 {
		t.Error("the key went to the store")
	}
	s.mu.Lock()
	s.life, s.sig = "&expires=1100000000", "3" // ended before it is given
	s.mu.Unlock()
	b := s.put("b", body)
	before := s.api.Load()
	for range 3 {
		if _, err := fetch(t.Context(), c, s.source(b), 5, 10); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.api.Load() - before; n != 3 {
		t.Errorf("an URL without life is used again: %d requests to the API, want 3", n)
	}
}

func TestLearnedETagGuardsLaterRanges(t *testing.T) {
	s := newStore(t)
	a := s.put("a", data(100_000))
	a.ETag, a.MD5 = "", ""
	c := s.client(faultproxy.New(1))
	if _, err := fetch(t.Context(), c, s.source(a), 0, 10); err != nil {
		t.Fatal(err)
	}
	other := data(100_000)
	other[5] ^= 1
	s.put("a", other)
	if _, err := fetch(t.Context(), c, s.source(a), 10, 10); !errors.Is(err, remote.ErrChanged) {
		t.Errorf("got %v, want %s", err, remote.ErrChanged)
	}
}

func TestExtraHeadersOfThePut(t *testing.T) {
	s := newStore(t)
	up := s.upload(10, 0)
	up.Header = map[string]string{"x-amz-acl": "private", "content-type": "image/png", "Host": "evil", "content-length": "3"}
	if _, err := s.client(faultproxy.New(1)).Send(t.Context(), up, strings.NewReader("0123456789"), nil, noRecord, nil); err != nil {
		t.Fatal(err)
	}
	h := s.puts[0].Header
	if h.Get("x-amz-acl") != "private" || h.Get("Content-Type") != "image/png" || s.puts[0].Host == "evil" || s.puts[0].ContentLength != 10 {
		t.Errorf("sent %v to %s", h, s.puts[0].Host)
	}
}
