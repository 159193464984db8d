package cache_test

import (
	"fmt"
	"testing"
	"time"

	"dropfs/cache"
	"dropfs/remote/remotetest"
)

// TestManyAssets lists a large drop for the first time, and again with one change, and tells how long each took.
func TestManyAssets(t *testing.T) {
	const n = 5000
	fake := remotetest.NewFake(remotetest.FakeConfig{})
	a := start(t, fake, t.TempDir())
	a.mkdir("home")
	a.sync()
	id := a.dropID("home")
	a.stop()
	for i := range n {
		fake.Put(id, fmt.Sprintf("d%d/f%d", i%10, i), []byte("x"))
	}
	b := start(t, fake, t.TempDir(), func(c *cache.Config) { c.Poll = time.Hour })
	began := time.Now()
	if got := b.read("home/d3/f3"); got != "x" {
		t.Fatalf("read %q", got)
	}
	t.Logf("first listing of %d: %v", n, time.Since(began))
	began = time.Now()
	count := 0
	for i := range 10 {
		after := uint64(0)
		for {
			list, err := b.r.ReadDir(t.Context(), b.at(fmt.Sprintf("home/d%d", i)), after, 500)
			if err != nil {
				t.Fatal(err)
			}
			if len(list) == 0 {
				break
			}
			count += len(list)
			after = list[len(list)-1].Cookie
		}
	}
	if count != n {
		t.Errorf("%d entries, want %d", count, n)
	}
	t.Logf("walk: %v", time.Since(began))
	fake.Put(id, "d3/new", []byte("y"))
	began = time.Now()
	if err := b.r.Refresh(t.Context(), b.at("home")); err != nil {
		t.Fatal(err)
	}
	t.Logf("one change: %v", time.Since(began))
	if got := b.read("home/d3/new"); got != "y" {
		t.Errorf("read %q", got)
	}
}
