//go:build linux

package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// churnHelper is `churn DIR N`: N operations of the kinds that make and end things, on a few names.
func churnHelper(args []string) error {
	n, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	for i := 0; i < n; i += 7 {
		path := filepath.Join(args[0], fmt.Sprint("f", i%100))
		if err := os.WriteFile(path, []byte(strings.Repeat("x", i%5000)), 0o644); err != nil { // create, write, close
			return err
		}
		if _, err := os.ReadFile(path); err != nil {
			return err
		}
		if err := os.Rename(path, path+"r"); err != nil {
			return err
		}
		if _, err := os.ReadDir(args[0]); err != nil {
			return err
		}
		if err := os.Mkdir(path, 0o755); err != nil {
			return err
		}
		if err := os.Remove(path); err != nil {
			return err
		}
		if i%3 == 0 {
			if err := os.Remove(path + "r"); err != nil {
				return err
			}
		}
	}
	return nil
}

// usage is what a daemon holds.
type usage struct{ files, goroutines, rss int }

var goroutines = regexp.MustCompile(`(?m)^go_goroutines (\d+)`)

func usageOf(t *testing.T, pid int, metrics string) (u usage) {
	t.Helper()
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	u.files = len(fds)
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	if _, rest, ok := strings.Cut(string(status), "VmRSS:"); ok {
		if u.rss, err = strconv.Atoi(strings.Fields(rest)[0]); err != nil {
			t.Fatal(err)
		}
	}
	body := get(t, metrics)
	if m := goroutines.FindStringSubmatch(body); m != nil {
		if u.goroutines, err = strconv.Atoi(m[1]); err != nil {
			t.Fatal(err)
		}
	}
	if u.goroutines == 0 || u.rss == 0 {
		t.Fatalf("nothing measured: %+v", u)
	}
	return u
}

func get(t *testing.T, url string) string {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// freeAddress is one that nobody listens on, a moment ago.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// TestNothingLeaks: after ten thousand operations, sent, the daemon has no more open than before them.
func TestNothingLeaks(t *testing.T) {
	m := newMachine(t)
	addr := freeAddress(t)
	mp := m.mount("mnt", "--write-delay", "100ms", "--undelete-window", "0", "--http", addr)
	pid, metrics := m.daemon(), "http://"+addr+"/metrics"
	work := func(n int) {
		m.helper(3*time.Minute, "churn", mp, fmt.Sprint(n))
		m.sh(patience, mp, "rm -f f*")
		m.must(2*time.Minute, "sync", mp)
	}
	work(700) // pools and caches are filled
	before := usageOf(t, pid, metrics)
	work(10_000)
	var after usage
	eventually(t, time.Minute, "open files, goroutines and memory come back", func() bool {
		after = usageOf(t, pid, metrics)
		return after.files <= before.files+4 && after.goroutines <= before.goroutines+4 && after.rss <= before.rss+48<<10
	})
	t.Logf("before %+v, after %+v", before, after)
	m.unmount(mp)
}

// TestManyEntries has very many files in one directory, also after the state directory was thrown away.
func TestManyEntries(t *testing.T) {
	n := 1000
	if *long {
		n = 100_000
	}
	m := newMachine(t)
	mp := m.mount("mnt")
	m.sh(20*time.Minute, mp, fmt.Sprintf(`mkdir many; cd many; seq -f 'f%%06.0f' %d | xargs touch`, n))
	look := func(when string) {
		t.Helper()
		for _, script := range []string{`ls many | wc -l`, `ls -l many | grep -c '^-'`, `find many -type f -size 0 | wc -l`} {
			began := time.Now()
			if got := strings.TrimSpace(m.sh(2*time.Minute, mp, script)); got != fmt.Sprint(n) {
				t.Errorf("%s: %s: %s of %d", when, script, got, n)
			}
			t.Logf("%s: %s: %v", when, script, time.Since(began).Round(time.Millisecond))
		}
	}
	look("at first")
	m.must(40*time.Minute, "unmount", "--wait", mp)
	mp = m.mount("mnt")
	look("mounted again")
	m.unmount(mp)
	m.forget()
	mp = m.mount("mnt")
	look("from the service")
	m.sh(20*time.Minute, mp, `rm -r many`)
	m.must(40*time.Minute, "unmount", "--wait", mp)
}
