package hub

import (
	"mime"
	"strings"
	"testing"
)

func TestDownload(t *testing.T) {
	s := newSite(t, nil)
	id := s.upload(s.drop(1, 30), "dir/über \"x\".txt", "text/plain", []byte("0123456789"))
	path := "/api/v1/files/" + id + "/download"
	plain := s.withKey("GET", path, nil)
	etag := plain.Header.Get("ETag")
	if etag != `"781e5e245d69b566979b86e28d23f2c7"` || plain.Header.Get("Accept-Ranges") != "bytes" {
		t.Fatalf("header %v", plain.Header)
	}
	_, params, err := mime.ParseMediaType(plain.Header.Get("Content-Disposition"))
	if err != nil || params["filename"] != "über \"x\".txt" {
		t.Fatalf("disposition %q: %v", plain.Header.Get("Content-Disposition"), err)
	}
	for _, c := range []struct {
		name   string
		header map[string]string
		status int
		body   string
		cr     string // Content-Range
	}{
		{"whole", nil, 200, "0123456789", ""},
		{"first", map[string]string{"Range": "bytes=0-3"}, 206, "0123", "bytes 0-3/10"},
		{"middle", map[string]string{"Range": "bytes=4-4"}, 206, "4", "bytes 4-4/10"},
		{"open", map[string]string{"Range": "bytes=8-"}, 206, "89", "bytes 8-9/10"},
		{"suffix", map[string]string{"Range": "bytes=-3"}, 206, "789", "bytes 7-9/10"},
		{"past the end", map[string]string{"Range": "bytes=8-99"}, 206, "89", "bytes 8-9/10"},
		{"outside", map[string]string{"Range": "bytes=10-"}, 416, "", "bytes */10"},
		{"nonsense", map[string]string{"Range": "bytes=x"}, 416, "", ""},
		{"If-Match", map[string]string{"If-Match": etag}, 200, "0123456789", ""},
		{"If-Match other", map[string]string{"If-Match": `"x"`}, 412, "", ""},
		{"If-None-Match", map[string]string{"If-None-Match": etag}, 304, "", ""},
		{"If-None-Match other", map[string]string{"If-None-Match": `"x"`}, 200, "0123456789", ""},
		{"If-Range", map[string]string{"If-Range": etag, "Range": "bytes=0-0"}, 206, "0", "bytes 0-0/10"},
		{"If-Range other", map[string]string{"If-Range": `"x"`, "Range": "bytes=0-0"}, 200, "0123456789", ""},
	} {
		h := map[string]string{"x-api-key": testKey}
		for k, v := range c.header {
			h[k] = v
		}
		r := s.do(request{"GET", path, h, nil})
		if r.Status != c.status || r.Header.Get("Content-Range") != c.cr {
			t.Errorf("%s: status %d, Content-Range %q", c.name, r.Status, r.Header.Get("Content-Range"))
		}
		if c.status >= 400 {
			s.want(r, c.status)
		} else if string(r.Body) != c.body {
			t.Errorf("%s: body %q", c.name, r.Body)
		}
		head := s.do(request{"HEAD", path, h, nil})
		if head.Status != c.status || len(head.Body) != 0 || head.Header.Get("Content-Type") != r.Header.Get("Content-Type") {
			t.Errorf("HEAD %s: status %d, %q", c.name, head.Status, head.Header.Get("Content-Type"))
		}
	}
	multi := s.do(request{"GET", path, map[string]string{"x-api-key": testKey, "Range": "bytes=0-1,8-9"}, nil})
	if multi.Status != 206 || !strings.HasPrefix(multi.Header.Get("Content-Type"), "multipart/byteranges") ||
		!strings.Contains(string(multi.Body), "Content-Range: bytes 8-9/10") {
		t.Errorf("two ranges: %d %q", multi.Status, multi.Body)
	}
}

func TestDownloadTypesAreSafe(t *testing.T) {
	s := newSite(t, nil)
	drop := s.drop(1, 30)
	for declared, sent := range map[string]string{
		"text/html": "text/html", "": "application/octet-stream", "nonsense": "application/octet-stream",
		"image/svg+xml": "image/svg+xml", "text/plain; charset=utf-8": "text/plain; charset=utf-8",
	} {
		id := s.upload(drop, "f", declared, []byte("<script>"))
		h := s.withKey("GET", "/api/v1/files/"+id+"/download", nil).Header
		if h.Get("Content-Type") != sent || h.Get("X-Content-Type-Options") != "nosniff" ||
			!strings.HasPrefix(h.Get("Content-Disposition"), "attachment") || !strings.Contains(h.Get("Content-Security-Policy"), "sandbox") {
			t.Errorf("%q: %v", declared, h)
		}
	}
}

func TestEmptyFile(t *testing.T) {
	s := newSite(t, nil)
	id := s.upload(s.drop(1, 30), "empty", "text/plain", nil)
	r := s.withKey("GET", "/api/v1/files/"+id+"/download", nil)
	if r.Status != 200 || len(r.Body) != 0 || r.Header.Get("ETag") != `"d41d8cd98f00b204e9800998ecf8427e"` {
		t.Fatalf("%d %v", r.Status, r.Header)
	}
}
