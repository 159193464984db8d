package hub

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"dropfs/remote/hub/store"
)

// benchHub is a hub answered without a network, so that what is measured is the hub.
func benchHub(b *testing.B) (*Hub, string) {
	b.Helper()
	h, err := Open(b.Context(), Config{DataDir: b.TempDir(), Keys: []KeySpec{{Key: testKey, Embedded: true}}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = h.Close() })
	keys, err := h.store.Keys(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	d, err := h.store.PutDrop(b.Context(), keys[0], store.DropSpec{Name: "n"})
	if err != nil {
		b.Fatal(err)
	}
	return h, d.ID
}

func ask(h *Hub, method, url string, header map[string]string, body []byte) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, url, bytes.NewReader(body))
	r.Header.Set("x-api-key", testKey)
	for k, v := range header {
		r.Header.Set(k, v)
	}
	w := httptest.NewRecorder()
	h.Handler().ServeHTTP(w, r)
	return w
}

// benchUpload is the three requests of one file.
func benchUpload(b *testing.B, h *Hub, drop, name string, body []byte) {
	raw, err := json.Marshal(map[string]any{"name": name, "type": "a/b", "size": len(body)})
	if err != nil {
		b.Error(err)
	}
	var up struct {
		FileID    string `json:"fileId"`
		SignedURL string `json:"signedUrl"`
	}
	if err := json.Unmarshal(ask(h, "POST", "/api/v1/dropzones/"+drop+"/files", nil, raw).Body.Bytes(), &up); err != nil {
		b.Error(err)
	}
	if w := ask(h, "PUT", up.SignedURL, map[string]string{"Content-Type": "a/b"}, body); w.Code != http.StatusOK {
		b.Error(w.Body)
	}
	if w := ask(h, "POST", "/api/v1/files/"+up.FileID+"/confirm", nil, nil); w.Code != http.StatusOK {
		b.Error(w.Body)
	}
}

func BenchmarkUpload4KiB(b *testing.B) {
	h, drop := benchHub(b)
	body := make([]byte, 4096)
	var n atomic.Int64
	b.SetParallelism(8)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			benchUpload(b, h, drop, fmt.Sprint(n.Add(1)), body)
		}
	})
}

func BenchmarkList10k(b *testing.B) {
	h, drop := benchHub(b)
	for i := range 10_000 {
		f, err := h.store.Reserve(b.Context(), store.File{Drop: drop, Name: fmt.Sprint("directory/file-", i), Type: "text/plain"}, 1)
		if err == nil {
			_, err = h.store.Confirm(b.Context(), f.ID, "d41d8cd98f00b204e9800998ecf8427e", "", "")
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if w := ask(h, "GET", "/api/v1/dropzones/"+drop+"/files", nil, nil); w.Code != http.StatusOK {
			b.Fatal(w.Body)
		}
	}
}

func BenchmarkGetFile(b *testing.B) {
	h, drop := benchHub(b)
	f, err := h.store.Reserve(b.Context(), store.File{Drop: drop, Name: "x"}, 1)
	if err == nil {
		_, err = h.store.Confirm(b.Context(), f.ID, "e", "", "")
	}
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if w := ask(h, "GET", "/api/v1/files/"+f.ID, nil, nil); w.Code != http.StatusOK {
			b.Fatal(w.Body)
		}
	}
}
