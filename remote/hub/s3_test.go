package hub

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// s3Server is a real S3 server on a directory of its own.
type s3Server struct {
	addr   string
	client *minio.Client
}

const (
	s3Key    = "testaccess"
	s3Secret = "testsecret123"
)

func startS3(t *testing.T) *s3Server {
	t.Helper()
	out, err := exec.Command("go", "tool", "-modfile=../../scripts/tools.mod", "-n", "versitygw").Output()
	if err != nil {
		t.Skipf("versitygw cannot be built: %v", err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	for _, dir := range []string{"data", "meta"} {
		if err := os.Mkdir(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(strings.TrimSpace(string(out)), "--port", addr, "--access", s3Key, "--secret", s3Secret, "--quiet",
		"posix", "--sidecar", filepath.Join(root, "meta"), filepath.Join(root, "data"))
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	transport := &http.Transport{DisableKeepAlives: true}
	client, err := minio.New(addr, &minio.Options{Creds: credentials.NewStaticV4(s3Key, s3Secret, ""), Transport: transport, Region: "us-east-1"})
	if err != nil {
		t.Fatal(err)
	}
	for range 200 {
		if _, err = client.ListBuckets(t.Context()); err == nil {
			return &s3Server{addr, client}
		}
		time.Sleep(50 * time.Millisecond) // until it listens
	}
	t.Fatalf("versitygw does not answer: %v\n%s", err, said.String())
	return nil
}

// keys lists all objects of the hub's bucket and the number of its open multipart uploads.
func (v *s3Server) keys(t *testing.T) (keys []string, uploads int) {
	t.Helper()
	for o := range v.client.ListObjects(t.Context(), "hub", minio.ListObjectsOptions{Recursive: true}) {
		if o.Err != nil {
			t.Fatal(o.Err)
		}
		keys = append(keys, o.Key)
	}
	for u := range v.client.ListIncompleteUploads(t.Context(), "hub", "", true) {
		if u.Err != nil {
			t.Fatal(u.Err)
		}
		uploads++
	}
	return keys, uploads
}

// objects is the Config.Objects of a hub on v.
func (v *s3Server) objects() string {
	return fmt.Sprintf("s3://%s:%s@%s/hub?tls=false", s3Key, s3Secret, v.addr)
}

func newS3Site(t *testing.T) (*site, *s3Server) {
	t.Helper()
	v := startS3(t)
	s := newSite(t, func(c *Config) {
		c.Objects = v.objects()
	})
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
	return s, v
}

// follow fetches a download through its redirect, with the headers of an ordinary client.
func (s *site) fetch(id string, header map[string]string) reply {
	s.Helper()
	r := s.withKey("GET", "/api/v1/files/"+id+"/download", nil)
	if r.Status != http.StatusFound {
		s.Fatalf("status %d, not 302: %s", r.Status, r.Body)
	}
	return s.do(request{"GET", r.Header.Get("Location"), header, nil})
}

func TestS3(t *testing.T) {
	if testing.Short() {
		t.Skip("starts an S3 server")
	}
	s, v := newS3Site(t)
	drop := s.drop(1, 30)

	t.Run("single", func(t *testing.T) {
		id, put := s.start(drop, "ä.txt", "text/plain", 10)
		if u, err := url.Parse(put); err != nil || u.Host != v.addr || u.Query().Get("X-Amz-Signature") == "" {
			t.Fatalf("not a presigned URL: %s", put)
		}
		s.want(s.withKey("POST", "/api/v1/files/"+id+"/confirm", nil), 409)
		for name, r := range map[string]reply{
			"size":   s.put(put, "text/plain", []byte("0123456789x")),
			"type":   s.put(put, "text/html", []byte("0123456789")),
			"key":    s.put(strings.Replace(put, id, id[:19]+"x", 1), "text/plain", []byte("0123456789")),
			"expiry": s.put(strings.Replace(put, "X-Amz-Expires=", "X-Amz-Expires=1", 1), "text/plain", []byte("0123456789")),
			"method": s.do(request{"DELETE", put, map[string]string{"Content-Type": "text/plain"}, nil}),
		} {
			if r.Status < 400 {
				t.Errorf("forged %s: %d", name, r.Status)
			}
		}
		s.want(s.withKey("POST", "/api/v1/files/"+id+"/confirm", nil), 409)
		if r := s.put(put, "text/plain", []byte("0123456789")); r.Status != 200 {
			t.Fatalf("put: %d %s", r.Status, r.Body)
		}
		f := s.data(s.withKey("POST", "/api/v1/files/"+id+"/confirm", nil))
		if md5 := f["meta"].(map[string]any)["md5"]; md5 != "781e5e245d69b566979b86e28d23f2c7" {
			t.Fatalf("md5 %v", md5)
		}
		s.data(s.withKey("POST", "/api/v1/files/"+id+"/confirm", nil))
		s.put(put, "text/plain", []byte("9876543210")) // the URL still lives, the object does not change (O1)
		r := s.fetch(id, nil)
		if string(r.Body) != "0123456789" || r.Header.Get("Content-Type") != "text/plain" || !strings.Contains(r.Header.Get("Content-Disposition"), "filename*=UTF-8''%C3%A4.txt") {
			t.Fatalf("%q %v", r.Body, r.Header)
		}
		if r := s.fetch(id, map[string]string{"Range": "bytes=2-4"}); r.Status != 206 || string(r.Body) != "234" {
			t.Fatalf("range: %d %q", r.Status, r.Body)
		}
		head := s.withKey("HEAD", "/api/v1/files/"+id+"/download", nil)
		if head.Status != 200 || head.Header.Get("Content-Length") != "10" || head.Header.Get("ETag") != `"781e5e245d69b566979b86e28d23f2c7"` {
			t.Fatalf("HEAD %d %v", head.Status, head.Header)
		}
		for header, status := range map[string]int{"If-Match": 412, "If-None-Match": 302} {
			r := s.do(request{"GET", "/api/v1/files/" + id + "/download", map[string]string{"x-api-key": testKey, header: `"other"`}, nil})
			if r.Status != status {
				t.Errorf("%s: %d", header, r.Status)
			}
		}
		s.want(s.withKey("DELETE", "/api/v1/files/"+id, nil), 200)
	})

	t.Run("parts", func(t *testing.T) {
		body := bigBody(64<<20 + 5)
		ask := map[string]any{"name": "big", "type": "a/b", "size": len(body), "multipart": true}
		d := s.data(s.withKey("POST", "/api/v1/dropzones/"+drop+"/files", ask))
		id, step := d["fileId"].(string), int(d["partSize"].(float64))
		send := func(p part) {
			if r := s.do(request{"PUT", p.url, nil, body[(p.n-1)*step : min(p.n*step, len(body))]}); r.Status != 200 {
				t.Fatalf("part %d: %d %s", p.n, r.Status, r.Body)
			}
		}
		for _, p := range partsOf(t, d)[:2] {
			send(p)
		}
		s.want(s.withKey("POST", "/api/v1/files/"+id+"/confirm", nil), 409)
		for i, p := range partsOf(t, s.data(s.withKey("GET", "/api/v1/files/"+id+"/upload", nil))) {
			if (p.etag != "") != (i < 2) {
				t.Fatalf("renewed %+v", p)
			}
			if p.etag == "" {
				send(p)
			}
		}
		s.data(s.withKey("POST", "/api/v1/files/"+id+"/confirm", nil))
		s.data(s.withKey("POST", "/api/v1/files/"+id+"/confirm", nil))
		if r := s.fetch(id, nil); !bytes.Equal(r.Body, body) {
			t.Fatal("other bytes came back")
		}
		c := s.data(s.withKey("POST", "/api/v1/files/"+id+"/copy", map[string]any{"name": "copy"}))["_id"].(string)
		s.want(s.withKey("DELETE", "/api/v1/files/"+id, nil), 200)
		s.sweep()
		if r := s.fetch(c, nil); !bytes.Equal(r.Body, body) {
			t.Fatal("the copy has other bytes")
		}
		s.want(s.withKey("DELETE", "/api/v1/files/"+c, nil), 200)
	})

	t.Run("form", func(t *testing.T) {
		var form bytes.Buffer
		w := multipart.NewWriter(&form)
		p, err := w.CreateFormFile("files", "f.txt")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = p.Write([]byte("form"))
		_ = w.Close()
		up := s.data(s.do(request{"POST", "/api/dropzones/" + drop + "/files", map[string]string{"Content-Type": w.FormDataContentType()}, form.Bytes()}))
		id := up["uploadedFiles"].([]any)[0].(map[string]any)["_id"].(string)
		if r := s.fetch(id, nil); string(r.Body) != "form" {
			t.Fatalf("%q", r.Body)
		}
		s.want(s.withKey("DELETE", "/api/v1/files/"+id, nil), 200)
	})

	t.Run("nothing is left", func(t *testing.T) {
		kept := s.upload(drop, "kept", "text/plain", []byte("kept"))
		_, put := s.start(drop, "never confirmed", "text/plain", 1)
		s.put(put, "text/plain", []byte("x"))
		d := s.data(s.withKey("POST", "/api/v1/dropzones/"+drop+"/files", map[string]any{"name": "b", "type": "a/b", "size": 64 << 20, "multipart": true}))
		s.do(request{"PUT", partsOf(t, d)[0].url, nil, make([]byte, int(d["partSize"].(float64)))})
		if _, err := v.client.PutObject(t.Context(), "hub", "objects/orphan123456", strings.NewReader("x"), 1, minio.PutObjectOptions{}); err != nil {
			t.Fatal(err)
		}
		s.clock.Advance(26 * time.Hour)
		s.sweep()
		keys, uploads := v.keys(t)
		if len(keys) != 1 || keys[0] != "objects/"+kept || uploads != 0 {
			t.Fatalf("left: %v, %d uploads", keys, uploads)
		}
	})
}
