package hub

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// newD3S3Site is a newD3Site whose objects are in a real S3 server.
func newD3S3Site(t *testing.T) (*d3Site, *s3Server) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts an S3 server")
	}
	v := startS3(t)
	d := newD3Site(t, func(c *Config) { c.Objects = v.objects() })
	d.results = "http://" + v.addr + "/"
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
	return d, v
}

// hosts lists where the parts of an upload go, each host once.
func hosts(t *testing.T, up map[string]any) string {
	t.Helper()
	seen := map[string]bool{}
	var out []string
	for _, raw := range up["presigned_urls"].([]any) {
		u, err := url.Parse(raw.(string))
		if err != nil {
			t.Fatal(err)
		}
		if !seen[u.Host] {
			seen[u.Host] = true
			out = append(out, u.Host)
		}
	}
	return strings.Join(out, " ")
}

// cut sends body in pieces of these lengths, and answers what complete-upload says of them.
func (d *d3Site) cut(up map[string]any, body []byte, lengths ...int) []any {
	d.Helper()
	var parts []any
	for i, n := range lengths {
		r := d.put(up["presigned_urls"].([]any)[i].(string), "text/plain", body[:n])
		if r.Status != 200 || r.Header.Get("ETag") == "" {
			d.Fatalf("part %d: %d %s", i+1, r.Status, r.Body)
		}
		parts = append(parts, map[string]any{"etag": r.Header.Get("ETag"), "part_number": i + 1})
		body = body[n:]
	}
	return parts
}

func (d *d3Site) complete(up map[string]any, parts []any, status int) map[string]any {
	d.Helper()
	return d.answer(d.asks("POST", "/api/v1/complete-upload", map[string]any{"file_key": up["file_key"], "parts": parts}), status)
}

func TestT4PartsGoToTheObjectStore(t *testing.T) {
	d, v := newD3S3Site(t)
	here := strings.TrimPrefix(d.srv.URL, "http://")
	const mib = 1 << 20
	body := bytes.Repeat([]byte("dropfs "), 11*mib/7+1)[:11*mib]

	for _, c := range []struct {
		name    string
		size    int
		host    string
		lengths []int
	}{
		{"as the SDKs cut", 11*mib - 1, v.addr, []int{(11*mib - 1 + 1) / 2, 11*mib - 1 - (11*mib-1+1)/2}},
		{"large ones and the rest", 11 * mib, v.addr, []int{9 * mib, 2 * mib}},
		{"the least that goes there", 10 * mib, v.addr, []int{5 * mib, 5 * mib}},
		{"a byte less", 10*mib - 1, here, []int{5 * mib, 5*mib - 1}},
		{"small", 9, here, []int{1, 2, 6}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := *d
			d.site = &site{t, d.hub, d.srv, d.clock, d.key}
			up := d.begin("a.txt", c.size, len(c.lengths))
			if got := hosts(t, up); got != c.host {
				t.Fatalf("the parts go to %s, not to %s", got, c.host)
			}
			parts := d.cut(up, body[:c.size], c.lengths...)
			d.complete(up, parts, 200)
			d.complete(up, parts, 200)
			texts, _ := d.result(d.order("convert", map[string]any{"convert_to": "md"}, up["file_key"].(string)), 1)
			if want := strings.ToUpper(string(body[:c.size])) + ">@md"; texts[0] != want {
				t.Errorf("%d bytes came back, or others, of %d", len(texts[0]), len(want))
			}
		})
	}

	t.Run("refusals", func(t *testing.T) {
		d := *d
		d.site = &site{t, d.hub, d.srv, d.clock, d.key}
		up := d.begin("a.txt", 11*mib, 2)
		want := func(parts []any, status int, word string) {
			t.Helper()
			if a := d.complete(up, parts, status); a["error"] != word {
				t.Errorf("%v, not %s", a, word)
			}
		}
		want(nil, 409, "upload_incomplete")
		d.cut(up, body, 6*mib)
		want(nil, 409, "upload_incomplete")
		d.cut(up, body, 6*mib, mib)
		want(nil, 409, "size_mismatch")
		d.cut(up, body, mib, 10*mib)
		want(nil, 409, "part_too_small")
		parts := d.cut(up, body, 6*mib, 5*mib)
		want([]any{map[string]any{"etag": "0", "part_number": 1}, parts[1]}, 400, "invalid_request")
		other := d.begin("b.txt", 11*mib, 2)["presigned_urls"].([]any)[0].(string)
		for name, r := range map[string]reply{
			"number": d.put(strings.Replace(other, "partNumber=1", "partNumber=2", 1), "", []byte("x")),
			"expiry": d.put(strings.Replace(other, "X-Amz-Expires=", "X-Amz-Expires=1", 1), "", []byte("x")),
		} {
			if r.Status != 403 {
				t.Errorf("forged %s: %d", name, r.Status)
			}
		}
		d.complete(up, []any{map[string]any{"etag": "", "part_number": 1}}, 200)
		if r := d.put(up["presigned_urls"].([]any)[0].(string), "", []byte("x")); r.Status != 404 {
			t.Errorf("a part after the upload was completed: %d", r.Status)
		}
	})

	t.Run("nothing is left", func(t *testing.T) {
		d := *d
		d.site = &site{t, d.hub, d.srv, d.clock, d.key}
		d.cut(d.begin("never completed.txt", 11*mib, 2), body, 6*mib)
		d.clock.Advance(48 * time.Hour)
		d.sweep()
		if keys, uploads := v.keys(t); len(keys) > 0 || uploads != 0 {
			t.Errorf("left: %v, %d uploads", keys, uploads)
		}
	})
}

// TestT4KilledWithPartsAtTheObjectStore kills a hub at each step of an upload whose parts go to S3: what was announced goes
// on, what was completed is whole, and after its time nothing is left there.
func TestT4KilledWithPartsAtTheObjectStore(t *testing.T) {
	if testing.Short() {
		t.Skip("starts an S3 server")
	}
	v := startS3(t)
	text := strings.Repeat("hello", 2<<20+1)
	half := (len(text) + 1) / 2
	var etags []map[string]any
	for i, part := range []string{text[:half], text[half:]} {
		sum := md5.Sum([]byte(part))
		etags = append(etags, map[string]any{"part_number": i + 1, "etag": hex.EncodeToString(sum[:])})
	}
	for _, step := range []string{"d3.parts.begun:1", "d3.parts.announced:1", "a part", "all parts", "d3.parts.joined:1", "d3.confirmed:1"} {
		t.Run(step, func(t *testing.T) {
			dir, s3 := t.TempDir(), childS3+"="+v.objects()
			c := startChild(t, dir, step, childEngine, s3)
			var up struct {
				File string   `json:"file_key"`
				URLs []string `json:"presigned_urls"`
			}
			begin := func() bool {
				return c.json("POST", "/api/v1/initiate-upload", map[string]any{"file_name": "a.txt", "size": len(text), "mime_type": "text/plain", "parts": 2}, &up)
			}
			sent := 0
			send := func(to int) {
				for ; sent < to; sent++ {
					part := text[sent*half : min((sent+1)*half, len(text))]
					if _, status := c.call("PUT", up.URLs[sent], nil, []byte(part)); status != 200 {
						t.Fatalf("part %d: %d", sent+1, status)
					}
				}
			}
			complete := func() bool {
				return c.json("POST", "/api/v1/complete-upload", map[string]any{"file_key": up.File, "parts": etags}, &struct{}{})
			}
			begun := begin()
			if begun {
				send(map[string]int{"a part": 1}[step])
				if step != "a part" {
					send(2)
				}
				if step != "a part" && step != "all parts" && complete() {
					t.Fatal("the hub did not die")
				}
			}
			c.kill()
			c = startChild(t, dir, "", childEngine, s3)
			if !begun && !begin() {
				t.Fatal("no upload after the restart")
			}
			send(2) // to where the dead hub said
			if !complete() {
				t.Fatal("the upload does not go on")
			}
			main, ok := c.d3Order(up.File)
			if !ok {
				t.Fatal("no order after the restart")
			}
			var st d3Status
			until(t, "the task does not end", func() bool {
				return c.json("GET", "/api/v1/status/"+main, nil, &st) && st.Status != "queued" && st.Status != "running"
			})
			if st.Status != "completed" {
				t.Fatalf("%+v", st)
			}
			c.kill()
			h, err := Open(t.Context(), Config{DataDir: dir, Objects: v.objects(), Now: func() time.Time { return time.Now().Add(48 * time.Hour) }})
			if err != nil {
				t.Fatal(err)
			}
			if err := h.Sweep(t.Context(), true); err != nil {
				t.Error(err)
			}
			if err := h.Close(); err != nil {
				t.Error(err)
			}
			if keys, uploads := v.keys(t); len(keys) > 0 || uploads != 0 {
				t.Errorf("left: %v, %d uploads", keys, uploads)
			}
		})
	}
}
