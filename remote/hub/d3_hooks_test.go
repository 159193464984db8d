package hub

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"dropfs/remote"
)

// next waits for a call.
func (s *hookServer) next(t *testing.T) hookCall {
	t.Helper()
	select {
	case c := <-s.got:
		return c
	case <-time.After(20 * time.Second):
		t.Fatal("no webhook is called")
		panic("unreachable")
	}
}

// newHookSite is a site whose webhooks may be on this machine, and are tried again at once.
func newHookSite(t *testing.T) *d3Site {
	return newD3Site(t, func(c *Config) {
		c.PrivateHooks, c.jobWait, c.jobPoll = true, func(int) time.Duration { return 0 }, 50*time.Millisecond
	})
}

func TestT12Webhooks(t *testing.T) {
	const secret = "whsec_test"
	s := newHookServer(t, func(int) int { return 204 })
	d := newHookSite(t)
	h := d.answer(d.asks("POST", "/v1/developer/webhooks", map[string]any{"webhook_url": s.URL + "/hook?token=x", "webhook_secret": secret}), 200)
	if h["webhook_secret"] != secret || !strings.HasPrefix(h["id"].(string), "wh_") {
		t.Fatal(h)
	}
	good, bad := d.source("good.txt", "good"), d.source("bad.txt", "FAIL")
	main := d.answer(d.asks("POST", "/api/v1/do", map[string]any{
		"action": "convert", "file_keys": []any{good, bad}, "parameters": map[string]any{"convert_to": "md"}, "notes": map[string]any{"order": "17"},
	}), 200)["main_task_id"].(string)
	got := map[string]map[string]any{}
	for range 3 {
		c := s.next(t)
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(c.body)
		sig := hex.EncodeToString(mac.Sum(nil))
		if c.header.Get("X-Webhook-Signature") != sig || c.header.Get("X-D3-Signature") != sig || c.header.Get("Content-Type") != "application/json" {
			t.Errorf("%v", c.header)
		}
		stamp, _ := c.event["timestamp"].(string)
		if !regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$`).MatchString(stamp) {
			t.Errorf("timestamp %q", stamp)
		}
		noNulls(t, c.event)
		got[c.event["type"].(string)] = c.event["payload"].(map[string]any)
	}
	op := got["operation.completed"]["main_task"].(map[string]any)
	if op["id"] != main || op["status"] != "completed" || fmt.Sprint(op["count"]) != "map[failed:1 success:1 total:2]" ||
		len(op["file_data"].([]any)) != 2 || fmt.Sprint(op["notes"]) != "map[order:17]" {
		t.Errorf("%v", op)
	}
	done, failed := got["fileTask.completed"]["file_task"].(map[string]any), got["fileTask.failed"]["file_task"].(map[string]any)
	if done["main_task_id"] != main || done["status"] != "completed" || failed["error_code"] != "conversion_failed" || failed["file_key"] != bad ||
		fmt.Sprint(failed["notes"]) != "map[order:17]" {
		t.Errorf("%v %v", done, failed)
	}
	if r := d.do(request{"GET", done["download_link"].(string), nil, nil}); string(r.Body) != "GOOD>@md" {
		t.Errorf("%d %s", r.Status, r.Body)
	}
	d.order("convert", map[string]any{"convert_to": "md"}, bad)
	kinds := []string{s.next(t).event["type"].(string), s.next(t).event["type"].(string)}
	if slices.Sort(kinds); !slices.Equal(kinds, []string{"fileTask.failed", "operation.failed"}) {
		t.Error(kinds)
	}
}

// TestT12EventsAreOfOneKey: of two keys that have a webhook each, none hears of what the other does.
func TestT12EventsAreOfOneKey(t *testing.T) {
	d := newHookSite(t)
	other, _, err := d.hub.CreateKey(t.Context(), "other", -1)
	if err != nil {
		t.Fatal(err)
	}
	type party struct {
		key    string
		server *hookServer
		events int
	}
	parties := []*party{{key: d.key}, {key: other.Reveal()}}
	for _, p := range parties {
		p.server = newHookServer(t, func(int) int { return 200 })
		d.key = p.key
		d.answer(d.asks("POST", "/v1/developer/webhooks", map[string]any{"webhook_url": p.server.URL}), 200)
	}
	for _, i := range []int{0, 1, 0, 1} { // what one hears after the other was told is its own all the same
		p := parties[i]
		d.key = p.key
		main := d.order("convert", map[string]any{"convert_to": "md"}, d.source("a.txt", "a"))
		for range 2 { // of the task, and of the operation
			if c := p.server.next(t); !strings.Contains(string(c.body), main) {
				t.Errorf("not of %s: %s", main, c.body)
			}
			p.events++
		}
	}
	for _, p := range parties {
		d.key = p.key
		var audit []any
		until(t, "the tries are not written down", func() bool {
			audit = d.answer(d.asks("GET", "/v1/developer/webhooks/audit", nil), 200)["audit"].([]any)
			return len(audit) >= p.events
		})
		if len(audit) != p.events || len(p.server.got) != 0 {
			t.Errorf("%d tries and %d calls for %d events", len(audit), p.events+len(p.server.got), p.events)
		}
		for _, a := range audit {
			if got := a.(map[string]any)["target_url"]; got != p.server.URL {
				t.Errorf("a try at %v is told", got)
			}
		}
	}
}

func TestT12RetriesAndAudit(t *testing.T) {
	s := newHookServer(t, func(n int) int { return []int{500, 302, 200}[min(n, 3)-1] })
	d := newHookSite(t)
	d.answer(d.asks("POST", "/v1/developer/webhooks", map[string]any{"url": s.URL}), 200)
	main := d.order("convert", map[string]any{"convert_to": "md"}, d.source("a.txt", "a"))
	var bodies []string
	for range 4 { // three tries of the first, one of the second, in any order
		c := s.next(t)
		if c.header.Get("X-Webhook-Signature") != "" {
			t.Error("signed without a secret")
		}
		bodies = append(bodies, string(c.body))
	}
	slices.Sort(bodies)
	if len(slices.Compact(bodies)) != 2 {
		t.Fatalf("a try has another body: %v", bodies)
	}
	var audit []any
	until(t, "the tries are not written down", func() bool {
		audit = d.answer(d.asks("GET", "/v1/developer/webhooks/audit", nil), 200)["audit"].([]any)
		return len(audit) == 4
	})
	results := map[string]int{}
	for _, v := range audit {
		a := v.(map[string]any)
		results[fmt.Sprint(a["status"], " ", a["response_status"])]++
		if a["target_url"] != s.URL || !strings.Contains(a["payload"].(string), main) || a["attempt_number"] == nil || a["sent_at"] == nil || a["event_type"] == nil {
			t.Errorf("%v", a)
		}
	}
	if fmt.Sprint(results) != "map[failed 302:1 failed 500:1 success 200:2]" {
		t.Error(results)
	}
}

func TestT12GivenUp(t *testing.T) {
	s := newHookServer(t, func(int) int { return 500 })
	d := newHookSite(t)
	d.answer(d.asks("POST", "/v1/developer/webhooks", map[string]any{"url": s.URL}), 200)
	d.order("convert", map[string]any{"convert_to": "md"}, d.source("a.txt", "a"))
	for range 16 { // two events, eight tries each
		s.next(t)
	}
	select {
	case <-s.got:
		t.Error("tried once more")
	case <-time.After(600 * time.Millisecond): // twice as long as jobs are looked for
	}
}

func TestT12PrivateAddresses(t *testing.T) {
	d := newD3Site(t, nil)
	for _, u := range []string{
		"http://127.0.0.1/", "http://localhost:8080/x", "https://[::1]/", "http://10.1.2.3/", "http://192.168.0.1/", "http://169.254.169.254/latest",
		"http://[::ffff:127.0.0.1]/", "http://[fd00::1]/", "http://[fe80::1]/", "http://0.0.0.0/", "http://100.64.1.1/", "http://a.localhost/",
		"http://[64:ff9b::7f00:1]/", "ftp://example.com/", "http://user:secret@example.com/", "nothing", "",
	} {
		d.answer(d.asks("POST", "/v1/developer/webhooks", map[string]any{"webhook_url": u}), 400)
	}
	d.answer(d.asks("POST", "/v1/developer/webhooks", map[string]any{"webhook_url": "https://hooks.example.com/x"}), 200)
}

// TestT12PrivateAddressesWhenDialled: a webhook that came to be registered, or a name that leads to this machine, is not
// called all the same.
func TestT12PrivateAddressesWhenDialled(t *testing.T) {
	s := newHookServer(t, func(int) int { return 200 })
	d := newD3Site(t, nil)
	me := d.data(d.withKey("GET", "/api/v1/apikeys/me", nil))["publicId"].(string)
	_, port, err := net.SplitHostPort(strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.hub.AddWebhook(t.Context(), me, "http://localhost:"+port+"/", "secret"); err != nil {
		t.Fatal(err)
	}
	d.order("convert", map[string]any{"convert_to": "md"}, d.source("a.txt", "a"))
	until(t, "nothing is written down", func() bool {
		audit := d.answer(d.asks("GET", "/v1/developer/webhooks/audit", nil), 200)["audit"].([]any)
		return len(audit) > 0 && strings.Contains(fmt.Sprint(audit[0]), "the address is not public")
	})
	if len(s.got) > 0 {
		t.Error("it was called")
	}
}

func TestDeveloperRoutes(t *testing.T) {
	d := newHookSite(t)
	made := d.answer(d.asks("POST", "/v1/developer/generate-api-key", map[string]any{"name": "mine", "webhook_url": "https://hooks.example.com/", "region": nil}), 200)
	key := made["api_key"].(string)
	if !strings.HasPrefix(key, "d3_live_") || made["rate_limit"] != "1000/m" || !strings.HasPrefix(made["webhook_secret"].(string), "whsec_") || made["created_at"] == nil {
		t.Fatal(made)
	}
	mine := d.key
	d.key = key
	hooks := d.answer(d.asks("GET", "/v1/developer/webhooks", nil), 200)["webhooks"].([]any)
	h := hooks[0].(map[string]any)
	if len(hooks) != 1 || h["webhook_url"] != "https://hooks.example.com/" || h["signed"] != true || h["webhook_secret"] != nil {
		t.Fatal(hooks)
	}
	d.result(d.order("zip", nil, d.source("a.txt", "x")), 1)
	d.answer(d.asks("POST", "/v1/developer/generate-api-key", nil), 403)
	d.key = mine
	path := "/v1/developer/webhook/" + h["id"].(string)
	d.answer(d.asks("DELETE", path, nil), 404) // another key's
	d.key = key
	d.answer(d.asks("DELETE", path, nil), 200)
	d.answer(d.asks("DELETE", path, nil), 404)
	if hooks := d.answer(d.asks("GET", "/v1/developer/webhooks", nil), 200)["webhooks"].([]any); len(hooks) != 0 {
		t.Fatal(hooks)
	}
	d.answer(d.do(request{"GET", "/v1/developer/webhooks", nil, nil}), 401)
}

func TestAddWebhook(t *testing.T) {
	s := newSite(t, nil)
	if err := s.hub.AddWebhook(t.Context(), "x", "nonsense", ""); err == nil {
		t.Error("nonsense is a webhook")
	}
	_, info, err := s.hub.CreateKey(t.Context(), "k", -1)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.hub.AddWebhook(t.Context(), info.PublicID, "https://hooks.example.com/", remote.Secret("s")); err != nil {
		t.Fatal(err)
	}
}
