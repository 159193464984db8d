package transfer

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"dropfs/remote"
)

func TestStoreErrors(t *testing.T) {
	for _, tt := range []struct {
		status int
		body   string
		want   remote.Kind
	}{
		{403, `<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>`, remote.ErrExpiredURL},
		{403, `<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>`, remote.ErrDenied},
		{400, `<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>`, remote.ErrExpiredURL},
		{403, `<Error><Code>SignatureDoesNotMatch</Code></Error>`, remote.ErrDenied},
		{403, ``, remote.ErrExpiredURL},
		{403, `<html><body>Forbidden</body></html>`, remote.ErrExpiredURL},
		{403, `{"status":"error","message":"The upload URL has expired."}`, remote.ErrExpiredURL},
		{403, `{"status":"error","message":"The signature of the upload URL is not valid."}`, remote.ErrDenied},
		{400, `<Error><Code>BadDigest</Code></Error>`, remote.ErrCorrupt},
		{400, `<Error><Code>RequestTimeout</Code></Error>`, remote.ErrUnavailable},
		{400, `<Error><Code>EntityTooLarge</Code></Error>`, remote.ErrTooLarge},
		{400, `<Error><Code>Strange</Code></Error>`, remote.ErrInvalid},
		{404, `<Error><Code>NoSuchUpload</Code></Error>`, remote.ErrNotFound},
		{503, `<Error><Code>SlowDown</Code></Error>`, remote.ErrRateLimited},
		{507, `<Error><Code>XMinioStorageFull</Code></Error>`, remote.ErrQuota},
		{413, ``, remote.ErrTooLarge},
		{500, ``, ""},
		{403, `<Error><Code>AccessDenied</Code><Message>Request has expired`, remote.ErrExpiredURL}, // cut short
		{403, `<!DOCTYPE x [<!ENTITY a "b">]><Error><Code>&a;</Code></Error>`, remote.ErrDenied},
	} {
		if got, _ := storeError(tt.status, http.Header{}, []byte(tt.body)); got != tt.want {
			t.Errorf("%d %s: %q, want %q", tt.status, tt.body, got, tt.want)
		}
	}
}

func TestURLExpiry(t *testing.T) {
	for in, want := range map[string]int64{
		"X-Amz-Date=20260101T000000Z&X-Amz-Expires=900":   1767225600 + 900,
		"x-goog-date=20260101T000000Z&x-goog-expires=900": 1767225600 + 900,
		"Expires=1767225600":                              1767225600,
		"expires=1767225600&sig=x":                        1767225600,
		"se=2026-01-01T00%3A00%3A00Z":                     1767225600,
		"expires=900":                                     0,
		"X-Amz-Date=yesterday&X-Amz-Expires=900":          0,
		"":                                                0,
	} {
		q, err := url.ParseQuery(in)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := urlExpiry(q)
		if ok != (want != 0) || ok && got.Unix() != want {
			t.Errorf("%s: %v, %v", in, got, ok)
		}
	}
}

func FuzzContentRange(f *testing.F) {
	for _, s := range []string{"bytes 0-0/1", "bytes 5-9/*", "bytes */10", "bytes 9-5/10", "bytes 0-99999999999999999999/1", "x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		first, last, total, ok := parseContentRange(s)
		if !ok {
			return
		}
		if first < 0 || last < first || total >= 0 && last >= total {
			t.Fatalf("%q gives %d-%d/%d", s, first, last, total)
		}
		end := "*"
		if total >= 0 {
			end = fmt.Sprint(total)
		}
		a, b, c, ok := parseContentRange(fmt.Sprintf("bytes %d-%d/%s", first, last, end))
		if !ok || a != first || b != last || c != total {
			t.Fatalf("%q does not come back", s)
		}
	})
}

func FuzzStoreError(f *testing.F) {
	f.Add(403, []byte(`<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>`))
	f.Add(400, []byte(`{"code":5,"message":"x","error":{}}`))
	f.Add(403, []byte(`<a><b><c>`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		kind, _ := storeError(status, http.Header{}, body)
		if kind == remote.ErrExpiredURL && status >= 500 && !mentionsExpiry(string(body)) {
			code, _ := parseStoreError(body)
			if _, known := codeKind(code, ""); !known {
				t.Fatalf("%d %q is taken for an ended URL", status, body)
			}
		}
	})
}

func FuzzURLExpiry(f *testing.F) {
	f.Add("X-Amz-Date=20260101T000000Z&X-Amz-Expires=900")
	f.Add("expires=1767225600")
	f.Fuzz(func(t *testing.T, s string) {
		q, err := url.ParseQuery(s)
		if err != nil {
			return
		}
		if at, ok := urlExpiry(q); ok && at.Equal(time.Time{}) {
			t.Fatal("no instant")
		}
	})
}
