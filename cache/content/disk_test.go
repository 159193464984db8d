//go:build linux

package content_test

import (
	"bytes"
	"errors"
	"os"
	"syscall"
	"testing"

	"dropfs/cache/content"
)

// tmpfs mounts a small file system, or skips.
func tmpfs(t *testing.T, options string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting a small tmpfs needs root")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Skipf("mounting a small tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

func TestDiskFull(t *testing.T) {
	dir := tmpfs(t, "size=2m")
	s := newStore(t, content.Config{Dir: dir, MaxBytes: 1 << 30, Wait: -1})
	old := fill(t, s, 1, 500<<10, false)
	f := must[*content.File](t)(s.Create(2))
	defer f.Release()
	var off int64
	var err error
	for err == nil && off < 4<<20 {
		var n int
		n, err = f.WriteAt(t.Context(), pattern(64<<10, uint64(off)), off)
		off += int64(n)
	}
	if !errors.Is(err, content.ErrFull) {
		t.Fatalf("full disk: %v after %d bytes", err, off)
	}
	if off < 1600<<10 {
		t.Errorf("full after %d bytes: clean content did not go", off)
	}
	p := make([]byte, 64<<10)
	for at := int64(0); at+int64(len(p)) <= off; at += int64(len(p)) {
		if _, err := f.ReadAt(p, at); err != nil || !bytes.Equal(p, pattern(64<<10, uint64(at))) {
			t.Fatalf("acknowledged bytes at %d: %v", at, err)
		}
	}
	g := must[*content.File](t)(s.Open(1, old))
	defer g.Release()
	o := &origin{data: pattern(old.Size, 1)}
	if n, err := g.Read(t.Context(), p, 0, o.fetch); n != len(p) || err != nil || !bytes.Equal(p, o.data[:len(p)]) {
		t.Errorf("cold read on a full disk: %d %v", n, err)
	}
}

func TestKeepFree(t *testing.T) {
	dir := tmpfs(t, "size=4m")
	s := newStore(t, content.Config{Dir: dir, KeepFree: 0.5, MaxBytes: 1 << 30, Wait: -1})
	f := must[*content.File](t)(s.Create(1))
	defer f.Release()
	var off int64
	var err error
	for err == nil {
		var n int
		n, err = f.WriteAt(t.Context(), make([]byte, 64<<10), off)
		off += int64(n)
	}
	if !errors.Is(err, content.ErrFull) || off > 2<<20 || off < 1800<<10 {
		t.Errorf("half of 4 MiB is to stay free: %v after %d bytes", err, off)
	}
}
