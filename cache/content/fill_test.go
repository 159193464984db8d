package content_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"dropfs/cache/content"
)

func cold(t testing.TB, s *content.Store, id content.ID, size int64) (*content.File, *origin) {
	t.Helper()
	f := must[*content.File](t)(s.Cold(id, size))
	t.Cleanup(f.Release)
	return f, &origin{data: pattern(size, uint64(id))}
}

func TestC1MissingIsNotReadable(t *testing.T) {
	s := newStore(t, content.Config{})
	f, o := cold(t, s, 1, 1<<20)
	p := make([]byte, 4096)
	if n, err := f.ReadAt(p, 0); n != 0 || !errors.Is(err, content.ErrMissing) {
		t.Fatalf("read of a cold file: %d %v", n, err)
	}
	if err := f.Ensure(t.Context(), 500_000, 4096, o.fetch); err != nil {
		t.Fatal(err)
	}
	if n, err := f.ReadAt(p, 500_000); n != len(p) || err != nil || !bytes.Equal(p, o.data[500_000:504_096]) {
		t.Fatalf("read of what was fetched: %d %v", n, err)
	}
	if _, err := f.ReadAt(p, 510_000); !errors.Is(err, content.ErrMissing) {
		t.Fatalf("read beside what was fetched: %v", err)
	}
	if _, err := f.WriteAt(t.Context(), p, 0); !errors.Is(err, content.ErrClean) {
		t.Fatalf("write into clean content: %v", err)
	}
}

func TestC1FetchNeverOverwritesAWrite(t *testing.T) {
	s := newStore(t, content.Config{})
	const size = 1 << 20
	f, o := cold(t, s, 1, size)
	arrived, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	o.gate = func(_ context.Context, off int64) error {
		if off >= 64<<10 {
			once.Do(func() { close(arrived); <-goOn })
		}
		return nil
	}
	done := make(chan error)
	go func() { done <- f.Ensure(context.Background(), 0, size, o.fetch) }()
	<-arrived
	if err := f.SetDirty(true); err != nil {
		t.Fatal(err)
	}
	mine := bytes.Repeat([]byte{0}, 1000)
	want := bytes.Clone(o.data)
	for _, off := range []int64{10_000, 64 << 10, 100_001} {
		if _, err := f.WriteAt(t.Context(), mine, off); err != nil {
			t.Fatal(err)
		}
		copy(want[off:], mine)
	}
	// Shrinking and growing again makes the end zeros, which are ours; what comes for it later is dropped.
	if err := f.Truncate(t.Context(), 900_000); err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(t.Context(), size); err != nil {
		t.Fatal(err)
	}
	clear(want[900_000:])
	close(goOn)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := f.Ensure(t.Context(), 0, size, o.fetch); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(readAll(t, f), want) {
		t.Error("a fetched byte took the place of a written one")
	}
	if !f.Complete() {
		t.Error("not complete")
	}
}

func TestC7OneFetchForManyReaders(t *testing.T) {
	s := newStore(t, content.Config{})
	const size = 3 << 20
	f, o := cold(t, s, 1, size)
	start := make(chan struct{})
	o.gate = func(context.Context, int64) error { <-start; return nil }
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			p := make([]byte, 64<<10)
			for off := int64(0); off < size; off += int64(len(p)) {
				if n, err := f.Read(context.Background(), p, off, o.fetch); err != nil || !bytes.Equal(p[:n], o.data[off:off+int64(n)]) {
					t.Errorf("reader %d at %d: %d %v", i, off, n, err)
					return
				}
			}
		})
	}
	close(start)
	wg.Wait()
	if got := o.bytes.Load(); got != size {
		t.Errorf("fetched %d bytes of %d", got, size)
	}
}

func TestC7ErrorsReachAllAndAreForgotten(t *testing.T) {
	s := newStore(t, content.Config{})
	f, o := cold(t, s, 1, 200_000)
	broken := errors.New("broken")
	gate, failing := make(chan struct{}), true
	o.fail = func(int64, int64) error {
		<-gate
		if failing {
			return broken
		}
		return nil
	}
	errs := make(chan error)
	for range 8 {
		go func() { errs <- f.Ensure(context.Background(), 0, 4096, o.fetch) }()
	}
	close(gate)
	for range 8 {
		if err := <-errs; !errors.Is(err, broken) {
			t.Errorf("waiter got %v", err)
		}
	}
	failing = false
	if err := f.Ensure(t.Context(), 0, 4096, o.fetch); err != nil {
		t.Errorf("after the error: %v", err)
	}
}

func TestC7ACancelledFetchIsAnErrorLikeOthers(t *testing.T) {
	s := newStore(t, content.Config{})
	f, o := cold(t, s, 1, 1<<20)
	o.fail = func(int64, int64) error { return context.Canceled }
	if err := f.Ensure(t.Context(), 0, 4096, o.fetch); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestReopenAfterLeaving opens content again while the fetches of the reader that left are being given up.
func TestReopenAfterLeaving(t *testing.T) {
	s := newStore(t, content.Config{})
	const size = 4 << 20
	o := &origin{data: pattern(size, 1)}
	f := must[*content.File](t)(s.Cold(1, size))
	for range 50 {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := f.Ensure(ctx, 0, size, o.fetch); err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		f.Release()
		f = must[*content.File](t)(s.Open(1, content.State{Size: size}))
	}
	defer f.Release()
	if err := f.Ensure(t.Context(), 0, size, o.fetch); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(readAll(t, f), o.data) {
		t.Error("other bytes")
	}
}

func TestBodiesThatBreak(t *testing.T) {
	reset := errors.New("reset")
	for name, c := range map[string]struct {
		keep int64
		err  error
		want error
	}{
		"reset at once":    {0, reset, reset},
		"reset in between": {70_000, reset, reset},
		"short body":       {70_000, io.EOF, io.ErrUnexpectedEOF},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t, content.Config{})
			f, o := cold(t, s, 1, 200_000)
			o.cut = func(int64, int64) (int64, error) { return c.keep, c.err }
			if err := f.Ensure(t.Context(), 0, 200_000, o.fetch); !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if !f.Present(0, c.keep) {
				t.Error("what arrived was thrown away")
			}
			if f.Present(c.keep, 1) {
				t.Error("a byte is here that never arrived")
			}
			o.cut = nil
			if err := f.Ensure(t.Context(), 0, 200_000, o.fetch); err != nil || !bytes.Equal(readAll(t, f), o.data) {
				t.Fatalf("second try: %v", err)
			}
		})
	}
}

func TestWaitEndsWithItsContextAndTheFetchGoesOn(t *testing.T) {
	s := newStore(t, content.Config{})
	f, o := cold(t, s, 1, 200_000)
	begun, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	o.gate = func(context.Context, int64) error { once.Do(func() { close(begun) }); <-goOn; return nil }
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- f.Ensure(ctx, 0, 10, o.fetch) }()
	<-begun
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Fatalf("interrupted wait: %v", err)
	}
	close(goOn)
	if err := f.Ensure(t.Context(), 0, 200_000, o.fetch); err != nil {
		t.Fatal(err)
	}
	if n := o.requests.Load(); n != 1 {
		t.Errorf("%d requests: the fetch did not survive its first reader", n)
	}
}

func TestReaderThatLeavesStopsTheDownload(t *testing.T) {
	s := newStore(t, content.Config{})
	const size = 64 << 20
	f := must[*content.File](t)(s.Cold(1, size))
	o := &origin{data: make([]byte, size)}
	p := make([]byte, 128<<10)
	const read = 1 << 20
	for off := int64(0); off < read; off += int64(len(p)) {
		if _, err := f.Read(t.Context(), p, off, o.fetch); err != nil {
			t.Fatal(err)
		}
	}
	f.Release()
	if err := s.Close(); err != nil { // waits for what is still in flight
		t.Fatal(err)
	}
	if got := o.bytes.Load(); got > 32<<20 {
		t.Errorf("fetched %d bytes for a reader of %d", got, read)
	}
}

func TestRandomReadsFetchLittle(t *testing.T) {
	for _, n := range []int64{4 << 10, 16 << 10, 128 << 10} {
		s := newStore(t, content.Config{})
		const size = 64 << 20
		f := must[*content.File](t)(s.Cold(1, size))
		o := &origin{data: make([]byte, size)}
		r := rand.New(rand.NewPCG(7, uint64(n)))
		var asked int64
		p := make([]byte, n)
		for range 200 {
			off := r.Int64N(size-n) / 4096 * 4096
			if _, err := f.Read(t.Context(), p, off, o.fetch); err != nil {
				t.Fatal(err)
			}
			asked += n
		}
		f.Release()
		if got := o.bytes.Load(); got > 4*asked {
			t.Errorf("reads of %d: fetched %.1f times what was asked", n, float64(got)/float64(asked))
		}
	}
}

func TestSequentialReadAsksSeldom(t *testing.T) {
	s := newStore(t, content.Config{})
	const size = 64 << 20
	f, o := cold(t, s, 1, size)
	p := make([]byte, 128<<10)
	for off := int64(0); off < size; off += int64(len(p)) {
		if _, err := f.Read(t.Context(), p, off, o.fetch); err != nil {
			t.Fatal(err)
		}
	}
	if first := o.seen[0]; first.Len() > 128<<10 {
		t.Errorf("first chunk %v is not small", first)
	}
	if n := o.requests.Load(); n > 20 {
		t.Errorf("%d requests for %d MiB", n, size>>20)
	}
	if got := o.bytes.Load(); got != size {
		t.Errorf("fetched %d of %d", got, size)
	}
}

func TestProgressiveReading(t *testing.T) {
	s := newStore(t, content.Config{})
	f, o := cold(t, s, 1, 200_000)
	block := make(chan struct{})
	o.gate = func(_ context.Context, off int64) error {
		if off >= 64<<10 {
			<-block
		}
		return nil
	}
	if err := f.Ensure(t.Context(), 0, 60<<10, o.fetch); err != nil { // returns before the body is at its end
		t.Fatal(err)
	}
	close(block)
}

// Several wait for different ends of one fetch: each is served as soon as its bytes have come, though the rest does not.
func TestProgressiveReadingOfMany(t *testing.T) {
	for range 200 {
		s := newStore(t, content.Config{})
		f, o := cold(t, s, 1, 200_000)
		block, begin := make(chan struct{}), make(chan struct{})
		o.gate = func(_ context.Context, off int64) error {
			switch off {
			case 0:
				<-begin
			case 64 << 10:
				<-block
			}
			return nil
		}
		done := make(chan error)
		for i, n := range []int64{10 << 10, 32 << 10, 60 << 10} {
			go func() {
				if i == 2 {
					<-begin // it may come when the fetch already waits for more
				}
				done <- f.Ensure(t.Context(), 0, n, o.fetch)
			}()
		}
		close(begin)
		for range 3 {
			select {
			case err := <-done:
				if err != nil {
					t.Fatal(err)
				}
			case <-time.After(10 * time.Second):
				t.Fatal("bytes that have come are not handed on")
			}
		}
		close(block)
	}
}

func TestCloseEndsFetches(t *testing.T) {
	s := newStore(t, content.Config{})
	f, o := cold(t, s, 1, 10<<20)
	begun := make(chan struct{})
	var once sync.Once
	o.gate = func(ctx context.Context, _ int64) error {
		once.Do(func() { close(begun) })
		<-ctx.Done()
		return ctx.Err()
	}
	done := make(chan error)
	go func() { done <- f.Ensure(context.Background(), 0, 1<<20, o.fetch) }()
	<-begun
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, content.ErrClosed) {
		t.Errorf("waiter of a closed store: %v", err)
	}
	if err := f.Ensure(t.Context(), 0, 1<<20, o.fetch); !errors.Is(err, content.ErrClosed) {
		t.Errorf("fetch after close: %v", err)
	}
}
