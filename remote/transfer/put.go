package transfer

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net/http"
	"strings"
	"sync"

	"dropfs/remote"
	"dropfs/remote/httpx"
)

// Config is what a Client sends through and how much at a time.
type Config struct {
	HTTP     *httpx.Client
	Parallel int // parts of one upload under way at a time; 0: 4
	Attempts int // tries of one part, each with a URL that has not ended; 0: 3
	Targets  int // signed download URLs remembered; 0: 4,096
}

// piece is one PUT: bytes [off, off+size) of src to url.
type piece struct {
	url       remote.Secret
	method    string
	header    map[string]string
	mime      string
	src       io.ReaderAt
	off, size int64
	progress  func(int64)
	subject   string
}

// put sends a piece once and returns its ETag, unquoted. What was counted as progress and did not arrive is taken back.
func (c *Client) put(ctx context.Context, p piece) (string, error) {
	h := http.Header{}
	for k, v := range p.header {
		switch http.CanonicalHeaderKey(k) {
		case "Host", "Content-Length", "Transfer-Encoding", "Connection", "Expect": // the transport's own
		default:
			h.Set(k, v)
		}
	}
	if h.Get("Content-Type") == "" && p.mime != "" {
		h.Set("Content-Type", p.mime)
	}
	method := p.method
	if method == "" {
		method = http.MethodPut
	}
	var m meter
	resp, err := c.http.Open(ctx, httpx.Request{
		Op: "send bytes", Subject: p.subject, Method: method, URL: p.url, Header: h, Size: p.size, Repeat: true, Attempts: 1,
		Body: func() io.Reader {
			m.restart(io.NewSectionReader(p.src, p.off, p.size), p.progress)
			return &m
		},
		ErrorKind: storeError,
	})
	if err != nil {
		m.takeBack()
		return "", err
	}
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10)
	_ = resp.Body.Close()
	etag := strings.Trim(strings.TrimPrefix(resp.Header.Get("ETag"), "W/"), `"`)
	if want := m.sum(); isMD5(etag) && !encrypted(resp.Header) && !strings.EqualFold(etag, want) {
		m.takeBack()
		return "", &remote.Error{
			Kind: remote.ErrCorrupt, Op: "send bytes", Subject: p.subject, Status: resp.Status,
			Message: "the store has bytes other than those sent",
		}
	}
	return etag, nil
}

// encrypted tells of an answer whose ETag is no md5 although it looks like one.
func encrypted(h http.Header) bool {
	alg := h.Get("X-Amz-Server-Side-Encryption")
	return alg != "" && alg != "AES256" || h.Get("X-Amz-Server-Side-Encryption-Customer-Algorithm") != ""
}

func isMD5(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == md5.Size
}

// meter is a body that sums and counts what is read from it.
type meter struct {
	mu       sync.Mutex
	r        io.Reader
	h        hash.Hash
	n        int64
	progress func(int64)
}

func (m *meter) restart(r io.Reader, progress func(int64)) {
	m.takeBack()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.r, m.h, m.progress = r, md5.New(), progress
}

func (m *meter) Read(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.r.Read(p)
	if n > 0 {
		m.h.Write(p[:n])
		m.n += int64(n)
		m.progress(int64(n))
	}
	return n, err
}

// takeBack tells progress that what was counted has to go again.
func (m *meter) takeBack() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.n > 0 {
		m.progress(-m.n)
		m.n = 0
	}
}

// sum is the md5 of what was read; that of nothing where nothing was.
func (m *meter) sum() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.h == nil {
		m.h = md5.New()
	}
	return hex.EncodeToString(m.h.Sum(nil))
}

// permanent tells whether trying a piece again, with a fresh URL where need be, is of no use.
func permanent(err error) bool {
	var e *remote.Error
	if !errors.As(err, &e) {
		return true
	}
	switch e.Kind {
	case remote.ErrUnavailable, remote.ErrExpiredURL, remote.ErrRateLimited:
		return false
	case remote.ErrCorrupt:
		return e.Err != nil // the source itself is short; wrong bytes at the store are worth another try
	default:
		return true
	}
}
