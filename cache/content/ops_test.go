package content_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"dropfs/cache/content"
)

func TestSeek(t *testing.T) {
	s := newStore(t, content.Config{})
	f := must[*content.File](t)(s.Create(1))
	defer f.Release()
	const m = 1 << 20
	for _, off := range []int64{0, 4 * m} {
		if _, err := f.WriteAt(t.Context(), make([]byte, m), off); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Truncate(t.Context(), 8*m); err != nil {
		t.Fatal(err)
	}
	g, o := cold(t, s, 2, 8*m)
	if err := g.Ensure(t.Context(), 3*m, 100, o.fetch); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		seek func(int64) (int64, error)
		off  int64
		want int64
		err  error
	}{
		{"data at its begin", f.SeekData, 0, 0, nil},
		{"data behind a hole", f.SeekData, 2 * m, 4 * m, nil},
		{"data behind the last", f.SeekData, 6 * m, 0, content.ErrNoData},
		{"data behind the end", f.SeekData, 9 * m, 0, content.ErrNoData},
		{"hole behind data", f.SeekHole, 0, m, nil},
		{"hole in a hole", f.SeekHole, 2*m + 5, 2*m + 5, nil},
		{"hole behind the last data", f.SeekHole, 4 * m, 5 * m, nil},
		{"hole behind the end", f.SeekHole, 8 * m, 0, content.ErrNoData},
		{"missing is data", g.SeekData, 5, 5, nil},
		{"present is data", g.SeekData, 3*m + 5, 3*m + 5, nil},
		{"missing is no hole", g.SeekHole, 5, 8 * m, nil},
	} {
		got, err := c.seek(c.off)
		if !errors.Is(err, c.err) || got != c.want {
			t.Errorf("%s: %d %v, want %d %v", c.name, got, err, c.want, c.err)
		}
	}
}

func TestAllocate(t *testing.T) {
	s := newStore(t, content.Config{})
	const k = 1 << 10
	for _, c := range []struct {
		name string
		mode content.AllocMode
		off  int64
		n    int64
		size int64 // after; -1: refused
		zero content.Extent
	}{
		{"plain inside", 0, 0, 16 * k, 64 * k, content.Extent{}},
		{"plain over the end", 0, 60 * k, 16 * k, 76 * k, content.Extent{}},
		{"keep size", content.AllocKeepSize, 60 * k, 16 * k, 64 * k, content.Extent{}},
		{"punch", content.AllocPunch | content.AllocKeepSize, 10*k + 1, 20 * k, 64 * k, content.Extent{Off: 10*k + 1, End: 30*k + 1}},
		{"punch behind the end", content.AllocPunch | content.AllocKeepSize, 70 * k, 20 * k, 64 * k, content.Extent{}},
		{"punch without keep", content.AllocPunch, 0, k, -1, content.Extent{}},
		{"zero", content.AllocZero, 10*k + 1, 60 * k, 70*k + 1, content.Extent{Off: 10*k + 1, End: 64 * k}},
		{"zero keep", content.AllocZero | content.AllocKeepSize, 60 * k, 60 * k, 64 * k, content.Extent{Off: 60 * k, End: 64 * k}},
		{"collapse", 0x08, 0, 4 * k, -1, content.Extent{}},
		{"insert", 0x20, 0, 4 * k, -1, content.Extent{}},
	} {
		for i, partial := range []bool{false, true} {
			id := content.ID(1000*(i+1)) + content.ID(c.off) + content.ID(c.mode)*7 + content.ID(c.n)<<20
			want := pattern(64*k, uint64(id))
			var f *content.File
			o := &origin{data: bytes.Clone(want)}
			if partial {
				f = must[*content.File](t)(s.Cold(id, 64*k))
				if err := f.SetDirty(true); err != nil {
					t.Fatal(err)
				}
			} else {
				f = must[*content.File](t)(s.Create(id))
				if _, err := f.WriteAt(t.Context(), want, 0); err != nil {
					t.Fatal(err)
				}
			}
			err := f.Allocate(t.Context(), c.mode, c.off, c.n)
			if c.size < 0 {
				if !errors.Is(err, content.ErrUnsupported) {
					t.Errorf("%s: %v", c.name, err)
				}
				f.Release()
				continue
			}
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			clearRange(want, c.zero.Off, c.zero.End)
			want = resize(want, c.size)
			if f.Size() != c.size {
				t.Errorf("%s (partial %v): size %d, want %d", c.name, partial, f.Size(), c.size)
			}
			if err := f.Ensure(t.Context(), 0, c.size, o.fetch); err != nil {
				t.Fatal(err)
			}
			if got := readAll(t, f); !bytes.Equal(got, want) {
				t.Errorf("%s (partial %v): first difference at %d", c.name, partial, difference(got, want))
			}
			f.Release()
		}
	}
}

func TestCopyRange(t *testing.T) {
	s := newStore(t, content.Config{})
	src := must[*content.File](t)(s.Create(1))
	defer src.Release()
	data := pattern(1<<20, 1)
	if _, err := src.WriteAt(t.Context(), data, 0); err != nil {
		t.Fatal(err)
	}
	dst, o := cold(t, s, 2, 1<<20)
	if _, err := src.CopyRange(t.Context(), dst, 0, 0, 10); !errors.Is(err, content.ErrClean) {
		t.Errorf("into clean content: %v", err)
	}
	if err := dst.SetDirty(true); err != nil {
		t.Fatal(err)
	}
	want := bytes.Clone(o.data)
	copy(want[300_000:], data[1:200_001])
	if n, err := src.CopyRange(t.Context(), dst, 1, 300_000, 200_000); n != 200_000 || err != nil {
		t.Fatal(n, err)
	}
	if n, err := src.CopyRange(t.Context(), dst, 1<<20-100, 0, 5000); n != 100 || err != nil {
		t.Fatalf("over the end: %d %v", n, err)
	}
	copy(want, data[1<<20-100:])
	if _, err := dst.CopyRange(t.Context(), src, 100_000, 0, 10); !errors.Is(err, content.ErrMissing) {
		t.Errorf("of missing bytes: %v", err)
	}
	if _, err := src.CopyRange(t.Context(), src, 0, 5, 10); !errors.Is(err, os.ErrInvalid) {
		t.Errorf("over itself: %v", err)
	}
	if err := dst.Ensure(t.Context(), 0, 1<<20, o.fetch); err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, dst); !bytes.Equal(got, want) {
		t.Errorf("first difference at %d", difference(got, want))
	}
}

func TestSnapshot(t *testing.T) {
	s := newStore(t, content.Config{})
	f := must[*content.File](t)(s.Create(1))
	defer f.Release()
	data := pattern(3<<20, 1)
	if _, err := f.WriteAt(t.Context(), data, 1<<20); err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(t.Context(), 40<<20); err != nil {
		t.Fatal(err)
	}
	want := readAll(t, f)
	snap := must[*content.File](t)(f.Snapshot(t.Context(), 2))
	defer snap.Release()
	if _, err := f.WriteAt(t.Context(), []byte("later"), 1<<20); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(readAll(t, snap), want) {
		t.Error("the snapshot has other bytes")
	}
	if !snap.Dirty() || !snap.Complete() {
		t.Errorf("dirty %v complete %v", snap.Dirty(), snap.Complete())
	}
	if info := must[content.Info](t)(snap.Stat()); info.Allocated > 5<<20 {
		t.Errorf("%d bytes allocated: holes were not kept", info.Allocated)
	}

	part, o := cold(t, s, 3, 1<<20)
	if err := part.Ensure(t.Context(), 500_000, 1000, o.fetch); err != nil {
		t.Fatal(err)
	}
	twin := must[*content.File](t)(part.Snapshot(t.Context(), 4))
	defer twin.Release()
	if twin.Complete() || twin.Dirty() || !twin.Present(500_000, 1000) || twin.Present(0, 1) || twin.Size() != 1<<20 {
		t.Errorf("snapshot of partial content: %+v", twin.State())
	}
}

func TestSnapshotIsOneInstant(t *testing.T) {
	s := newStore(t, content.Config{})
	f := must[*content.File](t)(s.Create(1))
	defer f.Release()
	const size = 1 << 20
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	if _, err := f.WriteAt(t.Context(), bytes.Repeat([]byte{0}, size), 0); err != nil {
		t.Fatal(err)
	}
	go func() { // each write replaces all bytes by one other value
		for i := byte(1); ctx.Err() == nil; i++ {
			if _, err := f.WriteAt(ctx, bytes.Repeat([]byte{i}, size), 0); err != nil && ctx.Err() == nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for id := content.ID(2); id < 12; id++ {
		snap := must[*content.File](t)(f.Snapshot(t.Context(), id))
		got := readAll(t, snap)
		if !bytes.Equal(got, bytes.Repeat(got[:1], size)) {
			t.Errorf("snapshot %d mixes two writes", id)
		}
		snap.Release()
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestTimesAndSync(t *testing.T) {
	s := newStore(t, content.Config{})
	f := must[*content.File](t)(s.Create(1))
	defer f.Release()
	at := time.Unix(1_600_000_000, 123_456_789)
	if err := f.SetTimes(time.Time{}, at); err != nil {
		t.Fatal(err)
	}
	if info := must[content.Info](t)(f.Stat()); !info.Mtime.Equal(at) {
		t.Errorf("mtime %v, want %v", info.Mtime, at)
	}
	for name, sync := range map[string]func() error{"sync": f.Sync, "datasync": f.Datasync, "syncfs": s.SyncFS} {
		if err := sync(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
