package cache_test

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"dropfs/cache"
	"dropfs/remote/remotetest"
)

// TestKilledAt: a replica is killed at each point between what is recorded here and what the service does, and somebody
// is faster than the first listing after it: what was done last, before or after the kill, is what everybody sees.
func TestKilledAt(t *testing.T) {
	file := func(a *bench) { a.put("a/from", "bytes") }
	rename := func(a *bench) { a.rename("a/from", "a/x") }
	put := func(a *bench) { a.put("a/x", "mine") }
	link := func(a *bench) {
		if _, err := a.r.Link(a.t.Context(), a.at("a/from"), a.at("a"), "x"); err != nil {
			a.t.Fatal(err)
		}
	}
	remove := func(a *bench) { a.unlink("a/x") }
	change := func(a *bench) { a.put("a/x", "again") }
	back := func(a *bench) { a.rename("a/x", "a/from") }
	away := func(a *bench) { a.rename("a/x", "a/y") }
	for _, c := range []struct {
		name   string
		point  string
		before func(a *bench)
		do     func(a *bench)
		after  func(a *bench) // at once after the restart
		want   []string
	}{
		{"rename", "rename recorded", file, rename, nil, []string{`x 644 "bytes"`}},
		{"rename, back", "rename recorded", file, rename, back, []string{`from 644 "bytes"`}},
		{"renamed", "renamed there", file, rename, nil, []string{`x 644 "bytes"`}},
		{"renamed, back", "renamed there", file, rename, back, []string{`from 644 "bytes"`}},
		{"renamed, on", "renamed there", file, rename, away, []string{`y 644 "bytes"`}},
		{"renamed, removed", "renamed there", file, rename, remove, nil},
		{"renamed, changed", "renamed there", file, rename, change, []string{`x 644 "again"`}},
		{"renamed, back and changed", "renamed there", file, rename, func(a *bench) { back(a); a.put("a/from", "again") }, []string{`from 644 "again"`}},
		{"upload", "confirmed", nil, put, nil, []string{`x 644 "mine"`}},
		{"upload, changed", "confirmed", nil, put, change, []string{`x 644 "again"`}},
		{"upload, on", "confirmed", nil, put, away, []string{`y 644 "mine"`}},
		{"upload, removed", "confirmed", nil, put, remove, nil},
		{"upload of a change", "confirmed", change, put, nil, []string{`x 644 "mine"`}},
		{"upload of a change, removed", "confirmed", change, put, remove, nil},
		{"copy", "copy recorded", file, link, nil, []string{`from 644 "bytes"`, `x 644 "bytes"`}},
		{"copy, changed", "copy recorded", file, link, change, []string{`from 644 "again"`, `x 644 "again"`}},
		{"copied, removed", "confirmed", file, link, remove, []string{`from 644 "bytes"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake := remotetest.NewFake(remotetest.FakeConfig{})
				dead, state := t.TempDir(), t.TempDir()
				l := newLine(fake)
				var once sync.Once
				var armed bool
				killed := make(chan struct{})
				var a *bench
				a = start(t, fake, dead, func(cfg *cache.Config) {
					cfg.Service, cfg.UndeleteWindow = l, -1
					cfg.SetFault(func(point string) {
						if point != c.point || !armed {
							return
						}
						once.Do(func() {
							l.cut()
							if err := a.r.Freeze(func() error { return copyState(dead, state) }); err != nil {
								t.Error(err)
							}
							close(killed)
						})
					})
				})
				a.mkdir("a")
				if c.before != nil {
					c.before(a)
				}
				a.sync()
				time.Sleep(90 * time.Second)
				drop := a.dropID("a")
				armed = true
				c.do(a)
				<-killed
				a.stop()
				b := start(t, fake, state, func(cfg *cache.Config) { cfg.UndeleteWindow = -1 })
				if c.after != nil {
					c.after(b)
				}
				b.sync()
				time.Sleep(90 * time.Second)
				b.sync()
				equal(t, b.tree("a"), c.want)
				equal(t, b.assets(drop), namesAndBytes(c.want))
				b.stop()
				third := start(t, fake, t.TempDir())
				equal(t, third.tree("a"), slices.Clone(c.want))
				third.stop()
			})
		})
	}
}
