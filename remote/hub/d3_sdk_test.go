package hub

import (
	"maps"
	"strings"
	"testing"
)

// d3SDK is how one SDK of the D3 wire asks, byte for byte (wire/d3.md §0 has the generations).
type d3SDK struct {
	name, prefix string
	header       map[string]string // of every request; the key is added to calls alone
	kind         string            // Content-Type of a body in JSON
	java         bool              // what is not given is left out; else it is null
}

var d3SDKs = []d3SDK{
	{"ruby generation 2", "/api/v1", rubyHeader, "application/json", false},
	{"ruby generation 1", "/v1/biz", rubyHeader, "application/json", false},
	{"java", "/v1/biz", map[string]string{"Accept-Encoding": "gzip", "User-Agent": "okhttp/4.12.0"}, "application/json; charset=utf-8", true},
}

var rubyHeader = map[string]string{
	"User-Agent": "Faraday v2.14.0", "Accept-Encoding": "gzip;q=1.0,deflate;q=0.6,identity;q=0.3", "Accept": "*/*",
}

// d3Talk is an SDK that talks to a hub, of which it has some files.
type d3Talk struct {
	*d3Site
	sdk   d3SDK
	words []string // pairs for strings.NewReplacer: what stands for what the hub has told
}

// call sends a call; body is "" for a GET.
func (d *d3Talk) call(path, body string, status int) map[string]any {
	d.Helper()
	h := maps.Clone(d.sdk.header)
	h["Authorization"], h["Content-Type"] = "Bearer "+d.key, d.sdk.kind
	q := request{"POST", d.sdk.prefix + path, h, strings.NewReplacer(d.words...).Replace(body)}
	if body == "" {
		q.method, q.body = "GET", nil
		h["Content-Type"] = "application/json" // of no body, in all SDKs
	}
	return d.answer(d.do(q), status)
}

// upload sends a file in two parts; complete is what complete-upload is asked.
func (d *d3Talk) upload(initiate, complete, kind string, halves [2]string) string {
	d.Helper()
	up := d.call("/initiate-upload", initiate, 200)
	words := []string{"KEY", up["file_key"].(string), "UPLOAD", up["upload_id"].(string)}
	for i, u := range up["presigned_urls"].([]any) {
		h := maps.Clone(d.sdk.header)
		h["Content-Type"] = kind
		r := d.do(request{"PUT", u.(string), h, halves[i]})
		if r.Status != 200 {
			d.Fatalf("part %d: %d %s", i, r.Status, r.Body)
		}
		words = append(words, []string{"ETAG1", "ETAG2"}[i], strings.Trim(r.Header.Get("ETag"), `"`))
	}
	d.words = append(d.words, words...)
	defer func() { d.words = d.words[:len(d.words)-len(words)] }()
	d.call("/complete-upload", complete, 200)
	return up["file_key"].(string)
}

// TestSDKsOfD3 sends what the Ruby and the Java SDK send, headers included, and reads what they read of the answers.
func TestSDKsOfD3(t *testing.T) {
	for _, sdk := range d3SDKs {
		t.Run(sdk.name, func(t *testing.T) {
			d := &d3Talk{d3Site: newD3Site(t, nil), sdk: sdk}
			d.talkUploads()
			d.talkSupported()
			d.talkOperations()
			d.talkRefusals()
		})
	}
}

func (d *d3Talk) talkUploads() {
	d.Helper()
	complete := `{"file_key":"KEY","upload_id":"UPLOAD","object_name":"external/KEY","parts":[{"etag":"ETAG1","part_number":1},{"etag":"ETAG2","part_number":2}]}`
	if d.sdk.java {
		complete = `{"file_key":"KEY","upload_id":"UPLOAD","object_name":"external/KEY","parts":[{"part_number":1,"etag":"ETAG1"},{"part_number":2,"etag":"ETAG2"}]}`
	}
	txt := d.upload(`{"file_name":"hello.txt","size":4,"mime_type":"text/plain","parts":2}`, complete, "text/plain", [2]string{"te", "xt"})
	pdf := d.upload(`{"file_name":"ä b&c%?#.pdf","size":3,"mime_type":"application/pdf","parts":2}`, complete, "application/pdf", [2]string{"do", "c"})
	bad := d.upload(`{"file_name":"bad.txt","size":4,"mime_type":"text/plain","parts":2}`, complete, "text/plain", [2]string{"FA", "IL"})
	// An empty file, in parts in which there is nothing.
	d.upload(`{"file_name":"e.txt","size":0,"mime_type":"text/plain","parts":2}`, complete, "text/plain", [2]string{})
	d.words = []string{"IN_TXT", txt, "IN_PDF", pdf, "IN_BAD", bad}
}

func (d *d3Talk) talkSupported() {
	d.Helper()
	for _, c := range []struct {
		ruby, java string
		want       bool
	}{
		{`{"ext":"pdf","action":null,"parameters":null}`, `{"ext":"pdf"}`, true},
		{`{"ext":".PDF","action":"CONVERT","parameters":null}`, `{"ext":".PDF","action":"CONVERT"}`, true},
		{
			`{"ext":"pdf","action":"convert","parameters":{"convert_to":"png"}}`,
			`{"ext":"pdf","action":"convert","parameters":{"convert_to":"png"}}`, true,
		},
		{
			`{"ext":"pdf","action":"convert","parameters":{"convert_to":"mp3"}}`,
			`{"ext":"pdf","action":"convert","parameters":{"convert_to":"mp3"}}`, false,
		},
		{`{"ext":"txt","action":"lock","parameters":null}`, `{"ext":"txt","action":"lock"}`, false},
	} {
		a := d.call("/supported-operation", d.either(c.ruby, c.java), 200)
		if a["supported"] != c.want || a["ext"] == nil {
			d.Errorf("%s: %v", c.ruby, a)
		}
	}
}

// either is what this SDK sends.
func (d *d3Talk) either(ruby, java string) string {
	if d.sdk.java {
		return java
	}
	return ruby
}

func (d *d3Talk) talkOperations() {
	d.Helper()
	const locked = `"file_keys":["IN_PDF"],"parameters":{"password":"päss, w@rd."}`
	for _, c := range []struct{ ruby, java, want string }{
		{
			`{"action":"convert","file_keys":["IN_TXT"],"parameters":{"convert_to":"md"},"notes":null}`,
			`{"action":"convert","file_keys":["IN_TXT"],"parameters":{"convert_to":"md"}}`, "TEXT>@md",
		},
		{
			`{"action":"compress","file_keys":["IN_PDF"],"parameters":{"compression_value":"recommended"},"notes":null}`,
			`{"action":"compress","file_keys":["IN_PDF"],"parameters":{"compression_value":"recommended"}}`, "DOC>@compress",
		},
		{
			`{"action":"merge","file_keys":["IN_PDF","IN_PDF"],"parameters":null,"notes":{"who":"me"}}`,
			`{"action":"merge","file_keys":["IN_PDF","IN_PDF"],"notes":{"who":"me"}}`, "[Ä B&C%?#.PDF]DOC[Ä B&C%?#.PDF]DOC>@merge",
		},
		{
			`{"action":"zip","file_keys":["IN_TXT"],"parameters":null,"notes":null}`,
			`{"action":"zip","file_keys":["IN_TXT"]}`, "TEXT>@zip",
		},
		{`{"action":"lock",` + locked + `,"notes":null}`, `{"action":"lock",` + locked + `}`, "DOC>@lock,secret=password(päss, w@rd.)"},
		{`{"action":"unlock",` + locked + `,"notes":null}`, `{"action":"unlock",` + locked + `}`, "DOC>@unlock,secret=password(päss, w@rd.)"},
		{
			`{"action":"reset_password","file_keys":["IN_PDF"],"parameters":{"old_password":"o","new_password":"n"},"notes":null}`,
			`{"action":"reset_password","file_keys":["IN_PDF"],"parameters":{"old_password":"o","new_password":"n"}}`,
			"DOC>@reset_password,new_secret=new_password,secret=old_password(o)(n)",
		},
	} {
		main := d.call("/do", d.either(c.ruby, c.java), 200)["main_task_id"].(string)
		texts, keys := d.result(main, 1)
		if texts[0] != c.want {
			d.Errorf("%s: %q", c.ruby, texts[0])
		}
		a := d.call("/status/"+main+"/"+keys[0], "", 200)
		if l := a["files_data"].([]any); a["operation_status"] != "completed" || len(l) != 1 || l[0].(map[string]any)["status"] != "completed" {
			d.Errorf("%s: %v", c.ruby, a)
		}
	}
	main := d.call("/do", `{"action":"convert","file_keys":["IN_BAD"],"parameters":{"convert_to":"md"}}`, 200)["main_task_id"].(string)
	d.wait(1)
	a := d.call("/status/"+main, "", 200)
	if f := a["files_data"].([]any)[0].(map[string]any); a["operation_status"] != "failed" || f["status"] != "failed" ||
		f["error_code"] != "conversion_failed" || f["error_message"] == nil {
		d.Errorf("%v", a)
	}
}

// talkRefusals: Java's helpers leave out what is null, so that parameters may be empty.
func (d *d3Talk) talkRefusals() {
	d.Helper()
	for _, c := range []struct {
		path, body string
		status     int
	}{
		{"/do", `{"action":"share","file_keys":["IN_PDF"],"parameters":null,"notes":{"a":"b"}}`, 400}, // of generation 1
		{"/do", `{"action":"share","file_keys":["IN_PDF"]}`, 400},
		{"/do", `{"action":"convert","file_keys":["IN_TXT"],"parameters":{"convert_to":null},"notes":null}`, 400},
		{"/do", `{"action":"convert","file_keys":["IN_TXT"],"parameters":{}}`, 400},
		{"/do", `{"action":"lock","file_keys":["IN_PDF"],"parameters":{"password":""},"notes":null}`, 400},
		{"/do", `{"action":"zip","file_keys":["in_x"]}`, 404},
		{"/status/main_x", "", 404},
	} {
		d.call(c.path, c.body, c.status)
	}
	d.key = "d3_live_wrong"
	d.call("/supported-operation", `{"ext":"pdf"}`, 401)
}
