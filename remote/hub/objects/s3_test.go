package objects

import (
	"net/http"
	"testing"
)

func TestMD5OfAnETag(t *testing.T) {
	const sum = "900150983cd24fb0d6963f7d28e17f72"
	for _, c := range []struct {
		etag   string
		header http.Header
		want   string
	}{
		{sum, nil, sum},
		{"900150983CD24FB0D6963F7D28E17F72", nil, sum},
		{sum + "-3", nil, ""},
		{"x00150983cd24fb0d6963f7d28e17f72", nil, ""},
		{"", nil, ""},
		{sum, http.Header{"X-Amz-Server-Side-Encryption": {"AES256"}}, sum},
		{sum, http.Header{"X-Amz-Server-Side-Encryption": {"aws:kms"}}, ""},
		{sum, http.Header{"X-Amz-Server-Side-Encryption-Customer-Algorithm": {"AES256"}}, ""},
	} {
		if got := md5Of(c.etag, c.header); got != c.want {
			t.Errorf("%q %v: %q, not %q", c.etag, c.header, got, c.want)
		}
	}
}
