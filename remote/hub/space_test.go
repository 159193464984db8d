package hub

import (
	"context"
	"io/fs"
	"path/filepath"
	"testing"
)

// stored lists every file below the objects of a hub, by path relative to them, with its size.
func stored(t *testing.T, root string) map[string]int {
	t.Helper()
	found := map[string]int{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		found[rel] = int(info.Size())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// checkSpace fails unless exactly the files of want are stored, nothing else lies around, and the drops' used space is
// the sum of their files (S2).
func checkSpace(t *testing.T, h *Hub, want map[string]int) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	if err := h.collectGarbage(ctx); err != nil {
		t.Fatal(err)
	}
	found := stored(t, filepath.Join(h.cfg.DataDir, "objects"))
	for path, size := range found {
		id := filepath.Base(path)
		if want[id] != size || filepath.Dir(filepath.Dir(path)) != "objects" {
			t.Errorf("left over: %s of %d bytes", path, size)
		}
	}
	if len(found) != len(want) {
		t.Errorf("%d objects stored, %d wanted", len(found), len(want))
	}
	if bad := h.store.Unbalanced(ctx); bad != "" {
		t.Error(bad)
	}
	if spool := stored(t, filepath.Join(h.cfg.DataDir, "spool")); len(spool) > 0 {
		t.Errorf("left in the spool: %v", spool)
	}
}
