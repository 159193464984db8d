package d3_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"dropfs/remote"
	"dropfs/remote/d3"
)

// instants are when a client asked, from the beginning.
type instants struct {
	mu  sync.Mutex
	all []time.Duration
}

func (i *instants) add(at time.Duration) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.all = append(i.all, at)
	return len(i.all)
}

func (i *instants) list() []time.Duration {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.all)
}

// scripted answers each question for a state with the next line: a status, or "200" and a body. The last one stays.
func scripted(asked *instants, lines ...string) http.RoundTripper {
	began := time.Now()
	return inMemory(func(w http.ResponseWriter, _ *http.Request) {
		n := asked.add(time.Since(began))
		status, body, _ := strings.Cut(lines[min(n, len(lines))-1], " ")
		code := 0
		_, _ = fmt.Sscan(status, &code)
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	})
}

const (
	running = `200 {"data":{"operation_status":"IN_PROGRESS"}}`
	done    = `200 {"data":{"operation_status":"COMPLETED"}}`
)

// patient is a client with the default pace.
func patient(t *testing.T, rt http.RoundTripper) *d3.Client {
	t.Helper()
	cfg := through("http://d3.test", rt)
	cfg.PollFirst = 500 * time.Millisecond
	cfg.HTTP.Attempts = 1
	return client(t, cfg)
}

func TestWaitKeepsItsPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at instants
		lines := make([]string, 10)
		for i := range lines {
			lines[i] = running
		}
		got, err := patient(t, scripted(&at, append(lines, done)...)).Wait(t.Context(), "main_1")
		if err != nil || got.State != d3.Completed {
			t.Fatalf("got %+v, %v", got, err)
		}
		asked := at.list()
		var gaps []time.Duration
		for i := range asked[1:] {
			gaps = append(gaps, (asked[i+1] - asked[i]).Round(time.Millisecond))
		}
		ms := func(ns ...int) (out []time.Duration) {
			for _, n := range ns {
				out = append(out, time.Duration(n)*time.Millisecond)
			}
			return out
		}
		if want := ms(500, 750, 1125, 1688, 2531, 3797, 5000, 5000, 5000, 5000); asked[0] != 0 || !reflect.DeepEqual(gaps, want) {
			t.Errorf("first after %v, then %v, want %v", asked[0], gaps, want)
		}
	})
}

func TestB5AWaitEnds(t *testing.T) {
	for _, tt := range []struct {
		name  string
		lines []string
		want  error // nil: the task ends
		after time.Duration
	}{
		{"with the task", []string{running, done}, nil, 500 * time.Millisecond},
		{"with a task that failed", []string{`200 {"operation_status":"FAILED"}`}, nil, 0},
		{"with all of its files, whatever the task says", []string{`200 {"operation_status":"?","files_data":[{"status":"failed"}]}`}, nil, 0},
		{"after answers that were lost", []string{"503", "502 <html>", running, "500", done}, nil, 4063 * time.Millisecond},
		{"after a task that was not known yet", []string{`404 {"message":"no"}`, `404 {"message":"no"}`, `404 {"message":"no"}`, done}, nil, 500 * time.Millisecond},
		{"with a task that is not there", []string{`404 {"message":"no"}`}, remote.ErrNotFound, 1250 * time.Millisecond},
		{"with a key that is refused", []string{running, `401 {"message":"no"}`}, remote.ErrCredentials, 500 * time.Millisecond},
		{"without an answer", []string{"503"}, remote.ErrUnavailable, 60391 * time.Millisecond},
		{"with its context", []string{running}, context.DeadlineExceeded, 10 * time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var asked instants
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
				defer cancel()
				began := time.Now()
				_, err := patient(t, scripted(&asked, tt.lines...)).Wait(ctx, "main_1")
				if !errors.Is(err, tt.want) {
					t.Errorf("got %v", err)
				}
				if took := time.Since(began); (took - tt.after).Abs() > 2*time.Millisecond {
					t.Errorf("after %v, want %v", took, tt.after)
				}
			})
		})
	}
}

// TestWaitHonoursRetryAfter is told to come later.
func TestWaitHonoursRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at instants
		began := time.Now()
		rt := inMemory(func(w http.ResponseWriter, _ *http.Request) {
			if at.add(time.Since(began)) == 1 {
				w.Header().Set("Retry-After", "20")
				w.WriteHeader(http.StatusTooManyRequests)
				return
			}
			_, _ = io.WriteString(w, strings.TrimPrefix(done, "200 "))
		})
		if _, err := patient(t, rt).Wait(t.Context(), "main_1"); err != nil {
			t.Fatal(err)
		}
		if asked := at.list(); len(asked) != 2 || asked[1] < 20*time.Second || asked[1] > 21*time.Second {
			t.Errorf("asked at %v", asked)
		}
	})
}

// TestRateLimitHolds asks as much as it may.
func TestRateLimitHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at instants
		c := patient(t, scripted(&at, running))
		for range 1500 {
			if _, err := c.Status(t.Context(), "main_1", ""); err != nil {
				t.Fatal(err)
			}
		}
		in, asked := 0, at.list()
		for _, at := range asked {
			if at < time.Minute {
				in++
			}
		}
		if in < 900 || in > 1001 || asked[1499] > 3*time.Minute {
			t.Errorf("%d requests in the first minute, the last after %v", in, asked[1499])
		}
	})
}

// TestB4HeldContentHasAnEnd sends again what the service will have thrown away.
func TestB4HeldContentHasAnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		uploads := 0
		c := patient(t, inMemory(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case strings.HasSuffix(r.URL.Path, "/initiate-upload"):
				uploads++
				_, _ = fmt.Fprintf(w, `{"file_key":"in_%d","upload_id":"u","presigned_urls":["http://store.test/p"]}`, uploads)
			case r.URL.Host == "store.test":
				w.Header().Set("ETag", "e")
			}
		}))
		first := send(t, c, "v", "a.txt", "hello")
		time.Sleep(20*time.Hour - time.Second)
		if key := send(t, c, "v", "a.txt", "hello"); key != first || uploads != 1 {
			t.Errorf("%d uploads within its time", uploads)
		}
		time.Sleep(2 * time.Second)
		if key := send(t, c, "v", "a.txt", "hello"); key == first || uploads != 2 {
			t.Errorf("%d uploads after its time", uploads)
		}
	})
}

// TestHeldWaiterEndsWithItsContext waits for another's upload.
func TestHeldWaiterEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		c := patient(t, inMemory(func(w http.ResponseWriter, _ *http.Request) {
			<-hold
			w.WriteHeader(http.StatusBadRequest)
		}))
		go func() { _, _ = c.Upload(t.Context(), input("v", "a", "x")) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Upload(ctx, input("v", "a", "x")); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, remote.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
		close(hold)
		synctest.Wait()
	})
}

func TestB7AbilitiesAreAskedOnceInAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		c := patient(t, inMemory(func(w http.ResponseWriter, _ *http.Request) {
			if n++; n == 2 {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			_, _ = io.WriteString(w, `{"supported":true,"available_actions":["convert"]}`)
		}))
		ask := func(q d3.Question) error { _, err := c.Supported(t.Context(), q); return err }
		for _, q := range []d3.Question{{Ext: "pdf"}, {Ext: ".PDF"}} {
			if err := ask(q); err != nil || n != 1 {
				t.Errorf("%v: %v, %d requests", q, err, n)
			}
		}
		if err := ask(d3.Question{Ext: "pdf", Action: d3.Convert}); !errors.Is(err, remote.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
		if err := ask(d3.Question{Ext: "pdf", Action: "CONVERT"}); err != nil || n != 3 {
			t.Errorf("an error was kept: %v, %d requests", err, n)
		}
		time.Sleep(time.Hour + time.Second)
		if err := ask(d3.Question{Ext: "pdf"}); err != nil || n != 4 {
			t.Errorf("after an hour: %v, %d requests", err, n)
		}
	})
}
