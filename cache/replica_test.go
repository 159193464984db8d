package cache_test

import (
	"errors"
	"testing"
	"time"

	"dropfs/cache"
	"dropfs/remote"
	"dropfs/remote/remotetest"
)

// services are the kinds of service that a replica must work with alike.
func services() map[string]remotetest.FakeConfig {
	least := remotetest.LeastCaps()
	return map[string]remotetest.FakeConfig{
		"hub":    {},
		"public": {Caps: &least, NoChecksums: true, NoSeq: true},
	}
}

// TestRoundTrip writes a tree, throws the state directory away, and reads the tree from the service.
func TestRoundTrip(t *testing.T) {
	for name, cfg := range services() {
		t.Run(name, func(t *testing.T) {
			fake := remotetest.NewFake(cfg)
			a := start(t, fake, t.TempDir())
			a.mkdir("home")
			a.mkdir("home/empty")
			a.mkdir("home/src")
			a.mkdir("home/src/deep")
			a.put("home/readme", "hello")
			a.put("home/src/main.go", "package main")
			a.put("home/src/deep/nothing", "")
			a.put("home/._junk", "here only")
			if _, err := a.r.Symlink(t.Context(), a.at("home/src"), "link", "../readme", owner); err != nil {
				t.Fatal(err)
			}
			if _, err := a.r.Link(t.Context(), a.at("home/readme"), a.at("home/src"), "hard"); err != nil {
				t.Fatal(err)
			}
			mode := uint32(0o751)
			mtime := time.Unix(1_000_000_000, 123456789)
			if _, err := a.r.SetAttr(t.Context(), a.at("home/src/main.go"), cache.SetAttr{Mode: &mode, Mtime: &mtime}); err != nil {
				t.Fatal(err)
			}
			a.sync()
			id := a.dropID("home")
			equal(t, a.assets(id), []string{`readme "hello"`, `src/deep/nothing ""`, `src/hard "hello"`, `src/main.go "package main"`})
			if n, _ := a.r.Unsent(); n != 0 {
				t.Errorf("%d unsent after sync: %+v", n, a.r.Status())
			}
			want := a.tree("home")
			a.stop()

			b := start(t, fake, t.TempDir(), func(c *cache.Config) { c.Drops = map[string]remote.DropID{"home": id} })
			var expect []string
			for _, l := range want {
				if l != `._junk 644 "here only"` {
					expect = append(expect, l)
				}
			}
			equal(t, b.tree("home"), expect)
			got, err := b.r.GetAttr(t.Context(), b.at("home/src/main.go"))
			if err != nil || !got.Mtime.Equal(mtime) {
				t.Errorf("mtime %v, want %v, %v", got.Mtime, mtime, err)
			}
			if x, y := b.at("home/readme"), b.at("home/src/hard"); x != y {
				t.Errorf("hard link: inodes %d and %d", x, y)
			}
		})
	}
}

// TestRemount keeps inode numbers and unsent changes over a restart.
func TestRemount(t *testing.T) {
	fake := remotetest.NewFake(remotetest.FakeConfig{})
	dir := t.TempDir()
	a := start(t, fake, dir)
	a.mkdir("home")
	a.sync()
	fake.SetOffline(true)
	a.put("home/f", "unsent")
	ino := a.at("home/f")
	if n, bytes := a.r.Unsent(); n == 0 || bytes != 6 {
		t.Errorf("unsent: %d ops, %d bytes", n, bytes)
	}
	a.stop()
	fake.SetOffline(false)
	b := start(t, fake, dir)
	if got := b.at("home/f"); got != ino {
		t.Errorf("inode %d, was %d", got, ino)
	}
	b.sync()
	equal(t, b.assets(b.dropID("home")), []string{`f "unsent"`})
}

// TestReplace sends one version after another, each in the place of the last.
func TestReplace(t *testing.T) {
	for name, cfg := range services() {
		t.Run(name, func(t *testing.T) {
			fake := remotetest.NewFake(cfg)
			a := start(t, fake, t.TempDir())
			a.mkdir("home")
			a.put("home/f", "one")
			a.sync()
			a.put("home/f", "second")
			a.sync()
			a.put("home/.tmp", "third, saved by rename")
			a.rename("home/.tmp", "home/f")
			a.sync()
			id := a.dropID("home")
			equal(t, a.assets(id), []string{`f "third, saved by rename"`})
			a.mkdir("home/d")
			a.rename("home/f", "home/d/g")
			a.sync()
			equal(t, a.assets(id), []string{`d/g "third, saved by rename"`})
			a.rename("home/d", "home/e")
			a.sync()
			equal(t, a.assets(id), []string{`e/g "third, saved by rename"`})
			a.unlink("home/e/g")
			a.sync()
			equal(t, a.assets(id), nil)
		})
	}
}

// TestTwoReplicas see each other's changes.
func TestTwoReplicas(t *testing.T) {
	fake := remotetest.NewFake(remotetest.FakeConfig{})
	a := start(t, fake, t.TempDir())
	a.mkdir("home")
	a.put("home/f", "from a")
	a.sync()
	b := start(t, fake, t.TempDir())
	if got := b.read("home/f"); got != "from a" {
		t.Errorf("b reads %q", got)
	}
	b.put("home/f", "from b")
	b.sync()
	eventually(t, "a sees b's version", func() bool { return a.read("home/f") == "from b" })
	b.mkdir("home/dir")
	b.put("home/dir/x", "x")
	b.sync()
	eventually(t, "a sees b's file", func() bool { s, err := a.tryRead("home/dir/x"); return err == nil && s == "x" })
	a.unlink("home/dir/x")
	a.sync()
	eventually(t, "b sees a's delete", func() bool { _, err := b.tryRead("home/dir/x"); return err != nil })
}

// TestConflict keeps both of two changes.
func TestConflict(t *testing.T) {
	fake := remotetest.NewFake(remotetest.FakeConfig{})
	a := start(t, fake, t.TempDir())
	a.mkdir("home")
	a.put("home/f.tar.gz", "base")
	a.sync()
	b := start(t, fake, t.TempDir(), func(c *cache.Config) { c.Host = "there" })
	b.read("home/f.tar.gz")
	fake.SetOffline(true)
	eventually(t, "both offline", func() bool { return !a.r.Status().Online || !b.r.Status().Online })
	a.put("home/f.tar.gz", "change of a")
	b.put("home/f.tar.gz", "change of b!")
	fake.SetOffline(false)
	a.sync()
	b.sync()
	a.sync()
	if err := a.r.Refresh(t.Context(), a.at("home")); err != nil {
		t.Fatal(err)
	}
	ta, tb := a.tree("home"), b.tree("home")
	if len(ta) != 2 {
		t.Errorf("a holds %q", ta)
	}
	equal(t, ta, tb)
}

// TestCopiedNotSentTwice has the service copy what was copied here, where it can, and notices when it is not the same.
func TestCopiedNotSentTwice(t *testing.T) {
	fake := remotetest.NewFake(remotetest.FakeConfig{})
	a := start(t, fake, t.TempDir())
	a.mkdir("home")
	a.put("home/f", "some bytes")
	a.sync()
	duplicate := func(name, tail string) {
		t.Helper()
		src, err := a.r.Open(t.Context(), a.at("home/f"), cache.OpenRead)
		if err != nil {
			t.Fatal(err)
		}
		dst, _, err := a.r.Create(t.Context(), a.at("home"), name, 0o644, cache.OpenWrite, owner)
		if err != nil {
			t.Fatal(err)
		}
		for off := int64(0); off < 10; off += 5 {
			if n, err := src.CopyTo(t.Context(), off, dst, off, 5); n != 5 || err != nil {
				t.Fatalf("copied %d: %v", n, err)
			}
		}
		if tail != "" {
			if _, err := dst.Write(t.Context(), []byte(tail), 0); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(src.Release(), dst.Release()); err != nil {
			t.Fatal(err)
		}
	}
	duplicate("copy", "")
	a.sync()
	if copies := fake.Calls()["Confirm.copy"]; copies != 1 {
		t.Errorf("%d copies asked for, want 1: %v", copies, fake.Calls())
	}
	duplicate("changed", "S")
	a.sync()
	equal(t, a.assets(a.dropID("home")), []string{`changed "Some bytes"`, `copy "some bytes"`, `f "some bytes"`})
	if copies := fake.Calls()["Confirm.copy"]; copies != 1 {
		t.Errorf("a changed copy was copied on the service: %v", fake.Calls())
	}
}
