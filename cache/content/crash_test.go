package content_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"dropfs/cache/content"

	"pgregory.net/rapid"
)

// files lists what lies in the store's directory.
func files(t testing.TB, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.Walk(dir, func(_ string, fi os.FileInfo, err error) error {
		if err == nil && !fi.IsDir() {
			out = append(out, fi.Name())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestC6WritesIntoPartialContentSurviveAKill plays a kill by opening a second store on the same directory with the State
// that the index had when the content was made dirty. What the page cache holds survives a kill.
func TestC6WritesIntoPartialContentSurviveAKill(t *testing.T) {
	const size = 400_000
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		s := newStore(t, content.Config{Dir: dir})
		o := &origin{data: pattern(size, 1)}
		f := must[*content.File](t)(s.Cold(1, size))
		defer f.Release()
		if rapid.Bool().Draw(rt, "some fetched") {
			if err := f.Ensure(t.Context(), 150_000, 10_000, o.fetch); err != nil {
				rt.Fatal(err)
			}
		}
		st := f.State()
		st.Dirty = true // committed by the index, then:
		if err := f.SetDirty(true); err != nil {
			rt.Fatal(err)
		}
		want := bytes.Clone(o.data)
		for i := range rapid.IntRange(1, 12).Draw(rt, "changes") {
			off := rapid.Int64Range(0, size+50_000).Draw(rt, "off")
			n := rapid.Int64Range(1, 30_000).Draw(rt, "n")
			switch rapid.IntRange(0, 5).Draw(rt, "what") {
			case 0:
				err = f.Truncate(t.Context(), off)
				want = resize(want, off)
			case 1:
				err = f.Allocate(t.Context(), content.AllocPunch|content.AllocKeepSize, off, n)
				clearRange(want, off, off+n)
			case 2:
				err = f.Allocate(t.Context(), content.AllocZero, off, n)
				want = resize(want, max(int64(len(want)), off+n))
				clearRange(want, off, off+n)
			case 3:
				err = f.Ensure(t.Context(), off, n, o.fetch)
			default:
				p := pattern(n, uint64(100+i))
				_, err = f.WriteAt(t.Context(), p, off)
				want = resize(want, max(int64(len(want)), off+n))
				copy(want[off:], p)
			}
			if err != nil {
				rt.Fatal(err)
			}
		}

		s2 := newStore(t, content.Config{Dir: dir})
		if err := s2.Sweep(func(content.ID) (content.Flags, bool) { return content.Flags{Dirty: true}, true }); err != nil {
			rt.Fatal(err)
		}
		g := must[*content.File](t)(s2.Open(1, st))
		defer g.Release()
		if err := g.Ensure(t.Context(), 0, g.Size(), o.fetch); err != nil {
			rt.Fatal(err)
		}
		if !g.Complete() || !g.Dirty() {
			rt.Fatalf("complete %v dirty %v", g.Complete(), g.Dirty())
		}
		if got := readAll(t, g); !bytes.Equal(got, want) {
			rt.Fatalf("after the kill %d bytes, want %d; first difference at %d", len(got), len(want), difference(got, want))
		}
		if err := g.SetDirty(false); err != nil {
			rt.Fatal(err)
		}
		if left := files(t, dir); len(left) != 1 {
			rt.Fatalf("left behind: %v", left)
		}
	})
}

func resize(p []byte, n int64) []byte {
	if n <= int64(len(p)) {
		return p[:n:n]
	}
	return append(p[:len(p):len(p)], make([]byte, n-int64(len(p)))...)
}

func clearRange(p []byte, off, end int64) {
	if end = min(end, int64(len(p))); off < end {
		clear(p[off:end])
	}
}

func difference(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

func TestSweep(t *testing.T) {
	dir := t.TempDir()
	s := newStore(t, content.Config{Dir: dir})
	st := map[content.ID]content.State{}
	for id := content.ID(1); id <= 5; id++ {
		st[id] = fill(t, s, id, 50<<10, id == 2)
	}
	recency := s.Recency()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	alien := filepath.Join(dir, "01", "README")
	if err := os.WriteFile(alien, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "03", "3.log"), nil, 0o600); err != nil {
		t.Fatal(err)
	}

	var evicted []content.ID
	s = newStore(t, content.Config{Dir: dir, MaxBytes: 160 << 10, Wait: -1, Evict: func(ids []content.ID) error {
		evicted = append(evicted, ids...)
		return nil
	}})
	s.Seed([]content.ID{recency[1], recency[0], recency[2]})
	born := must[*content.File](t)(s.Create(9)) // before Sweep, not yet in the index
	defer born.Release()
	err := s.Sweep(func(id content.ID) (content.Flags, bool) {
		return content.Flags{Dirty: id == 2, Cold: id == 5}, id != 4 && id != 9
	})
	if err != nil {
		t.Fatal(err)
	}
	// 4 is unknown, 5 cold; the log of clean content is of no use; what is not ours stays.
	got := files(t, dir)
	if want := 1 + 4; len(got) != want {
		t.Errorf("left %v", got)
	}
	if u := s.Usage(); u.Files != 4 || u.Dirty < 50<<10 || u.Allocated < 150<<10 {
		t.Errorf("usage %+v", u)
	}
	if _, err := born.WriteAt(t.Context(), make([]byte, 40<<10), 0); err != nil {
		t.Fatal(err)
	}
	if len(evicted) != 1 || evicted[0] != recency[1] {
		t.Errorf("evicted %v, want [%d], the oldest of the seed", evicted, recency[1])
	}
	f := must[*content.File](t)(s.Open(2, st[2]))
	defer f.Release()
	if !f.Dirty() || !bytes.Equal(readAll(t, f), pattern(50<<10, 2)) {
		t.Error("dirty content changed")
	}
}

func TestOpenWhereDiskAndIndexDiffer(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "01", "1")
	cases := map[string]struct {
		breakIt func() error
		dirty   bool
		err     error
		cold    bool
	}{
		"clean, file gone":    {func() error { return os.Remove(path) }, false, nil, true},
		"clean, file shorter": {func() error { return os.Truncate(path, 10) }, false, nil, true},
		"dirty, file gone":    {func() error { return os.Remove(path) }, true, content.ErrLost, false},
		"dirty, file shorter": {func() error { return os.Truncate(path, 10) }, true, nil, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := newStore(t, content.Config{Dir: dir})
			st := fill(t, s, 1, 5000, c.dirty)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if err := c.breakIt(); err != nil {
				t.Fatal(err)
			}
			s = newStore(t, content.Config{Dir: dir})
			f, err := s.Open(1, st)
			if !errors.Is(err, c.err) {
				t.Fatalf("open: %v, want %v", err, c.err)
			}
			if err != nil {
				return
			}
			defer f.Release()
			if c.cold && (f.Complete() || f.Present(0, 1) || f.Size() != 5000) {
				t.Errorf("complete %v, size %d", f.Complete(), f.Size())
			}
			if !c.cold && f.Size() != 10 {
				t.Errorf("size of dirty content is %d: the file is the truth", f.Size())
			}
		})
	}
}

func TestRemove(t *testing.T) {
	dir := t.TempDir()
	s := newStore(t, content.Config{Dir: dir})
	st := fill(t, s, 1, 5000, true)
	f := must[*content.File](t)(s.Open(1, st))
	if err := s.Remove(1); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(readAll(t, f), pattern(5000, 1)) {
		t.Error("removed content is not readable by who has it open")
	}
	if left := files(t, dir); len(left) != 0 {
		t.Errorf("left %v", left)
	}
	f.Release()
	if u := s.Usage(); u.Allocated != 0 || u.Dirty != 0 || u.Files != 0 {
		t.Errorf("usage %+v", u)
	}
	if err := s.Remove(1); err != nil {
		t.Errorf("second remove: %v", err)
	}
}

func TestPartialChangedContentCannotBeClean(t *testing.T) {
	s := newStore(t, content.Config{})
	f, o := cold(t, s, 1, 1<<20)
	for _, write := range []bool{false, true} {
		if err := f.SetDirty(true); err != nil {
			t.Fatal(err)
		}
		var want error
		if write {
			want = content.ErrMissing
			if _, err := f.WriteAt(t.Context(), []byte("x"), 5); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.SetDirty(false); !errors.Is(err, want) {
			t.Errorf("changed %v: %v, want %v", write, err, want)
		}
	}
	if err := f.Ensure(t.Context(), 0, 1<<20, o.fetch); err != nil {
		t.Fatal(err)
	}
	if err := f.SetDirty(false); err != nil {
		t.Errorf("complete: %v", err)
	}
}
