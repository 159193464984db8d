package d3_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"go.uber.org/goleak"

	"dropfs/remote/d3"
	"dropfs/remote/d3/d3test"
	"dropfs/remote/httpx"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// logs collects all that is logged.
type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logs) entry() *logrus.Entry {
	out := logrus.New()
	out.SetOutput(l)
	out.SetLevel(logrus.TraceLevel)
	return logrus.NewEntry(out)
}

// secrets are what no error and no log line may show.
var secrets = []string{d3test.Key, "sekrit", "/v1/download/"}

func (l *logs) check(t *testing.T) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range secrets {
		if strings.Contains(l.b.String(), s) {
			t.Errorf("%q is in the log", s)
		}
	}
}

// client is one for a stand-in: impatient, its log checked at the end.
func client(t *testing.T, cfg d3.Config) *d3.Client {
	t.Helper()
	l := &logs{}
	if cfg.Log == nil {
		cfg.Log = l.entry()
	}
	if cfg.Key == "" {
		cfg.Key = d3test.Key
	}
	if cfg.PollFirst == 0 {
		cfg.PollFirst, cfg.PollMax = time.Millisecond, 5*time.Millisecond
	}
	c, err := d3.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); l.check(t) })
	return c
}

// send uploads a text under a version.
func send(t *testing.T, c *d3.Client, version, name, text string) d3.FileKey {
	t.Helper()
	key, err := c.Upload(t.Context(), input(version, name, text))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func input(version, name, text string) d3.Input {
	return d3.Input{Version: version, Name: name, Size: int64(len(text)), Src: strings.NewReader(text)}
}

// fetch downloads a result.
func fetch(ctx context.Context, t *testing.T, c *d3.Client, f d3.File, maxBytes int64) (string, error) {
	t.Helper()
	dst, err := os.Create(filepath.Join(t.TempDir(), "result"))
	if err != nil {
		t.Fatal(err)
	}
	defer dst.Close()
	n, err := c.Download(ctx, f, dst, maxBytes)
	if err != nil {
		return "", err
	}
	got, rerr := io.ReadAll(io.NewSectionReader(dst, 0, 1<<30))
	if rerr != nil || int64(len(got)) != n {
		t.Errorf("%d bytes are there, %d were told, %v", len(got), n, rerr)
	}
	return string(got), nil
}

// inMemory answers requests without a network, so that time may be a bubble's.
func inMemory(h http.HandlerFunc) http.RoundTripper { return memory{h} }

type memory struct{ h http.HandlerFunc }

func (m memory) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	m.h(w, r)
	resp := w.Result()
	resp.Request = r
	return resp, nil
}

// through makes a configuration whose requests pass a RoundTripper.
func through(base string, rt http.RoundTripper) d3.Config {
	return d3.Config{BaseURL: base, HTTP: httpx.Config{RoundTripper: rt}}
}
