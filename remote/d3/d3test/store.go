package d3test

import (
	"crypto/md5"
	"encoding/hex"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// put is the object store.
func (s *Server) put(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "" {
		s.t.Error("the key goes to the store")
	}
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	if s.strike(w, "put") {
		return
	}
	key, n, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/store/"), "/")
	i, err := strconv.Atoi(n)
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.files[key]
	if r.Method != http.MethodPut || err != nil || f == nil || i < 0 || i >= len(f.parts) {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	f.parts[i] = data
	etag := etagOf(data)
	if s.Quirks.QuoteETag {
		etag = `"` + etag + `"`
	}
	w.Header().Set("ETag", etag)
}

func etagOf(data []byte) string {
	sum := md5.Sum(data)
	return hex.EncodeToString(sum[:])
}
