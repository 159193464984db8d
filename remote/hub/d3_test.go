package hub

import (
	"maps"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestT1PrefixesAreAlike(t *testing.T) {
	d := newD3Site(t, nil)
	for _, prefix := range []string{"/api/v1", "/v1/biz", "/v1/external"} {
		for _, call := range []string{"/initiate-upload", "/upload"} {
			up := d.answer(d.asks("POST", prefix+call, map[string]any{"file_name": "a.txt", "size": 5, "mime_type": "text/plain", "parts": 1}), 200)
			parts := d.sendParts(up, []byte("hello"))
			d.answer(d.asks("POST", prefix+"/complete-upload", map[string]any{"file_key": up["file_key"], "upload_id": up["upload_id"], "parts": parts}), 200)
			d.answer(d.asks("POST", prefix+"/supported-operation", map[string]any{"ext": "txt"}), 200)
			main := d.answer(d.asks("POST", prefix+"/do", map[string]any{
				"action": "convert", "file_keys": []any{up["file_key"]}, "parameters": map[string]any{"convert_to": "md"},
			}), 200)["main_task_id"].(string)
			d.wait(1)
			a := d.answer(d.asks("GET", prefix+"/status/"+main, nil), 200)
			if a["operation_status"] != "completed" {
				t.Errorf("%s%s: %v", prefix, call, a)
			}
			d.answer(d.asks("GET", prefix+"/status/"+main+"/"+up["file_key"].(string), nil), 200)
		}
	}
	// Dropzone's routes below the shared prefix are where they were.
	d.drop(1, 30)
	d.want(d.withKey("GET", "/api/v1/files/upload", nil), 404)
	d.answer(d.asks("GET", "/v1/nothing", nil), 404)
	d.answer(d.asks("DELETE", "/api/v1/do", nil), 405)
	d.answer(d.asks("POST", "/api/v1//do/", map[string]any{}), 400)
}

func TestT2Keys(t *testing.T) {
	d := newD3Site(t, nil)
	body := map[string]any{"ext": "pdf"}
	for _, c := range []struct {
		name   string
		header map[string]string
		status int
	}{
		{"bearer", map[string]string{"Authorization": "Bearer " + testKey}, 200},
		{"bearer in lower case", map[string]string{"Authorization": "bearer  " + testKey}, 200},
		{"generation 1", map[string]string{"X-D3-API-Key": testKey}, 200},
		{"generation 0", map[string]string{"X-API-Key": testKey}, 200},
		{"none", nil, 401},
		{"wrong", map[string]string{"Authorization": "Bearer d3_live_wrong"}, 401},
		{"not bearer", map[string]string{"Authorization": "Basic " + testKey}, 401},
		{"wrong bearer beside a right key", map[string]string{"Authorization": "Bearer no", "X-API-Key": testKey}, 401},
	} {
		t.Run(c.name, func(t *testing.T) {
			d.answer(d.do(request{"POST", "/api/v1/supported-operation", c.header, body}), c.status)
		})
	}
	main := d.order("convert", map[string]any{"convert_to": "pdf"}, d.source("a.txt", "text"))
	d.result(main, 1) // PUT and GET without any key
	other, _, err := d.hub.CreateKey(t.Context(), "other", -1)
	if err != nil {
		t.Fatal(err)
	}
	d.key = other.Reveal()
	d.answer(d.asks("GET", "/api/v1/status/"+main, nil), 404)
}

func TestT2UploadURLIsGoodForOneThing(t *testing.T) {
	d := newD3Site(t, nil)
	up := d.begin("a.txt", 5, 1)
	put := up["presigned_urls"].([]any)[0].(string)
	for _, c := range []struct {
		name, url, body string
		status          int
	}{
		{"forged", strings.Replace(put, "size=5", "size=50", 1), "hello", 403},
		{"another part", strings.Replace(put, "part=1", "part=2", 1), "hello", 403},
		{"another file", strings.Replace(put, "/in_", "/in_x", 1), "hello", 403},
		{"too much", put, "hello, world", 413},
		{"right", put, "hello", 200},
		{"again", put, "HELLO", 200},
	} {
		if r := d.put(c.url, "text/plain", []byte(c.body)); r.Status != c.status {
			t.Errorf("%s: %d %s", c.name, r.Status, r.Body)
		} else if c.status != 200 {
			d.answer(r, c.status)
		}
	}
	d.answer(d.asks("POST", "/api/v1/complete-upload", map[string]any{"file_key": up["file_key"]}), 200)
	d.answer(d.put(put, "text/plain", []byte("later")), 409)
	d.clock.Advance(25 * time.Hour)
	d.answer(d.put(put, "text/plain", []byte("later")), 403)
	// The key of an upload is no download.
	d.answer(d.do(request{"GET", "/v1/download/" + up["file_key"].(string), nil, nil}), 404)
}

func TestT3ErrorsAreJSON(t *testing.T) {
	d := newD3Site(t, nil)
	key := d.source("a.txt", "text")
	for _, c := range []struct {
		name, method, path string
		body               any
		status             int
	}{
		{"no body", "POST", "/api/v1/do", nil, 400},
		{"no JSON", "POST", "/api/v1/do", "{", 400},
		{"a list", "POST", "/v1/biz/do", "[]", 400},
		{"too long", "POST", "/api/v1/do", strings.Repeat(" ", 1<<20+1), 413},
		{"no name", "POST", "/api/v1/initiate-upload", map[string]any{"size": 1}, 400},
		{"no size", "POST", "/api/v1/initiate-upload", map[string]any{"file_name": "x"}, 400},
		{"negative size", "POST", "/api/v1/initiate-upload", map[string]any{"file_name": "x", "size": -1}, 400},
		{"half a byte", "POST", "/api/v1/initiate-upload", map[string]any{"file_name": "x", "size": 1.5}, 400},
		{"more than there is", "POST", "/api/v1/initiate-upload", map[string]any{"file_name": "x", "size": int64(1) << 60}, 413},
		{"too many parts", "POST", "/api/v1/initiate-upload", map[string]any{"file_name": "x", "size": 1, "parts": 10001}, 400},
		{"no file", "POST", "/api/v1/do", map[string]any{"action": "zip", "file_keys": []any{}}, 400},
		{"no action", "POST", "/api/v1/do", map[string]any{"file_keys": []any{key}}, 400},
		{"unknown action", "POST", "/api/v1/do", map[string]any{"action": "share", "file_keys": []any{key}}, 400},
		{"a dirop", "POST", "/api/v1/do", map[string]any{"action": "pages", "file_keys": []any{key}}, 400},
		{"no target", "POST", "/api/v1/do", map[string]any{"action": "convert", "file_keys": []any{key}}, 400},
		{"no such target", "POST", "/api/v1/do", map[string]any{"action": "convert", "file_keys": []any{key}, "parameters": map[string]any{"convert_to": "xyz"}}, 400},
		{"no engine", "POST", "/api/v1/do", map[string]any{"action": "convert", "file_keys": []any{key}, "parameters": map[string]any{"convert_to": "mp3"}}, 400},
		{"no password", "POST", "/api/v1/do", map[string]any{"action": "lock", "file_keys": []any{key}}, 400},
		{"notes are no object", "POST", "/api/v1/do", map[string]any{"action": "zip", "file_keys": []any{key}, "notes": "x"}, 400},
		{"no ext", "POST", "/api/v1/supported-operation", map[string]any{}, 400},
		{"method", "PUT", "/v1/external/do", nil, 405},
		{"route", "GET", "/v1/nothing", nil, 404},
	} {
		t.Run(c.name, func(t *testing.T) { d.answer(d.asks(c.method, c.path, c.body), c.status) })
	}
}

func TestT4Parts(t *testing.T) {
	d := newD3Site(t, nil)
	big := bigBody(11_534) // in parts far below 5 MiB
	for _, c := range []struct {
		name  string
		body  []byte
		parts any
		want  int
	}{
		{"one", big, 1, 1},
		{"none said", big, nil, 1},
		{"zero", big, 0, 1},
		{"three", big, 3, 3},
		{"hundred", big, 100, 100},
		{"empty", nil, 1, 1},
		{"empty in two", nil, 2, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			up := d.answer(d.asks("POST", "/api/v1/initiate-upload", map[string]any{
				"file_name": "a.txt", "size": len(c.body), "mime_type": "text/plain", "parts": c.parts,
			}), 200)
			urls := up["presigned_urls"].([]any)
			if len(urls) != c.want || up["upload_id"] == "" || !strings.HasPrefix(up["object_name"].(string), "external/") ||
				!strings.HasPrefix(up["file_key"].(string), "in_") || !strings.HasPrefix(urls[0].(string), d.srv.URL) {
				t.Fatalf("%v", up)
			}
			parts := d.sendParts(up, c.body)
			d.answer(d.asks("POST", "/api/v1/complete-upload", map[string]any{"file_key": up["file_key"], "upload_id": up["upload_id"], "parts": parts}), 200)
			texts, _ := d.result(d.order("convert", map[string]any{"convert_to": "md"}, up["file_key"].(string)), 1)
			if texts[0] != strings.ToUpper(string(c.body))+">@md" {
				t.Fatal("other bytes")
			}
		})
	}
}

func TestT4PartsOfAnyLength(t *testing.T) {
	d := newD3Site(t, nil)
	up := d.begin("a.txt", 10, 3)
	urls := up["presigned_urls"].([]any)
	complete := func(status int) {
		t.Helper()
		d.answer(d.asks("POST", "/api/v1/complete-upload", map[string]any{"file_key": up["file_key"]}), status)
	}
	complete(409)
	for i, text := range []string{"wrong", "ef", "g"} {
		if r := d.put(urls[i].(string), "", []byte(text)); r.Status != 200 {
			t.Fatalf("%d %s", r.Status, r.Body)
		}
	}
	complete(409) // eight bytes, not ten
	d.answer(d.put(urls[0].(string), "", []byte("abcdefgh")), 413)
	if r := d.put(urls[0].(string), "", []byte("abcdefg")); r.Status != 200 {
		t.Fatalf("%d %s", r.Status, r.Body)
	}
	complete(200)
	complete(200)
	texts, _ := d.result(d.order("convert", map[string]any{"convert_to": "md"}, up["file_key"].(string)), 1)
	if texts[0] != "ABCDEFGEFG>@md" {
		t.Fatal(texts)
	}
}

// TestT5CompleteMovesNothing: the clients wait thirty seconds for the answer, however large the upload is.
func TestT5CompleteMovesNothing(t *testing.T) {
	d := newD3Site(t, nil)
	up := d.begin("a.txt", 10, 3)
	parts := d.sendParts(up, []byte("abcdefghij"))
	root := filepath.Join(d.hub.cfg.DataDir, "objects")
	before := stored(t, root)
	d.answer(d.asks("POST", "/api/v1/complete-upload", map[string]any{"file_key": up["file_key"], "parts": parts}), 200)
	if after := stored(t, root); len(before) != 3 || !maps.Equal(before, after) {
		t.Errorf("%v became %v", before, after)
	}
	if err := d.hub.Sweep(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the parts stay for whoever comes next
		if texts, _ := d.result(d.order("convert", map[string]any{"convert_to": "md"}, up["file_key"].(string)), 1); texts[0] != "ABCDEFGHIJ>@md" {
			t.Errorf("%q", texts[0])
		}
	}
	d.clock.Advance(25 * time.Hour)
	d.sweep()
	checkSpace(t, d.hub, map[string]int{})
}

// TestT5Complete sends complete-upload byte for byte as the clients do.
func TestT5Complete(t *testing.T) {
	d := newD3Site(t, nil)
	for _, c := range []struct{ name, kind, body string }{
		{"key alone", "application/json", `{"file_key":"KEY"}`},
		{"nulls", "application/json", `{"file_key":"KEY","upload_id":null,"object_name":null,"parts":null}`},
		{"empty", "application/json", `{"file_key":"KEY","upload_id":"","object_name":"","parts":[]}`},
		{"go", "application/json", `{"file_key":"KEY","upload_id":"UPLOAD","object_name":"","parts":[{"etag":"ETAG","part_number":1}]}`},
		{"java", "application/json; charset=utf-8", `{"file_key":"KEY","upload_id":"UPLOAD","parts":[{"etag":"ETAG","part_number":1}]}`},
		{"ruby", "application/json", `{"file_key":"KEY","upload_id":"UPLOAD","object_name":"external/KEY","parts":[{"etag":"ETAG","part_number":1}]}`},
		{"quoted", "application/json", `{"file_key":"KEY","upload_id":"UPLOAD","parts":[{"etag":"\"ETAG\"","part_number":1}]}`},
		{"upload id alone", "application/json", `{"upload_id":"UPLOAD"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			up := d.begin("a.txt", 5, 1)
			parts := d.sendParts(up, []byte("hello"))
			body := strings.NewReplacer("KEY", up["file_key"].(string), "UPLOAD", up["upload_id"].(string),
				"ETAG", parts[0].(map[string]any)["etag"].(string)).Replace(c.body)
			for range 2 { // the second finds it done
				a := d.answer(d.do(request{"POST", "/api/v1/complete-upload", map[string]string{
					"Authorization": "Bearer " + testKey, "Content-Type": c.kind,
				}, body}), 200)
				if a["file_key"] != up["file_key"] || a["message"] != "Upload completed successfully" {
					t.Fatal(a)
				}
			}
		})
	}
	up := d.begin("a.txt", 5, 1)
	d.answer(d.asks("POST", "/api/v1/complete-upload", map[string]any{"file_key": up["file_key"]}), 409)
	d.sendParts(up, []byte("hello"))
	for name, body := range map[string]any{
		"wrong etag":      map[string]any{"file_key": up["file_key"], "parts": []any{map[string]any{"etag": "no", "part_number": 1}}},
		"wrong part":      map[string]any{"file_key": up["file_key"], "parts": []any{map[string]any{"etag": "no", "part_number": 2}}},
		"wrong upload id": map[string]any{"file_key": up["file_key"], "upload_id": "no"},
		"nothing":         map[string]any{},
	} {
		t.Run(name, func(t *testing.T) { d.answer(d.asks("POST", "/api/v1/complete-upload", body), 400) })
	}
	d.answer(d.asks("POST", "/api/v1/complete-upload", map[string]any{"file_key": "in_nosuch"}), 404)
	// An upload that is not completed is no source.
	d.answer(d.asks("POST", "/api/v1/do", map[string]any{"action": "zip", "file_keys": []any{up["file_key"]}}), 409)
}

// TestT6Requests sends do byte for byte as the clients do.
func TestT6Requests(t *testing.T) {
	d := newD3Site(t, nil)
	txt, pdf := d.source("a.txt", "text"), d.source("b.pdf", "doc")
	for _, c := range []struct{ name, body, want string }{
		{"ruby", `{"action":"convert","file_keys":["TXT"],"parameters":{"convert_to":"md"},"notes":null}`, "TEXT>@md"},
		{"upper case", `{"action":"CONVERT","file_keys":["TXT"],"parameters":{"convert_to":".MD","page":null,"dpi":""}}`, "TEXT>@md"},
		{"create_zip", `{"action":"create_zip","file_keys":["TXT"],"parameters":null,"notes":{}}`, "TEXT>@zip"},
		{"Zip", `{"action":"Zip","file_keys":["TXT"]}`, "TEXT>@zip"},
		{"recommended", `{"action":"compress","file_keys":["PDF"],"parameters":{"compression_value":"recommended"}}`, "DOC>@compress"},
		{"high", `{"action":"COMPRESS","file_keys":["PDF"],"parameters":{"compression_value":"High"}}`, "DOC>@compress,level=high"},
		{"lock", `{"action":"lock","file_keys":["PDF"],"parameters":{"password":"p,@ss."}}`, "DOC>@lock,secret=password(p,@ss.)"},
		{"unlock", `{"action":"unlock","file_keys":["PDF"],"parameters":{"password":"x"}}`, "DOC>@unlock,secret=password(x)"},
		{
			"reset", `{"action":"reset_password","file_keys":["PDF"],"parameters":{"old_password":"o","new_password":"n"}}`,
			"DOC>@reset_password,new_secret=new_password,secret=old_password(o)(n)",
		},
		{"first page", `{"action":"convert","file_keys":["PDF"],"parameters":{"convert_to":"png"}}`, "DOC>@png"},
		{
			"our options", `{"action":"convert","file_keys":["PDF"],"parameters":{"convert_to":"png","page":3,"dpi":"300","w":800,"quality":80}}`,
			"DOC>@png,dpi=300,page=3,quality=80,width=800",
		},
		{"defaults", `{"action":"convert","file_keys":["PDF"],"parameters":{"convert_to":"png","dpi":150}}`, "DOC>@png"},
		{"a chain", `{"action":"convert","file_keys":["TXT"],"parameters":{"convert_to":"png","page":1}}`, "TEXT>@PDF>@png"},
	} {
		t.Run(c.name, func(t *testing.T) {
			body := strings.NewReplacer("TXT", txt, "PDF", pdf).Replace(c.body)
			main := d.answer(d.asks("POST", "/api/v1/do", body), 200)["main_task_id"].(string)
			if !strings.HasPrefix(main, "main_") {
				t.Error(main)
			}
			if texts, _ := d.result(main, 1); texts[0] != c.want {
				t.Errorf("%q", texts[0])
			}
		})
	}
	for _, p := range []string{
		`{"convert_to":"png","colour":"red"}`, `{"convert_to":"png","dpi":9999}`, `{"convert_to":"png","page":"0"}`, `{"convert_to":"png","sheet":"x"}`,
		`{"convert_to":"png","page":1,"p":2}`, `{"convert_to":"png","compression_value":"high"}`, `{"convert_to":"png","via":"local"}`,
		`{"convert_to":"png","secret":"team"}`, `{"convert_to":"png","page":{"a":1}}`, `{"convert_to":"lock"}`, `{"convert_to":"pages"}`,
	} {
		d.answer(d.asks("POST", "/api/v1/do", `{"action":"convert","file_keys":["`+pdf+`"],"parameters":`+p+`}`), 400)
	}
	// A refusal names the parameter as it was sent.
	for parameters, name := range map[string]string{
		`{"compression_value":"huge"}`: "compression_value", `{"level":"huge"}`: "level", `{"colour":"red"}`: "colour",
	} {
		a := d.answer(d.asks("POST", "/v1/biz/do", `{"action":"compress","file_keys":["`+pdf+`"],"parameters":`+parameters+`}`), 400)
		if !strings.Contains(a["message"].(string), `"`+name+`"`) {
			t.Errorf("%s: %v", parameters, a)
		}
	}
	if left := leftovers(t, d.hub.cfg.DataDir); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}
