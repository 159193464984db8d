package hub

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"dropfs/remote/hub/store"
)

func TestQuotaIsReservedAndGivenBack(t *testing.T) {
	s := newSite(t, nil)
	drop := s.drop(0.2, 30) // 200,000,000 bytes
	ask := func(size int) reply {
		return s.withKey("POST", "/api/v1/dropzones/"+drop+"/files", map[string]any{"name": "n", "type": "a/b", "size": size})
	}
	s.want(ask(200_000_001), 413)
	s.data(ask(150_000_000))
	s.want(ask(50_000_001), 413)
	s.data(ask(50_000_000))
	s.want(ask(1), 413)
	s.data(ask(0))
	if used := s.used(drop); used != 200_000_000 {
		t.Fatalf("used %d", used)
	}
	s.clock.Advance(29 * time.Minute)
	s.want(ask(1), 413)
	s.clock.Advance(2 * time.Minute) // 15 minutes of the URL and 15 of grace are over
	s.data(ask(200_000_000))         // without any sweep in between
	s.clock.Advance(31 * time.Minute)
	s.sweep()
	if used := s.used(drop); used != 0 {
		t.Fatalf("used %d after the sweep", used)
	}
}

func TestReservationsAtTheSameTimeNeverExceedTheQuota(t *testing.T) {
	s := newSite(t, nil)
	drop := s.drop(0.2, 30)
	var wg sync.WaitGroup
	statuses := make(chan int, 40)
	for i := range 40 {
		wg.Go(func() {
			statuses <- s.withKey("POST", "/api/v1/dropzones/"+drop+"/files",
				map[string]any{"name": fmt.Sprint(i), "type": "a/b", "size": 30_000_000}).Status
		})
	}
	wg.Wait()
	close(statuses)
	count := map[int]int{}
	for st := range statuses {
		count[st]++
	}
	if count[200] != 6 || count[413] != 34 {
		t.Fatalf("answers %v", count)
	}
	if bad := s.hub.store.Unbalanced(t.Context()); bad != "" {
		t.Fatal(bad)
	}
}

func TestExpiryDeletes(t *testing.T) {
	s := newSite(t, nil)
	drop := s.data(s.withKey("POST", "/api/v1/dropzones", map[string]any{"gb": 1, "days": 30, "name": "n"}))["_id"].(string)
	id := s.upload(drop, "x", "text/plain", []byte("hello"))
	kept := s.drop(1, 31)
	keptFile := s.upload(kept, "y", "text/plain", []byte("kept"))
	pending, url := s.start(drop, "p", "text/plain", 2)
	s.put(url, "text/plain", []byte("ab"))
	s.clock.Advance(30*24*time.Hour - time.Second)
	s.data(s.withKey("GET", "/api/v1/files/"+id, nil))
	s.clock.Advance(time.Second)
	// Gone at the instant, before any sweep.
	for _, path := range []string{"/api/v1/files/" + id, "/api/v1/files/" + id + "/download", "/api/v1/dropzones/" + drop, "/api/v1/dropzones/" + drop + "/files", "/api/v1/files/" + pending} {
		s.want(s.withKey("GET", path, nil), 404)
	}
	again := s.data(s.withKey("POST", "/api/v1/dropzones", map[string]any{"gb": 1, "days": 30, "name": "n"}))
	if again["_id"] == drop || again["usedSpace"] != 0.0 {
		t.Fatalf("an expired drop came back: %v", again)
	}
	s.sweep()
	checkSpace(t, s.hub, map[string]int{keptFile: 4})
}

func TestGBMonths(t *testing.T) {
	type step struct {
		gb     float64
		days   int
		status int
		left   float64
	}
	for _, c := range []struct {
		name  string
		grant float64
		steps []step // POST /dropzones with one name
	}{
		{"exact", 1, []step{{1, 30, 200, 0}}},
		{"too little", 0.999, []step{{1, 30, 402, 0.999}}},
		{"half for twice", 1, []step{{0.5, 60, 200, 0}}},
		{"difference only", 10, []step{{1, 30, 200, 9}, {2, 30, 200, 8}, {2, 60, 200, 6}, {4, 365, 402, 6}, {2, 60, 200, 6}}},
		{"never smaller", 10, []step{{2, 60, 200, 6}, {1, 60, 400, 6}, {2, 59, 400, 6}, {1, 120, 400, 6}}},
		{"thousandths", 1, []step{{0.2, 31, 200, 0.793}, {0.2, 32, 200, 0.787}, {0.2, 33, 200, 0.78}}},
		{"out of range", 100, []step{{0.19, 30, 400, 100}, {4.01, 30, 400, 100}, {1, 29, 400, 100}, {1, 366, 400, 100}, {4, 365, 200, 51.333}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t, func(cfg *Config) { cfg.Keys = []KeySpec{{Key: testKey, GBMonths: c.grant}} })
			for i, st := range c.steps {
				s.want(s.withKey("POST", "/api/v1/dropzones", map[string]any{"gb": st.gb, "days": st.days, "name": "n"}), st.status)
				if left := s.data(s.withKey("GET", "/api/v1/apikeys/me", nil))["gbMonths"]; left != st.left {
					t.Fatalf("step %d: %v left, not %v", i, left, st.left)
				}
			}
		})
	}
}

func TestChargeSumsUp(t *testing.T) {
	// In whatever steps a drop grows, the sum is what its end costs at once.
	for gb := int64(200); gb < 4000; gb += 137 {
		for days := 30; days < 300; days += 7 {
			steps := store.Charge(0, 0, gb, days) + store.Charge(gb, days, gb+13, days) + store.Charge(gb+13, days, gb+13, days+29)
			if once := store.Charge(0, 0, gb+13, days+29); steps != once {
				t.Fatalf("%d·%d: %d in steps, %d at once", gb, days, steps, once)
			}
		}
	}
}

func TestValidation(t *testing.T) {
	s := newSite(t, nil)
	drop := s.drop(1, 30)
	files := "/api/v1/dropzones/" + drop + "/files"
	for _, c := range []struct {
		path   string
		body   any
		status int
	}{
		{"/api/v1/dropzones", `{"gb":1}`, 400},
		{"/api/v1/dropzones", `{"days":30}`, 400},
		{"/api/v1/dropzones", nil, 400},
		{"/api/v1/dropzones", `{"gb":"1","days":30}`, 400},
		{"/api/v1/dropzones", `{"gb":1,"days":30.5}`, 400},
		{"/api/v1/dropzones", `{"gb":1e400,"days":30}`, 400},
		{"/api/v1/dropzones", `{"gb":1,"days":30`, 400},
		{"/api/v1/dropzones", `[1]`, 400},
		{"/api/v1/dropzones", `null`, 400},
		{"/api/v1/dropzones", `{"gb":1,"days":30,"name":"API"}`, 400},
		{"/api/v1/dropzones", `{"gb":1,"days":30,"name":null}`, 200},
		{"/api/v1/dropzones", make([]byte, 64<<10+1), 413},
		{files, `{"name":"n","type":"t/t"}`, 400},
		{files, `{"name":"n","size":1}`, 400},
		{files, `{"type":"t/t","size":1}`, 400},
		{files, `{"name":"","type":"t/t","size":1}`, 400},
		{files, `{"name":"n","type":"t/t","size":-1}`, 400},
		{files, `{"name":"n","type":"t/t","size":1.5}`, 400},
		{files, `{"name":"n","type":"t/t","size":1e30}`, 400},
		{files, `{"name":"n","type":"a\nb","size":1}`, 400},
		{files, map[string]any{"name": string(make([]byte, 4097)), "type": "a/b", "size": 1}, 400},
		{files, map[string]any{"name": "x/../../y", "type": "a/b", "size": 1}, 200},
		{files, `{"name":"n","type":"","size":1}`, 200},
		{"/api/v1/apikeys/nosuch/transfer-gbmonths", `{"gbMonths":1}`, 404},
		{"/api/v1/apikeys/nosuch/transfer-gbmonths", `{"gbMonths":-1}`, 400},
		{"/api/v1/apikeys/nosuch/transfer-gbmonths", `{}`, 400},
		{"/api/v1/dropzones/" + drop + "/permissions", `{"publicId":"anyone","permissions":["file.get"]}`, 400},
		{"/api/v1/dropzones/" + drop + "/permissions", `{"publicId":"nosuch","permissions":["dropzone.get"]}`, 404},
		{"/api/v1/dropzones/" + drop + "/permissions", `{"publicId":"anyone","permissions":[]}`, 400},
	} {
		if r := s.withKey("POST", c.path, c.body); r.Status != c.status {
			t.Errorf("%s %.60v: %d, not %d: %s", c.path, c.body, r.Status, c.status, r.Body)
		} else {
			s.want(r, c.status)
		}
	}
}

func TestEmbeddedKeyHasNoLimits(t *testing.T) {
	s := newSite(t, func(c *Config) { c.Keys = []KeySpec{{Key: testKey, Embedded: true}} })
	d := s.data(s.withKey("POST", "/api/v1/dropzones", map[string]any{"name": "home"}))
	id := d["_id"].(string)
	if d["deleteTime"] != nil || d["expiresAt"] != nil || d["maxSize"].(float64) < 1e6 || d["maxFileSize"] != d["maxSize"] {
		t.Fatalf("dropzone %v", d)
	}
	s.data(s.withKey("PUT", "/api/v1/dropzones/"+id, map[string]any{"gb": 100, "days": 1}))
	s.data(s.withKey("PUT", "/api/v1/dropzones/"+id, map[string]any{"gb": 1}))
	f := s.upload(id, "x", "text/plain", []byte("x"))
	s.clock.Advance(100 * 365 * 24 * time.Hour)
	s.sweep()
	s.data(s.withKey("GET", "/api/v1/files/"+f, nil))
	s.want(s.withKey("POST", "/api/v1/dropzones/"+id+"/files", map[string]any{"name": "n", "type": "a/b", "size": 1 << 52}), 413)
}

func TestKeys(t *testing.T) {
	s := newSite(t, nil)
	ctx := t.Context()
	secret, info, err := s.hub.CreateKey(ctx, "alice", 2)
	if err != nil || info.GBMonths != 2 {
		t.Fatal(info, err)
	}
	if _, _, err := s.hub.CreateKey(ctx, "alice", 2); err == nil {
		t.Fatal("two keys of one name")
	}
	// A second process administers the same database.
	other, err := Open(ctx, Config{DataDir: s.hub.cfg.DataDir})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	if _, _, err := other.CreateKey(ctx, "bob", -1); err != nil {
		t.Fatal(err)
	}
	// A third one has only the database's path.
	bare, err := Open(ctx, Config{Database: filepath.Join(s.hub.cfg.DataDir, "hub.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = bare.Close() }()
	if err := bare.Sweep(ctx, true); err != nil {
		t.Fatal(err)
	}
	keys, err := bare.Keys(ctx)
	if err != nil || len(keys) != 3 {
		t.Fatal(keys, err)
	}
	s.key = secret.Reveal()
	drop := s.drop(1, 30)
	if err := other.RevokeKey(ctx, "alice"); err != nil {
		t.Fatal(err)
	}
	s.want(s.withKey("GET", "/api/v1/apikeys/me", nil), 401)
	s.data(s.do(request{"GET", "/api/v1/dropzone", map[string]string{"x-dropzone-id": drop}, nil}))
	if err := other.RevokeKey(ctx, "alice"); err == nil {
		t.Fatal("revoked twice")
	}
	if _, _, err := other.CreateKey(ctx, "alice", 1); err != nil {
		t.Fatal("the name of a revoked key is not free:", err)
	}
}

func TestGivenKeyKeepsWhatItHasUsed(t *testing.T) {
	dir := t.TempDir()
	left := func(gbMonths float64) float64 {
		h, err := Open(t.Context(), Config{DataDir: dir, Keys: []KeySpec{{Key: testKey, GBMonths: gbMonths}}})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = h.Close() }()
		keys, err := h.Keys(t.Context())
		if err != nil || len(keys) != 1 {
			t.Fatal(keys, err)
		}
		return keys[0].GBMonths
	}
	if got := left(3); got != 3 {
		t.Fatal(got)
	}
	st, err := store.OpenSQLite(t.Context(), dir+"/hub.db", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := st.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := st.PutDrop(context.WithoutCancel(t.Context()), keys[0], store.DropSpec{Name: "n", GBMilli: 1000, Days: 60}); err != nil {
		t.Fatal(err)
	}
	_ = st.Close()
	for _, c := range [][2]float64{{3, 1}, {5, 3}, {1, 0}, {-1, -1}, {2, 2}} {
		if got := left(c[0]); got != c[1] {
			t.Fatalf("given %v: %v left, not %v", c[0], got, c[1])
		}
	}
}

func TestRateLimit(t *testing.T) {
	s := newSite(t, func(c *Config) { c.Rate = map[string]Rate{"dropzone": {Requests: 3, Per: time.Minute}} })
	for i := range 3 {
		r := s.withKey("GET", "/api/v1/apikeys/me", nil)
		if r.Status != 200 || r.Header.Get("RateLimit-Remaining") != fmt.Sprint(2-i) || r.Header.Get("RateLimit-Limit") != "3" {
			t.Fatalf("%d %v", r.Status, r.Header)
		}
	}
	r := s.withKey("GET", "/api/v1/apikeys/me", nil)
	s.want(r, http.StatusTooManyRequests)
	if r.Header.Get("Retry-After") != "20" {
		t.Fatalf("Retry-After %q", r.Header.Get("Retry-After"))
	}
	s.want(s.do(request{"GET", "/api/v1/dropzone", map[string]string{"x-dropzone-id": "other"}, nil}), 404) // a bucket of its own
	s.clock.Advance(20 * time.Second)
	s.data(s.withKey("GET", "/api/v1/apikeys/me", nil))
}
