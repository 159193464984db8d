package hub

import (
	"bufio"
	"bytes"
	"context"
	"crypto/md5"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The test binary runs a hub of its own where this names a data directory.
const (
	childDir = "DROPFS_TEST_HUB_DIR"
	childDie = "DROPFS_TEST_HUB_DIE" // STEP:N, the step at whose Nth time it kills itself
	childS3  = "DROPFS_TEST_HUB_S3"  // Config.Objects
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := serveChild(dir, os.Getenv(childDie)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func serveChild(dir, die string) error {
	name, nth, _ := strings.Cut(die, ":")
	left, _ := strconv.Atoi(nth)
	var mu sync.Mutex
	ctx := context.Background()
	h, err := Open(ctx, Config{
		Convert: childEngines(dir),
		DataDir: dir, Objects: os.Getenv(childS3), Keys: []KeySpec{{Key: testKey, GBMonths: -1}}, multipartMin: 1 << 20, partSizeMin: 256 << 10,
		step: func(step string) {
			if step != name {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if left--; left == 0 {
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {} // not one instruction more
			}
		},
	})
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(ln.Addr())
	go func() { _ = h.Run(ctx) }()
	return h.Server().Serve(ln)
}

// child is a hub in a process of its own.
type child struct {
	t    *testing.T
	cmd  *exec.Cmd
	base string
}

func startChild(t *testing.T, dir, die string, env ...string) *child {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), childDir+"="+dir, childDie+"="+die), env...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{t: t, cmd: cmd}
	t.Cleanup(c.kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the hub does not start: %v", err)
	}
	c.base = "http://" + strings.TrimSpace(line)
	return c
}

// kill ends the process with SIGKILL and waits for it.
func (c *child) kill() {
	if c.cmd.ProcessState == nil {
		_ = c.cmd.Process.Kill()
		_ = c.cmd.Wait()
	}
}

var childClient = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// call sends one request; ok is false where the hub died or refused.
func (c *child) call(method, url string, header map[string]string, body []byte) (answer []byte, status int) {
	if url[0] == '/' {
		url = c.base + url
	}
	r, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		c.t.Error(err)
		return nil, 0
	}
	r.Header.Set("x-api-key", testKey)
	for k, v := range header {
		r.Header.Set(k, v)
	}
	resp, err := childClient.Do(r)
	if err != nil {
		return nil, 0
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, 0
	}
	return b, resp.StatusCode
}

func (c *child) json(method, url string, body any, into any) bool {
	var raw []byte
	if body != nil {
		var err error
		if raw, err = json.Marshal(body); err != nil {
			c.t.Error(err)
			return false
		}
	}
	b, status := c.call(method, url, nil, raw)
	return status == 200 && json.Unmarshal(b, &struct {
		Data any `json:"data"`
	}{into}) == nil
}

func (c *child) newDrop() string {
	c.t.Helper()
	var d struct {
		ID string `json:"_id"`
	}
	if !c.json("POST", "/api/v1/dropzones", map[string]any{"gb": 4, "days": 30}, &d) {
		c.t.Fatal("no dropzone")
	}
	return d.ID
}

type started struct {
	FileID    string `json:"fileId"`
	SignedURL string `json:"signedUrl"`
	PartSize  int    `json:"partSize"`
	Parts     []struct {
		PartNumber int    `json:"partNumber"`
		SignedURL  string `json:"signedUrl"`
		ETag       string `json:"etag"`
	} `json:"parts"`
}

func (c *child) begin(drop, name string, size int) (st started, ok bool) {
	ok = c.json("POST", "/api/v1/dropzones/"+drop+"/files",
		map[string]any{"name": name, "type": "a/b", "size": size, "multipart": true}, &st)
	return st, ok
}

// send sends what has not arrived of an upload.
func (c *child) send(st started, body []byte) bool {
	if len(st.Parts) == 0 {
		_, status := c.call("PUT", st.SignedURL, map[string]string{"Content-Type": "a/b"}, body)
		return status == 200
	}
	for i, p := range st.Parts {
		if p.ETag != "" {
			continue
		}
		if _, status := c.call("PUT", p.SignedURL, nil, body[i*st.PartSize:min((i+1)*st.PartSize, len(body))]); status != 200 {
			return false
		}
	}
	return true
}

func (c *child) confirm(id string) bool {
	var f map[string]any
	return c.json("POST", "/api/v1/files/"+id+"/confirm", nil, &f)
}

func (c *child) read(id string) ([]byte, int) {
	return c.call("GET", "/api/v1/files/"+id+"/download", nil, nil)
}

// afterwards opens the hub of dir in this process a long while later, sweeps, and checks that exactly files are there.
func afterwards(t *testing.T, dir string, files map[string]int) {
	t.Helper()
	h, err := Open(t.Context(), Config{DataDir: dir, Now: func() time.Time { return time.Now().Add(26 * time.Hour) }})
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
	checkSpace(t, h, files)
}

func TestH1H2KilledAtEachStep(t *testing.T) {
	small, big := []byte("some bytes"), bigBody(1<<20+1) // five parts
	for _, c := range []struct {
		die  string
		body []byte
		done bool // the file is confirmed although no answer came
	}{
		{"put.begun:2", small, false},
		{"put.written:2", small, false},
		{"put.renamed:2", small, false},
		{"commit.renamed:2", small, false},
		{"commit.synced:2", small, false},
		{"confirm.durable:2", small, true},
		{"put.renamed:4", big, false},
		{"join.begun:1", big, false},
		{"join.written:1", big, false},
		{"commit.renamed:2", big, false},
		{"confirm.durable:2", big, true},
	} {
		for _, resume := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/%d/resume=%v", c.die, len(c.body), resume), func(t *testing.T) {
				killAtStep(t, c.die, c.body, c.done, resume)
			})
		}
	}
}

func killAtStep(t *testing.T, die string, body []byte, done, resume bool) {
	dir := t.TempDir()
	hub := startChild(t, dir, die)
	drop := hub.newDrop()
	first, ok := hub.begin(drop, "first", 3)
	if !ok || !hub.send(first, []byte("abc")) || !hub.confirm(first.FileID) {
		t.Fatal("the first file was not taken")
	}
	st, ok := hub.begin(drop, "second", len(body))
	if !ok {
		t.Fatal("no upload URL")
	}
	if hub.send(st, body) && hub.confirm(st.FileID) {
		t.Fatal("the hub did not die")
	}
	_ = hub.cmd.Wait()
	want := map[string]int{first.FileID: 3}
	if done || resume {
		want[st.FileID] = len(body)
	}
	hub = startChild(t, dir, "")
	if resume {
		var renewed started
		if !done {
			if !hub.json("GET", "/api/v1/files/"+st.FileID+"/upload", nil, &renewed) {
				t.Fatal("the upload is lost")
			}
			// What had arrived need not be sent again, but may be.
			if !hub.confirm(st.FileID) && !hub.send(renewed, body) {
				t.Fatal("the upload does not go on")
			}
		}
		if !hub.confirm(st.FileID) {
			t.Fatal("a repeated confirm is refused")
		}
	}
	for id, size := range want {
		got, status := hub.read(id)
		if status != 200 || len(got) != size || size > 3 && !bytes.Equal(got, body) {
			t.Errorf("file of %d bytes: status %d, %d bytes", size, status, len(got))
		}
	}
	hub.kill()
	afterwards(t, dir, want)
}

// writer uploads, deletes and replaces until the hub is gone, and notes what was acknowledged.
type writer struct {
	mu    sync.Mutex
	there map[string][]byte // confirmed
	gone  map[string]bool   // deleted
	doubt map[string][]byte // asked for without an answer: either is right
}

func (w *writer) work(hub *child, drop string, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 1))
	for n := 0; ; n++ {
		body := bytes.Repeat([]byte(fmt.Sprint(seed, n, " ")), rnd.IntN(3000))
		st, ok := hub.begin(drop, fmt.Sprint(n), len(body))
		if !ok || !hub.send(st, body) {
			return
		}
		victim := ""
		w.mu.Lock()
		w.doubt[st.FileID] = body
		if rnd.IntN(3) == 0 {
			for id := range w.there {
				victim = id
				w.doubt[id] = w.there[id]
				delete(w.there, id)
				break
			}
		}
		w.mu.Unlock()
		var ask any
		replace := victim != "" && rnd.IntN(2) == 0
		if replace {
			ask = map[string]any{"replaces": victim}
		}
		var f map[string]any
		if !hub.json("POST", "/api/v1/files/"+st.FileID+"/confirm", ask, &f) {
			return
		}
		w.mu.Lock()
		w.there[st.FileID] = body
		delete(w.doubt, st.FileID)
		w.mu.Unlock()
		if victim == "" {
			continue
		}
		if !replace {
			if _, status := hub.call("DELETE", "/api/v1/files/"+victim, nil, nil); status != 200 {
				return
			}
		}
		w.mu.Lock()
		w.gone[victim] = true
		delete(w.doubt, victim)
		w.mu.Unlock()
	}
}

func TestH1H2KilledAtRandom(t *testing.T) {
	trials := 8
	if testing.Short() {
		trials = 2
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	w := &writer{there: map[string][]byte{}, gone: map[string]bool{}, doubt: map[string][]byte{}}
	hub := startChild(t, dir, "")
	drop := hub.newDrop()
	for range trials {
		var wg sync.WaitGroup
		for range 4 {
			seed := rnd.Uint64()
			wg.Go(func() { w.work(hub, drop, seed) })
		}
		time.Sleep(time.Duration(rnd.IntN(150)) * time.Millisecond) // the random instant
		hub.kill()
		wg.Wait()
		hub = startChild(t, dir, "")
		w.check(t, hub)
	}
	if len(w.there) == 0 {
		t.Fatal("nothing was ever confirmed")
	}
	t.Logf("%d files there, %d gone, %d in doubt", len(w.there), len(w.gone), len(w.doubt))
	want := map[string]int{}
	for id, body := range w.there {
		want[id] = len(body)
	}
	hub.kill()
	if _, err := os.Stat(filepath.Join(dir, "hub.db")); err != nil {
		t.Fatal(err)
	}
	afterwards(t, dir, want)
}

// check reads everything back, and settles what was in doubt.
func (w *writer) check(t *testing.T, hub *child) {
	t.Helper()
	for id, body := range w.doubt {
		var f struct {
			Meta struct {
				S3Status string `json:"s3Status"`
			} `json:"meta"`
		}
		if hub.json("GET", "/api/v1/files/"+id, nil, &f) && f.Meta.S3Status == "uploaded" {
			w.there[id] = body
		} else {
			w.gone[id] = true
		}
	}
	clear(w.doubt)
	for id, body := range w.there {
		got, status := hub.read(id)
		if status != 200 || md5.Sum(got) != md5.Sum(body) {
			t.Errorf("confirmed file: status %d, %d of %d bytes", status, len(got), len(body))
		}
	}
	for id := range w.gone {
		if _, status := hub.read(id); status != 404 {
			t.Errorf("deleted file: status %d", status)
		}
	}
}

func TestH1H2KilledInACopy(t *testing.T) {
	dir := t.TempDir()
	hub := startChild(t, dir, "copy.linked:1")
	drop := hub.newDrop()
	st, ok := hub.begin(drop, "first", 3)
	if !ok || !hub.send(st, []byte("abc")) || !hub.confirm(st.FileID) {
		t.Fatal("the first file was not taken")
	}
	var f struct {
		ID string `json:"_id"`
	}
	if hub.json("POST", "/api/v1/files/"+st.FileID+"/copy", map[string]any{"name": "copy"}, &f) {
		t.Fatal("the hub did not die")
	}
	_ = hub.cmd.Wait()
	hub = startChild(t, dir, "")
	if !hub.json("POST", "/api/v1/files/"+st.FileID+"/copy", map[string]any{"name": "copy"}, &f) {
		t.Fatal("no copy")
	}
	hub.kill()
	afterwards(t, dir, map[string]int{st.FileID: 3, f.ID: 3})
}
