package hub

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"dropfs/convert"
)

// childEngine makes a hub of a child process convert; its conversions to md wait as long as the data directory has a
// file "hold", and make a file "held" then.
const childEngine = "DROPFS_TEST_HUB_ENGINE=1"

func childEngines(dir string) *convert.Registry {
	if name, value, _ := strings.Cut(childEngine, "="); os.Getenv(name) != value {
		return nil
	}
	e := newTestEngine()
	e.hold = func(string) {
		for {
			if _, err := os.Stat(filepath.Join(dir, "hold")); err != nil {
				return
			}
			_ = os.WriteFile(filepath.Join(dir, "held"), nil, 0o600)
			time.Sleep(5 * time.Millisecond)
		}
	}
	return convert.NewRegistry(e)
}

// until asks again and again, for a process of its own tells nobody when it is done.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if done() {
			return
		}
	}
	t.Fatal(what)
}

// d3Upload sends a file in two parts, as often as it takes; false where the hub died.
func (c *child) d3Upload(text string) (key string, ok bool) {
	var up struct {
		File string   `json:"file_key"`
		URLs []string `json:"presigned_urls"`
	}
	if !c.json("POST", "/api/v1/initiate-upload", map[string]any{"file_name": "a.txt", "size": len(text), "mime_type": "text/plain", "parts": 2}, &up) {
		return "", false
	}
	half := (len(text) + 1) / 2
	for i, part := range []string{text[:half], text[half:]} {
		if _, status := c.call("PUT", up.URLs[i], nil, []byte(part)); status != 200 {
			return "", false
		}
	}
	return up.File, c.json("POST", "/api/v1/complete-upload", map[string]any{"file_key": up.File}, &struct{}{})
}

type d3Status struct {
	Status string `json:"operation_status"`
	Files  []struct {
		Link    string `json:"download_link"`
		Message string `json:"error_message"`
	} `json:"files_data"`
}

// d3Done waits for an operation and reads its result.
func (c *child) d3Done(t *testing.T, main, want string) {
	t.Helper()
	var st d3Status
	until(t, "the task does not end", func() bool {
		return c.json("GET", "/api/v1/status/"+main, nil, &st) && st.Status != "queued" && st.Status != "running"
	})
	if st.Status != "completed" {
		t.Fatalf("%+v", st)
	}
	if b, status := c.call("GET", st.Files[0].Link, nil, nil); status != 200 || string(b) != want {
		t.Fatalf("%d %q", status, b)
	}
}

func (c *child) d3Order(key string) (main string, ok bool) {
	var op struct {
		Main string `json:"main_task_id"`
	}
	ok = c.json("POST", "/api/v1/do", map[string]any{"action": "convert", "file_keys": []string{key}, "parameters": map[string]any{"convert_to": "md"}}, &op)
	return op.Main, ok
}

// heldConversion starts a hub in whose only task an engine works until the file hold is removed.
func heldConversion(t *testing.T, dir string) (c *child, main, hold string) {
	t.Helper()
	hold = filepath.Join(dir, "hold")
	if err := os.WriteFile(hold, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c = startChild(t, dir, "", childEngine)
	key, ok := c.d3Upload("hello")
	main, ok2 := c.d3Order(key)
	if !ok || !ok2 {
		t.Fatal("the hub refuses")
	}
	until(t, "no conversion begins", func() bool {
		_, err := os.Stat(filepath.Join(dir, "held"))
		return err == nil
	})
	return c, main, hold
}

// TestT10KilledInAConversion kills a hub with SIGKILL while an engine works; the next one completes the task.
func TestT10KilledInAConversion(t *testing.T) {
	dir := t.TempDir()
	c, main, hold := heldConversion(t, dir)
	var st d3Status
	if !c.json("GET", "/api/v1/status/"+main, nil, &st) || st.Status != "running" {
		t.Fatalf("%+v", st)
	}
	c.kill()
	if len(leftovers(t, dir)) != 1 {
		t.Fatal("the conversion had no directory")
	}
	if err := os.Remove(hold); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	c = startChild(t, dir, "", childEngine)
	c.d3Done(t, main, "HELLO>@md")
	t.Logf("completed %v after the start", time.Since(began))
	if left := leftovers(t, dir); len(left) > 0 {
		t.Errorf("left of the conversion that died: %v", left)
	}
	c.kill()
	afterwardsD3(t, dir)
}

// afterwardsD3 opens the hub of dir two days later and checks that nothing is left.
func afterwardsD3(t *testing.T, dir string) {
	t.Helper()
	h, err := Open(t.Context(), Config{DataDir: dir, Now: func() time.Time { return time.Now().Add(48 * time.Hour) }})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := h.Sweep(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	checkSpace(t, h, map[string]int{})
}

// TestT10KilledAtEachStep kills a hub at each step of an upload and of a task: what was accepted ends as it should, what
// was not can be asked for again, and nothing is left over.
func TestT10KilledAtEachStep(t *testing.T) {
	for _, step := range []string{
		"d3.put.begun:2", "d3.put.stored:2", "d3.confirmed:1", "d3.accepted:1",
		"d3.task.begun:1", "d3.task.converted:1", "d3.task.stored:1", "d3.task.finished:1",
	} {
		t.Run(step, func(t *testing.T) {
			dir := t.TempDir()
			c := startChild(t, dir, step, childEngine)
			key, sent := c.d3Upload("hello")
			main, accepted := "", false
			if sent {
				main, accepted = c.d3Order(key)
			}
			if accepted { // it dies in the task
				_ = c.cmd.Wait()
			}
			c.kill()
			c = startChild(t, dir, "", childEngine)
			if !accepted {
				if key, sent = c.d3Upload("hello"); !sent {
					t.Fatal("no upload after the restart")
				}
				if main, accepted = c.d3Order(key); !accepted {
					t.Fatal("no order after the restart")
				}
			}
			c.d3Done(t, main, "HELLO>@md")
			c.kill()
			afterwardsD3(t, dir)
		})
	}
}

// TestT10TheHubThatDiesOfItGivesUp: a source that kills the hub each time does so a few times, not for ever.
func TestT10TheHubThatDiesOfItGivesUp(t *testing.T) {
	dir := t.TempDir()
	c, main, hold := heldConversion(t, dir)
	c.kill()
	if err := os.Remove(hold); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		c = startChild(t, dir, "d3.task.converted:1", childEngine)
		_ = c.cmd.Wait()
	}
	c = startChild(t, dir, "d3.task.converted:1", childEngine)
	var st d3Status
	until(t, "the task does not end", func() bool {
		return c.json("GET", "/api/v1/status/"+main, nil, &st) && st.Status == "failed"
	})
	if st.Files[0].Message == "" {
		t.Errorf("%+v", st)
	}
}

func TestT10APanicOfAnEngineIsAFailure(t *testing.T) {
	d := newD3Site(t, func(c *Config) {
		c.jobWait, c.jobPoll = func(int) time.Duration { return time.Millisecond }, 50*time.Millisecond
	})
	main := d.order("convert", map[string]any{"convert_to": "md"}, d.source("a.txt", "PANIC"))
	d.wait(1)
	status, files := d.state(main)
	if status != "failed" || files[0]["error_code"] != "internal_error" || strings.Contains(files[0]["error_message"].(string), "as the text says") {
		t.Fatalf("%s %v", status, files)
	}
}

// TestT10StopIsNoFailure: a hub that ends in the middle of a conversion leaves the task to the next one.
func TestT10StopIsNoFailure(t *testing.T) {
	dir := t.TempDir()
	d := newD3Site(t, func(c *Config) { c.DataDir = dir })
	main := d.order("convert", map[string]any{"convert_to": "html"}, d.source("a.txt", "hello"))
	<-d.engine.begun
	d.stop()
	if status, _ := d.state(main); status != "running" {
		t.Fatal(status)
	}
	if left := leftovers(t, dir); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	next := newD3Site(t, func(c *Config) { c.DataDir = dir })
	close(next.engine.release)
	next.result(main, 1)
}

// hookServer collects what webhooks are told.
type hookServer struct {
	*httptest.Server
	got chan hookCall
}

type hookCall struct {
	header http.Header
	body   []byte
	event  map[string]any
}

// newHookServer answers each call with what answer says of its number, from 1.
func newHookServer(t *testing.T, answer func(n int) int) *hookServer {
	t.Helper()
	s := &hookServer{got: make(chan hookCall, 1000)}
	var n atomic.Int64
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		c := hookCall{header: r.Header, body: b}
		if err == nil {
			err = json.Unmarshal(b, &c.event)
		}
		if err != nil {
			t.Error(err)
		}
		w.WriteHeader(answer(int(n.Add(1))))
		s.got <- c
	}))
	t.Cleanup(s.Close)
	return s
}
