package cache_test

import (
	"sync"
	"testing"

	"dropfs/cache"
	"dropfs/remote/remotetest"
)

// TestAttrWhileClosing holds that a file that is being closed is never seen as it was before it was written, nor loses a
// time that was set since: neither by who stats it, nor by who gives it a further name, nor later.
func TestAttrWhileClosing(t *testing.T) {
	b := start(t, remotetest.NewFake(remotetest.FakeConfig{}), t.TempDir())
	b.mkdir("home")
	dir := b.mkdir("home/d")
	ctx := t.Context()
	for i := range 100 {
		name := "f" + string(rune('a'+i%26)) + string(rune('a'+i/26))
		h, a, err := b.r.Create(ctx, dir, name, 0o644, cache.OpenWrite, owner)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.Write(ctx, []byte("four"), 0); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := h.Release(); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			for range 5 {
				if g, err := b.r.GetAttr(ctx, a.Ino); err != nil || g.Size != 4 {
					t.Errorf("size %d, %v while it is closed", g.Size, err)
				}
				if g, err := b.r.Lookup(ctx, dir, name); err != nil || g.Size != 4 {
					t.Errorf("size %d, %v while it is closed", g.Size, err)
				}
			}
		})
		l, err := b.r.Link(ctx, a.Ino, dir, name+"2")
		if err != nil || l.Size != 4 {
			t.Errorf("linked: size %d, %v", l.Size, err)
		}
		then := l.Mtime.AddDate(-1, 0, 0)
		if _, err := b.r.SetAttr(ctx, a.Ino, cache.SetAttr{Mtime: &then}); err != nil {
			t.Error(err)
		}
		wg.Wait()
		if g, err := b.r.GetAttr(ctx, a.Ino); err != nil || !g.Mtime.Equal(then) || g.Size != 4 {
			t.Errorf("mtime %v, want %v; size %d, %v", g.Mtime, then, g.Size, err)
		}
		if t.Failed() {
			return
		}
	}
}
