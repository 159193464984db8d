package hub

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestMCPErrorsAreSentences(t *testing.T) {
	d := newD3Site(t, nil)
	s := d.session(testKey)
	key := d.source("a.txt", "text")
	files := []any{key}
	to := func(options map[string]any) map[string]any {
		return map[string]any{"file_keys": files, "convert_to": "md", "options": options}
	}
	for _, c := range []struct {
		name, tool string
		in         map[string]any
		want       string
	}{
		{"unknown tool", "share", nil, "unknown tool"},
		{"unknown parameter", "zip_files", map[string]any{"file_keys": files, "level": 1}, "level"},
		{"missing parameter", "convert_file", map[string]any{"file_keys": files}, "convert_to"},
		{"wrong type", "zip_files", map[string]any{"file_keys": "x"}, "file_keys"},
		{"no files", "zip_files", map[string]any{"file_keys": []any{}}, "file_keys must be 1 to 1000 file keys."},
		{"unknown file", "zip_files", map[string]any{"file_keys": []any{"in_gone"}}, "There is no file for file_keys[0]."},
		{"unknown option", "convert_file", to(map[string]any{"x": 1}), `The parameter "x" does not exist, or has no such value.`},
		{"twice", "convert_file", to(map[string]any{"convert_to": "pdf"}), `The parameter "convert_to" cannot be one of the options.`},
		{"unknown format", "convert_file", map[string]any{"file_keys": files, "convert_to": "xyz"}, `Nothing can be converted to "xyz".`},
		{"unknown task", "poll_status", map[string]any{"main_task_id": "main_gone"}, "There is no such task."},
		{"negative size", "initiate_upload", map[string]any{"file_name": "a", "size": -1}, "size must be the number of bytes, 0 or more."},
		{
			"broken base64", "upload_content",
			map[string]any{"file_name": "a", "base64": "?"},
			"base64 must be standard base64, without text beside it.",
		},
		{"no name", "upload_content", map[string]any{"file_name": "", "text": "x"}, "file_name must be 1 to 1024 bytes without NUL."},
	} {
		if out, failure := d.call(s, c.tool, c.in); !strings.Contains(failure, c.want) {
			t.Errorf("%s: %q %v", c.name, failure, out)
		}
	}
}

func TestT14MCPKeys(t *testing.T) {
	d := newD3Site(t, nil)
	for _, h := range []withHeader{{"Authorization", "Bearer " + testKey}, {"X-D3-API-Key", testKey}, {"X-API-Key", testKey}} {
		if _, err := d.dial(h.name, h.value); err != nil {
			t.Errorf("%s: %v", h.name, err)
		}
	}
	for _, h := range []withHeader{{}, {"Authorization", "Bearer wrong"}, {"X-API-Key", "wrong"}} {
		if _, err := d.dial(h.name, h.value); err == nil {
			t.Errorf("%q opens", h.value)
		}
	}
	other, _, err := d.hub.CreateKey(t.Context(), "other", -1)
	if err != nil {
		t.Fatal(err)
	}
	a, b := d.session(testKey), d.session(other.Reveal())
	up := d.calls(a, "upload_content", map[string]any{"file_name": "a.txt", "text": "mine"})
	op := d.calls(a, "convert_file", map[string]any{"file_keys": []any{up["file_key"]}, "convert_to": "md"})
	_, result := d.made(a, op["main_task_id"])
	pending := d.calls(a, "initiate_upload", map[string]any{"file_name": "a.txt", "size": 1})
	for _, c := range []struct {
		tool string
		in   map[string]any
	}{
		{"zip_files", map[string]any{"file_keys": []any{up["file_key"]}}},
		{"zip_files", map[string]any{"file_keys": []any{result}}},
		{"poll_status", map[string]any{"main_task_id": op["main_task_id"]}},
		{"complete_upload", map[string]any{"file_key": pending["file_key"]}},
	} {
		if out, failure := d.call(b, c.tool, c.in); !strings.HasPrefix(failure, "There is no ") {
			t.Errorf("%s with another key: %q %v", c.tool, failure, out)
		}
	}
}

// message sends one request of the protocol by hand.
func (d *d3Site) message(key, session, body string) reply {
	d.Helper()
	h := map[string]string{"Authorization": "Bearer " + key, "Content-Type": "application/json"}
	if session != "" {
		h["Mcp-Session-Id"] = session
	}
	return d.do(request{"POST", "/mcp", h, body})
}

func TestT14MCPRequests(t *testing.T) {
	d := newD3Site(t, nil)
	list := `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`
	r := d.message(testKey, "someone-elses", list)
	if r.Status != 200 || r.Header.Get("Mcp-Session-Id") != "" || !bytes.Contains(r.Body, []byte("poll_status")) {
		t.Errorf("%d %.200s", r.Status, r.Body)
	}
	d.answer(d.message("wrong", "", list), 401)
	d.answer(d.message("wrong", "", "["), 401)
	for name, c := range map[string]struct {
		body   string
		status int
	}{
		"a list":        {"[" + list + "]", 400},
		"no JSON":       {"{", 400},
		"nothing":       {"", 400},
		"null":          {"null", 400},
		"no JSON-RPC":   {"{}", 400},
		"no method":     {`{"jsonrpc":"2.0","id":1,"method":"nothing"}`, 400},
		"subscriptions": {`{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen"}`, 400},
		"too long":      {strings.Repeat(" ", 1<<20+1), 413},
	} {
		t.Log(name)
		d.answer(d.message(testKey, "", c.body), c.status)
	}
	d.answer(d.asks("GET", "/mcp", nil), 405)
	d.answer(d.asks("DELETE", "/mcp", nil), 405)
	d.answer(d.asks("POST", "/mcp/more", list), 404)
	d.answer(d.do(request{"POST", "/mcp", map[string]string{"X-API-Key": testKey, "Content-Type": "text/plain"}, list}), 415)
	d.answer(d.do(request{"POST", "/mcp", map[string]string{
		"X-API-Key": testKey, "Content-Type": "application/json", "Mcp-Protocol-Version": "1999-01-01",
	}, list}), 400)
}

func TestMCPRate(t *testing.T) {
	d := newD3Site(t, func(c *Config) { c.Rate = map[string]Rate{"d3": {Requests: 2, Per: time.Minute}} })
	list := `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`
	for _, want := range []int{200, 200, 429} {
		if r := d.message(testKey, "", list); r.Status != want {
			t.Errorf("%d %.200s", r.Status, r.Body)
		}
	}
	d.answer(d.asks("POST", "/api/v1/supported-operation", map[string]any{"ext": "txt"}), 429) // one bucket for both
}

// TestMCPWithoutEngines has a hub that converts nothing: uploads are as ever, and nothing is supported.
func TestMCPWithoutEngines(t *testing.T) {
	d := &d3Site{site: newSite(t, nil)}
	s := d.session(testKey)
	up := d.calls(s, "upload_content", map[string]any{"file_name": "a.txt", "text": "mine"})
	if a := d.calls(s, "supported_operation", map[string]any{"ext": "txt"}); a["supported"] != false {
		t.Errorf("%v", a)
	}
	rest := d.answer(d.asks("POST", "/api/v1/do", map[string]any{
		"action": "convert", "file_keys": []any{up["file_key"]}, "parameters": map[string]any{"convert_to": "md"},
	}), 400)
	if _, failure := d.call(s, "convert_file", map[string]any{"file_keys": []any{up["file_key"]}, "convert_to": "md"}); failure != rest["message"] {
		t.Errorf("%q, not %q", failure, rest["message"])
	}
}

// TestMCPPanic has a call that panics outside of net/http, which must not end the hub.
func TestMCPPanic(t *testing.T) {
	d := newD3Site(t, func(c *Config) {
		c.step = func(name string) {
			if name == "d3.confirmed" {
				panic("as the test says")
			}
		}
	})
	s := d.session(testKey)
	if out, failure := d.call(s, "upload_content", map[string]any{"file_name": "a.txt"}); failure != "An unexpected error occurred." {
		t.Errorf("%q %v", failure, out)
	}
	d.calls(s, "supported_operation", map[string]any{"ext": "txt"})
}
