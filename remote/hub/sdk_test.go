package hub

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"testing"
)

// The requests below are those that each generation of the SDK sends, headers included, and what it reads of the answers
// (wire/dropzone.md §1).

func TestSDKGeneration0(t *testing.T) {
	s := newSite(t, nil)
	jsonType := map[string]string{"Content-Type": "application/json"}
	made := s.want(s.do(request{"POST", "/api/dropzones", jsonType, map[string]any{"gb": 1, "days": 30, "apiKey": testKey}}), 200)
	id := made["data"].(map[string]any)["_id"].(string)
	if got := s.data(s.do(request{"GET", "/api/dropzones/" + id, nil, nil})); got["_id"] != id {
		t.Fatalf("got %v", got)
	}
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	for _, name := range []string{"a.txt", "b ü.bin"} {
		p, err := w.CreateFormFile("files", name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Write([]byte("bytes of " + name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	up := s.data(s.do(request{"POST", "/api/dropzones/" + id + "/files", map[string]string{"Content-Type": w.FormDataContentType()}, form.Bytes()}))
	files := up["uploadedFiles"].([]any)
	if len(files) != 2 || len(up["failedFiles"].([]any)) != 0 {
		t.Fatalf("uploaded %v", up)
	}
	if l := s.list(s.do(request{"GET", "/api/dropzones/" + id + "/files", nil, nil})); len(l) != 2 {
		t.Fatalf("listed %v", l)
	}
	second := files[1].(map[string]any)
	path := "/api/dropzones/" + id + "/files/" + second["_id"].(string)
	if got := s.do(request{"GET", path, nil, nil}); got.Status != 200 || string(got.Body) != "bytes of b ü.bin" {
		t.Fatalf("downloaded %d %q", got.Status, got.Body)
	}
	s.want(s.do(request{"DELETE", path, nil, nil}), 200)
	s.want(s.do(request{"GET", path, nil, nil}), 404)
	if used := s.used(id); used != int64(len("bytes of a.txt")) {
		t.Fatalf("used %d", used)
	}
}

func TestSDKGeneration1(t *testing.T) {
	s := newSite(t, nil)
	jsonType := map[string]string{"Content-Type": "application/json"}
	id := s.data(s.do(request{
		"POST", "/api/dropzones",
		map[string]string{"Content-Type": "application/json", "x-api-key": testKey},
		map[string]any{"gb": 1, "days": 30},
	}))["_id"].(string)
	s.data(s.do(request{"GET", "/api/dropzones/" + id, nil, nil}))
	up := s.data(s.do(request{"POST", "/api/dropzones/" + id + "/upload/request", jsonType, map[string]any{"name": "x.txt", "type": "text/plain", "size": 5}}))
	fid := up["fileId"].(string)
	if r := s.put(up["signedUrl"].(string), "text/plain", []byte("hello")); r.Status != 200 || len(r.Body) != 0 {
		t.Fatalf("put %d %q", r.Status, r.Body)
	}
	s.data(s.do(request{"POST", "/api/files/" + fid + "/upload/confirm", jsonType, map[string]any{"fileId": fid}}))
	if st := s.data(s.do(request{"GET", "/api/files/" + fid, nil, nil}))["meta"].(map[string]any)["s3Status"]; st != "uploaded" {
		t.Fatalf("s3Status %v", st)
	}
	if r := s.do(request{"GET", "/api/files/" + fid + "/download", nil, nil}); string(r.Body) != "hello" {
		t.Fatalf("download %d %q", r.Status, r.Body)
	}
	s.want(s.do(request{"DELETE", "/api/dropzones/" + id + "/files/" + fid, nil, nil}), 200)
}

func TestSDKGeneration2(t *testing.T) {
	s := newSite(t, nil)
	id := s.data(s.do(request{
		"POST", "/api/v1/dropzones",
		map[string]string{"Content-Type": "application/json", "x-api-key": testKey},
		map[string]any{"gb": 1, "days": 90},
	}))["_id"].(string)
	auth := map[string]string{"x-dropzone-id": id}
	authJSON := map[string]string{"x-dropzone-id": id, "Content-Type": "application/json"}
	d := s.data(s.do(request{"GET", "/api/v1/dropzone", auth, nil}))
	if d["maxSizeGb"] != 1.0 || d["maxDurationDays"] != 90.0 {
		t.Fatalf("dropzone %v", d)
	}
	up := s.data(s.do(request{"POST", "/api/v1/files", authJSON, map[string]any{"name": "x.txt", "type": "text/plain", "size": 5}}))
	fid := up["fileId"].(string)
	if l := s.list(s.do(request{"GET", "/api/v1/files", auth, nil})); len(l) != 0 {
		t.Fatalf("an unconfirmed file is listed: %v", l)
	}
	s.want(s.do(request{"POST", "/api/v1/files/" + fid + "/confirm", authJSON, nil}), 409)
	if r := s.put(up["signedUrl"].(string), "text/plain", []byte("hello")); r.Status != 200 {
		t.Fatalf("put %d %q", r.Status, r.Body)
	}
	// The seed reads the fields at the top, the SDK in data (D1).
	confirmed := s.want(s.do(request{"POST", "/api/v1/files/" + fid + "/confirm", authJSON, nil}), 200)
	if confirmed["_id"] != fid || confirmed["data"].(map[string]any)["_id"] != fid {
		t.Fatalf("confirmed %v", confirmed)
	}
	if l := s.list(s.do(request{"GET", "/api/v1/files", auth, nil})); len(l) != 1 {
		t.Fatalf("listed %v", l)
	}
	if r := s.do(request{"GET", "/api/v1/files/" + fid + "/download", auth, nil}); string(r.Body) != "hello" || r.Status != 200 {
		t.Fatalf("download %d %q", r.Status, r.Body)
	}
	m := s.want(s.do(request{"DELETE", "/api/v1/files/" + fid, auth, nil}), 200)
	if m["message"] != "File deleted successfully." {
		t.Fatalf("message %v", m)
	}
	// Missing both is what the seed's error sample is about.
	if m := s.want(s.do(request{"GET", "/api/v1/files", nil, nil}), http.StatusUnauthorized); m["message"] != "Missing dropzoneId or fileId." {
		t.Fatalf("message %v", m)
	}
}

func TestSDKGeneration3(t *testing.T) {
	s := newSite(t, nil)
	me := s.data(s.withKey("GET", "/api/v1/apikeys/me", nil))
	if me["publicId"] == "" || me["unlimited"] != true {
		t.Fatalf("me %v", me)
	}
	d := s.data(s.withKey("POST", "/api/v1/dropzones", map[string]any{"gb": 1, "days": 30, "name": "photos"}))
	id := d["_id"].(string)
	again := s.data(s.withKey("POST", "/api/v1/dropzones", map[string]any{"gb": 2, "days": 60, "name": "photos"}))
	if again["_id"] != id || again["maxSizeGb"] != 2.0 || again["maxDurationDays"] != 60.0 {
		t.Fatalf("not updated in place: %v", again)
	}
	fid := s.upload(id, "ä/x y.txt", "text/plain", []byte("hello"))
	if l := s.list(s.withKey("GET", "/api/v1/dropzones/"+id+"/files", nil)); len(l) != 1 {
		t.Fatalf("listed %v", l)
	}
	other := s.data(s.withKey("POST", "/api/v1/apikeys", nil))
	otherKey, otherID := other["apiKey"].(string), other["publicId"].(string)
	moved := s.data(s.withKey("POST", "/api/v1/apikeys/"+otherID+"/transfer-gbmonths", map[string]any{"gbMonths": 1.5}))
	if moved["toGbMonths"] != 1.5 {
		t.Fatalf("moved %v", moved)
	}
	theirs := map[string]string{"x-api-key": otherKey}
	s.want(s.do(request{"GET", "/api/v1/files/" + fid + "/download", theirs, nil}), 403)
	granted := s.list(s.withKey("POST", "/api/v1/files/"+fid+"/permissions", map[string]any{"publicId": otherID, "permissions": []string{"file.download"}}))
	if len(granted) != 1 || granted[0] != "file.download" {
		t.Fatalf("granted %v", granted)
	}
	if r := s.do(request{"GET", "/api/v1/files/" + fid + "/download", theirs, nil}); string(r.Body) != "hello" {
		t.Fatalf("download %d %q", r.Status, r.Body)
	}
	if left := s.list(s.withKey("DELETE", "/api/v1/files/"+fid+"/permissions", map[string]any{"publicId": otherID, "permissions": []string{"file.download"}})); len(left) != 0 {
		t.Fatalf("left %v", left)
	}
	s.want(s.do(request{"GET", "/api/v1/files/" + fid + "/download", theirs, nil}), 403)
	s.want(s.do(request{"GET", "/cdn/" + fid + "/download", nil, nil}), 404)
	s.list(s.withKey("POST", "/api/v1/dropzones/"+id+"/permissions", map[string]any{"publicId": "anyone", "permissions": []string{"dropzone.download"}}))
	if r := s.do(request{"GET", "/cdn/" + fid + "/download", nil, nil}); string(r.Body) != "hello" {
		t.Fatalf("public download %d %q", r.Status, r.Body)
	}
	if who := s.data(s.withKey("GET", "/api/v1/dropzones/"+id+"/permissions", nil)); len(who["anyone"].([]any)) != 1 {
		t.Fatalf("permissions %v", who)
	}
}
