package content_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"dropfs/cache/content"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pattern is n bytes of which each place is told from its neighbours, and none is zero.
func pattern(n int64, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(1 + r.UintN(255))
	}
	return p
}

// origin serves one content and counts.
type origin struct {
	data     []byte
	requests atomic.Int64
	bytes    atomic.Int64 // delivered
	mu       sync.Mutex
	seen     []content.Extent
	fail     func(off, n int64) error                   // answer of the request itself
	cut      func(off, n int64) (int64, error)          // body ends after so many bytes with this error
	gate     func(ctx context.Context, off int64) error // called before each read of a body
}

func (o *origin) fetch(ctx context.Context, off, n int64) (io.ReadCloser, error) {
	o.requests.Add(1)
	o.mu.Lock()
	o.seen = append(o.seen, content.Extent{Off: off, End: off + n})
	o.mu.Unlock()
	if o.fail != nil {
		if err := o.fail(off, n); err != nil {
			return nil, err
		}
	}
	if off < 0 || n <= 0 || off+n > int64(len(o.data)) {
		return nil, errors.New("origin: range outside the content")
	}
	b := &body{o: o, ctx: ctx, off: off, end: off + n, stop: off + n, err: io.EOF}
	if o.cut != nil {
		if keep, err := o.cut(off, n); err != nil {
			b.stop, b.err = off+keep, err
		}
	}
	return b, nil
}

type body struct {
	o              *origin
	ctx            context.Context
	off, stop, end int64
	err            error
}

func (b *body) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	if b.o.gate != nil {
		if err := b.o.gate(b.ctx, b.off); err != nil {
			return 0, err
		}
	}
	if b.off >= b.stop {
		return 0, b.err
	}
	n := copy(p, b.o.data[b.off:min(b.stop, b.off+32<<10)])
	b.off += int64(n)
	b.o.bytes.Add(int64(n))
	return n, nil
}

func (b *body) Close() error { return nil }

func newStore(t testing.TB, cfg content.Config) *content.Store {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	if cfg.KeepFree == 0 {
		cfg.KeepFree = -1
	}
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = 1 << 30
	}
	s, err := content.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func readAll(t testing.TB, f *content.File) []byte {
	t.Helper()
	p := make([]byte, f.Size())
	if n, err := f.ReadAt(p, 0); n != len(p) {
		t.Fatalf("read %d of %d bytes: %v", n, len(p), err)
	}
	return p
}

func TestCreateWriteReadReopen(t *testing.T) {
	dir := t.TempDir()
	s := newStore(t, content.Config{Dir: dir})
	want := pattern(300_000, 1)
	f := must[*content.File](t)(s.Create(7))
	if n, err := f.WriteAt(t.Context(), want, 0); n != len(want) || err != nil {
		t.Fatal(n, err)
	}
	if !f.Complete() || !f.Dirty() || f.Size() != int64(len(want)) {
		t.Fatalf("complete %v dirty %v size %d", f.Complete(), f.Dirty(), f.Size())
	}
	if _, err := s.Create(7); !errors.Is(err, content.ErrExists) {
		t.Fatalf("second create: %v", err)
	}
	short := make([]byte, 100)
	if n, err := f.ReadAt(short, int64(len(want))-40); n != 40 || !errors.Is(err, io.EOF) {
		t.Fatalf("read over the end: %d %v", n, err)
	}
	if u := s.Usage(); u.Allocated < int64(len(want)) || u.Dirty != u.Allocated || u.Files != 1 {
		t.Fatalf("usage %+v", u)
	}
	st := f.State()
	f.Release()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = newStore(t, content.Config{Dir: dir})
	f = must[*content.File](t)(s.Open(7, st))
	defer f.Release()
	g := must[*content.File](t)(s.Open(7, content.State{}))
	if f != g {
		t.Error("two files for one id")
	}
	g.Release()
	if !bytes.Equal(readAll(t, f), want) {
		t.Error("other bytes after reopening")
	}
}

func TestEnsureFetchesAndKeeps(t *testing.T) {
	for _, size := range []int64{0, 1, 4095, 200_000, 256 << 10, 1<<20 + 17, 20<<20 + 3} {
		s := newStore(t, content.Config{})
		o := &origin{data: pattern(size, 2)}
		f := must[*content.File](t)(s.Cold(1, size))
		buf := make([]byte, 100_000)
		var got []byte
		for off := int64(0); ; {
			n, err := f.Read(t.Context(), buf, off, o.fetch)
			got = append(got, buf[:n]...)
			off += int64(n)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(got, o.data) {
			t.Fatalf("size %d: other bytes", size)
		}
		if !f.Complete() {
			t.Errorf("size %d: not complete: %+v", size, f.Missing(0, size))
		}
		if b := o.bytes.Load(); b != size {
			t.Errorf("size %d: fetched %d bytes", size, b)
		}
		f.Release()
	}
}
