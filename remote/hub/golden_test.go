package hub

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"dropfs/remote/hub/store"
)

var update = flag.Bool("update", false, "record the golden answers anew")

func dropSpec(name string) store.DropSpec {
	return store.DropSpec{Name: name, GBMilli: 1000, Days: 30}
}

// steady replaces what differs from run to run, keeping its form.
func steady(raw []byte, names map[string]string) string {
	text := string(raw)
	for from, to := range names {
		text = strings.ReplaceAll(text, from, to)
	}
	for _, r := range [][2]string{
		{`"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"`, `"ISO"`},
		{`"deleteTime": \d{13}`, `"deleteTime": MS`},
		{`http://127\.0\.0\.1:\d+`, "http://HUB"},
		{`expires=\d{10}`, "expires=SECONDS"},
		{`sig=[0-9a-f]{64}`, "sig=MAC"},
		{`/link/[-_0-9A-Za-z]{60,}/`, "/link/TOKEN/"},
		{`"dz_[2-9A-Za-z]{40}"`, `"KEY"`},
		{`"code": "[2-9A-Za-z]{10}"`, `"code": "CODE"`},
		{`"dropZoneCode": "[2-9A-Za-z]{10}"`, `"dropZoneCode": "CODE"`},
		{`/d/[2-9A-Za-z]{10}"`, `/d/CODE"`},
		{`"given-[0-9a-f]{12}"`, `"given-HASH"`},
		{`"of-PUBLIC-[2-9A-Za-z]{8}"`, `"of-PUBLIC-SUFFIX"`},
		{`"[2-9A-Za-z]{20}"`, `"ID"`},
		{`"[2-9A-Za-z]{17}"`, `"OTHER"`},
		{`/objects/[2-9A-Za-z]{20}`, "/objects/ID"},
		{`"[A-Z2-7]{26}"`, `"UPLOAD"`},
	} {
		text = regexp.MustCompile(r[0]).ReplaceAllString(text, r[1])
	}
	return text
}

// TestGolden compares every answer and every error of the wire with the recorded one.
func TestGolden(t *testing.T) {
	s := newSite(t, nil)
	names := map[string]string{}
	golden := func(name string, r reply, status int) map[string]any {
		t.Helper()
		m := s.want(r, status)
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, r.Body, "", "  "); err != nil {
			t.Fatal(err)
		}
		got := steady(pretty.Bytes(), names) + "\n"
		path := filepath.Join("testdata", "golden", name+".json")
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
		return m
	}
	me := s.data(s.withKey("GET", "/api/v1/apikeys/me", nil))["publicId"].(string)
	names[me] = "PUBLIC"
	golden("apikeys-me", s.withKey("GET", "/api/v1/apikeys/me", nil), 200)
	other := golden("apikeys-create", s.withKey("POST", "/api/v1/apikeys", nil), 200)["publicId"].(string)
	names[other] = "OTHER"
	golden("apikeys-transfer", s.withKey("POST", "/api/v1/apikeys/"+other+"/transfer-gbmonths", map[string]any{"gbMonths": 1.5}), 200)
	drop := golden("dropzones-create", s.withKey("POST", "/api/v1/dropzones", map[string]any{"gb": 1, "days": 90, "name": "photos"}), 200)["_id"].(string)
	names[drop] = "DROP"
	golden("dropzones-update", s.withKey("PUT", "/api/v1/dropzones/"+drop, map[string]any{"gb": 2}), 200)
	golden("dropzones-list", s.withKey("GET", "/api/v1/dropzones", nil), 200)
	byID := map[string]string{"x-dropzone-id": drop}
	golden("dropzone", s.do(request{"GET", "/api/v1/dropzone", byID, nil}), 200)
	golden("files-empty", s.do(request{"GET", "/api/v1/files", byID, nil}), 200)
	up := golden("files-request", s.do(request{"POST", "/api/v1/files", byID, map[string]any{"name": "a/ü.txt", "type": "text/plain", "size": 5}}), 200)
	file, _ := up["fileId"].(string)
	names[file] = "FILE"
	golden("file-pending", s.do(request{"GET", "/api/v1/files/" + file, byID, nil}), 200)
	golden("error-not-uploaded", s.do(request{"POST", "/api/v1/files/" + file + "/confirm", byID, nil}), 409)
	golden("file-renew", s.do(request{"GET", "/api/v1/files/" + file + "/upload", byID, nil}), 200)
	s.put(up["signedUrl"].(string), "text/plain", []byte("hello"))
	golden("file-confirm", s.do(request{"POST", "/api/v1/files/" + file + "/confirm", byID, nil}), 200)
	golden("file-confirm", s.do(request{"POST", "/api/v1/files/" + file + "/confirm", byID, "{}"}), 200) // again: the same
	golden("file", s.do(request{"GET", "/api/v1/files/" + file, byID, nil}), 200)
	golden("files", s.do(request{"GET", "/api/v1/files", byID, nil}), 200)
	golden("file-rename", s.withKey("PATCH", "/api/v1/files/"+file, map[string]any{"name": "b.txt"}), 200)
	golden("file-copy", s.withKey("POST", "/api/v1/files/"+file+"/copy", map[string]any{"name": "c.txt"}), 200)
	golden("file-link", s.withKey("POST", "/api/v1/files/"+file+"/link", map[string]any{"seconds": 60}), 200)
	golden("files-request-parts", s.withKey("POST", "/api/v1/dropzones/"+drop+"/files", map[string]any{"name": "big", "type": "a/b", "size": 64 << 20, "multipart": true}), 200)
	grant := map[string]any{"publicId": other, "permissions": []string{"dropzone.get", "dropzone.download"}}
	golden("dropzone-grant", s.withKey("POST", "/api/v1/dropzones/"+drop+"/permissions", grant), 200)
	golden("dropzone-permissions", s.withKey("GET", "/api/v1/dropzones/"+drop+"/permissions", nil), 200)
	golden("dropzone-revoke", s.withKey("DELETE", "/api/v1/dropzones/"+drop+"/permissions", grant), 200)
	golden("file-permissions", s.withKey("GET", "/api/v1/files/"+file+"/permissions", nil), 200)
	golden("error-over-quota", s.withKey("POST", "/api/v1/dropzones/"+drop+"/files", map[string]any{"name": "x", "type": "a/b", "size": 3_000_000_000}), 413)
	golden("error-invalid", s.withKey("POST", "/api/v1/dropzones", map[string]any{"gb": 5, "days": 30}), 400)
	golden("error-smaller", s.withKey("PUT", "/api/v1/dropzones/"+drop, map[string]any{"gb": 1}), 400)
	golden("error-missing", s.do(request{"GET", "/api/v1/files", nil, nil}), 401)
	golden("error-unknown-key", s.do(request{"GET", "/api/v1/files", map[string]string{"x-api-key": "no"}, nil}), 401)
	golden("error-no-key", s.do(request{"POST", "/api/v1/dropzones", nil, map[string]any{"gb": 1, "days": 30}}), 401)
	golden("error-not-found", s.withKey("GET", "/api/v1/files/nosuch", nil), 404)
	golden("error-dropzone-not-found", s.withKey("GET", "/api/v1/dropzones/nosuch", nil), 404)
	golden("error-no-route", s.withKey("GET", "/api/v1/nosuch", nil), 404)
	golden("error-method", s.withKey("DELETE", "/api/v1/files", nil), 405)
	poor, _, err := s.hub.CreateKey(t.Context(), "poor", 0)
	if err != nil {
		t.Fatal(err)
	}
	theirs := map[string]string{"x-api-key": poor.Reveal()}
	golden("error-payment", s.do(request{"POST", "/api/v1/dropzones", theirs, map[string]any{"gb": 1, "days": 30}}), 402)
	golden("error-denied", s.do(request{"GET", "/api/v1/files/" + file, theirs, nil}), 403)
	golden("file-delete", s.do(request{"DELETE", "/api/v1/files/" + file, byID, nil}), 200)
	golden("dropzones-delete", s.withKey("DELETE", "/api/v1/dropzones/"+drop, nil), 200)
}
