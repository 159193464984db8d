package hub

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestAccess is every route with every kind of caller. A row's statuses are those of: no credential, a key that is not
// known, a foreign key, the dropzone's id, and a keyless caller where "anyone" holds the row's permission.
func TestAccess(t *testing.T) {
	const none, unknown, foreign, byID, anyone, owning = 0, 1, 2, 3, 4, 5
	for _, c := range []struct {
		method, path string
		body         any
		permission   string
		status       [5]int
	}{
		{"POST", "/api/v1/dropzones", map[string]any{"gb": 1, "days": 30}, "", [5]int{401, 401, 200, 401, 401}},
		{"GET", "/api/v1/dropzones", nil, "", [5]int{401, 401, 200, 401, 401}},
		{"GET", "/api/v1/apikeys/me", nil, "", [5]int{401, 401, 200, 401, 401}},
		{"POST", "/api/v1/apikeys", nil, "", [5]int{401, 401, 403, 401, 401}},
		{"POST", "/api/v1/apikeys/OWNER/transfer-gbmonths", map[string]any{"gbMonths": 1}, "", [5]int{401, 401, 403, 401, 401}},
		{"GET", "/api/v1/dropzones/DROP", nil, "dropzone.get", [5]int{200, 401, 403, 200, 200}},
		{"GET", "/api/v1/dropzone", nil, "dropzone.get", [5]int{401, 401, 400, 200, 401}},
		{"GET", "/api/v1/dropzones/DROP/files", nil, "dropzone.list", [5]int{200, 401, 403, 200, 200}},
		{"GET", "/api/v1/files", nil, "dropzone.list", [5]int{401, 401, 400, 200, 401}},
		{"POST", "/api/v1/dropzones/DROP/files", map[string]any{"name": "n", "type": "t/t", "size": 1}, "dropzone.upload", [5]int{200, 401, 403, 200, 200}},
		{"POST", "/api/v1/files", map[string]any{"name": "n", "type": "t/t", "size": 1}, "dropzone.upload", [5]int{401, 401, 400, 200, 401}},
		{"PUT", "/api/v1/dropzones/DROP", map[string]any{"gb": 1}, "dropzone.update", [5]int{401, 401, 403, 401, 401}},
		{"DELETE", "/api/v1/dropzones/DROP", nil, "dropzone.own", [5]int{401, 401, 403, 401, 401}},
		{"GET", "/api/v1/dropzones/DROP/permissions", nil, "dropzone.grant", [5]int{401, 401, 403, 401, 401}},
		{"POST", "/api/v1/dropzones/DROP/permissions", map[string]any{"publicId": "anyone", "permissions": []string{"dropzone.get"}}, "dropzone.grant", [5]int{401, 401, 403, 401, 401}},
		{"DELETE", "/api/v1/dropzones/DROP/permissions", map[string]any{"publicId": "anyone", "permissions": []string{"dropzone.get"}}, "dropzone.grant", [5]int{401, 401, 403, 401, 401}},
		{"GET", "/api/v1/files/FILE", nil, "file.get", [5]int{401, 401, 403, 200, 200}},
		{"GET", "/api/v1/files/FILE/download", nil, "file.download", [5]int{401, 401, 403, 200, 200}},
		{"GET", "/api/v1/dropzones/DROP/files/FILE", nil, "file.download", [5]int{200, 401, 403, 200, 200}},
		{"GET", "/cdn/FILE/download", nil, "file.download", [5]int{404, 404, 404, 404, 200}},
		{"POST", "/api/v1/files/FILE/confirm", nil, "file.upload.confirm", [5]int{401, 401, 403, 200, 200}},
		{"GET", "/api/v1/files/PENDING/upload", nil, "file.upload.confirm", [5]int{401, 401, 403, 200, 401}},
		{"POST", "/api/v1/files/FILE/copy", map[string]any{"name": "n"}, "file.own", [5]int{401, 401, 403, 200, 200}},
		{"PATCH", "/api/v1/files/FILE", map[string]any{"name": "n"}, "file.own", [5]int{401, 401, 403, 200, 200}},
		{"POST", "/api/v1/files/FILE/link", nil, "file.grant", [5]int{401, 401, 403, 200, 200}},
		{"GET", "/api/v1/files/FILE/permissions", nil, "file.grant", [5]int{401, 401, 403, 401, 401}},
		{"POST", "/api/v1/files/FILE/permissions", map[string]any{"publicId": "anyone", "permissions": []string{"file.get"}}, "file.grant", [5]int{401, 401, 403, 401, 401}},
		{"DELETE", "/api/v1/files/FILE/permissions", map[string]any{"publicId": "anyone", "permissions": []string{"file.get"}}, "file.grant", [5]int{401, 401, 403, 401, 401}},
		{"DELETE", "/api/v1/files/FILE", nil, "file.delete", [5]int{401, 401, 403, 200, 200}},
		{"DELETE", "/api/v1/dropzones/DROP/files/FILE", nil, "file.delete", [5]int{200, 401, 403, 200, 200}},
		{"HEAD", "/api/v1/changes", nil, "dropzone.list", [5]int{401, 401, 200, 200, 401}},
		// Below /api a bare file id is a credential (G1).
		{"GET", "/api/files/FILE", nil, "file.get", [5]int{200, 401, 403, 200, 200}},
		{"GET", "/api/files/FILE/download", nil, "file.download", [5]int{200, 401, 403, 200, 200}},
		{"POST", "/api/files/FILE/upload/confirm", nil, "file.upload.confirm", [5]int{200, 401, 403, 200, 200}},
		{"POST", "/api/dropzones/DROP/upload/request", map[string]any{"name": "n", "type": "t/t", "size": 1}, "dropzone.upload", [5]int{200, 401, 403, 200, 200}},
		{"GET", "/api/files/FILE/permissions", nil, "file.grant", [5]int{401, 401, 403, 401, 401}},
	} {
		t.Run(c.method+" "+c.path, func(t *testing.T) {
			s := newSite(t, nil)
			for who := none; who <= owning; who++ {
				owner := s.data(s.withKey("GET", "/api/v1/apikeys/me", nil))["publicId"].(string)
				other := s.data(s.withKey("POST", "/api/v1/apikeys", nil))
				s.withKey("POST", "/api/v1/apikeys/"+other["publicId"].(string)+"/transfer-gbmonths", map[string]any{"gbMonths": 9})
				drop := s.drop(1, 30)
				file := s.upload(drop, "f", "t/t", []byte("x"))
				pending, _ := s.start(drop, "p", "t/t", 1)
				path := strings.NewReplacer("OWNER", owner, "DROP", drop, "FILE", file, "PENDING", pending).Replace(c.path)
				header := [...]map[string]string{
					none: nil, unknown: {"x-api-key": "nosuch"}, foreign: {"x-api-key": other["apiKey"].(string)},
					byID: {"x-dropzone-id": drop}, anyone: nil, owning: {"x-api-key": testKey, "x-dropzone-id": drop},
				}[who]
				if who == anyone && c.permission != "" {
					grantAnyone(s, drop, file, c.permission)
				}
				if c.permission == "file.own" && who == anyone && strings.HasSuffix(c.path, "/copy") {
					grantAnyone(s, drop, file, "dropzone.upload")
				}
				r := s.do(request{c.method, path, header, c.body})
				want := http.StatusOK // the owner may everything
				if who < owning {
					want = c.status[who]
				} else if strings.HasPrefix(c.path, "/cdn/") {
					want = http.StatusNotFound // which takes no credentials
				}
				if r.Status != want {
					t.Errorf("caller %d: status %d, not %d: %s", who, r.Status, want, r.Body)
				}
			}
		})
	}
}

func grantAnyone(s *site, drop, file, permission string) {
	s.Helper()
	path := "/api/v1/files/" + file
	if strings.HasPrefix(permission, "dropzone.") {
		path = "/api/v1/dropzones/" + drop
	}
	s.list(s.withKey("POST", path+"/permissions", map[string]any{"publicId": "anyone", "permissions": []string{permission}}))
}

func TestD3NobodyGrantsWhatHeDoesNotHold(t *testing.T) {
	s := newSite(t, nil)
	drop := s.drop(1, 30)
	file := s.upload(drop, "f", "t/t", []byte("x"))
	other := s.data(s.withKey("POST", "/api/v1/apikeys", nil))
	theirs, theirID := map[string]string{"x-api-key": other["apiKey"].(string)}, other["publicId"].(string)
	s.list(s.withKey("POST", "/api/v1/dropzones/"+drop+"/permissions", map[string]any{"publicId": theirID, "permissions": []string{"dropzone.grant", "dropzone.get"}}))
	grant := func(p string) reply {
		return s.do(request{"POST", "/api/v1/dropzones/" + drop + "/permissions", theirs, map[string]any{"publicId": theirID, "permissions": []string{p}}})
	}
	s.want(grant("dropzone.own"), 403)
	s.want(grant("dropzone.upload"), 403)
	s.want(grant("dropzone.get"), 200)
	s.want(s.do(request{"POST", "/api/v1/files/" + file + "/permissions", theirs, map[string]any{"publicId": theirID, "permissions": []string{"file.get"}}}), 403)
	// SDKs before 0.4 name the target as apiKey.
	l := s.list(s.withKey("POST", "/api/v1/dropzones/"+drop+"/permissions", map[string]any{"apiKey": other["apiKey"], "permissions": []string{"dropzone.own"}}))
	if fmt.Sprint(l) != "[dropzone.get dropzone.grant dropzone.own]" {
		t.Fatalf("granted %v", l)
	}
	// dropzone.own is file.own of all files.
	s.list(s.do(request{"POST", "/api/v1/files/" + file + "/permissions", theirs, map[string]any{"publicId": "anyone", "permissions": []string{"file.get"}}}))
	own := s.list(s.do(request{"GET", "/api/v1/files/" + file + "/permissions", theirs, nil}))
	if len(own) != 6 {
		t.Fatalf("permissions %v", own)
	}
}

func TestUploaderMayConfirm(t *testing.T) {
	s := newSite(t, nil)
	drop := s.drop(1, 30)
	other := s.data(s.withKey("POST", "/api/v1/apikeys", nil))
	theirs := map[string]string{"x-api-key": other["apiKey"].(string)}
	s.list(s.withKey("POST", "/api/v1/dropzones/"+drop+"/permissions", map[string]any{"publicId": other["publicId"], "permissions": []string{"dropzone.upload"}}))
	up := s.data(s.do(request{"POST", "/api/v1/dropzones/" + drop + "/files", theirs, map[string]any{"name": "n", "type": "t/t", "size": 1}}))
	s.put(up["signedUrl"].(string), "t/t", []byte("x"))
	path := "/api/v1/files/" + up["fileId"].(string)
	s.data(s.do(request{"POST", path + "/confirm", theirs, nil}))
	s.data(s.do(request{"GET", path, theirs, nil}))
	s.want(s.do(request{"GET", path + "/download", theirs, nil}), 403)
	s.want(s.do(request{"DELETE", path, theirs, nil}), 403)
}

func TestIDAccessRefused(t *testing.T) {
	s := newSite(t, func(c *Config) { c.IDAccess = IDRefused })
	drop := s.drop(1, 30)
	file := s.upload(drop, "f", "t/t", []byte("x"))
	id := map[string]string{"x-dropzone-id": drop}
	for _, q := range []request{
		{"GET", "/api/v1/dropzone", id, nil},
		{"GET", "/api/v1/files", id, nil},
		{"GET", "/api/v1/files/" + file, id, nil},
	} {
		s.want(s.do(q), 403)
	}
	for _, q := range []request{
		{"GET", "/api/dropzones/" + drop, nil, nil},
		{"GET", "/api/files/" + file, nil, nil},
		{"DELETE", "/api/dropzones/" + drop + "/files/" + file, nil, nil},
		{"GET", "/api/files/nosuch", nil, nil},
	} {
		s.want(s.do(q), 401)
	}
	// With a key the header still names the dropzone.
	s.list(s.do(request{"GET", "/api/v1/files", map[string]string{"x-dropzone-id": drop, "x-api-key": testKey}, nil}))
}

func TestForeignDropzone(t *testing.T) {
	s := newSite(t, nil)
	drop, other := s.drop(1, 30), s.drop(1, 30)
	file := s.upload(drop, "f", "t/t", []byte("x"))
	s.want(s.do(request{"GET", "/api/v1/files/" + file, map[string]string{"x-dropzone-id": other}, nil}), 403)
	s.want(s.do(request{"GET", "/api/dropzones/" + other + "/files/" + file, nil, nil}), 404)
	s.want(s.do(request{"GET", "/api/v1/files/nosuch", map[string]string{"x-dropzone-id": other}, nil}), 404)
	s.want(s.do(request{"GET", "/api/v1/dropzone", map[string]string{"x-dropzone-id": "nosuch"}, nil}), 404)
}

func TestO2SignatureForgery(t *testing.T) {
	s := newSite(t, nil)
	drop := s.drop(1, 30)
	id, good := s.start(drop, "x", "text/plain", 5)
	id2, _ := s.start(drop, "y", "text/plain", 5)
	change := func(name, value string) string {
		u, err := url.Parse(good)
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		if q.Get(name) == value {
			t.Fatalf("%s is %s already", name, value)
		}
		q.Set(name, value)
		if value == "-" {
			q.Del(name)
		}
		u.RawQuery = q.Encode()
		return u.String()
	}
	hello := []byte("hello")
	for _, c := range []struct {
		name, method, url, mime string
		body                    []byte
		status                  int
	}{
		{"key", "PUT", strings.Replace(good, id, id2, 1), "text/plain", hello, 403},
		{"no such key", "PUT", strings.Replace(good, id, "../../x", 1), "text/plain", hello, 404},
		{"method", "POST", good, "text/plain", hello, 405},
		{"GET", "GET", good, "", nil, 405},
		{"size in the URL", "PUT", change("size", "6"), "text/plain", []byte("hello!"), 403},
		{"size sent", "PUT", good, "text/plain", []byte("hello!"), 403},
		{"no size", "PUT", change("size", "-"), "text/plain", hello, 403},
		{"type in the URL", "PUT", change("type", "text/html"), "text/html", hello, 403},
		{"type sent", "PUT", good, "text/html", hello, 403},
		{"no type sent", "PUT", good, "", hello, 403},
		{"expiry", "PUT", change("expires", "99999999999"), "text/plain", hello, 403},
		{"part", "PUT", change("part", "1"), "text/plain", hello, 403},
		{"signature", "PUT", change("sig", strings.Repeat("0", 64)), "text/plain", hello, 403},
		{"no signature", "PUT", change("sig", "-"), "text/plain", hello, 403},
	} {
		h := map[string]string{}
		if c.mime != "" {
			h["Content-Type"] = c.mime
		}
		if r := s.do(request{c.method, c.url, h, c.body}); r.Status != c.status {
			t.Errorf("%s: status %d, not %d: %s", c.name, r.Status, c.status, r.Body)
		} else {
			s.want(r, c.status)
		}
	}
	s.want(s.withKey("POST", "/api/v1/files/"+id+"/confirm", nil), 409) // none of them stored a byte
	s.want(s.do(request{"PUT", good, map[string]string{"Content-Type": "text/plain", "Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA=="}, hello}), 400)
	r := s.put(good, "Text/Plain", hello)
	if r.Status != 200 || len(r.Body) != 0 || r.Header.Get("ETag") != `"5d41402abc4b2a76b9719d911017c592"` {
		t.Fatalf("%d %q %v", r.Status, r.Body, r.Header)
	}
	if r := s.put(good, "text/plain", []byte("jello")); r.Status != 200 {
		t.Fatalf("a repeated PUT: %d", r.Status)
	}
	s.data(s.withKey("POST", "/api/v1/files/"+id+"/confirm", nil))
	s.want(s.put(good, "text/plain", hello), http.StatusConflict)
	if r := s.withKey("GET", "/api/v1/files/"+id+"/download", nil); string(r.Body) != "jello" {
		t.Fatalf("download %q", r.Body)
	}
	_, late := s.start(drop, "z", "text/plain", 5)
	s.clock.Advance(15 * 60e9)
	s.want(s.put(late, "text/plain", hello), 403)
}

func TestD5OneFileTellsNothingOfTheDropzone(t *testing.T) {
	s := newSite(t, nil)
	drop := s.drop(1, 30)
	file := s.upload(drop, "f", "t/t", []byte("x"))
	other := s.data(s.withKey("POST", "/api/v1/apikeys", nil))
	theirs := map[string]string{"x-api-key": other["apiKey"].(string)}
	for _, who := range []any{"anyone", other["publicId"]} {
		s.list(s.withKey("POST", "/api/v1/files/"+file+"/permissions", map[string]any{"publicId": who, "permissions": []string{"file.get", "file.own"}}))
	}
	for name, c := range map[string]struct {
		q     request
		shown bool
	}{
		"owner":             {request{"GET", "/api/v1/files/" + file, map[string]string{"x-api-key": testKey}, nil}, true},
		"by the drop's id":  {request{"GET", "/api/v1/files/" + file, map[string]string{"x-dropzone-id": drop}, nil}, true},
		"a key for a file":  {request{"GET", "/api/v1/files/" + file, theirs, nil}, false},
		"anyone":            {request{"GET", "/api/v1/files/" + file, nil, nil}, false},
		"by the file's id":  {request{"GET", "/api/files/" + file, nil, nil}, false},
		"a second confirm":  {request{"POST", "/api/files/" + file + "/confirm", nil, nil}, false},
		"a rename":          {request{"PATCH", "/api/v1/files/" + file, theirs, map[string]any{"name": "g"}}, false},
		"the owner renames": {request{"PATCH", "/api/v1/files/" + file, map[string]string{"x-api-key": testKey}, map[string]any{"name": "h"}}, true},
	} {
		r := s.do(c.q)
		if m := s.data(r)["meta"].(map[string]any); (m["dropZoneId"] == drop) != c.shown || strings.Contains(string(r.Body), drop) != c.shown {
			t.Errorf("%s: %v", name, m)
		}
	}
	// The id of a file alone reads and confirms, and does nothing else.
	s.list(s.withKey("DELETE", "/api/v1/files/"+file+"/permissions", map[string]any{"publicId": "anyone", "permissions": []string{"file.get", "file.own"}}))
	for _, q := range []request{
		{"DELETE", "/api/files/" + file, nil, nil},
		{"PATCH", "/api/files/" + file, nil, map[string]any{"name": "x"}},
		{"POST", "/api/files/" + file + "/copy", nil, map[string]any{"name": "x"}},
		{"POST", "/api/files/" + file + "/link", nil, nil},
	} {
		s.want(s.do(q), 401)
	}
}
