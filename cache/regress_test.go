package cache_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"dropfs/cache"
	"dropfs/remote"
	"dropfs/remote/remotetest"
)

// The cases that the model found, as a reader would tell them.

func TestUndelete(t *testing.T) {
	for name, sent := range map[string]bool{"never sent": false, "sent": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := start(t, remotetest.NewFake(remotetest.FakeConfig{}), t.TempDir())
				a.mkdir("a")
				a.put("a/f", "text")
				if sent {
					a.sync()
				}
				a.unlink("a/f")
				if err := a.r.Undelete(t.Context(), "a/f"); err != nil {
					t.Fatal(err)
				}
				a.sync()
				equal(t, a.assets(a.dropID("a")), []string{`f "text"`})
			})
		})
	}
}

// TestUndeleteOfRewritten brings back what an open, deleted file was last, not what the service had of it.
func TestUndeleteOfRewritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := start(t, remotetest.NewFake(remotetest.FakeConfig{}), t.TempDir())
		a.mkdir("a")
		a.put("a/f", "sent")
		a.sync()
		h, err := a.r.Open(t.Context(), a.at("a/f"), cache.OpenWrite)
		if err != nil {
			t.Fatal(err)
		}
		a.unlink("a/f")
		if _, err := h.Write(t.Context(), []byte("last"), 0); err != nil {
			t.Fatal(err)
		}
		if err := h.Release(); err != nil {
			t.Fatal(err)
		}
		if err := a.r.Undelete(t.Context(), "a/f"); err != nil {
			t.Fatal(err)
		}
		a.sync()
		equal(t, a.assets(a.dropID("a")), []string{`f "last"`})
		if got := a.read("a/f"); got != "last" {
			t.Errorf("reads %q", got)
		}
	})
}

// TestC6LostAnswers does the work of a call and loses its answer: nothing is there twice.
func TestC6LostAnswers(t *testing.T) {
	for _, method := range []string{"CreateDrop", "StartUpload", "Send", "Send.part", "Confirm", "Confirm.copy", "Rename", "Delete"} {
		for _, refresh := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				fake := remotetest.NewFake(remotetest.FakeConfig{})
				a := start(t, fake, t.TempDir())
				fake.Lose(method, 1)
				a.mkdir("a")
				a.put("a/f", "f")
				a.put("a/old", "old")
				time.Sleep(5 * time.Second)
				if _, err := a.r.Link(t.Context(), a.at("a/f"), a.at("a"), "link"); err != nil {
					t.Fatal(err)
				}
				a.rename("a/f", "a/g")
				a.unlink("a/old")
				if refresh {
					time.Sleep(time.Millisecond)
					if err := a.r.Refresh(t.Context(), a.at("a")); err != nil {
						t.Fatalf("%s: %v", method, err)
					}
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				if err := a.r.Sync(ctx, nil); err != nil {
					t.Fatalf("%s: %v", method, err)
				}
				time.Sleep(time.Minute)
				equal(t, a.assets(a.dropID("a")), []string{`g "f"`, `link "f"`})
				if list, err := fake.Drops(t.Context()); err != nil || len(list) != 1 {
					t.Errorf("%s: drops %+v, %v", method, list, err)
				}
				a.stop()
			})
		}
	}
}

// TestOneLostAnswerIsNoOutage: reads go on where the service was silent once.
func TestOneLostAnswerIsNoOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := remotetest.NewFake(remotetest.FakeConfig{})
		d := fake.MakeDrop(remote.DropSpec{Name: "a", GB: 1, Days: 1})
		fake.Put(d.ID, "cold", []byte("text"))
		a := start(t, fake, t.TempDir())
		a.tree("")
		fake.Lose("StartUpload", 1)
		a.put("a/new", "n")
		time.Sleep(50 * time.Millisecond)
		if got := a.read("a/cold"); got != "text" {
			t.Errorf("reads %q", got)
		}
	})
}

// TestLateEvents: what the feed tells late of what is replaced and renamed by now changes nothing.
func TestLateEvents(t *testing.T) {
	for range 20 {
		fake := remotetest.NewFake(remotetest.FakeConfig{})
		a := start(t, fake, t.TempDir())
		a.mkdir("a")
		for _, text := range []string{"one", "two", "three"} {
			a.put("a/f", text)
			a.sync()
			a.put("a/tmp", text+" again")
			a.sync()
			a.rename("a/tmp", "a/f")
			a.sync()
		}
		equal(t, a.assets(a.dropID("a")), []string{`f "three again"`})
		equal(t, a.tree("a"), []string{`f 644 "three again"`})
		a.stop()
	}
}

// TestC6CopyLostThenRemoved: a hard link whose copy was made on the service and the answer lost is removed before anybody
// has looked: it stays removed.
func TestC6CopyLostThenRemoved(t *testing.T) {
	for _, refresh := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			fake := remotetest.NewFake(remotetest.FakeConfig{})
			a := start(t, fake, t.TempDir(), func(c *cache.Config) { c.UndeleteWindow = -1 })
			a.mkdir("a")
			a.put("a/f", "f")
			a.sync()
			fake.Lose("Confirm.copy", 1)
			if _, err := a.r.Link(t.Context(), a.at("a/f"), a.at("a"), "link"); err != nil {
				t.Fatal(err)
			}
			for fake.Calls()["Confirm.copy"] == 0 {
				time.Sleep(time.Millisecond)
			}
			a.unlink("a/link")
			if refresh {
				if err := a.r.Refresh(t.Context(), a.at("a")); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Minute)
			a.sync()
			equal(t, a.assets(a.dropID("a")), []string{`f "f"`})
			equal(t, a.tree("a"), []string{`f 644 "f"`})
			a.stop()
		})
	}
}

// TestEqualBytesAreNoConflict: two machines make the same file while neither sees the other. The second finds out before
// it sends anything.
func TestEqualBytesAreNoConflict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := remotetest.NewFake(remotetest.FakeConfig{})
		a := start(t, fake, t.TempDir())
		a.mkdir("a")
		a.sync()
		b := start(t, fake, t.TempDir(), func(c *cache.Config) { c.WriteDelay = time.Minute })
		if err := b.r.Refresh(t.Context(), b.at("a")); err != nil {
			t.Fatal(err)
		}
		uploads := func() int { return fake.Calls()["Confirm"] }
		b.put("a/equal", "same")
		b.put("a/other", "mine")
		a.put("a/equal", "same")
		a.put("a/other", "yours")
		a.sync()
		sent := uploads()
		time.Sleep(10 * time.Second)
		b.sync()
		want := []string{`equal 644 "same"`, `other (conflict here 2000-01-01 00.00.01) 644 "mine"`, `other 644 "yours"`}
		got := b.tree("a")
		if len(got) == 3 { // the name holds the time
			got[1] = want[1]
		}
		equal(t, got, want)
		if n := uploads() - sent; n > 2 { // the other file, and the sidecar
			t.Errorf("%d uploads for one file that is new to the service", n)
		}
		a.stop()
		b.stop()
	})
}

// TestWriteAfterSend: a file of which a name stays here is dirty for good; each change of it is sent all the same.
func TestWriteAfterSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := start(t, remotetest.NewFake(remotetest.FakeConfig{}), t.TempDir())
		a.mkdir("a")
		a.put("a/f", "one")
		if _, err := a.r.Link(t.Context(), a.at("a/f"), a.at("a"), "._here"); err != nil {
			t.Fatal(err)
		}
		a.sync()
		a.put("a/f", "two")
		a.sync()
		equal(t, a.assets(a.dropID("a")), []string{`f "two"`})
	})
}

// TestWriteBetweenParts: a file that is rewritten while an upload of it is interrupted is not sent in parts of both.
func TestWriteBetweenParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := remotetest.NewFake(remotetest.FakeConfig{MultipartFrom: 4, PartSize: 2})
		a := start(t, fake, t.TempDir())
		a.mkdir("a")
		a.sync()
		fake.Fail("Send.part", 2, remote.ErrUnavailable)
		a.put("a/f", "aaaa")
		time.Sleep(100 * time.Millisecond)
		a.put("a/f", "bbbb")
		a.sync()
		time.Sleep(time.Minute)
		equal(t, a.assets(a.dropID("a")), []string{`f "bbbb"`})
	})
}

// TestSyncSendsHeld: what is held back is sent by Sync, also when it fails at first.
func TestSyncSendsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := remotetest.NewFake(remotetest.FakeConfig{})
		a := start(t, fake, t.TempDir())
		a.mkdir("a")
		a.put("a/f", "f")
		a.sync()
		a.put("a/x.part", "held")
		a.unlink("a/f")
		fake.Fail("StartUpload", 1, &remote.Error{Kind: remote.ErrUnavailable, Status: 503})
		fake.Fail("Delete", 1, &remote.Error{Kind: remote.ErrUnavailable, Status: 503})
		began := time.Now()
		a.sync()
		if d := time.Since(began); d > 10*time.Second {
			t.Errorf("sync took %v", d)
		}
		equal(t, a.assets(a.dropID("a")), []string{`x.part "held"`})
	})
}

// TestSyncWaitsForDrop: files of a drop that the service is slow to make are sent when Sync returns.
func TestSyncWaitsForDrop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := remotetest.NewFake(remotetest.FakeConfig{})
		a := start(t, fake, t.TempDir())
		fake.SetHook(func(_ context.Context, method, _ string) error {
			if method == "CreateDrop" {
				time.Sleep(10 * time.Second)
			}
			return nil
		})
		a.mkdir("a")
		a.put("a/f", "f")
		a.sync()
		equal(t, a.assets(a.dropID("a")), []string{`f "f"`})
		if n, _ := a.r.Unsent(); n != 0 {
			t.Errorf("%d unsent", n)
		}
	})
}

// TestClockWentBack: a change made after the clock went back is the later one all the same.
func TestClockWentBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := remotetest.NewFake(remotetest.FakeConfig{})
		dir := t.TempDir()
		a := start(t, fake, dir)
		a.mkdir("a")
		a.mkdir("a/d")
		a.sync()
		a.stop()
		b := start(t, fake, dir, func(c *cache.Config) { c.Now = func() time.Time { return time.Now().Add(-time.Hour) } })
		mode := uint32(0o700)
		if _, err := b.r.SetAttr(t.Context(), b.at("a/d"), cache.SetAttr{Mode: &mode}); err != nil {
			t.Fatal(err)
		}
		b.sync()
		b.stop()
		c := start(t, fake, t.TempDir())
		equal(t, c.tree("a"), []string{"d/ 700"})
	})
}

// TestC2LocalName: what is renamed to a name that stays here is never evicted, for the service's copy goes.
func TestC2LocalName(t *testing.T) {
	for _, cold := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			a := start(t, remotetest.NewFake(remotetest.FakeConfig{}), t.TempDir())
			a.mkdir("a")
			a.put("a/f", "text")
			a.sync()
			if cold {
				if err := a.r.CachePrune(t.Context(), 0); err != nil {
					t.Fatal(err)
				}
			}
			a.rename("a/f", "a/._f")
			a.sync()
			if err := a.r.CachePrune(t.Context(), 0); err != nil {
				t.Fatal(err)
			}
			if got := a.read("a/._f"); got != "text" {
				t.Errorf("cold %v: reads %q", cold, got)
			}
		})
	}
}
