package daemon

import (
	"path/filepath"
	"sync"
	"testing"
)

func TestD3SlotsStay(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	want := map[string]uint16{}
	for _, name := range []string{"a", "b", "c"} {
		n, err := slotOf(dir, name)
		if err != nil {
			t.Fatal(err)
		}
		for other, m := range want {
			if m == n {
				t.Errorf("%s and %s share slot %d", name, other, n)
			}
		}
		want[name] = n
	}
	for name, n := range want {
		if again, err := slotOf(dir, name); err != nil || again != n {
			t.Errorf("%s: %d, then %d (%v)", name, n, again, err)
		}
	}
}

func TestD3SlotsAtTheSameTime(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	var mu sync.Mutex
	seen := map[uint16]string{}
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
		wg.Go(func() {
			n, err := slotOf(dir, name)
			mu.Lock()
			defer mu.Unlock()
			if err != nil || seen[n] != "" {
				t.Errorf("%s: slot %d is that of %q (%v)", name, n, seen[n], err)
			}
			seen[n] = name
		})
	}
	wg.Wait()
}
