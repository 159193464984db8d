package hub

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestH3SeveralHubs: an upload that one hub began is received by a second and confirmed by a third; each sees all.
func TestH3SeveralHubs(t *testing.T) {
	s := newSite(t, nil)
	drop := s.drop(1, 30)
	bases := []string{s.srv.URL}
	for range 2 {
		h, err := Open(t.Context(), Config{DataDir: s.hub.cfg.DataDir, Now: s.clock.Now})
		if err != nil {
			t.Fatal(err)
		}
		srv := httptest.NewServer(h.Handler())
		bases = append(bases, srv.URL)
		t.Cleanup(func() {
			srv.Close()
			if err := h.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	id, url := s.start(drop, "x", "t/t", 5)
	if r := s.put(strings.Replace(url, bases[0], bases[1], 1), "t/t", []byte("hello")); r.Status != 200 {
		t.Fatalf("put: %d %s", r.Status, r.Body)
	}
	f := s.data(s.withKey("POST", bases[2]+"/api/v1/files/"+id+"/confirm", nil))
	// The third computed the digest that the second had in memory.
	if md5 := f["meta"].(map[string]any)["md5"]; md5 != "5d41402abc4b2a76b9719d911017c592" {
		t.Fatalf("md5 %v", md5)
	}
	for _, base := range bases {
		if r := s.withKey("GET", base+"/api/v1/files/"+id+"/download", nil); string(r.Body) != "hello" {
			t.Fatalf("%d %q", r.Status, r.Body)
		}
	}
	s.want(s.withKey("DELETE", bases[1]+"/api/v1/files/"+id, nil), 200)
	s.want(s.withKey("GET", bases[0]+"/api/v1/files/"+id, nil), 404)
	s.clock.Advance(time.Hour)
	s.sweep()
	checkSpace(t, s.hub, map[string]int{})
}
