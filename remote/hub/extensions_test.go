package hub

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// bigBody is a body that is sent in parts: size bytes, each part different.
func bigBody(size int) []byte {
	b := bytes.Repeat([]byte("0123456789abcdef"), (size+15)/16)[:size]
	for i := 0; i < size; i += 1 << 20 {
		b[i] = byte(i >> 20)
	}
	return b
}

type part struct {
	n         int
	url, etag string
}

func partsOf(t *testing.T, d map[string]any) []part {
	t.Helper()
	var out []part
	for _, v := range d["parts"].([]any) {
		m := v.(map[string]any)
		p := part{n: int(m["partNumber"].(float64))}
		p.url, _ = m["signedUrl"].(string)
		p.etag, _ = m["etag"].(string)
		out = append(out, p)
	}
	return out
}

func TestMultipartResumes(t *testing.T) {
	s := newSite(t, nil)
	drop := s.drop(1, 30)
	const size = 64<<20 + 123
	body := bigBody(size)
	ask := map[string]any{"name": "big", "type": "video/mp4", "size": size, "multipart": true}
	d := s.data(s.withKey("POST", "/api/v1/dropzones/"+drop+"/files", ask))
	id, step := d["fileId"].(string), int(d["partSize"].(float64))
	parts := partsOf(t, d)
	if len(parts) != (size+step-1)/step || d["signedUrl"] != nil || d["uploadId"] == "" {
		t.Fatalf("parts %v", d)
	}
	send := func(p part) reply {
		return s.do(request{"PUT", p.url, nil, body[(p.n-1)*step : min(p.n*step, size)]})
	}
	for _, p := range parts[:3] {
		if r := send(p); r.Status != 200 {
			t.Fatalf("part %d: %d %s", p.n, r.Status, r.Body)
		}
	}
	if r := s.do(request{"PUT", parts[3].url, nil, body[:step-1]}); r.Status != http.StatusForbidden {
		t.Fatalf("a short part: %d", r.Status)
	}
	s.want(s.withKey("POST", "/api/v1/files/"+id+"/confirm", nil), 409)
	s.clock.Advance(2 * time.Hour) // the URLs are over, the upload is not
	s.sweep()
	s.want(send(parts[3]), 403)
	renewed := partsOf(t, s.data(s.withKey("GET", "/api/v1/files/"+id+"/upload", nil)))
	var etags []map[string]any
	for i, p := range renewed {
		if (p.etag != "") != (i < 3) || (p.url != "") != (i >= 3) {
			t.Fatalf("renewed part %+v", p)
		}
		if p.etag == "" {
			r := send(p)
			if r.Status != 200 {
				t.Fatalf("part %d: %d %s", p.n, r.Status, r.Body)
			}
			p.etag = strings.Trim(r.Header.Get("ETag"), `"`)
		}
		sum := md5.Sum(body[i*step : min((i+1)*step, size)])
		if p.etag != hex.EncodeToString(sum[:]) {
			t.Fatalf("etag of part %d: %s", p.n, p.etag)
		}
		etags = append(etags, map[string]any{"partNumber": p.n, "etag": p.etag})
	}
	wrong := []map[string]any{{"partNumber": 1, "etag": strings.Repeat("0", 32)}}
	s.want(s.withKey("POST", "/api/v1/files/"+id+"/confirm", map[string]any{"parts": wrong}), 409)
	first := s.data(s.withKey("POST", "/api/v1/files/"+id+"/confirm", map[string]any{"parts": etags}))
	second := s.data(s.withKey("POST", "/api/v1/files/"+id+"/confirm", map[string]any{"parts": etags}))
	if fmt.Sprint(first) != fmt.Sprint(second) {
		t.Fatalf("a repeated confirm answers %v, then %v", first, second)
	}
	if got := s.withKey("GET", "/api/v1/files/"+id+"/download", nil); !bytes.Equal(got.Body, body) {
		t.Fatal("other bytes came back")
	}
	s.want(s.withKey("GET", "/api/v1/files/"+id+"/upload", nil), 409)
	s.want(s.withKey("GET", "/api/v1/files/nosuchfile/upload", nil), 404)
	s.sweep()
	checkSpace(t, s.hub, map[string]int{id: size})
}

func TestSmallMultipartIsOnePut(t *testing.T) {
	s := newSite(t, nil)
	d := s.data(s.withKey("POST", "/api/v1/dropzones/"+s.drop(1, 30)+"/files",
		map[string]any{"name": "n", "type": "a/b", "size": 64<<20 - 1, "multipart": true}))
	if d["signedUrl"] == nil || d["parts"] != nil {
		t.Fatalf("got %v", d)
	}
}

func TestReplaceCopyRename(t *testing.T) {
	s := newSite(t, nil)
	drop, other := s.drop(1, 30), s.drop(1, 30)
	old := s.upload(drop, "a.txt", "text/plain", []byte("one"))
	id, url := s.start(drop, "a.txt", "text/plain", 4)
	s.put(url, "text/plain", []byte("four"))
	confirm := "/api/v1/files/" + id + "/confirm"
	foreign := s.upload(other, "f", "text/plain", []byte("f"))
	s.want(s.withKey("POST", confirm, map[string]any{"replaces": foreign}), 400)
	s.data(s.withKey("POST", confirm, map[string]any{"replaces": old}))
	s.want(s.withKey("GET", "/api/v1/files/"+old, nil), 404)
	s.data(s.withKey("POST", confirm, map[string]any{"replaces": old})) // gone already: no error
	if used := s.used(drop); used != 4 {
		t.Fatalf("used %d", used)
	}
	third, url := s.start(drop, "b", "text/plain", 1)
	s.put(url, "text/plain", []byte("x"))
	s.data(s.withKey("POST", "/api/v1/files/"+third+"/confirm", map[string]any{"replaces": "neverwas"}))

	before := s.data(s.withKey("GET", "/api/v1/files/"+id, nil))
	c := s.data(s.withKey("POST", "/api/v1/files/"+id+"/copy", map[string]any{"name": "dir/c.txt", "dropzoneId": other}))
	cid := c["_id"].(string)
	if c["meta"].(map[string]any)["etag"] != before["meta"].(map[string]any)["etag"] || cid == id {
		t.Fatalf("copy %v of %v", c, before)
	}
	dup, _ := s.start(other, "dup.txt", "text/plain", 4)
	again := map[string]any{"copyOf": id, "copyFrom": drop}
	d := s.data(s.withKey("POST", "/api/v1/files/"+dup+"/confirm", again))
	if d["_id"] != dup || d["meta"].(map[string]any)["etag"] != before["meta"].(map[string]any)["etag"] {
		t.Fatalf("%v of %v", d, before)
	}
	s.data(s.withKey("POST", "/api/v1/files/"+dup+"/confirm", again)) // a lost answer
	long, _ := s.start(other, "long.txt", "text/plain", 5)
	s.want(s.withKey("POST", "/api/v1/files/"+long+"/confirm", again), 409)
	s.want(s.withKey("POST", "/api/v1/files/"+long+"/confirm", map[string]any{"copyOf": "nosuch"}), 409)
	s.want(s.withKey("DELETE", "/api/v1/files/"+long, nil), 200)
	// Who may not download a file may not copy it either.
	stranger := s.data(s.withKey("POST", "/api/v1/apikeys", nil))
	mine, _ := s.start(other, "mine", "text/plain", 4)
	s.list(s.withKey("POST", "/api/v1/files/"+mine+"/permissions",
		map[string]any{"publicId": stranger["publicId"], "permissions": []string{"file.upload.confirm"}}))
	s.want(s.do(request{"POST", "/api/v1/files/" + mine + "/confirm", map[string]string{"x-api-key": stranger["apiKey"].(string)}, map[string]any{"copyOf": id}}), 403)
	s.want(s.withKey("DELETE", "/api/v1/files/"+mine, nil), 200)
	renamed := s.data(s.withKey("PATCH", "/api/v1/files/"+id, map[string]any{"name": "neu ü.txt"}))
	if renamed["_id"] != id || renamed["name"] != "neu ü.txt" {
		t.Fatalf("renamed %v", renamed)
	}
	s.want(s.withKey("DELETE", "/api/v1/files/"+id, nil), 200)
	s.sweep()
	if r := s.withKey("GET", "/api/v1/files/"+cid+"/download", nil); string(r.Body) != "four" {
		t.Fatalf("the copy went with its source: %d %q", r.Status, r.Body)
	}
	s.want(s.withKey("POST", "/api/v1/files/"+cid+"/copy", map[string]any{"name": "x", "dropzoneId": "nosuch"}), 404)
	s.want(s.withKey("PATCH", "/api/v1/files/"+cid, map[string]any{"name": "a\x00b"}), 400)
	checkSpace(t, s.hub, map[string]int{cid: 4, dup: 4, foreign: 1, third: 1})
}

func TestListAndDeleteDrops(t *testing.T) {
	s := newSite(t, nil)
	a := s.drop(1, 30)
	s.clock.Advance(time.Second)
	b := s.drop(0.5, 60)
	s.upload(a, "x", "text/plain", []byte("x"))
	l := s.list(s.withKey("GET", "/api/v1/dropzones", nil))
	if len(l) != 2 || l[0].(map[string]any)["_id"] != a || l[1].(map[string]any)["gb"] != 0.5 {
		t.Fatalf("listed %v", l)
	}
	s.want(s.withKey("DELETE", "/api/v1/dropzones/"+a, nil), 200)
	s.want(s.withKey("GET", "/api/v1/dropzones/"+a, nil), 404)
	s.want(s.withKey("DELETE", "/api/v1/dropzones/"+a, nil), 404)
	if l := s.list(s.withKey("GET", "/api/v1/dropzones", nil)); len(l) != 1 || l[0].(map[string]any)["_id"] != b {
		t.Fatalf("listed %v", l)
	}
	s.sweep()
	checkSpace(t, s.hub, map[string]int{})
}

func TestUpdateDrop(t *testing.T) {
	s := newSite(t, nil)
	a := s.data(s.withKey("POST", "/api/v1/dropzones", map[string]any{"gb": 1, "days": 30, "name": "a"}))["_id"].(string)
	s.data(s.withKey("POST", "/api/v1/dropzones", map[string]any{"gb": 1, "days": 30, "name": "b"}))
	for _, c := range []struct {
		method, path string
		drop         bool // named by the header
		body         map[string]any
		status       int
	}{
		{"PUT", "/api/v1/dropzones/" + a, false, map[string]any{"gb": 1.5}, 200},
		{"PATCH", "/api/v1/dropzones/" + a, false, map[string]any{"days": 40}, 200},
		{"POST", "/api/v1/dropzones/" + a, false, map[string]any{"name": "c"}, 200},
		{"PUT", "/api/v1/dropzone", true, map[string]any{"gb": 2}, 200},
		{"PATCH", "/api/v1/dropzone/", true, map[string]any{"gb": 2, "days": 41}, 200},
		{"POST", "/api/dropzone", true, map[string]any{"gb": 2}, 200},
		{"PUT", "/api/v1/dropzone", false, map[string]any{"gb": 2}, 400}, // none named
		{"PUT", "/api/v1/dropzones/" + a, false, map[string]any{"gb": 1.9}, 400},
		{"PUT", "/api/v1/dropzones/" + a, false, map[string]any{"days": 40}, 400},
		{"PUT", "/api/v1/dropzones/" + a, false, map[string]any{"name": "b"}, 409},
		{"PUT", "/api/v1/dropzones/" + a, false, map[string]any{"name": "healthz"}, 400},
		{"PUT", "/api/v1/dropzones/" + a, false, map[string]any{}, 400},
		{"PUT", "/api/v1/dropzones/nosuch", false, map[string]any{"gb": 2}, 404},
	} {
		h := map[string]string{"x-api-key": testKey}
		if c.drop {
			h["x-dropzone-id"] = a
		}
		s.want(s.do(request{c.method, c.path, h, c.body}), c.status)
	}
	d := s.data(s.withKey("GET", "/api/v1/dropzones/"+a, nil))
	if d["gb"] != 2.0 || d["days"] != 41.0 || d["name"] != "c" {
		t.Fatalf("after all: %v", d)
	}
}

func TestLink(t *testing.T) {
	s := newSite(t, nil)
	id := s.upload(s.drop(1, 30), "dir/ä.html", "text/html", []byte("<p>"))
	d := s.data(s.withKey("POST", "/api/v1/files/"+id+"/link", map[string]any{"public": false, "seconds": 60}))
	url := d["url"].(string)
	r := s.do(request{"GET", url, nil, nil})
	if r.Status != 200 || string(r.Body) != "<p>" || r.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Fatalf("%d %q %v", r.Status, r.Body, r.Header)
	}
	if r := s.do(request{"HEAD", url, nil, nil}); r.Status != 200 || r.Header.Get("Content-Length") != "3" {
		t.Fatalf("HEAD %d", r.Status)
	}
	if strings.Contains(url, id) {
		t.Error("the link tells the id of the file, which outlives it")
	}
	token := strings.TrimPrefix(url, s.srv.URL+"/link/")
	for i := 0; token[i] != '/'; i++ {
		forged := []byte(token)
		if forged[i]++; forged[i] == '/' || forged[i] == '{' || forged[i] == '[' || forged[i] == '`' || forged[i] == ':' || forged[i] == '.' {
			forged[i] = 'A'
		}
		s.want(s.do(request{"GET", "/link/" + string(forged), nil, nil}), 403)
	}
	s.clock.Advance(time.Minute)
	s.want(s.do(request{"GET", url, nil, nil}), 403)
	s.want(s.withKey("POST", "/api/v1/files/"+id+"/link", map[string]any{"seconds": -1}), 400)
}

func TestAbort(t *testing.T) {
	s := newSite(t, nil)
	drop := s.drop(1, 30)
	id, url := s.start(drop, "x", "text/plain", 5)
	s.put(url, "text/plain", []byte("hello"))
	s.want(s.withKey("DELETE", "/api/v1/files/"+id, nil), 200)
	if used := s.used(drop); used != 0 {
		t.Fatalf("used %d", used)
	}
	s.want(s.put(url, "text/plain", []byte("hello")), 404)
	s.want(s.withKey("POST", "/api/v1/files/"+id+"/confirm", nil), 404)
	s.sweep()
	checkSpace(t, s.hub, map[string]int{})
}
