//go:build linux

package e2e

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const hubKey = "e2e-key"

// hub is a served hub, and a plain HTTP client of it that shares nothing with the disk's.
type hub struct {
	t    *testing.T
	data string
	url  string // http://host:port
	key  string
	addr string
	cmd  *exec.Cmd
	log  string
	more []string // arguments of serve
}

// newHub starts a hub with a directory of its own; more are further arguments of serve.
func newHub(t *testing.T, more ...string) *hub {
	t.Helper()
	dir, err := os.MkdirTemp(tmp, "h")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return serveHub(t, filepath.Join(dir, "data"), hubKey, filepath.Join(dir, "log"), more...)
}

// embeddedHub serves what an embedded hub has kept, once its disk is unmounted, for a look at it over HTTP.
func embeddedHub(m *machine) *hub {
	m.t.Helper()
	key, err := os.ReadFile(filepath.Join(filepath.Dir(m.hubDir()), "hub.key"))
	if err != nil {
		m.t.Fatal(err)
	}
	return serveHub(m.t, m.hubDir(), strings.TrimSpace(string(key)), filepath.Join(m.dir, "hub.log"))
}

func serveHub(t *testing.T, data, key, log string, more ...string) *hub {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &hub{t: t, data: data, key: key, addr: l.Addr().String(), log: log, more: more}
	h.url = "http://" + h.addr
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		h.kill()
		if t.Failed() {
			if b, err := os.ReadFile(h.log); err == nil {
				t.Logf("log of the hub:\n%s", b[max(0, len(b)-4000):])
			}
		}
	})
	h.start()
	return h
}

// start starts the hub, on the same address as before.
func (h *hub) start() {
	h.t.Helper()
	log, err := os.OpenFile(h.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	args := append([]string{"serve", "--listen", h.addr, "--data", h.data, "--api-key", h.key}, h.more...)
	h.cmd = exec.CommandContext(context.WithoutCancel(h.t.Context()), binary, args...)
	h.cmd.Env = []string{"HOME=" + filepath.Dir(h.log), "TMPDIR=" + filepath.Dir(h.log), "PATH=" + os.Getenv("PATH")}
	h.cmd.Stderr = log
	out, err := h.cmd.StdoutPipe()
	if err != nil {
		h.t.Fatal(err)
	}
	if err := h.cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		h.t.Fatalf("the hub does not start: %q %v", line, err)
	}
}

// kill ends the hub as a power cut would, but for the disk.
func (h *hub) kill() {
	if h.cmd.ProcessState == nil {
		_ = h.cmd.Process.Kill()
		_ = h.cmd.Wait()
	}
}

var plainClient = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// call makes one request and returns the body of its answer.
func (h *hub) call(method, path string, body string) (b []byte, code int) {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), method, h.url+"/api/v1"+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("x-api-key", h.key)
	resp, err := plainClient.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if b, err = io.ReadAll(resp.Body); err != nil {
		h.t.Fatal(err)
	}
	return b, resp.StatusCode
}

// data makes one request that must succeed and reads what the answer calls data.
func (h *hub) into(method, path, body string, into any) {
	h.t.Helper()
	b, code := h.call(method, path, body)
	if code != http.StatusOK {
		h.t.Fatalf("%s %s: %d %s", method, path, code, b)
	}
	if err := json.Unmarshal(b, &struct {
		Data any `json:"data"`
	}{into}); err != nil {
		h.t.Fatalf("%s %s: %v in %s", method, path, err, b)
	}
}

// drop finds a drop by its name.
func (h *hub) drop(name string) string {
	h.t.Helper()
	var drops []struct {
		ID   string `json:"_id"`
		Name string `json:"name"`
	}
	h.into(http.MethodGet, "/dropzones", "", &drops)
	for _, d := range drops {
		if d.Name == name {
			return d.ID
		}
	}
	h.t.Fatalf("no drop %q in %v", name, drops)
	return ""
}

// makeDrop makes a drop.
func (h *hub) makeDrop(name string) string {
	h.t.Helper()
	var d struct {
		ID string `json:"_id"`
	}
	h.into(http.MethodPost, "/dropzones", fmt.Sprintf(`{"gb":4,"days":30,"name":%q}`, name), &d)
	return d.ID
}

// asset is what the hub says of one file.
type asset struct {
	ID   string `json:"_id"`
	Name string `json:"name"`
	Size int64  `json:"size"`
}

// assets lists a drop, without the sidecars.
func (h *hub) assets(drop string) []asset {
	h.t.Helper()
	var all, out []asset
	h.into(http.MethodGet, "/dropzones/"+drop+"/files", "", &all)
	for _, a := range all {
		if !strings.HasPrefix(a.Name, ".dropfs/") {
			out = append(out, a)
		}
	}
	return out
}

// bytes fetches a file.
func (h *hub) bytes(id string) []byte {
	h.t.Helper()
	b, code := h.call(http.MethodGet, "/files/"+id+"/download", "")
	if code != http.StatusOK {
		h.t.Fatalf("download of %s: %d %s", id, code, clip(string(b)))
	}
	return b
}

// put uploads a file the way a browser does.
func (h *hub) put(drop, name, text string) string {
	h.t.Helper()
	var up struct {
		FileID    string `json:"fileId"`
		SignedURL string `json:"signedUrl"`
	}
	h.into(http.MethodPost, "/dropzones/"+drop+"/files", fmt.Sprintf(`{"name":%q,"type":"text/plain","size":%d}`, name, len(text)), &up)
	req, err := http.NewRequestWithContext(h.t.Context(), http.MethodPut, up.SignedURL, strings.NewReader(text))
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "text/plain")
	resp, err := plainClient.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		h.t.Fatalf("PUT: %s", resp.Status)
	}
	if b, code := h.call(http.MethodPost, "/files/"+up.FileID+"/confirm", ""); code != http.StatusOK {
		h.t.Fatalf("confirm: %d %s", code, b)
	}
	return up.FileID
}

// checkCopies holds that the drop has exactly one copy of each file of want, by name and sum of its bytes, and no other.
func (h *hub) checkCopies(drop string, want map[string]string) {
	h.t.Helper()
	wrong := 0
	complain := func(format string, args ...any) {
		if wrong++; wrong <= 20 {
			h.t.Errorf(format, args...)
		}
	}
	seen := map[string]int{}
	for _, a := range h.assets(drop) {
		seen[a.Name]++
		sum, ok := want[a.Name]
		if !ok {
			complain("the service has %q (%d bytes), which is not on the disk", a.Name, a.Size)
		} else if got := sumOf(h.bytes(a.ID)); got != sum {
			complain("the service has other bytes of %q: %s, want %s", a.Name, got, sum)
		}
	}
	for name := range want {
		if seen[name] != 1 {
			complain("the service has %d copies of %q", seen[name], name)
		}
	}
}

func sumOf(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:8])
}
