//go:build linux

package e2e

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"image"
	"image/png"
	"math/rand/v2"
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

// statusCalls is how often a hub was asked for the state of a task.
func (h *hub) statusCalls() (n int) {
	h.t.Helper()
	for _, m := range regexp.MustCompile(`(?m)^dropfs_hub_requests_total\{method="GET",route="[^"]*/status/[^"]*",status="200"\} (\d+)`).FindAllStringSubmatch(get(h.t, h.url+"/metrics"), -1) {
		k, err := strconv.Atoi(m[1])
		if err != nil {
			h.t.Fatal(err)
		}
		n += k
	}
	return n
}

// writeNoise makes a picture that takes a while to be written anew.
func writeNoise(t *testing.T, path string, seed uint64) {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, 1600, 1600))
	r := rand.New(rand.NewPCG(seed, 1))
	for i := range m.Pix {
		m.Pix[i] = byte(r.Uint32()) | 0x0f
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(f, m); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestWebhookEndsAConversion: a disk whose address the service knows hears of the end of a conversion, and asks for its state
// no second time; it takes nothing from who has not the secret. Where the address cannot be had it asks as ever.
func TestWebhookEndsAConversion(t *testing.T) {
	const secret = "whsec_e2e"
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	h, m := newHub(t, "--private-webhooks"), newMachine(t)
	key := strings.TrimSpace(m.must(patience, "key", "create", "disk", "--data", h.data, "--webhook", "http://"+addr+"/hook", "--webhook-secret", secret))
	login := []string{"login", "convert", "--service", "d3", "--url", h.url, "--key", "-", "--webhook-listen", addr}
	if r := run(patience, m.dir, m.env, key+"\n", binary, login...); r.code != 2 || !strings.Contains(r.err, "secret of the webhooks") {
		t.Errorf("login without the secret: %v", r)
	}
	if r := run(patience, m.dir, m.env, key+"\n"+secret+"\n", binary, login...); r.code != 0 || strings.Contains(r.out+r.err, secret) {
		t.Fatalf("login: %v", r)
	}
	text, err := os.ReadFile(filepath.Join(m.home, ".config/dropfs/config.toml"))
	if err != nil || !strings.Contains(string(text), fmt.Sprintf("webhook_listen = %q", addr)) || strings.Contains(string(text), secret) {
		t.Errorf("the configuration is %q, %v", text, err)
	}
	mp := m.mount("mnt")

	// The first job may end before anything is heard.
	convertNoise := func(name string, seed uint64) time.Duration {
		t.Helper()
		writeNoise(t, filepath.Join(m.dir, name), seed)
		m.sh(patience, mp, "cp "+filepath.Join(m.dir, name)+" .")
		began := time.Now()
		if got := m.sh(time.Minute, mp, "head -c 3 "+name+"@jpg | od -An -tx1"); strings.TrimSpace(got) != "ff d8 ff" {
			t.Errorf("%s@jpg begins %q", name, got)
		}
		return time.Since(began)
	}
	convertNoise("first.png", 1)
	heard := func() bool {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.url+"/v1/developer/webhooks/audit", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+key)
		resp, err := plainClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		b := make([]byte, 1<<20)
		n, _ := resp.Body.Read(b)
		return strings.Contains(string(b[:n]), `"event_type":"operation.completed"`) && strings.Contains(string(b[:n]), `"status":"success"`)
	}
	for end := time.Now().Add(patience); !heard(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("no webhook is delivered")
		}
	}
	before := h.statusCalls()
	took := convertNoise("second.png", 2)
	if n := h.statusCalls() - before; n != 1 {
		t.Errorf("the state was asked for %d times", n)
	}
	t.Logf("heard of after %v", took)
	if took > 9*time.Second { // when it would have been asked for again
		t.Errorf("the end was heard of after %v", took)
	}

	body := `{"type":"x","payload":{"main_task":{"id":"main_1"}}}`
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	for signature, want := range map[string]int{"": 401, strings.Repeat("0", 64): 401, hex.EncodeToString(mac.Sum(nil)): 204} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+addr+"/hook", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Webhook-Signature", signature)
		resp, err := plainClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if _ = resp.Body.Close(); resp.StatusCode != want {
			t.Errorf("signed %q: %d", signature, resp.StatusCode)
		}
	}
	m.unmount(mp)

	if l, err = net.Listen("tcp", addr); err != nil {
		t.Fatal(err) // the disk has let it go
	}
	defer func() { _ = l.Close() }()
	mp = m.mount("mnt")
	convertNoise("third.png", 3)
	if got := m.must(patience, "status"); !strings.Contains(got, "webhooks do not come in at "+addr) {
		t.Errorf("status tells %q", got)
	}
}

// TestServiceThatSaidWaitIsLeftAlone: a daemon that was killed after the conversion service had said when to come back, and
// is started anew, sends it nothing before.
func TestServiceThatSaidWaitIsLeftAlone(t *testing.T) {
	h, m := newHub(t, "--rate", "d3=8/h"), newMachine(t)
	if r := run(patience, m.dir, m.env, h.key, binary, "login", "convert", "--service", "d3", "--url", h.url, "--key", "-"); r.code != 0 {
		t.Fatalf("login: %v", r)
	}
	m.mount("mnt") // it asks what the service can do, until it may no more
	kept := filepath.Join(m.stateDir(), "local", "convert-rate.json")
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if text, err := os.ReadFile(kept); err == nil && strings.Contains(string(text), `"blocked"`) {
			break
		}
		if time.Now().After(end) {
			t.Fatal("what the service said is not kept")
		}
	}
	kill(m.daemon())
	m.detach()
	asked := func() string {
		return strings.Join(regexp.MustCompile(`(?m)^dropfs_hub_requests_total\{method="POST",route="[^"]*/supported-operation".*`).FindAllString(get(t, h.url+"/metrics"), -1), "\n")
	}
	before := asked()
	for was := ""; was != before; before = asked() { // what was on its way when it was killed arrives
		was = before
		time.Sleep(500 * time.Millisecond)
	}
	if before == "" {
		t.Fatal("the service was never asked")
	}
	mp := m.mount("mnt")
	src := filepath.Join(m.dir, "doc.pdf")
	writePDF(t, src, "text")
	m.sh(patience, mp, "cp "+src+" .")
	if r := run(time.Minute, mp, m.env, "", "cat", "doc.pdf@txt,via=remote"); r.code == 0 {
		t.Errorf("converted by a service that is not to be asked: %v", r)
	}
	if got := m.sh(time.Minute, mp, "cat doc.pdf@txt,via=local"); !strings.HasPrefix(got, "text") {
		t.Errorf("by this machine: %q", got)
	}
	if after := asked(); after != before {
		t.Errorf("it was asked again: from\n%s\nto\n%s", before, after)
	}
}
