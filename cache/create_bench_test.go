package cache_test

import (
	"fmt"
	"testing"

	"dropfs/cache"
	"dropfs/remote/remotetest"
)

// BenchmarkCreate makes a file, writes 4 KiB and closes it, with nothing sent meanwhile.
func BenchmarkCreate(b *testing.B) {
	fake := remotetest.NewFake(remotetest.FakeConfig{})
	r, err := cache.Open(b.Context(), cache.Config{Account: "acc", Dir: b.TempDir(), Service: fake, MaxBytes: 1 << 40})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := r.Close(); err != nil {
			b.Error(err)
		}
	}()
	home, err := r.Mkdir(b.Context(), cache.RootIno, "home", 0o755, owner)
	if err != nil {
		b.Fatal(err)
	}
	page := make([]byte, 4096)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		h, _, err := r.Create(b.Context(), home.Ino, fmt.Sprint(i), 0o644, cache.OpenWrite, owner)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := h.Write(b.Context(), page, 0); err != nil {
			b.Fatal(err)
		}
		if err := h.Release(); err != nil {
			b.Fatal(err)
		}
	}
}
