package hub

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestFullDisk: what does not fit is refused with 507 and leaves nothing; what fits is taken afterwards.
func TestFullDisk(t *testing.T) {
	small := filepath.Join(t.TempDir(), "small")
	if err := os.Mkdir(small, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=1m", "none", small).CombinedOutput(); err != nil {
		t.Skipf("a small disk cannot be mounted: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if err := exec.Command("umount", small).Run(); err != nil {
			t.Error(err)
		}
	})
	s := newSite(t, func(c *Config) { c.Objects = small })
	drop := s.drop(1, 30)
	id, url := s.start(drop, "big", "t/t", 2<<20)
	s.want(s.put(url, "t/t", make([]byte, 2<<20)), http.StatusInsufficientStorage)
	s.want(s.withKey("POST", "/api/v1/files/"+id+"/confirm", nil), 409)
	if left := stored(t, small); len(left) > 0 {
		t.Fatalf("left: %v", left)
	}
	s.upload(drop, "fits", "t/t", make([]byte, 500<<10))
}

// TestFullEmbeddedDisk: an embedded drop is as large as the disk, and says so before a byte is sent.
func TestFullEmbeddedDisk(t *testing.T) {
	s := newSite(t, func(c *Config) { c.Keys = []KeySpec{{Key: testKey, Embedded: true}} })
	d := s.data(s.withKey("POST", "/api/v1/dropzones", map[string]any{"name": "home"}))
	id, free := d["_id"].(string), d["maxSize"].(float64)
	half := int64(free / 2)
	s.start(id, "half", "t/t", int(half))
	after := s.data(s.withKey("GET", "/api/v1/dropzones/"+id, nil))
	if room := after["maxSize"].(float64) - after["usedSpace"].(float64); room > free*0.6 {
		t.Fatalf("%v of %v bytes left after half was reserved", room, free)
	}
	s.want(s.withKey("POST", "/api/v1/dropzones/"+id+"/files", map[string]any{"name": "n", "type": "t/t", "size": int64(free * 0.7)}), 413)
}
