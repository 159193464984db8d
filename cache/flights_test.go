package cache_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"dropfs/cache"
	"dropfs/remote"
	"dropfs/remote/remotetest"
)

// slowAnswer is a service that does what it is asked at once, and answers one change of one asset when it is let.
type slowAnswer struct {
	remote.Service
	mu     sync.Mutex
	method string // which, and of what name
	name   string
	done   chan struct{} // closed when it is done there
	let    chan struct{}
	dead   bool // the answer that comes in the end is an error
}

func (s *slowAnswer) hold(method, name string, dead bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.method, s.name, s.dead = method, name, dead
	s.done, s.let = make(chan struct{}), make(chan struct{})
}

func (s *slowAnswer) answer(ctx context.Context, a remote.Asset, err error, method, name string) (remote.Asset, error) {
	s.mu.Lock()
	held := s.method == method && s.name == name
	if held {
		s.method = ""
	}
	done, let, dead := s.done, s.let, s.dead
	s.mu.Unlock()
	if !held {
		return a, err
	}
	close(done)
	select {
	case <-let:
	case <-ctx.Done():
		return remote.Asset{}, ctx.Err()
	}
	if dead {
		return remote.Asset{}, &remote.Error{Kind: remote.ErrUnavailable, Op: method, Message: "no answer"}
	}
	return a, err
}

func (s *slowAnswer) Confirm(ctx context.Context, up remote.Upload, spec remote.ConfirmSpec) (remote.Asset, error) {
	a, err := s.Service.Confirm(ctx, up, spec)
	return s.answer(ctx, a, err, "confirm", up.Spec.Name)
}

func (s *slowAnswer) Rename(ctx context.Context, drop remote.DropID, id remote.AssetID, name string) (remote.Asset, error) {
	a, err := s.Service.Rename(ctx, drop, id, name)
	return s.answer(ctx, a, err, "rename", name)
}

// replace uploads new bytes in place of an asset, as another machine would.
func replace(t *testing.T, f *remotetest.Fake, old remote.Asset, text string) {
	t.Helper()
	up, err := f.StartUpload(t.Context(), old.Drop, remote.UploadSpec{Name: old.Name, Size: int64(len(text))})
	if err == nil {
		up, err = f.Send(t.Context(), up, strings.NewReader(text), func(remote.Upload) error { return nil }, nil)
	}
	if err == nil {
		_, err = f.Confirm(t.Context(), up, remote.ConfirmSpec{Replaces: old.ID})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestSlowAnswer: a change that the service has made and does not answer holds up nothing else of its drop. What is heard of
// it meanwhile is known to be our own, what others do to it is believed, and the answer that comes at last, or never, changes
// nothing of that.
func TestSlowAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		hold      [2]string // method, name
		before    func(a *bench)
		do        func(a *bench)
		early     func(a *bench)                                         // before the feed tells of it
		meanwhile func(a *bench, f *remotetest.Fake, drop remote.DropID) // after
		want      []string                                               // besides what every case does
		theirs    []string                                               // names in it
	}{
		"new": {
			hold: [2]string{"confirm", "x"},
			do:   func(a *bench) { a.put("a/x", "mine") },
			want: []string{`x 644 "mine"`},
		},
		"changed": {
			hold:   [2]string{"confirm", "x"},
			before: func(a *bench) { a.put("a/x", "old") },
			do:     func(a *bench) { a.put("a/x", "mine") },
			want:   []string{`x 644 "mine"`},
		},
		"changed again": {
			hold:      [2]string{"confirm", "x"},
			do:        func(a *bench) { a.put("a/x", "mine") },
			meanwhile: func(a *bench, _ *remotetest.Fake, _ remote.DropID) { a.put("a/x", "again") },
			want:      []string{`x 644 "again"`},
		},
		"deleted": {
			hold:      [2]string{"confirm", "x"},
			do:        func(a *bench) { a.put("a/x", "mine") },
			meanwhile: func(a *bench, _ *remotetest.Fake, _ remote.DropID) { a.unlink("a/x") },
		},
		"moved": {
			hold:      [2]string{"confirm", "x"},
			do:        func(a *bench) { a.put("a/x", "mine") },
			meanwhile: func(a *bench, _ *remotetest.Fake, _ remote.DropID) { a.rename("a/x", "a/y") },
			want:      []string{`y 644 "mine"`},
		},
		"replaced elsewhere": {
			hold: [2]string{"confirm", "x"},
			do:   func(a *bench) { a.put("a/x", "mine") },
			meanwhile: func(_ *bench, f *remotetest.Fake, drop remote.DropID) {
				time.Sleep(10 * time.Second) // whoever replaces it has seen it
				replace(t, f, f.AssetsNamed(drop, "x")[0], "theirs")
			},
			want:   []string{`x 644 "theirs"`},
			theirs: []string{"x"},
		},
		"deleted elsewhere": {
			hold: [2]string{"confirm", "x"},
			do:   func(a *bench) { a.put("a/x", "mine") },
			meanwhile: func(_ *bench, f *remotetest.Fake, drop remote.DropID) {
				time.Sleep(10 * time.Second)
				f.Remove(f.AssetsNamed(drop, "x")[0].ID)
			},
		},
		"copied": {
			hold:   [2]string{"confirm", "x"},
			before: func(a *bench) { a.put("a/from", "both") },
			do: func(a *bench) {
				if _, err := a.r.Link(a.t.Context(), a.at("a/from"), a.at("a"), "x"); err != nil {
					a.t.Fatal(err)
				}
			},
			want: []string{`from 644 "both"`, `x 644 "both"`},
		},
		"renamed": {
			hold:   [2]string{"rename", "x"},
			before: func(a *bench) { a.put("a/from", "mine") },
			do:     func(a *bench) { a.rename("a/from", "a/x") },
			want:   []string{`x 644 "mine"`},
		},
		"renamed and back": {
			hold:      [2]string{"rename", "x"},
			before:    func(a *bench) { a.put("a/from", "mine") },
			do:        func(a *bench) { a.rename("a/from", "a/x") },
			meanwhile: func(a *bench, _ *remotetest.Fake, _ remote.DropID) { a.rename("a/x", "a/from") },
			want:      []string{`from 644 "mine"`},
		},
		"changed again at once": {
			hold:  [2]string{"confirm", "x"},
			do:    func(a *bench) { a.put("a/x", "mine") },
			early: func(a *bench) { a.put("a/x", "again") },
			want:  []string{`x 644 "again"`},
		},
		"deleted at once": {
			hold:  [2]string{"confirm", "x"},
			do:    func(a *bench) { a.put("a/x", "mine") },
			early: func(a *bench) { a.unlink("a/x") },
		},
		"moved at once": {
			hold:  [2]string{"confirm", "x"},
			do:    func(a *bench) { a.put("a/x", "mine") },
			early: func(a *bench) { a.rename("a/x", "a/y") },
			want:  []string{`y 644 "mine"`},
		},
		"renamed and back at once": {
			hold:   [2]string{"rename", "x"},
			before: func(a *bench) { a.put("a/from", "mine") },
			do:     func(a *bench) { a.rename("a/from", "a/x") },
			early:  func(a *bench) { a.rename("a/x", "a/from") },
			want:   []string{`from 644 "mine"`},
		},
		"renamed and deleted at once": {
			hold:   [2]string{"rename", "x"},
			before: func(a *bench) { a.put("a/from", "mine") },
			do:     func(a *bench) { a.rename("a/from", "a/x") },
			early:  func(a *bench) { a.unlink("a/x") },
		},
		"renamed, and deleted elsewhere": {
			hold:   [2]string{"rename", "x"},
			before: func(a *bench) { a.put("a/from", "mine") },
			do:     func(a *bench) { a.rename("a/from", "a/x") },
			meanwhile: func(_ *bench, f *remotetest.Fake, drop remote.DropID) {
				f.Remove(f.AssetsNamed(drop, "x")[0].ID)
			},
		},
	} {
		for _, dead := range []bool{false, true} {
			t.Run(name+map[bool]string{true: ", never answered"}[dead], func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					fake := remotetest.NewFake(remotetest.FakeConfig{})
					s := &slowAnswer{Service: fake}
					a := start(t, fake, t.TempDir(), func(c *cache.Config) { c.Service, c.UndeleteWindow = s, -1 })
					a.mkdir("a")
					if c.before != nil {
						c.before(a)
					}
					a.put("a/theirs", "theirs")
					a.sync()
					time.Sleep(90 * time.Second)
					drop := a.dropID("a")
					s.hold(c.hold[0], c.hold[1], dead)
					c.do(a)
					<-s.done
					if c.early != nil {
						c.early(a)
					}
					began := time.Now()
					fake.Remove(fake.AssetsNamed(drop, "theirs")[0].ID)
					fake.Put(drop, "new", []byte("new"))
					a.put("a/other", "other")
					eventually(t, "a file of the same drop is sent", func() bool { return len(fake.AssetsNamed(drop, "other")) == 1 })
					eventually(t, "what others do is seen", func() bool {
						_, err := a.tryRead("a/new")
						return err == nil
					})
					if took := time.Since(began); took > 5*time.Second {
						t.Errorf("others waited for %v", took)
					}
					if c.meanwhile != nil {
						c.meanwhile(a, fake, drop)
					}
					if err := a.r.Refresh(t.Context(), a.at("a")); err != nil {
						t.Fatal(err)
					}
					want := append([]string{`new 644 "new"`, `other 644 "other"`}, c.want...)
					slices.Sort(want)
					equal(t, a.tree("a"), want)
					var theirs []remote.AssetID // of what is in step: the answer sends nothing anew
					for _, name := range c.theirs {
						theirs = append(theirs, fake.AssetsNamed(drop, name)[0].ID)
					}
					close(s.let)
					time.Sleep(30 * time.Second)
					a.sync()
					if err := a.r.Refresh(t.Context(), a.at("a")); err != nil {
						t.Fatal(err)
					}
					equal(t, a.tree("a"), want)
					equal(t, a.assets(drop), namesAndBytes(want))
					for i, name := range c.theirs {
						if id := fake.AssetsNamed(drop, name)[0].ID; id != theirs[i] {
							t.Errorf("%s was sent again, in place of somebody else's", name)
						}
					}
					a.stop()
				})
			})
		}
	}
}

// lateRename is a service whose renames to one name are done late, after what is asked for meanwhile.
type lateRename struct {
	remote.Service
	name  string
	asked chan struct{} // one for each
	let   chan struct{}
}

func (l *lateRename) Rename(ctx context.Context, drop remote.DropID, id remote.AssetID, name string) (remote.Asset, error) {
	if name == l.name {
		l.asked <- struct{}{}
		<-l.let
	}
	return l.Service.Rename(ctx, drop, id, name)
}

// TestRenameAndBack: the answer of a rename is lost, the file is moved back, and a listing from between the rename and the
// one back is merged: it tells of our own rename, not of somebody else's.
func TestRenameAndBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		caps := remotetest.AllCaps()
		caps.Changes = false // no feed tells of the rename before the next listing does
		fake := remotetest.NewFake(remotetest.FakeConfig{Caps: &caps})
		s := &lateRename{Service: fake, name: "from", asked: make(chan struct{}, 9), let: make(chan struct{})}
		a := start(t, fake, t.TempDir(), func(c *cache.Config) { c.Service, c.UndeleteWindow = s, -1 })
		a.mkdir("a")
		a.put("a/from", "mine")
		a.sync()
		time.Sleep(90 * time.Second)
		fake.Lose("Rename", 1)
		fake.SetHook(func(_ context.Context, method, _ string) error {
			if method == "Rename" {
				fake.SetHook(nil)
				a.rename("a/x", "a/from")
			}
			return nil
		})
		a.rename("a/from", "a/x")
		<-s.asked
		if err := a.r.Refresh(t.Context(), a.at("a")); err != nil {
			t.Fatal(err)
		}
		equal(t, a.tree("a"), []string{`from 644 "mine"`})
		close(s.let)
		a.sync()
		equal(t, a.tree("a"), []string{`from 644 "mine"`})
		equal(t, a.assets(a.dropID("a")), []string{`from "mine"`})
		a.stop()
	})
}
