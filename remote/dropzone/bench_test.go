package dropzone

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkListing decodes a listing of 100,000 files as a hub sends it.
func BenchmarkListing(b *testing.B) {
	var sb strings.Builder
	sb.WriteString(`{"status":"success","data":[`)
	for i := range 100_000 {
		if i > 0 {
			sb.WriteByte(',')
		}
		_, _ = fmt.Fprintf(&sb, `{"_id":"abcdefghijk%06d","size":%d,"type":"text/plain","name":"dir/file-%d.txt","meta":{"dropZoneCode":"abcdef","createdAt":"2026-01-02T03:04:05.678Z","dropZoneId":"abcdefghijklmnopq","s3Status":"uploaded","seq":%d,"etag":"0123456789abcdef0123456789abcdef","md5":"0123456789abcdef0123456789abcdef"}}`, i, i, i, i)
	}
	sb.WriteString(`]}`)
	in := sb.String()
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		err := decodeList(func() { n = 0 }, func(w wireFile) {
			if _, ok := w.asset("d"); ok {
				n++
			}
		})(strings.NewReader(in))
		if err != nil || n != 100_000 {
			b.Fatal(n, err)
		}
	}
}
