package d3_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"dropfs/remote"
	"dropfs/remote/d3"
	"dropfs/remote/d3/d3test"
	"dropfs/remote/httpx/faultproxy"
)

// result makes one result of a megabyte and answers it.
func result(t *testing.T, s *d3test.Server, c *d3.Client, body string) d3.File {
	t.Helper()
	s.Polls, s.Work = []string{}, func(d3test.Operation) []d3test.File { return []d3test.File{{Body: []byte(body)}} }
	id, err := c.Do(t.Context(), d3.Operation{Action: d3.Zip, Files: []d3.FileKey{send(t, c, "", "a", "A")}})
	if err != nil {
		t.Fatal(err)
	}
	task, err := c.Wait(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return task.Files[0]
}

func TestDownloadThroughFaults(t *testing.T) {
	body := strings.Repeat("0123456789abcdef", 64<<10)
	for _, tt := range []struct {
		name string
		rule faultproxy.Rule
		want remote.Kind // "": it succeeds
	}{
		{"whole", faultproxy.Rule{Fault: faultproxy.Delay}, ""},
		{"broken in the middle, taken up", faultproxy.Rule{Fault: faultproxy.Reset, After: 300_000}, ""},
		{"cut short", faultproxy.Rule{Fault: faultproxy.Truncate, After: 300_000}, ""},
		{"broken each time at the start", faultproxy.Rule{Fault: faultproxy.Reset, After: 10, Times: 100}, remote.ErrUnavailable},
		{"refused once", faultproxy.Rule{Fault: faultproxy.Refused}, ""},
		{"busy once", faultproxy.Rule{Fault: faultproxy.Status}, ""},
		{"ended", faultproxy.Rule{Fault: faultproxy.Expired}, remote.ErrDenied},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := d3test.New(t)
			faults := faultproxy.New(1)
			c := client(t, through(s.URL(), faults.Transport(transport(t))))
			f := result(t, s, c, body)
			if tt.rule.Times == 0 {
				tt.rule.Times = 1
			}
			tt.rule.Path = regexp.MustCompile("/download/")
			faults.Add(tt.rule)
			got, err := fetch(t.Context(), t, c, f, 1<<20)
			switch {
			case tt.want != "":
				if !errors.Is(err, tt.want) {
					t.Errorf("got %v", err)
				}
			case err != nil || got != body:
				t.Errorf("%d bytes, %v", len(got), err)
			}
			if err != nil && strings.Contains(err.Error(), string(f.Key)) {
				t.Errorf("the link is in %q", err)
			}
		})
	}
}

// TestDownloadOfAnotherVersion breaks on the way; what comes then is another version, and is taken from its start.
func TestDownloadOfAnotherVersion(t *testing.T) {
	n := 0
	rt := inMemory(func(w http.ResponseWriter, r *http.Request) {
		if n++; n == 1 {
			w.Header().Set("ETag", `"1"`)
			w.Header().Set("Content-Length", "10")
			_, _ = w.Write([]byte("aaaaa"))
			return
		}
		if r.Header.Get("Range") != "bytes=5-" || r.Header.Get("If-Range") != `"1"` {
			t.Errorf("asked with %v", r.Header)
		}
		w.Header().Set("ETag", `"2"`)
		_, _ = w.Write([]byte("bbb"))
	})
	faults := faultproxy.New(1)
	faults.Add(faultproxy.Rule{Fault: faultproxy.Reset, After: 5, Times: 1})
	c := client(t, through("http://d3.test", faults.Transport(rt)))
	got, err := fetch(t.Context(), t, c, d3.File{Link: "http://d3.test/v1/download/x"}, 100)
	if err != nil || got != "bbb" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestDownloadLimits(t *testing.T) {
	s := d3test.New(t)
	c := client(t, d3.Config{BaseURL: s.URL()})
	f := result(t, s, c, "0123456789")
	if got, err := fetch(t.Context(), t, c, f, 10); err != nil || got != "0123456789" {
		t.Errorf("just fitting: %q, %v", got, err)
	}
	if _, err := fetch(t.Context(), t, c, f, 9); !errors.Is(err, remote.ErrTooLarge) {
		t.Errorf("a byte over: %v", err)
	}
	s.Say(d3test.Answer{Call: "download", Status: 200, Body: "0123456789", Header: map[string]string{"Transfer-Encoding": "chunked"}})
	if _, err := fetch(t.Context(), t, c, f, 9); !errors.Is(err, remote.ErrTooLarge) {
		t.Errorf("a byte over, of no announced length: %v", err)
	}
	for _, link := range []remote.Secret{"", "ftp://h/x", "http://", "javascript:alert(1)"} {
		if _, err := fetch(t.Context(), t, c, d3.File{Link: link}, 9); !errors.Is(err, remote.ErrProtocol) {
			t.Errorf("%q: %v", link.Reveal(), err)
		}
	}
	dst, err := os.Create(filepath.Join(t.TempDir(), "closed"))
	if err != nil {
		t.Fatal(err)
	}
	_ = dst.Close()
	if _, err := c.Download(t.Context(), f, dst, 100); !errors.Is(err, os.ErrClosed) {
		t.Errorf("a file that cannot be written: %v", err)
	}
}
