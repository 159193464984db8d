package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// fixture is a store with a clock that is moved by hand.
type fixture struct {
	*Store
	clock sync.Mutex
	at    time.Time // guarded by clock
}

func (f *fixture) now() time.Time {
	f.clock.Lock()
	defer f.clock.Unlock()
	return f.at
}

func (f *fixture) pass(d time.Duration) {
	f.clock.Lock()
	defer f.clock.Unlock()
	f.at = f.at.Add(d)
}

func open(t interface {
	Fatal(...any)
	Context() context.Context
}, path string,
) *fixture {
	f := &fixture{at: time.UnixMilli(1_800_000_000_000)}
	s, err := OpenSQLite(context.WithoutCancel(t.Context()), path, f.now)
	if err != nil {
		t.Fatal(err)
	}
	f.Store = s
	return f
}

func TestPathsWithOddNames(t *testing.T) {
	for _, name := range []string{"plain.db", "with space.db", "q?x=1.db", "h#f.db", "100%41.db", "ü.db"} {
		s := open(t, filepath.Join(t.TempDir(), name))
		if err := s.Ping(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		again := open(t, filepath.Join(t.TempDir(), name))
		_ = again.Close()
	}
}

func TestSecretIsTheSameForAll(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.db")
	a, b := open(t, path), open(t, path)
	defer func() { _, _ = a.Close(), b.Close() }()
	one, err := a.Secret(t.Context(), "x")
	if err != nil || len(one) != 32 {
		t.Fatal(one, err)
	}
	two, err := b.Secret(t.Context(), "x")
	if err != nil || string(one) != string(two) {
		t.Fatal("another secret", err)
	}
	other, err := a.Secret(t.Context(), "y")
	if err != nil || string(one) == string(other) {
		t.Fatal("one secret for two names", err)
	}
}

func TestLaterSchemaIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.db")
	s := open(t, path)
	if err := s.write(t.Context(), durable, func(x *tx) error {
		_, err := x.exec(t.Context(), `UPDATE meta SET value = '999' WHERE name = 'schema'`)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	if _, err := OpenSQLite(t.Context(), path, time.Now); err == nil {
		t.Fatal("opened")
	}
}

func TestNewID(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		id := NewID(20)
		if len(id) != 20 || seen[id] {
			t.Fatal(id)
		}
		seen[id] = true
	}
}

// model is what the store must be, kept in maps.
type model struct {
	balance int64
	drops   map[string]*Drop
	files   map[string]*File
	seq     int64
	garbage map[string]bool
}

// expire removes what the clock has ended, as every read must see it.
func (m *model) expire(now time.Time) {
	for id, d := range m.drops {
		if !d.Expires.After(now) {
			m.removeDrop(id)
			m.seq++ // drop.gone, when the sweep gets there
		}
	}
}

func (m *model) removeDrop(id string) {
	for fid, f := range m.files {
		if f.Drop == id {
			m.removeFile(fid)
		}
	}
	delete(m.drops, id)
}

func (m *model) removeFile(id string) {
	f := m.files[id]
	if d := m.drops[f.Drop]; d != nil {
		d.Used -= f.Size
	}
	delete(m.files, id)
	m.garbage[id] = true
}

// TestModel runs random operations on the store and on the model and compares them (S1, S2, S3, S5).
func TestModel(t *testing.T) {
	run := 0
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		run++
		s := open(t, filepath.Join(dir, fmt.Sprint(run, ".db")))
		defer func() { _ = s.Close() }()
		s.full = s.fast // the logic is looked at here, not the disk
		ctx := t.Context()
		key, err := s.AddKey(ctx, Key{Name: "k", Balance: 20_000}, "hash")
		if err != nil {
			rt.Fatal(err)
		}
		m := &model{balance: 20_000, drops: map[string]*Drop{}, files: map[string]*File{}, garbage: map[string]bool{}}
		fail := func(got, want error) {
			if !errors.Is(got, want) {
				rt.Fatalf("error %v, not %v", got, want)
			}
		}
		aDrop := func() string { return rapid.SampledFrom(append(ids(m.drops), "nosuch")).Draw(rt, "drop") }
		aFile := func() string { return rapid.SampledFrom(append(ids(m.files), "nosuch")).Draw(rt, "file") }
		rt.Repeat(map[string]func(*rapid.T){
			"put drop": func(rt *rapid.T) {
				spec := DropSpec{
					Name:    rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "name"),
					GBMilli: rapid.Int64Range(200, 4000).Draw(rt, "gb"), Days: rapid.IntRange(30, 365).Draw(rt, "days"),
				}
				d, err := s.PutDrop(ctx, key, spec)
				var old *Drop
				for _, o := range m.drops {
					if o.Name == spec.Name {
						old = o
					}
				}
				var cost int64
				if old == nil {
					cost = Charge(0, 0, spec.GBMilli, spec.Days)
				} else {
					if spec.GBMilli < old.GBMilli || spec.Days < old.Days {
						fail(err, ErrSmaller)
						return
					}
					cost = Charge(old.GBMilli, old.Days, spec.GBMilli, spec.Days)
				}
				if cost > m.balance {
					fail(err, ErrPayment)
					return
				}
				fail(err, nil)
				m.balance -= cost
				m.seq++
				if old != nil && d.ID != old.ID {
					rt.Fatal("a second drop of one name")
				}
				if old == nil {
					old = &Drop{ID: d.ID, Name: spec.Name, Created: d.Created}
					m.drops[d.ID] = old
				}
				old.GBMilli, old.Days, old.MaxSize = spec.GBMilli, spec.Days, spec.GBMilli*1_000_000
				old.Expires = old.Created.Add(time.Duration(spec.Days) * 24 * time.Hour)
			},
			"reserve": func(rt *rapid.T) {
				id, size := aDrop(), rapid.Int64Range(0, 2_000_000_000).Draw(rt, "size")
				f, err := s.Reserve(ctx, File{Drop: id, Name: "n", Size: size, StaleAt: s.now().Add(time.Hour)}, 0)
				d := m.drops[id]
				switch {
				case d == nil:
					fail(err, ErrNotFound)
				case d.Used+size > d.MaxSize:
					fail(err, ErrQuota)
				default:
					fail(err, nil)
					d.Used += size
					m.files[f.ID] = &f
				}
			},
			"confirm": func(rt *rapid.T) {
				id, replaces := aFile(), ""
				if rapid.Bool().Draw(rt, "replace") {
					replaces = aFile()
				}
				got, err := s.Confirm(ctx, id, "etag", "md5", replaces)
				f := m.files[id]
				if f == nil {
					fail(err, ErrNotFound)
					return
				}
				fail(err, nil)
				if !f.Pending() {
					if got.Seq != f.Seq {
						rt.Fatal("a repeated confirm changed the file")
					}
					return
				}
				m.seq++
				if got.Seq != m.seq {
					rt.Fatalf("seq %d, not %d", got.Seq, m.seq)
				}
				if old := m.files[replaces]; old != nil && old.Drop == f.Drop && replaces != id {
					m.removeFile(replaces)
				}
				m.files[id] = &got
			},
			"delete file": func(*rapid.T) {
				id := aFile()
				err := s.DeleteFile(ctx, id)
				f := m.files[id]
				if f == nil {
					fail(err, ErrNotFound)
					return
				}
				fail(err, nil)
				if !f.Pending() {
					m.seq++
				}
				m.removeFile(id)
			},
			"rename": func(*rapid.T) {
				id := aFile()
				_, err := s.RenameFile(ctx, id, "other")
				f := m.files[id]
				if f == nil || f.Pending() {
					fail(err, ErrNotFound)
					return
				}
				fail(err, nil)
				m.seq++
				f.Name = "other"
			},
			"delete drop": func(*rapid.T) {
				id := aDrop()
				err := s.DeleteDrop(ctx, id)
				if m.drops[id] == nil {
					fail(err, ErrNotFound)
					return
				}
				fail(err, nil)
				m.seq++
				m.removeDrop(id)
			},
			"time": func(rt *rapid.T) {
				s.pass(time.Duration(rapid.IntRange(1, 40*24*60).Draw(rt, "minutes")) * time.Minute)
				_, err := s.Sweep(ctx)
				fail(err, nil)
				m.expire(s.now())
				for id, f := range m.files {
					if f.Pending() && !f.StaleAt.After(s.now()) {
						m.removeFile(id)
					}
				}
			},
			"collect": func(*rapid.T) {
				list, err := s.Garbage(ctx, 10_000)
				fail(err, nil)
				var keys []string
				for _, g := range list {
					keys = append(keys, g.Key)
				}
				fail(s.DropGarbage(ctx, keys), nil)
				clear(m.garbage)
			},
			"": func(rt *rapid.T) { compare(ctx, rt, s, key, m) },
		})
	})
}

func ids[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}

func compare(ctx context.Context, t *rapid.T, s *fixture, key Key, m *model) {
	if bad := s.Unbalanced(ctx); bad != "" {
		t.Fatal(bad)
	}
	k, err := s.KeyByHash(ctx, "hash")
	if err != nil || k.Balance != m.balance || k.Balance < 0 {
		t.Fatalf("balance %d, not %d: %v", k.Balance, m.balance, err)
	}
	drops, err := s.DropsOf(ctx, key.ID)
	if err != nil || len(drops) != len(m.drops) {
		t.Fatalf("%d drops, not %d: %v", len(drops), len(m.drops), err)
	}
	files := 0
	for _, d := range drops {
		want := m.drops[d.ID]
		if want == nil || d.Used != want.Used || d.MaxSize != want.MaxSize || !d.Expires.Equal(want.Expires) {
			t.Fatalf("drop %+v, not %+v", d, want)
		}
		var last int64
		for {
			page, err := s.Files(ctx, d.ID, last, 2)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range page {
				files++
				if w := m.files[f.ID]; w == nil || w.Pending() || w.Name != f.Name || w.Seq != f.Seq || f.Seq <= last {
					t.Fatalf("file %+v, not %+v", f, w)
				}
				last = f.Seq
			}
			if len(page) == 0 {
				break
			}
		}
	}
	for _, f := range m.files {
		if !f.Pending() {
			files--
		}
	}
	if files != 0 {
		t.Fatalf("%d files too many", files)
	}
	if seq, err := s.LastSeq(ctx); err != nil || seq != m.seq {
		t.Fatalf("seq %d, not %d: %v", seq, m.seq, err)
	}
	garbage, err := s.Garbage(ctx, 10_000)
	if err != nil || len(garbage) != len(m.garbage) {
		t.Fatalf("garbage %v, not %v: %v", garbage, m.garbage, err)
	}
}

func TestTransfer(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "hub.db"))
	defer func() { _ = s.Close() }()
	key := func(name string, k Key) Key {
		k.Name = name
		k, err := s.AddKey(t.Context(), k, name)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	a, b, rich := key("a", Key{Balance: 1000}), key("b", Key{}), key("rich", Key{Unlimited: true})
	for _, c := range []struct {
		from, to     Key
		amount       int64
		err          error
		left, gained int64
	}{
		{a, b, 400, nil, 600, 400},
		{a, b, 601, ErrPayment, 600, 400},
		{a, Key{ID: "nosuch"}, 1, ErrNotFound, 600, 400},
		{rich, b, 1_000_000, nil, 0, 1_000_400},
		{b, a, 1_000_400, nil, 0, 1_001_000},
	} {
		from, to, err := s.Transfer(t.Context(), c.from.ID, c.to.ID, c.amount)
		if !errors.Is(err, c.err) || err == nil && (from.Balance != c.left || to.Balance != c.gained) {
			t.Errorf("%d from %s to %s: %d, %d, %v", c.amount, c.from.Name, c.to.Name, from.Balance, to.Balance, err)
		}
	}
}

func TestManyWritersOfTwoProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.db")
	a, b := open(t, path), open(t, path)
	defer func() { _, _ = a.Close(), b.Close() }()
	key, err := a.AddKey(t.Context(), Key{Name: "k", Unlimited: true}, "h")
	if err != nil {
		t.Fatal(err)
	}
	d, err := a.PutDrop(t.Context(), key, DropSpec{Name: "n", GBMilli: 4000, Days: 30})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		s := []*fixture{a, b}[i%2]
		wg.Go(func() {
			for range 10 {
				f, err := s.Reserve(t.Context(), File{Drop: d.ID, Name: "f", Size: 10}, 0)
				if err == nil {
					_, err = s.Confirm(t.Context(), f.ID, "e", "", "")
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	events, err := b.Events(t.Context(), 1, key.ID, "", 1000)
	if err != nil || len(events) != 80 || events[79].Seq != 81 {
		t.Fatalf("%d events: %v", len(events), err)
	}
	if bad := a.Unbalanced(t.Context()); bad != "" {
		t.Fatal(bad)
	}
}

func TestChangesShareATransaction(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "hub.db"))
	defer func() { _ = s.Close() }()
	broken := errors.New("broken")
	put := func(name string, err error) error {
		return s.write(t.Context(), durable, func(x *tx) error {
			if _, err := x.exec(t.Context(), `INSERT INTO meta (name, value) VALUES (?, '')`, name); err != nil {
				return err
			}
			return err
		})
	}
	var wg sync.WaitGroup
	s.writer.Lock() // as if a transaction were under way
	for name, want := range map[string]error{"a": nil, "b": broken, "c": nil} {
		wg.Go(func() {
			if err := put(name, want); !errors.Is(err, want) {
				t.Errorf("%s: %v, not %v", name, err, want)
			}
		})
	}
	for waiting := 0; waiting < 3; runtime.Gosched() {
		s.mu.Lock()
		waiting = len(s.waiting)
		s.mu.Unlock()
	}
	s.writer.Unlock()
	wg.Wait()
	var names string
	if err := s.each(t.Context(), func(r *sql.Rows) error {
		var n string
		err := r.Scan(&n)
		names += n
		return err
	}, `SELECT name FROM meta WHERE length(name) = 1 ORDER BY name`); err != nil || names != "ac" {
		t.Fatalf("%q %v", names, err)
	}
	// One that panics leaves the store usable.
	func() {
		defer func() { _ = recover() }()
		_ = s.write(t.Context(), durable, func(*tx) error { panic("oops") })
	}()
	if err := put("d", nil); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.write(ended, durable, func(*tx) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}
