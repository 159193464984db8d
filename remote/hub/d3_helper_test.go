package hub

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"dropfs/convert"
)

// testEngine turns text into text that says what was done. What it does beyond that is told by the text itself.
type testEngine struct {
	release chan struct{}       // what holds until
	begun   chan struct{}       // told of each run that holds
	hold    func(path string)   // nil; else called by each run to md, with its source
	mu      sync.Mutex          //
	runs    map[string]int      // guarded by mu: by op
	scratch map[string]struct{} // guarded by mu: directories seen
}

func newTestEngine() *testEngine {
	return &testEngine{
		release: make(chan struct{}), begun: make(chan struct{}, 100), runs: map[string]int{}, scratch: map[string]struct{}{},
	}
}

func (*testEngine) Name() string    { return "test" }
func (*testEngine) Version() string { return "1" }

func (*testEngine) Edges() []convert.Edge {
	return []convert.Edge{
		{Op: "md", From: "txt", To: "md", Cost: 1},
		{Op: "pdf", From: "txt", To: "pdf", Cost: 1, Loss: 1},
		{Op: "png", From: "pdf", To: "png", Options: []string{"page", "dpi", "width", "height", "quality"}, Cost: 1, Loss: 10},
		{Op: "html", From: "txt", To: "html", Cost: 1}, // holds
		{Op: "compress", From: "pdf", To: "=", Options: []string{"level"}, Cost: 1},
		{Op: "compress", From: "png", To: "=", Cost: 1},
		{Op: "merge", From: "pdf", To: "pdf", Many: true, Cost: 1},
		{Op: "zip", From: "*", To: "zip", Many: true, Cost: 1},
		{Op: "lock", From: "pdf", To: "=", Options: []string{"secret"}, Cost: 1},
		{Op: "unlock", From: "pdf", To: "=", Options: []string{"secret"}, Cost: 1},
		{Op: "reset_password", From: "pdf", To: "=", Options: []string{"secret", "new_secret"}, Cost: 1},
		{Op: "pages", From: "pdf", To: "", Cost: 1},
		{Op: "ocr", From: "jpg", To: "txt", Options: []string{"format", "lang"}, Cost: 1},
		{Op: "thumb", From: "jpg", To: "jpg", Options: []string{"format", "background", "strip"}, Cost: 1},
	}
}

func (e *testEngine) Run(ctx context.Context, job convert.Job) error {
	e.mu.Lock()
	e.runs[job.Step.Op]++
	e.scratch[job.Dir] = struct{}{}
	e.mu.Unlock()
	var text bytes.Buffer
	for _, s := range job.Sources {
		b, err := os.ReadFile(s.Path)
		if err != nil {
			return err
		}
		if len(job.Sources) > 1 {
			fmt.Fprintf(&text, "[%s]", s.Name)
		}
		text.Write(b)
	}
	switch {
	case strings.HasPrefix(text.String(), "FAIL"):
		return fmt.Errorf("%w: %s has no such page", convert.ErrBroken, job.Sources[0].Path)
	case strings.HasPrefix(text.String(), "PANIC"):
		panic("as the text says")
	}
	switch job.Step.Op {
	case "md":
		if e.hold != nil {
			e.hold(job.Sources[0].Path)
		}
	case "html":
		job.Came(0.42)
		e.begun <- struct{}{}
		select {
		case <-e.release:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	out := strings.ToUpper(text.String()) + ">" + job.Step.Key()
	for _, option := range []string{"secret", "new_secret"} {
		if name := job.Step.Options[option]; name != "" {
			secret, err := job.Secret(name)
			if err != nil {
				return err
			}
			if secret == "wrong" {
				return convert.ErrLocked
			}
			out += "(" + secret + ")"
		}
	}
	return os.WriteFile(job.Out, []byte(out), 0o600)
}

// d3Site is a site whose hub converts.
type d3Site struct {
	*site
	engine   *testEngine
	finished chan struct{} // told of each task that finished
	results  string        // how links of results begin; "": at the hub
	stop     func()        // ends Run and waits for it
}

// newD3Site serves a hub with Run and the test engine.
func newD3Site(t *testing.T, change func(*Config)) *d3Site {
	t.Helper()
	d := &d3Site{engine: newTestEngine(), finished: make(chan struct{}, 1000)}
	d.site = newSite(t, func(c *Config) {
		c.Convert, c.Workers = convert.NewRegistry(d.engine), 4
		c.step = func(name string) {
			if name == "d3.task.finished" {
				d.finished <- struct{}{}
			}
		}
		if change != nil {
			change(c)
		}
	})
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- d.hub.Run(ctx) }()
	d.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(d.stop)
	return d
}

// wait waits until n tasks have finished.
func (d *d3Site) wait(n int) {
	d.Helper()
	for range n {
		select {
		case <-d.finished:
		case <-time.After(20 * time.Second):
			d.Fatal("no task finishes")
		}
	}
}

// asks sends a request with the key as the newest generation sends it.
func (d *d3Site) asks(method, path string, body any) reply {
	d.Helper()
	return d.do(request{method, path, map[string]string{"Authorization": "Bearer " + d.key, "Content-Type": "application/json"}, body})
}

// answer checks the shape of an answer (T3) and returns what is in data.
func (d *d3Site) answer(r reply, status int) map[string]any {
	d.Helper()
	var m map[string]any
	if err := json.Unmarshal(r.Body, &m); err != nil {
		d.Fatalf("status %d, no JSON object: %q", r.Status, r.Body)
	}
	if r.Status != status {
		d.Fatalf("status %d, not %d: %s", r.Status, status, r.Body)
	}
	if ct := r.Header.Get("Content-Type"); ct != "application/json; charset=utf-8" {
		d.Fatalf("Content-Type %q", ct)
	}
	noNulls(d.T, m)
	if status >= 400 {
		word, _ := m["error"].(string)
		text, _ := m["message"].(string)
		if word == "" || text == "" || m["code"] != float64(status) || len(m) != 3 {
			d.Fatalf("not the shape of an error: %s", r.Body)
		}
		return m
	}
	data, ok := m["data"].(map[string]any)
	if !ok || len(data)+1 != len(m) {
		d.Fatalf("not the envelope: %s", r.Body)
	}
	for k, v := range data {
		a, _ := json.Marshal(v)
		b, _ := json.Marshal(m[k])
		if !bytes.Equal(a, b) {
			d.Fatalf("%s differs at the top level: %s", k, r.Body)
		}
	}
	return data
}

func noNulls(t *testing.T, v any) {
	t.Helper()
	switch v := v.(type) {
	case nil:
		t.Fatal("a null in an answer")
	case map[string]any:
		for _, e := range v {
			noNulls(t, e)
		}
	case []any:
		for _, e := range v {
			noNulls(t, e)
		}
	}
}

// begin asks for an upload.
func (d *d3Site) begin(name string, size, parts int) map[string]any {
	d.Helper()
	return d.answer(d.asks("POST", "/api/v1/initiate-upload", map[string]any{
		"file_name": name, "size": size, "mime_type": "text/plain", "parts": parts,
	}), 200)
}

// sendParts puts the parts of body as the SDKs cut them, and answers what complete-upload says of them.
func (d *d3Site) sendParts(up map[string]any, body []byte) []any {
	d.Helper()
	urls := up["presigned_urls"].([]any)
	step := (len(body) + len(urls) - 1) / len(urls)
	var parts []any
	for i, u := range urls {
		r := d.put(u.(string), "text/plain", body[min(i*step, len(body)):min((i+1)*step, len(body))])
		etag := r.Header.Get("ETag")
		if r.Status != 200 || etag == "" {
			d.Fatalf("part %d: %d %s", i, r.Status, r.Body)
		}
		parts = append(parts, map[string]any{"etag": strings.Trim(etag, `"`), "part_number": i + 1})
	}
	return parts
}

// source uploads a file and returns its key.
func (d *d3Site) source(name, text string) string {
	d.Helper()
	up := d.begin(name, len(text), 1)
	parts := d.sendParts(up, []byte(text))
	d.answer(d.asks("POST", "/api/v1/complete-upload", map[string]any{
		"file_key": up["file_key"], "upload_id": up["upload_id"], "object_name": up["object_name"], "parts": parts,
	}), 200)
	return up["file_key"].(string)
}

// order begins an operation and returns its id.
func (d *d3Site) order(action string, parameters map[string]any, files ...string) string {
	d.Helper()
	return d.answer(d.asks("POST", "/api/v1/do", map[string]any{
		"action": action, "file_keys": files, "parameters": parameters,
	}), 200)["main_task_id"].(string)
}

// state is the answer of status: the operation's word and its files.
func (d *d3Site) state(main string) (string, []map[string]any) {
	d.Helper()
	a := d.answer(d.asks("GET", "/api/v1/status/"+main, nil), 200)
	var files []map[string]any
	for _, f := range a["files_data"].([]any) {
		files = append(files, f.(map[string]any))
	}
	return a["operation_status"].(string), files
}

// result waits for an operation of n tasks that must succeed, and returns the text and key of each result.
func (d *d3Site) result(main string, n int) (texts, keys []string) {
	d.Helper()
	d.wait(n)
	status, files := d.state(main)
	if status != "completed" || len(files) != n {
		d.Fatalf("%s: %v", status, files)
	}
	for _, f := range files {
		link, _ := f["download_link"].(string)
		if !strings.HasPrefix(link, cmp.Or(d.results, d.srv.URL+"/v1/download/")) {
			d.Fatalf("no absolute link: %v", f)
		}
		r := d.do(request{"GET", link, nil, nil}) // no redirect is followed, as by the Ruby SDK's users
		if r.Status != 200 || f["size"] != float64(len(r.Body)) {
			d.Fatalf("%s: %d, %d bytes: %v", link, r.Status, len(r.Body), f)
		}
		texts, keys = append(texts, string(r.Body)), append(keys, f["file_key"].(string))
	}
	return texts, keys
}

// leftovers lists what is in the scratch directory.
func leftovers(t *testing.T, dir string) []string {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(dir, "scratch", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return left
}
