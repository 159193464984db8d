package hub

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestT7StatesAndLinks(t *testing.T) {
	d := newD3Site(t, func(c *Config) { c.Workers = 1 })
	held, good, bad := d.source("held.txt", "held"), d.source("good.txt", "good"), d.source("bad.txt", "FAIL")
	first := d.order("convert", map[string]any{"convert_to": "html"}, held)
	<-d.engine.begun
	second := d.order("convert", map[string]any{"convert_to": "md"}, good, bad)
	if status, files := d.state(second); status != "queued" || files[1]["status"] != "queued" || files[1]["file_key"] != bad {
		t.Fatalf("%s %v", status, files)
	}
	if status, files := d.state(first); status != "running" || files[0]["status"] != "running" || files[0]["file_key"] != held || files[0]["download_link"] != nil {
		t.Fatalf("%s %v", status, files)
	}
	close(d.engine.release)
	d.wait(3)
	if status, _ := d.state(first); status != "completed" {
		t.Fatal(status)
	}
	status, files := d.state(second)
	if status != "completed" || files[0]["status"] != "completed" || files[1]["status"] != "failed" {
		t.Fatalf("some succeeded: %s %v", status, files)
	}
	if f := files[1]; f["error_code"] != "conversion_failed" || f["file_key"] != bad || f["download_link"] != nil ||
		!strings.Contains(f["error_message"].(string), "no such page") || strings.Contains(f["error_message"].(string), d.hub.cfg.DataDir) {
		t.Fatalf("%v", f)
	}
	out := files[0]["file_key"].(string)
	for _, which := range []string{good, out, files[0]["file_task_id"].(string)} {
		a := d.answer(d.asks("GET", "/api/v1/status/"+second+"/"+which, nil), 200)
		if l := a["files_data"].([]any); len(l) != 1 || l[0].(map[string]any)["file_key"] != out {
			t.Errorf("%s: %v", which, a)
		}
	}
	third := d.order("convert", map[string]any{"convert_to": "md"}, bad)
	d.wait(1)
	if status, _ := d.state(third); status != "failed" {
		t.Fatal(status)
	}
	d.checkLink(files[0]["download_link"].(string), "GOOD>@md", "good.md")
}

// checkLink reads a link without a key: whole, by HEAD, in part, conditionally, and from a page of another origin.
func (d *d3Site) checkLink(link, text, name string) {
	d.Helper()
	whole := d.do(request{"GET", link, map[string]string{"Origin": "https://page.example"}, nil})
	if whole.Status != 200 || string(whole.Body) != text || whole.Header.Get("Access-Control-Allow-Origin") != "*" ||
		whole.Header.Get("Content-Disposition") != `attachment; filename="`+name+`"` {
		d.Fatalf("%d %q %v", whole.Status, whole.Body, whole.Header)
	}
	if r := d.do(request{"HEAD", link, nil, nil}); r.Status != 200 || r.Header.Get("Content-Length") != fmt.Sprint(len(text)) || len(r.Body) != 0 {
		d.Fatalf("HEAD %d %v", r.Status, r.Header)
	}
	if r := d.do(request{"GET", link, map[string]string{"Range": "bytes=1-2"}, nil}); r.Status != 206 || string(r.Body) != text[1:3] {
		d.Fatalf("range %d %q", r.Status, r.Body)
	}
	d.answer(d.do(request{"GET", link, map[string]string{"Range": "bytes=1000-"}, nil}), 416)
	if r := d.do(request{"GET", link, map[string]string{"If-None-Match": whole.Header.Get("ETag")}, nil}); r.Status != 304 {
		d.Fatalf("conditional %d", r.Status)
	}
	r := d.do(request{"OPTIONS", link, map[string]string{"Origin": "https://x", "Access-Control-Request-Method": "GET"}, nil})
	if r.Status != 204 || r.Header.Get("Access-Control-Allow-Origin") != "*" {
		d.Fatalf("preflight %d", r.Status)
	}
}

func TestT7SeveralFiles(t *testing.T) {
	d := newD3Site(t, nil)
	a, b, c := d.source("a.pdf", "a"), d.source("b.pdf", "b"), d.source("c.txt", "c")
	texts, keys := d.result(d.order("compress", nil, a, b), 2)
	if !slices.Equal(texts, []string{"A>@compress", "B>@compress"}) {
		t.Fatal(texts)
	}
	// Results are sources, in the order that was given.
	texts, keys = d.result(d.order("merge", nil, keys[1], a, keys[0]), 1)
	if texts[0] != "[B.PDF]B>@COMPRESS[A.PDF]A[A.PDF]A>@COMPRESS>@merge" {
		t.Fatal(texts)
	}
	texts, _ = d.result(d.order("zip", nil, keys[0], c), 1)
	if !strings.HasPrefix(texts[0], "[MERGED.PDF]") || !strings.Contains(texts[0], "[C.TXT]C>") {
		t.Fatal(texts)
	}
	// What cannot be done with one file fails for it alone; what can be done with none is refused.
	main := d.order("compress", nil, a, c)
	d.wait(1)
	status, files := d.state(main)
	if status != "completed" || files[0]["status"] != "completed" || files[1]["error_code"] != "unsupported_operation" {
		t.Fatalf("%s %v", status, files)
	}
	d.answer(d.asks("POST", "/api/v1/do", map[string]any{"action": "compress", "file_keys": []any{c}}), 400)
	d.answer(d.asks("POST", "/api/v1/do", map[string]any{"action": "merge", "file_keys": []any{a, c}}), 400)
}

func TestT7NotesAreKept(t *testing.T) {
	d := newD3Site(t, nil)
	key := d.source("a.txt", "a")
	main := d.answer(d.asks("POST", "/api/v1/do", map[string]any{
		"action": "zip", "file_keys": []any{key}, "notes": map[string]any{"order": "17", "who": "me & you", "none": nil},
	}), 200)["main_task_id"].(string)
	d.wait(1)
	notes, _ := d.answer(d.asks("GET", "/api/v1/status/"+main, nil), 200)["notes"].(map[string]any)
	if len(notes) != 2 || notes["order"] != "17" || notes["who"] != "me & you" {
		t.Fatalf("%v", notes)
	}
}

func TestT8Supported(t *testing.T) {
	d := newD3Site(t, nil)
	ask := func(body any) map[string]any {
		t.Helper()
		return d.answer(d.asks("POST", "/api/v1/supported-operation", body), 200)
	}
	a := ask(`{"ext":".PDF","action":null,"parameters":null}`)
	want := []any{"compress", "convert", "lock", "merge", "reset_password", "unlock", "zip"}
	if a["supported"] != true || a["ext"] != "pdf" || fmt.Sprint(a["available_actions"]) != fmt.Sprint(want) ||
		fmt.Sprint(a["availableActions"]) != fmt.Sprint(want) || a["action"] != nil {
		t.Errorf("%v", a)
	}
	p := ask(map[string]any{"ext": "txt", "action": "CONVERT"})["parameters"].(map[string]any)
	if got := fmt.Sprint(p["convert_to"]); got != "map[DOCUMENT:[html md pdf] IMAGE:[png]]" {
		t.Error(got)
	}
	if got := fmt.Sprint(p["options"]); got != "map[png:[dpi height page quality width]]" {
		t.Error(got)
	}
	p = ask(map[string]any{"ext": "pdf", "action": "compress"})["parameters"].(map[string]any)
	levels := p["compression_value"].([]any)
	if first := levels[0].(map[string]any); len(levels) != 3 || first["name"] != "Recommended" || first["value"] != "recommended" || p["options"] != nil {
		t.Errorf("%v", p)
	}
	p = ask(map[string]any{"ext": "png", "action": "compress"})["parameters"].(map[string]any)
	if len(p["compression_value"].([]any)) != 1 {
		t.Errorf("%v", p)
	}
	if p = ask(map[string]any{"ext": "pdf", "action": "reset_password"})["parameters"].(map[string]any); p["old_password"] == nil || p["new_password"] == nil {
		t.Errorf("%v", p)
	}
}

func TestT8SupportedWithParameters(t *testing.T) {
	d := newD3Site(t, nil)
	for _, c := range []struct {
		query string
		want  bool
	}{
		{"ext=pdf&action=convert&convert_to=png", true},
		{"ext=PDF&action=Convert&convert_to=PNG&page=2&dpi=300", true},
		{"ext=pdf&action=convert&convert_to=png&dpi=9", false},
		{"ext=pdf&action=convert&convert_to=png&colour=red", false},
		{"ext=pdf&action=convert&convert_to=mp3", false},
		{"ext=pdf&action=compress&compression_value=low", true},
		{"ext=png&action=compress&compression_value=low", false},
		{"ext=pdf&action=lock&password=x", true},
		{"ext=pdf&action=lock", true},
		{"ext=pdf&action=create_zip", true},
		{"ext=pdf&action=share", false},
		{"ext=txt&action=merge", false}, // one text could be made a PDF first, several cannot
		{"ext=pdf&action=merge", true},
		{"ext=xyz", true}, // anything can be zipped
		{"ext=mp3&action=lock", false},
	} {
		t.Run(c.query, func(t *testing.T) {
			if got := d.answer(d.asks("GET", "/v1/biz/supported-operation?"+c.query, nil), 200)["supported"]; got != c.want {
				t.Errorf("GET: %v", got)
			}
			v, err := url.ParseQuery(c.query)
			if err != nil {
				t.Fatal(err)
			}
			parameters := map[string]any{}
			for k := range v {
				if k != "ext" && k != "action" {
					parameters[k] = v.Get(k)
				}
			}
			body := map[string]any{"ext": v.Get("ext"), "action": v.Get("action"), "parameters": parameters}
			if got := d.answer(d.asks("POST", "/api/v1/supported-operation", body), 200)["supported"]; got != c.want {
				t.Errorf("POST: %v", got)
			}
		})
	}
}

func TestT8NothingWithoutEngines(t *testing.T) {
	d := &d3Site{site: newSite(t, nil)}
	if a := d.answer(d.asks("POST", "/api/v1/supported-operation", map[string]any{"ext": "pdf"}), 200); a["supported"] != false {
		t.Error(a)
	}
	key := d.source("a.pdf", "x")
	d.answer(d.asks("POST", "/api/v1/do", map[string]any{"action": "zip", "file_keys": []any{key}}), 400)
}

func TestT9WhatIsNotThere(t *testing.T) {
	d := newD3Site(t, nil)
	key := d.source("a.txt", "a")
	main := d.order("zip", nil, key)
	d.wait(1)
	mine := d.key
	other, _, err := d.hub.CreateKey(t.Context(), "other", -1)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, key, method, path string
		body                    any
	}{
		{"no task", mine, "GET", "/api/v1/status/main_nosuch", nil},
		{"no file of it", mine, "GET", "/api/v1/status/" + main + "/in_nosuch", nil},
		{"no source", mine, "POST", "/api/v1/do", map[string]any{"action": "zip", "file_keys": []any{"in_nosuch"}}},
		{"no result", mine, "GET", "/v1/download/out_nosuch", nil},
		{"their task", other.Reveal(), "GET", "/api/v1/status/" + main, nil},
		{"their source", other.Reveal(), "POST", "/api/v1/do", map[string]any{"action": "zip", "file_keys": []any{key}}},
		{"their upload", other.Reveal(), "POST", "/api/v1/complete-upload", map[string]any{"file_key": key}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d.key = c.key
			d.answer(d.asks(c.method, c.path, c.body), 404)
		})
	}
}

func TestT11Keep(t *testing.T) {
	d := newD3Site(t, func(c *Config) { c.Keep = time.Hour })
	key := d.source("a.txt", "a")
	up := d.begin("never.txt", 10, 2)
	d.put(up["presigned_urls"].([]any)[0].(string), "", []byte("x"))
	main := d.order("convert", map[string]any{"convert_to": "md"}, key)
	_, keys := d.result(main, 1)
	held := d.order("convert", map[string]any{"convert_to": "html"}, key)
	<-d.engine.begun
	d.clock.Advance(59 * time.Minute)
	d.sweep()
	d.state(main)
	d.clock.Advance(2 * time.Minute)
	d.answer(d.asks("GET", "/api/v1/status/"+main, nil), 404)
	d.answer(d.do(request{"GET", "/v1/download/" + keys[0], nil, nil}), 404)
	d.answer(d.asks("POST", "/api/v1/do", map[string]any{"action": "zip", "file_keys": []any{key}}), 404)
	d.sweep()
	if n := len(stored(t, d.hub.cfg.DataDir+"/objects")); n != 1 {
		t.Errorf("%d objects beside the source of the task that runs", n-1)
	}
	close(d.engine.release)
	d.result(held, 1) // its source was kept
	d.sweep()
	if n := len(stored(t, d.hub.cfg.DataDir+"/objects")); n != 1 {
		t.Errorf("%d objects beside the last result", n-1)
	}
	d.clock.Advance(61 * time.Minute)
	d.sweep()
	checkSpace(t, d.hub, map[string]int{})
	d.answer(d.asks("GET", "/api/v1/status/"+held, nil), 404)
}

func TestD3RateLimit(t *testing.T) {
	d := newD3Site(t, func(c *Config) { c.Rate = map[string]Rate{"d3": {Requests: 3, Per: time.Minute}} })
	for i := range 3 {
		r := d.asks("POST", "/api/v1/supported-operation", map[string]any{"ext": "pdf"})
		d.answer(r, 200)
		if r.Header.Get("RateLimit-Limit") != "3" || r.Header.Get("RateLimit-Remaining") != fmt.Sprint(2-i) {
			t.Fatalf("%v", r.Header)
		}
	}
	r := d.asks("POST", "/api/v1/supported-operation", map[string]any{"ext": "pdf"})
	if m := d.answer(r, http.StatusTooManyRequests); m["error"] != "rate_limit_exceeded" || r.Header.Get("Retry-After") == "" {
		t.Fatalf("%v %v", m, r.Header)
	}
	d.clock.Advance(time.Minute)
	d.answer(d.asks("POST", "/api/v1/supported-operation", map[string]any{"ext": "pdf"}), 200)
}

func TestD3RateIsAThousandAMinute(t *testing.T) {
	d := newD3Site(t, func(c *Config) {
		c.Keys = append(c.Keys, KeySpec{Key: "own-key-of-the-hub", Embedded: true})
	})
	ask := func() string {
		return d.asks("POST", "/api/v1/supported-operation", map[string]any{"ext": "pdf"}).Header.Get("RateLimit-Limit")
	}
	if got := ask(); got != "1000" {
		t.Errorf("%q", got)
	}
	d.key = "own-key-of-the-hub"
	if got := ask(); got != "" {
		t.Errorf("the hub's own key has a limit: %q", got)
	}
}

func TestD3BrowsersMayCall(t *testing.T) {
	d := newD3Site(t, nil)
	for _, p := range []string{"/api/v1/do", "/v1/biz/initiate-upload", d.begin("a", 1, 1)["presigned_urls"].([]any)[0].(string)} {
		method := "POST"
		if strings.Contains(p, "://") {
			method = "PUT"
		}
		r := d.do(request{"OPTIONS", p, map[string]string{
			"Origin": "https://x", "Access-Control-Request-Method": method, "Access-Control-Request-Headers": "authorization,content-type",
		}, nil})
		if r.Status != 204 || r.Header.Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(r.Header.Get("Access-Control-Allow-Headers"), "authorization") {
			t.Errorf("%s: %d %v", p, r.Status, r.Header)
		}
	}
}

func TestT13PasswordsGo(t *testing.T) {
	d := newD3Site(t, nil)
	d.result(d.order("lock", map[string]any{"password": "correct horse"}, d.source("a.pdf", "a")), 1)
	main := d.order("unlock", map[string]any{"password": "wrong"}, d.source("b.pdf", "b"))
	d.wait(1)
	_, files := d.state(main)
	if files[0]["error_code"] != "password_required" {
		t.Errorf("%v", files)
	}
	op, err := d.hub.store.D3Op(t.Context(), main)
	if err != nil || op.Tasks[0].Step != "" {
		t.Errorf("the order is kept: %v %q", err, op.Tasks[0].Step)
	}
}
