package cache_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"dropfs/cache"
	"dropfs/remote"
	"dropfs/remote/remotetest"
)

// slowList is a service whose next listing is answered late: with what was there when it was asked for.
type slowList struct {
	remote.Service
	mu   sync.Mutex
	wait chan struct{} // nil: at once
	took chan struct{}
}

func (s *slowList) Assets(ctx context.Context, id remote.DropID) (remote.Listing, error) {
	list, err := s.Service.Assets(ctx, id)
	s.mu.Lock()
	wait := s.wait
	s.wait = nil
	s.mu.Unlock()
	if wait != nil {
		close(s.took)
		<-wait
	}
	return list, err
}

// TestLateListing: a listing that is answered late says nothing of what was heard of since, whoever did it: what was
// deleted does not come back, and what is new does not go.
func TestLateListing(t *testing.T) {
	for name, change := range map[string]struct {
		do   func(a *bench, other *remotetest.Fake, drop remote.DropID)
		want []string
	}{
		"deleted elsewhere": {func(_ *bench, f *remotetest.Fake, drop remote.DropID) { f.Remove(f.AssetsNamed(drop, "f")[0].ID) }, nil},
		"deleted elsewhere, and known from a listing alone": {
			func(_ *bench, f *remotetest.Fake, drop remote.DropID) {
				f.BreakFeeds()
				f.Remove(f.AssetsNamed(drop, "f")[0].ID)
				f.ForgetEvents()
			}, nil,
		},
		"made elsewhere": {
			func(_ *bench, f *remotetest.Fake, drop remote.DropID) { f.Put(drop, "new", []byte("new")) },
			[]string{`f 644 "f"`, `new 644 "new"`},
		},
		"deleted here": {func(a *bench, _ *remotetest.Fake, _ remote.DropID) { a.unlink("a/f") }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake := remotetest.NewFake(remotetest.FakeConfig{})
				s := &slowList{Service: fake}
				a := start(t, fake, t.TempDir(), func(c *cache.Config) { c.Service, c.UndeleteWindow = s, -1 })
				a.mkdir("a")
				a.put("a/f", "f")
				a.sync()
				time.Sleep(90 * time.Second) // the poller begins with the drop within the first minute
				s.mu.Lock()
				s.wait, s.took = make(chan struct{}), make(chan struct{})
				answer := s.wait
				s.mu.Unlock()
				done := make(chan error)
				go func() { done <- a.r.Refresh(t.Context(), a.at("a")) }()
				<-s.took
				change.do(a, fake, a.dropID("a"))
				time.Sleep(10 * time.Second)
				equal(t, a.tree("a"), change.want)
				close(answer)
				if err := <-done; err != nil {
					t.Fatal(err)
				}
				equal(t, a.tree("a"), change.want)
				a.stop()
			})
		})
	}
}

// oldList is a service before which a cache stands: its next listings are the one that was kept.
type oldList struct {
	remote.Service
	kept remote.Listing
	left atomic.Int32
}

func (o *oldList) Assets(ctx context.Context, id remote.DropID) (remote.Listing, error) {
	if o.left.Add(-1) >= 0 {
		return remote.Listing{Assets: slices.Clone(o.kept.Assets), Seq: o.kept.Seq}, nil
	}
	return o.Service.Assets(ctx, id)
}

// TestStaleListing: a listing from before what this machine has made, changed and deleted is answered as the present one,
// to whoever asks, long after. Nothing goes, comes back or is taken for somebody else's change.
func TestStaleListing(t *testing.T) {
	least := remotetest.LeastCaps()
	for name, cfg := range map[string]remotetest.FakeConfig{
		"numbered": {}, "not numbered": {Caps: &least, NoChecksums: true, NoSeq: true},
	} {
		for _, after := range []time.Duration{0, 5 * time.Minute} {
			for _, restart := range []bool{false, true} {
				t.Run(name+" after "+after.String()+map[bool]string{true: " and a restart"}[restart], func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						fake, dir := remotetest.NewFake(cfg), t.TempDir()
						old := &oldList{Service: fake}
						with := func(c *cache.Config) { c.Service, c.UndeleteWindow = old, -1 }
						a := start(t, fake, dir, with)
						a.mkdir("a")
						a.put("a/changed", "old")
						a.put("a/deleted", "old")
						a.sync()
						time.Sleep(time.Minute)
						drop := a.dropID("a")
						var err error
						if old.kept, err = fake.Assets(t.Context(), drop); err != nil {
							t.Fatal(err)
						}
						a.put("a/changed", "new")
						a.unlink("a/deleted")
						a.put("a/made", "new")
						a.sync()
						want := []string{`changed 644 "new"`, `made 644 "new"`}
						if restart {
							a.stop()
							a = start(t, fake, dir, with)
						}
						time.Sleep(after)
						old.left.Store(2)
						if err := a.r.Refresh(t.Context(), a.at("a")); err != nil {
							t.Errorf("after two stale listings: %v", err)
						}
						equal(t, a.tree("a"), want)
						if n := old.left.Load(); n > 0 {
							t.Errorf("%d stale listings were not asked for", n)
						}
						fake.Put(drop, "foreign", []byte("new"))
						if err := a.r.Refresh(t.Context(), a.at("a")); err != nil {
							t.Error(err)
						}
						a.sync()
						equal(t, a.tree("a"), append(slices.Clone(want[:1]), `foreign 644 "new"`, want[1]))
						equal(t, a.assets(drop), []string{`changed "new"`, `foreign "new"`, `made "new"`})
						a.stop()
					})
				})
			}
		}
	}
}

// TestStaleForLong: listings that stay stale are left out, and said to be; after a while the service is believed, for it may
// have been put back to an earlier state.
func TestStaleForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := remotetest.NewFake(remotetest.FakeConfig{})
		a := start(t, fake, t.TempDir())
		a.mkdir("a")
		a.put("a/kept", "kept")
		a.sync()
		fake.StaleListings(a.dropID("a"), 1_000_000)
		a.put("a/lost", "lost")
		a.sync()
		both := []string{`kept 644 "kept"`, `lost 644 "lost"`}
		err := a.r.Refresh(t.Context(), a.at("a"))
		if !errors.Is(err, remote.ErrProtocol) {
			t.Errorf("refresh with stale listings only: %v", err)
		}
		if s := a.r.Status(); len(s.Errors) != 1 || s.Errors[0].Path != "a" {
			t.Errorf("status says %+v", s.Errors)
		}
		equal(t, a.tree("a"), both)
		time.Sleep(9 * time.Minute)
		equal(t, a.tree("a"), both)
		time.Sleep(20 * time.Minute)
		equal(t, a.tree("a"), both[:1])
		a.stop()
	})
}
