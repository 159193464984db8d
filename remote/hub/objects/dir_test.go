package objects

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
)

func newDir(t *testing.T) *Dir {
	t.Helper()
	d, err := OpenDir(DirConfig{Path: t.TempDir(), Signer: Signer{Secret: []byte("secret"), Now: time.Now}})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// put sends body to a signed URL of u.
func put(t *testing.T, d *Dir, u Upload, part int, body []byte) error {
	t.Helper()
	signed, err := d.SignPut(t.Context(), "http://hub", u, part, time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("PUT", signed.URL, bytes.NewReader(body))
	r.Header.Set("Content-Type", u.Type)
	return d.ServePut(httptest.NewRecorder(), r, u.Key)
}

func content(t *testing.T, d *Dir, key string) string {
	t.Helper()
	f, err := d.Open(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestO1CommittedNeverChanges(t *testing.T) {
	d := newDir(t)
	u := Upload{Key: "key1", Type: "a/b", Size: 3}
	if _, err := d.Commit(t.Context(), u, nil); !errors.Is(err, ErrMissing) {
		t.Fatal(err)
	}
	if err := put(t, d, u, 0, []byte("abc")); err != nil {
		t.Fatal(err)
	}
	first, err := d.Commit(t.Context(), u, nil)
	if err != nil || first.MD5 != "900150983cd24fb0d6963f7d28e17f72" {
		t.Fatal(first, err)
	}
	if err := put(t, d, u, 0, []byte("xyz")); err != nil {
		t.Fatal(err)
	}
	if again, err := d.Commit(t.Context(), u, nil); err != nil || again.Size != 3 || content(t, d, "key1") != "abc" {
		t.Fatal(again, err, content(t, d, "key1"))
	}
	if err := d.Copy(t.Context(), "key1", "key2"); err != nil {
		t.Fatal(err)
	}
	if err := d.Delete(t.Context(), "key1", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Open(t.Context(), "key1"); !errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
	if content(t, d, "key2") != "abc" {
		t.Fatal("the copy went with its source")
	}
	if err := d.Copy(t.Context(), "key1", "key3"); !errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
}

func TestO1RepeatedCommitOfLateBytesKeepsTheDigest(t *testing.T) {
	// The digest that is remembered for a later arrival must not be told of the object.
	d := newDir(t)
	u := Upload{Key: "key1", Type: "a/b", Size: 3}
	if err := put(t, d, u, 0, []byte("abc")); err != nil {
		t.Fatal(err)
	}
	first, err := d.Commit(t.Context(), u, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := put(t, d, u, 0, []byte("xyz")); err != nil {
		t.Fatal(err)
	}
	again, err := d.Commit(t.Context(), u, nil)
	if err != nil || again != first {
		t.Fatalf("%v, then %v: %v", first, again, err)
	}
}

func TestO3OnlyTheDeclaredSize(t *testing.T) {
	d := newDir(t)
	u := Upload{Key: "key1", Type: "a/b", Size: 3}
	for _, body := range []string{"", "ab", "abcd"} {
		var e *StatusError
		if err := put(t, d, u, 0, []byte(body)); !errors.As(err, &e) || e.Status != http.StatusForbidden {
			t.Errorf("%q: %v", body, err)
		}
	}
	// A body shorter than its Content-Length.
	signed, err := d.SignPut(t.Context(), "", u, 0, time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("PUT", signed.URL, strings.NewReader("ab"))
	r.ContentLength = 3
	r.Header.Set("Content-Type", "a/b")
	var e *StatusError
	if err := d.ServePut(httptest.NewRecorder(), r, u.Key); !errors.As(err, &e) || e.Status != http.StatusBadRequest {
		t.Error(err)
	}
	if left, err := os.ReadDir(d.tmp()); err != nil || len(left) > 0 {
		t.Errorf("left in tmp: %v %v", left, err)
	}
}

func TestPartsJoin(t *testing.T) {
	d := newDir(t)
	u := Upload{Key: "key1", Size: 10, UploadID: "u", PartSize: 4}
	for _, p := range []struct {
		n    int
		body string
	}{{3, "89"}, {1, "xxxx"}, {1, "0123"}} {
		if err := put(t, d, u, p.n, []byte(p.body)); err != nil {
			t.Fatal(err)
		}
	}
	if err := put(t, d, u, 3, []byte("8")); err == nil {
		t.Fatal("a short last part")
	}
	if _, err := d.Commit(t.Context(), u, nil); !errors.Is(err, ErrMissing) {
		t.Fatal(err)
	}
	if err := put(t, d, u, 2, []byte("4567")); err != nil {
		t.Fatal(err)
	}
	parts, err := d.Arrived(t.Context(), u)
	if err != nil || len(parts) != 3 || parts[0].ETag != "eb62f6b9306db575c2d596b1279627a4" {
		t.Fatal(parts, err)
	}
	if _, err := d.Commit(t.Context(), u, map[int]string{2: "other"}); !errors.Is(err, ErrMismatch) {
		t.Fatal(err)
	}
	o, err := d.Commit(t.Context(), u, nil)
	if err != nil || !strings.HasSuffix(o.ETag, "-3") || content(t, d, "key1") != "0123456789" {
		t.Fatal(o, err)
	}
	again, err := d.Commit(t.Context(), u, nil)
	if err != nil || again != o {
		t.Fatal(again, err)
	}
	if err := d.Cleanup(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(filepath.Join(d.cfg.Path, "parts")); err != nil || len(entries) > 0 {
		t.Fatal(entries, err)
	}
}

func TestManyTriesOfOnePartAtOnce(t *testing.T) {
	d := newDir(t)
	u := Upload{Key: "key1", Size: 8, UploadID: "u", PartSize: 4}
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			body := bytes.Repeat([]byte{byte('a' + i)}, 4)
			if err := put(t, d, u, 1+i%2, body); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if _, err := d.Commit(t.Context(), u, nil); err != nil {
		t.Fatal(err)
	}
	got := content(t, d, "key1")
	if len(got) != 8 || strings.Count(got[:4], got[:1]) != 4 || strings.Count(got[4:], got[4:5]) != 4 {
		t.Fatalf("tries were mixed: %q", got)
	}
}

func TestSweepSparesTheLiving(t *testing.T) {
	d := newDir(t)
	for _, key := range []string{"pending1", "confirmed1", "unknown1"} {
		if err := put(t, d, Upload{Key: key, Type: "a/b", Size: 1}, 0, []byte("x")); err != nil {
			t.Fatal(err)
		}
		if err := put(t, d, Upload{Key: key, Size: 8, UploadID: "u", PartSize: 4}, 1, []byte("abcd")); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(d.tmp(), "w-dead"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	living, err := d.newTemp()
	if err != nil {
		t.Fatal(err)
	}
	defer living.discard()
	err = d.Sweep(t.Context(), func([]string) (map[string]bool, error) {
		return map[string]bool{"pending1": false, "confirmed1": true}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]string{"incoming": "pending1", "parts": "pending1", "tmp": filepath.Base(living.path)} {
		entries, err := os.ReadDir(filepath.Join(d.cfg.Path, dir))
		if err != nil || len(entries) != 1 || entries[0].Name() != want {
			t.Errorf("%s: %v %v", dir, entries, err)
		}
	}
}

func TestKeysStayInside(t *testing.T) {
	d := newDir(t)
	for _, key := range []string{"", "..", "../../etc/passwd", "a/b/c/d", "abc", "a.bcd", strings.Repeat("x", 200)} {
		if _, err := d.Open(t.Context(), key); !errors.Is(err, ErrNotFound) {
			t.Errorf("open %q: %v", key, err)
		}
		if _, err := d.Commit(t.Context(), Upload{Key: key}, nil); err == nil {
			t.Errorf("commit %q", key)
		}
		if err := put(t, d, Upload{Key: key, Type: "a/b", Size: 1}, 0, []byte("x")); err == nil {
			t.Errorf("put %q", key)
		}
	}
}

// FuzzSigner: a claim is read back as it was signed, and any other is refused (O2).
func FuzzSigner(f *testing.F) {
	f.Add("PUT", "key", 1, int64(5), "text/plain", int64(5000), "a", 0, int64(0))
	f.Add("GET", "", 0, int64(0), "", int64(1), "", 1, int64(1))
	f.Fuzz(func(t *testing.T, method, key string, part int, size int64, mime string, expires int64, text string, n int, m int64) {
		part &= 0xffff
		s := Signer{Secret: []byte("secret"), Now: func() time.Time { return time.Unix(1000, 0) }}
		c := Claim{Method: method, Key: key, Part: part, Size: size, Type: mime, Expires: time.Unix(expires, 0)}
		q, err := url.ParseQuery(s.Query(c).Encode())
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.Check(method, key, q)
		if expires > 1000 && (err != nil || got != c) || expires <= 1000 && !errors.Is(err, ErrExpired) {
			t.Fatalf("%+v: %+v %v", c, got, err)
		}
		for _, other := range []Claim{
			{method + text, key, part, size, mime, c.Expires},
			{method, key + text, part, size, mime, c.Expires},
			{method, key, (part ^ n) & 0xffff, size, mime, c.Expires},
			{method, key, part, size ^ m, mime, c.Expires},
			{method, key, part, size, mime + text, c.Expires},
			{method, key, part, size, mime, time.Unix(expires^m, 0)},
		} {
			if other == c {
				continue
			}
			v := s.Query(other)
			v.Set("sig", q.Get("sig"))
			if _, err := s.Check(other.Method, other.Key, v); !errors.Is(err, ErrSignature) {
				t.Fatalf("%+v passes as %+v: %v", c, other, err)
			}
		}
	})
}

func TestParseS3(t *testing.T) {
	env := func(name string) string {
		return map[string]string{"AWS_ACCESS_KEY_ID": "envkey", "AWS_SECRET_ACCESS_KEY": "envsecret"}[name]
	}
	for _, c := range []struct {
		raw  string
		want S3Config // Endpoint "": refused
	}{
		{"s3://k:s@h:1/b", S3Config{Endpoint: "h:1", Bucket: "b", Region: "us-east-1", AccessKey: "k", SecretKey: "s"}},
		{"s3://h/b/p/q/?tls=false&region=eu", S3Config{Endpoint: "h", Bucket: "b", Prefix: "p/q/", Region: "eu", AccessKey: "envkey", SecretKey: "envsecret", Plain: true}},
		{"s3://k:s%2Fx@h/b?tls=true", S3Config{Endpoint: "h", Bucket: "b", Region: "us-east-1", AccessKey: "k", SecretKey: "s/x"}},
		{"s3://k:topsecret@h", S3Config{}},
		{"http://k:topsecret@h/b", S3Config{}},
		{"s3://k:topsecret@h:x/b", S3Config{}},
		{"s3://k:topsecret@h/b?tls=maybe", S3Config{}},
	} {
		got, err := ParseS3(c.raw, env)
		if (err != nil) != (c.want.Endpoint == "") || err == nil && !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v %v", c.raw, got, err)
		}
		if err != nil && strings.Contains(err.Error(), "topsecret") {
			t.Errorf("the error holds the secret: %v", err)
		}
	}
}
