package hub

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// steadyD3 replaces what differs from run to run, keeping its form.
func steadyD3(text string) string {
	for _, r := range [][2]string{
		{`http://127\.0\.0\.1:\d+`, "http://HUB"},
		{`(in|out|main|task|wh)_[2-9A-Za-z]{27}`, "${1}_ID"},
		{`expires=\d{10}`, "expires=SECONDS"},
		{`sig=[0-9a-f]{64}`, "sig=MAC"},
		{`"upload_id": "[2-9A-Za-z]{40}"`, `"upload_id": "UPLOAD"`},
		{`d3_live_[2-9A-Za-z]{40}`, "d3_live_KEY"},
		{`whsec_[2-9A-Za-z]{32}`, "whsec_SECRET"},
		{`"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"`, `"TIME"`},
	} {
		text = regexp.MustCompile(r[0]).ReplaceAllString(text, r[1])
	}
	return text
}

// TestD3Golden compares the answers of the D3 wire, and what webhooks are told, with the recorded ones.
func TestD3Golden(t *testing.T) {
	hooks := newHookServer(t, func(int) int { return 200 })
	d := newHookSite(t)
	golden := func(name string, body []byte) {
		t.Helper()
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, body, "", "  "); err != nil {
			t.Fatal(err)
		}
		got := steadyD3(pretty.String()) + "\n"
		path := filepath.Join("testdata", "golden", "d3-"+name+".json")
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s:\n%s\nrecorded:\n%s", name, got, want)
		}
	}
	ask := func(name, method, path string, body any, status int) map[string]any {
		t.Helper()
		r := d.asks(method, path, body)
		m := d.answer(r, status)
		golden(name, r.Body)
		return m
	}
	ask("webhook", "POST", "/v1/developer/webhooks", map[string]any{"webhook_url": hooks.URL, "webhook_secret": "s"}, 200)
	ask("webhooks", "GET", "/v1/developer/webhooks", nil, 200)
	ask("key", "POST", "/v1/developer/generate-api-key", map[string]any{"name": "n", "webhook_url": "https://hooks.example.com/"}, 200)
	up := ask("initiate", "POST", "/api/v1/initiate-upload", map[string]any{"file_name": "a.pdf", "size": 4, "mime_type": "application/pdf", "parts": 2}, 200)
	ask("error-incomplete", "POST", "/api/v1/complete-upload", map[string]any{"file_key": up["file_key"]}, 409)
	d.sendParts(up, []byte("text"))
	ask("complete", "POST", "/api/v1/complete-upload", map[string]any{"file_key": up["file_key"]}, 200)
	ask("supported", "POST", "/api/v1/supported-operation", map[string]any{"ext": "pdf"}, 200)
	ask("supported-convert", "POST", "/api/v1/supported-operation", map[string]any{"ext": "pdf", "action": "convert"}, 200)
	ask("supported-compress", "POST", "/api/v1/supported-operation", map[string]any{"ext": "pdf", "action": "compress"}, 200)
	ask("supported-lock", "POST", "/api/v1/supported-operation", map[string]any{"ext": "pdf", "action": "lock"}, 200)
	ask("supported-not", "POST", "/api/v1/supported-operation", map[string]any{"ext": "pdf", "action": "convert", "parameters": map[string]any{"convert_to": "mp3"}}, 200)
	main := ask("do", "POST", "/api/v1/do", map[string]any{
		"action": "convert", "file_keys": []any{up["file_key"]}, "parameters": map[string]any{"convert_to": "png"}, "notes": map[string]any{"order": "17"},
	}, 200)["main_task_id"].(string)
	d.wait(1)
	ask("status", "GET", "/api/v1/status/"+main, nil, 200)
	for range 2 {
		c := hooks.next(t)
		golden("event-"+strings.ToLower(c.event["type"].(string)), c.body)
	}
	bad := d.source("bad.txt", "FAIL")
	main = d.order("convert", map[string]any{"convert_to": "md"}, bad)
	d.wait(1)
	ask("status-failed", "GET", "/api/v1/status/"+main, nil, 200)
	for range 2 {
		c := hooks.next(t)
		golden("event-"+strings.ToLower(c.event["type"].(string)), c.body)
	}
	ask("error-unsupported", "POST", "/api/v1/do", map[string]any{"action": "lock", "file_keys": []any{bad}, "parameters": map[string]any{"password": "x"}}, 400)
	ask("error-parameter", "POST", "/api/v1/do", map[string]any{"action": "convert", "file_keys": []any{up["file_key"]}, "parameters": map[string]any{"convert_to": "png", "dpi": 9}}, 400)
	ask("error-no-task", "GET", "/api/v1/status/main_x", nil, 404)
	ask("error-no-route", "GET", "/v1/x", nil, 404)
	ask("error-method", "GET", "/api/v1/do", nil, 405)
	d.key = "wrong"
	ask("error-key", "POST", "/api/v1/do", map[string]any{}, 401)
}

// TestT4T7OnS3: uploads and results in a store of its own; a single upload goes there directly, parts through the hub.
func TestT4T7OnS3(t *testing.T) {
	d, v := newD3S3Site(t)
	for _, c := range []struct {
		name  string
		body  []byte
		parts int
		there bool // the bytes go to the store itself
	}{
		{"single", []byte("hello"), 1, true},
		{"parts", bigBody(30_000), 3, false},
		{"empty", nil, 1, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			up := d.begin("a.txt", len(c.body), c.parts)
			if got := strings.HasPrefix(up["presigned_urls"].([]any)[0].(string), "http://"+v.addr); got != c.there {
				t.Fatalf("%v", up)
			}
			d.answer(d.asks("POST", "/api/v1/complete-upload", map[string]any{"file_key": up["file_key"]}), 409)
			parts := d.sendParts(up, c.body)
			for range 2 {
				d.answer(d.asks("POST", "/api/v1/complete-upload", map[string]any{"file_key": up["file_key"], "parts": parts}), 200)
			}
			texts, keys := d.result(d.order("convert", map[string]any{"convert_to": "md"}, up["file_key"].(string)), 1)
			if texts[0] != strings.ToUpper(string(c.body))+">@md" {
				t.Fatal("other bytes")
			}
			r := d.do(request{"GET", "/v1/download/" + keys[0], nil, nil}) // what webhooks tell
			if there := d.do(request{"GET", r.Header.Get("Location"), nil, nil}); r.Status != 302 || string(there.Body) != texts[0] {
				t.Fatalf("%d, then %d", r.Status, there.Status)
			}
			r = d.do(request{"HEAD", "/v1/download/" + keys[0], nil, nil})
			if r.Status != 200 || r.Header.Get("Content-Length") == "" {
				t.Fatalf("%d %v", r.Status, r.Header)
			}
		})
	}
	up := d.begin("never.txt", 5, 1)
	d.sendParts(up, []byte("never"))
	d.sweep()
	if keys, _ := v.keys(t); len(keys) != 9 { // three sources, one of them in three parts, three results, one that is not completed
		t.Errorf("%v", keys)
	}
	d.clock.Advance(25 * 60 * 60e9)
	d.sweep()
	if keys, uploads := v.keys(t); len(keys) != 0 || uploads != 0 {
		t.Errorf("left: %v, %d uploads", keys, uploads)
	}
}
