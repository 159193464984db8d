package cache_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dropfs/cache"
	"dropfs/remote/remotetest"
)

func (b *bench) keep(key, text string) {
	b.t.Helper()
	path := filepath.Join(b.t.TempDir(), "out")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
	if err := b.r.KeepResult(b.t.Context(), key, path, time.Unix(1000, 5), []byte("about "+key)); err != nil {
		b.t.Fatal(err)
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		b.t.Errorf("the file that was taken over is still there: %v", err)
	}
}

// result reads a result; "-" where there is none.
func (b *bench) result(key string) string {
	b.t.Helper()
	h, ok, err := b.r.OpenResult(key)
	if err != nil {
		b.t.Fatal(err)
	}
	if !ok {
		return "-"
	}
	buf := make([]byte, 1<<20)
	n, err := h.Read(b.t.Context(), buf, 0)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := h.Release(); err != nil {
		b.t.Fatal(err)
	}
	return string(buf[:n])
}

func TestResults(t *testing.T) {
	fake := remotetest.NewFake(remotetest.FakeConfig{})
	dir := t.TempDir()
	a := start(t, fake, dir)
	a.mkdir("home")
	a.put("home/f", "source")
	if got := a.result("k"); got != "-" {
		t.Errorf("before it is kept: %q", got)
	}
	a.keep("k", "made")
	a.keep("empty", "")
	a.keep("k2", "first")
	a.keep("k2", "second, longer")
	for key, want := range map[string]string{"k": "made", "empty": "", "k2": "second, longer"} {
		if got := a.result(key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	at, about, ok, err := a.r.ResultAttr("k")
	if err != nil || !ok || at.Size != 4 || at.Mode&0o7777 != 0o444 || !at.Mtime.Equal(time.Unix(1000, 5)) || string(about) != "about k" {
		t.Errorf("attributes %+v, %q, %v, %v", at, about, ok, err)
	}
	a.sync()
	equal(t, a.assets(a.dropID("home")), []string{`f "source"`}) // results are never sent
	a.stop()

	b := start(t, fake, dir)
	if got := b.result("k"); got != "made" {
		t.Errorf("after a restart: %q", got)
	}
	// Evicted like any clean content, and kept anew.
	b.sync()
	if err := b.r.CachePrune(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if got := b.result("k"); got != "-" {
		t.Errorf("after eviction: %q", got)
	}
	b.keep("k", "made again")
	if got := b.result("k"); got != "made again" {
		t.Errorf("made again: %q", got)
	}
	if got := b.read("home/f"); got != "source" {
		t.Errorf("the source is %q", got)
	}
}

func TestResultThatIsOpenStays(t *testing.T) {
	a := start(t, remotetest.NewFake(remotetest.FakeConfig{}), t.TempDir())
	a.mkdir("home")
	a.keep("k", "made")
	h, ok, err := a.r.OpenResult("k")
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if err := a.r.CachePrune(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 10)
	if n, err := h.Read(t.Context(), buf, 0); err != nil || string(buf[:n]) != "made" {
		t.Errorf("read %q, %v", buf[:n], err)
	}
	if err := h.Release(); err != nil {
		t.Fatal(err)
	}
}

func TestVersionAndCopyOut(t *testing.T) {
	a := start(t, remotetest.NewFake(remotetest.FakeConfig{}), t.TempDir())
	a.mkdir("home")
	a.put("home/f", strings.Repeat("x", 3<<20))
	ino := a.at("home/f")
	version := func() string {
		t.Helper()
		v, err := a.r.Version(t.Context(), ino)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	first := version()
	if version() != first {
		t.Error("the version moves by itself")
	}
	a.sync()
	if version() != first {
		t.Error("sending changes the version")
	}
	h, err := a.r.Open(t.Context(), ino, cache.OpenWrite)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Write(t.Context(), []byte("y"), 5); err != nil {
		t.Fatal(err)
	}
	if version() == first {
		t.Error("a write that is not closed yet leaves the version")
	}
	if err := h.Release(); err != nil {
		t.Fatal(err)
	}
	if err := a.r.CachePrune(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "out")
	if err := a.r.CopyOut(t.Context(), ino, path); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(path); err != nil || len(b) != 3<<20 || b[5] != 'y' || b[6] != 'x' {
		t.Errorf("copied out %d bytes, %v", len(b), err)
	}
}
