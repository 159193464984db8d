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

// TestB6AWebhook has events of several shapes come to a wait, of which one tells all and ends it; of the others some have it
// ask at once, some a moment later, and some mean nothing.
func TestB6AWebhook(t *testing.T) {
	const never = -1
	end := func(task string) string { return `{"type":"operation.completed","payload":{"main_task":` + task + `}}` }
	for _, tt := range []struct {
		name, body string
		asked      time.Duration // after the event; never: not because of it
		ended      bool          // without a question
	}{
		{"as documented, as far as it is", event, 0, false},
		{"a file's", `{"type":"fileTask.completed","payload":{"file_task":{"id":"f","main_task_id":"main_1"}}}`, 500 * time.Millisecond, false},
		{"camelCase", `{"type":"x","payload":{"mainTaskId":"main_1"}}`, 0, false},
		{"another task's", `{"type":"x","payload":{"main_task":{"id":"main_2"}}}`, never, false},
		{"says so elsewhere", `{"type":"main_1"}`, never, false},
		{"tells all", end(`{"id":"main_1","status":"completed","count":{"total":1},"file_data":[{"file_key":"k","status":"completed","download_link":"/v1/download/k"}]}`), never, true},
		{"tells all, of a failure", end(`{"id":"main_1","status":"FAILED","file_data":[{"file_key":"k","status":"failed","error_code":"internal_error"}]}`), never, true},
		{"of two files tells one", end(`{"id":"main_1","status":"completed","count":{"total":2},"file_data":[{"status":"completed","download_link":"/v1/download/k"}]}`), 0, false},
		{"of a file that goes on", end(`{"id":"main_1","status":"completed","file_data":[{"status":"running"}]}`), 0, false},
		{"a result without a link", end(`{"id":"main_1","status":"completed","file_data":[{"status":"completed"}]}`), 0, false},
		{"a result on another host", end(`{"id":"main_1","status":"completed","file_data":[{"status":"completed","download_link":"http://evil.test/v1/download/k"}]}`), 0, false},
		{"of a task that goes on", end(`{"id":"main_1","status":"running","file_data":[{"status":"completed","download_link":"/v1/download/k"}]}`), 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var asked instants
				lines := make([]string, 8)
				for i := range lines {
					lines[i] = running
				}
				cfg := through("http://d3.test", scripted(&asked, append(lines, done)...))
				cfg.PollFirst, cfg.WebhookSecret = 500*time.Millisecond, remote.Secret(whsec)
				c := client(t, cfg)
				var got d3.Task
				ended := make(chan error, 1)
				go func() {
					var err error
					got, err = c.Wait(t.Context(), "main_1")
					ended <- err
				}()
				time.Sleep(16 * time.Second) // between two questions that are 5 s apart
				synctest.Wait()
				before := len(asked.list())
				if code := deliver(c.Webhook(), "POST", "X-Webhook-Signature", hex.EncodeToString(mac(tt.body)), tt.body); code != 204 {
					t.Fatalf("answered %d", code)
				}
				if tt.asked > 0 {
					synctest.Wait()
					if len(asked.list()) > before {
						t.Error("it was asked at once")
					}
					time.Sleep(tt.asked)
				}
				synctest.Wait()
				if woke := len(asked.list()) > before; woke != (tt.asked != never) {
					t.Errorf("it was asked because of it: %v", woke)
				}
				if tt.ended != (len(ended) == 1) && tt.asked == never {
					t.Errorf("the wait has ended: %v", !tt.ended)
				}
				if err := <-ended; err != nil || !got.State.Ended() || got.ID != "main_1" && tt.ended {
					t.Errorf("got %+v, %v", got, err)
				}
				if tt.ended && len(asked.list()) != before {
					t.Error("it was asked all the same")
				}
			})
		})
	}
}

// TestB6OfTwoEventsTheOneThatSaysMoreCounts sends a file's event and its task's, in both orders.
func TestB6OfTwoEventsTheOneThatSaysMoreCounts(t *testing.T) {
	const (
		file = `{"type":"fileTask.completed","payload":{"file_task":{"id":"f","main_task_id":"main_1"}}}`
		all  = `{"type":"operation.completed","payload":{"main_task":{"id":"main_1","status":"completed","file_data":[{"status":"completed","download_link":"/v1/download/k"}]}}}`
	)
	for _, order := range [][]string{{file, all}, {all, file}, {file, file, all}} {
		synctest.Test(t, func(t *testing.T) {
			var asked instants
			cfg := through("http://d3.test", scripted(&asked, running))
			cfg.PollFirst, cfg.WebhookSecret = time.Minute, remote.Secret(whsec)
			c := client(t, cfg)
			ended := make(chan error, 1)
			go func() {
				_, err := c.Wait(t.Context(), "main_1")
				ended <- err
			}()
			synctest.Wait()
			for _, body := range order {
				deliver(c.Webhook(), "POST", "X-Webhook-Signature", hex.EncodeToString(mac(body)), body)
			}
			synctest.Wait()
			if len(ended) != 1 || len(asked.list()) != 1 {
				t.Errorf("ended: %d, asked %d times", len(ended), len(asked.list()))
			}
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}

// TestB6Pace: while webhooks arrive status is asked for slowly; when one has not come for a task that ended, as usual again.
func TestB6Pace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked instants
		cfg := through("http://d3.test", scripted(&asked, running, running, running, done))
		cfg.PollFirst, cfg.WebhookSecret = 500*time.Millisecond, remote.Secret(whsec)
		c := client(t, cfg)
		other := `{"type":"x","payload":{"main_task":{"id":"main_0"}}}`
		deliver(c.Webhook(), "POST", "X-Webhook-Signature", hex.EncodeToString(mac(other)), other)
		wait := func(want ...time.Duration) {
			t.Helper()
			before, began := len(asked.list()), time.Now()
			if _, err := c.Wait(t.Context(), "main_1"); err != nil {
				t.Error(err)
			}
			got := asked.list()[before:]
			if len(got) != len(want) || time.Since(began) != want[len(want)-1] {
				t.Errorf("asked at %v, ended after %v, not %v", got, time.Since(began), want)
			}
		}
		wait(0, 10*time.Second, 20*time.Second, 30*time.Second)
		asked = instants{}
		wait(0, 500*time.Millisecond, 1250*time.Millisecond, 2375*time.Millisecond)
	})
}

// TestWebhooksOfSeveral has two clients with secrets of their own share an address.
func TestWebhooksOfSeveral(t *testing.T) {
	one := client(t, d3.Config{BaseURL: "http://d3.test", WebhookSecret: whsec})
	two := client(t, d3.Config{BaseURL: "http://d3.test", WebhookSecret: "other"})
	none := client(t, d3.Config{BaseURL: "http://d3.test"})
	for _, tt := range []struct {
		clients []*d3.Client
		body    string
		want    int
	}{
		{[]*d3.Client{none, two, one}, event, 204},
		{[]*d3.Client{one, two}, event, 204},
		{[]*d3.Client{two, none}, event, 401},
		{[]*d3.Client{two, one}, "[]", 400},
		{nil, event, 401},
	} {
		h := d3.Webhooks(func() []*d3.Client { return tt.clients })
		if got := deliver(h, "POST", "X-Webhook-Signature", hex.EncodeToString(mac(tt.body)), tt.body); got != tt.want {
			t.Errorf("%d clients, %s: %d, not %d", len(tt.clients), tt.body[:2], got, tt.want)
		}
	}
}
