package d3_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"dropfs/remote"
	"dropfs/remote/d3"
)

const whsec = "whsec_sekrit"

// event is a body as documented (wire/d3.md §12).
const event = `{"type":"operation.completed","timestamp":"2026-03-25T10:00:00.123456Z","payload":{"main_task":{"id":"main_1","status":"completed","count":{"total":1,"success":1,"failed":0},"file_data":[{"file_key":"k"}]}}}`

func mac(body string) []byte {
	m := hmac.New(sha256.New, []byte(whsec))
	m.Write([]byte(body))
	return m.Sum(nil)
}

func deliver(h http.Handler, method, header, signature, body string) int {
	r := httptest.NewRequest(method, "/hook", strings.NewReader(body))
	if header != "" {
		r.Header.Set(header, signature)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

func TestWebhookSignature(t *testing.T) {
	good := mac(event)
	hexed, b64 := hex.EncodeToString(good), base64.StdEncoding.EncodeToString(good)
	bad := bytes.Clone(good)
	bad[31] ^= 1
	for _, tt := range []struct {
		name, header, signature, body string
		want                          int
	}{
		{"hex", "X-Webhook-Signature", hexed, event, 204},
		{"the older header", "X-D3-Signature", hexed, event, 204},
		{"upper-case hex", "X-Webhook-Signature", strings.ToUpper(hexed), event, 204},
		{"prefixed hex", "X-Webhook-Signature", "sha256=" + hexed, event, 204},
		{"prefixed, in the older header", "X-D3-Signature", "SHA256=" + hexed, event, 204},
		{"base64", "X-Webhook-Signature", b64, event, 204},
		{"base64 without its end", "X-D3-Signature", strings.TrimRight(b64, "="), event, 204},
		{"base64 for URLs, prefixed", "X-D3-Signature", "sha256=" + base64.URLEncoding.EncodeToString(good), event, 204},
		{"none", "", "", event, 401},
		{"empty", "X-Webhook-Signature", "", event, 401},
		{"one bit off", "X-Webhook-Signature", hex.EncodeToString(bad), event, 401},
		{"half of it", "X-Webhook-Signature", hexed[:32], event, 401},
		{"of another body", "X-Webhook-Signature", hexed, event + " ", 401},
		{"very long", "X-Webhook-Signature", strings.Repeat("ab", 5000), event, 401},
		{"signed, but no object", "X-Webhook-Signature", hex.EncodeToString(mac("[]")), "[]", 400},
		{"signed, but no JSON", "X-Webhook-Signature", hex.EncodeToString(mac("x")), "x", 400},
		{"too large", "X-Webhook-Signature", hexed, strings.Repeat(" ", 2<<20), 413},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := client(t, d3.Config{BaseURL: "http://d3.test", WebhookSecret: whsec})
			if got := deliver(c.Webhook(), "POST", tt.header, tt.signature, tt.body); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
	c := client(t, d3.Config{BaseURL: "http://d3.test", WebhookSecret: whsec})
	if got := deliver(c.Webhook(), "GET", "", "", ""); got != 405 {
		t.Errorf("GET answers %d", got)
	}
	m := hmac.New(sha256.New, nil)
	m.Write([]byte(event))
	c = client(t, d3.Config{BaseURL: "http://d3.test"})
	if got := deliver(c.Webhook(), "POST", "X-Webhook-Signature", hex.EncodeToString(m.Sum(nil)), event); got != 401 {
		t.Errorf("without a secret anything signed with none answers %d", got)
	}
}

// TestB6AWebhookWakesAndSaysNothing has events of several shapes wake a wait; what is true is still asked for.
func TestB6AWebhookWakesAndSaysNothing(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		wakes      bool
	}{
		{"as documented", event, true},
		{"a file's", `{"type":"fileTask.completed","payload":{"file_task":{"id":"f","main_task_id":"main_1"}}}`, true},
		{"camelCase", `{"type":"x","payload":{"mainTaskId":"main_1"}}`, true},
		{"another task's", `{"type":"x","payload":{"main_task":{"id":"main_2"}}}`, false},
		{"says so elsewhere", `{"type":"main_1"}`, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var asked instants
				lines := []string{running, running, running, running, running, running, running, running, done}
				cfg := through("http://d3.test", scripted(&asked, lines...))
				cfg.PollFirst, cfg.WebhookSecret = 500*time.Millisecond, remote.Secret(whsec)
				c := client(t, cfg)
				var got d3.Task
				ended := make(chan error, 1)
				go func() {
					var err error
					got, err = c.Wait(t.Context(), "main_1")
					ended <- err
				}()
				time.Sleep(20 * time.Second)
				synctest.Wait()
				before := len(asked.list())
				if code := deliver(c.Webhook(), "POST", "X-Webhook-Signature", hex.EncodeToString(mac(tt.body)), tt.body); code != 204 {
					t.Fatalf("answered %d", code)
				}
				synctest.Wait()
				if woke := len(asked.list()) > before; woke != tt.wakes {
					t.Errorf("it was asked at once: %v, want %v", woke, tt.wakes)
				}
				if err := <-ended; err != nil || got.State != d3.Completed {
					t.Errorf("got %+v, %v", got, err)
				}
			})
		})
	}
}
