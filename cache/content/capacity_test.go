package content_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"dropfs/cache/content"
)

// fill makes content id of size bytes, complete, dirty or clean, and closes it.
func fill(t testing.TB, s *content.Store, id content.ID, size int64, dirty bool) content.State {
	t.Helper()
	f := must[*content.File](t)(s.Create(id))
	defer f.Release()
	if _, err := f.WriteAt(t.Context(), pattern(size, uint64(id)), 0); err != nil {
		t.Fatal(err)
	}
	if err := f.SetDirty(dirty); err != nil {
		t.Fatal(err)
	}
	return f.State()
}

func TestEvictionOrder(t *testing.T) {
	var gone []content.ID
	s := newStore(t, content.Config{MaxBytes: 400 << 10, Evict: func(ids []content.ID) error {
		gone = append(gone, ids...)
		return nil
	}})
	st := map[content.ID]content.State{}
	for id := content.ID(1); id <= 4; id++ {
		st[id] = fill(t, s, id, 100<<10, false)
	}
	f := must[*content.File](t)(s.Open(1, st[1])) // 1 is now the last used
	f.Release()
	s.Touch(2)
	fill(t, s, 5, 150<<10, false)
	if want := []content.ID{3, 4}; !slices.Equal(gone, want) {
		t.Errorf("gone %v, want %v", gone, want)
	}
	if got, want := s.Recency(), []content.ID{1, 2, 5}; !slices.Equal(got, want) {
		t.Errorf("recency %v, want %v", got, want)
	}
	if u := s.Usage(); u.Allocated > u.Max || u.Files != 3 {
		t.Errorf("usage %+v", u)
	}
}

func TestC2DirtyPinnedOpenStay(t *testing.T) {
	s := newStore(t, content.Config{MaxBytes: 400 << 10, Wait: -1, Evict: func(ids []content.ID) error {
		t.Errorf("asked to evict %v", ids)
		return nil
	}})
	fill(t, s, 1, 100<<10, true)
	fill(t, s, 2, 100<<10, false)
	s.Pin(2, true)
	st := fill(t, s, 3, 100<<10, false)
	f := must[*content.File](t)(s.Open(3, st))
	defer f.Release()
	g := must[*content.File](t)(s.Create(4))
	defer g.Release()
	if _, err := g.WriteAt(t.Context(), make([]byte, 200<<10), 0); !errors.Is(err, content.ErrFull) {
		t.Fatalf("write over the capacity: %v", err)
	}
	if err := s.Prune(0); err != nil {
		t.Fatal(err)
	}
	if u := s.Usage(); u.Files != 4 || u.Allocated < 300<<10 || u.Pinned < 100<<10 {
		t.Errorf("usage %+v", u)
	}
	if !bytes.Equal(readAll(t, f), pattern(100<<10, 3)) {
		t.Error("open content lost its bytes")
	}
}

func TestC3IndexIsToldFirstAndMayRefuse(t *testing.T) {
	dir := t.TempDir()
	veto := errors.New("veto")
	refuse := true
	var s *content.Store
	s = newStore(t, content.Config{Dir: dir, MaxBytes: 300 << 10, Wait: -1, Evict: func(ids []content.ID) error {
		s.Usage() // no lock is held
		for _, id := range ids {
			if _, err := os.Stat(dir + "/0" + string('0'+rune(id)) + "/" + string('0'+rune(id))); err != nil {
				t.Errorf("bytes of %d went before the index was told", id)
			}
		}
		if refuse {
			return veto
		}
		return nil
	}})
	st := fill(t, s, 1, 200<<10, false)
	f := must[*content.File](t)(s.Create(2))
	defer f.Release()
	if _, err := f.WriteAt(t.Context(), make([]byte, 200<<10), 0); !errors.Is(err, content.ErrFull) || !errors.Is(err, veto) {
		t.Fatalf("refused eviction: %v", err)
	}
	g := must[*content.File](t)(s.Open(1, st))
	if !bytes.Equal(readAll(t, g), pattern(200<<10, 1)) {
		t.Error("refused eviction took bytes")
	}
	g.Release()
	refuse = false
	if _, err := f.WriteAt(t.Context(), make([]byte, 200<<10), 0); err != nil {
		t.Fatal(err)
	}
	// C4: the State that was read before the eviction does not bring holes as data.
	g = must[*content.File](t)(s.Open(1, st))
	defer g.Release()
	if g.Complete() || g.Present(0, 1) || g.Size() != st.Size {
		t.Errorf("evicted content: complete %v, size %d", g.Complete(), g.Size())
	}
}

func TestReadersAreServedWithoutRoom(t *testing.T) {
	s := newStore(t, content.Config{MaxBytes: 1 << 20, Wait: -1})
	fill(t, s, 1, 1<<20, true)
	const size = 5<<20 + 123
	f, o := cold(t, s, 2, size)
	if err := f.Ensure(t.Context(), 0, 4096, o.fetch); !errors.Is(err, content.ErrFull) {
		t.Fatalf("ensure without room: %v", err)
	}
	p := make([]byte, 100_000)
	before := o.requests.Load()
	for off := int64(0); off < size; {
		n, err := f.Read(t.Context(), p, off, o.fetch)
		if n == 0 || !bytes.Equal(p[:n], o.data[off:off+int64(n)]) {
			t.Fatalf("at %d: %d %v", off, n, err)
		}
		off += int64(n)
	}
	if n := o.requests.Load() - before; n > 12 {
		t.Errorf("%d requests for 5 MiB in order", n)
	}
	if u := s.Usage(); u.Allocated > u.Max {
		t.Errorf("usage %+v", u)
	}
}

func TestWriterWaitsForRoom(t *testing.T) {
	s := newStore(t, content.Config{MaxBytes: 300 << 10, Wait: time.Minute})
	st := fill(t, s, 1, 200<<10, true)
	f := must[*content.File](t)(s.Create(2))
	defer f.Release()
	done := make(chan error)
	go func() {
		_, err := f.WriteAt(context.Background(), make([]byte, 200<<10), 0)
		done <- err
	}()
	g := must[*content.File](t)(s.Open(1, st))
	if err := g.SetDirty(false); err != nil { // write-back is through
		t.Fatal(err)
	}
	g.Release()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, err := f.WriteAt(ctx, make([]byte, 200<<10), 200<<10)
		done <- err
	}()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) && !errors.Is(err, content.ErrFull) {
		t.Fatalf("interrupted writer: %v", err)
	}
}

func TestC5CapacityUnderLoad(t *testing.T) {
	const capacity = 8 << 20
	var mu sync.Mutex
	evicted := map[content.ID]bool{}
	s := newStore(t, content.Config{MaxBytes: capacity, Wait: 10 * time.Millisecond, Evict: func(ids []content.ID) error {
		mu.Lock()
		defer mu.Unlock()
		for _, id := range ids {
			evicted[id] = true
		}
		return nil
	}})
	var next atomic.Int64
	stop := make(chan struct{})
	var watch, work sync.WaitGroup
	watch.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				if u := s.Usage(); u.Allocated > capacity {
					t.Errorf("allocated %d of %d", u.Allocated, capacity)
					return
				}
			}
		}
	})
	for w := range 4 {
		work.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 3))
			for range 60 {
				id := content.ID(next.Add(1))
				size := 1 + r.Int64N(1<<20)
				if w%2 == 0 {
					readOne(t, s, id, size)
				} else {
					writeOne(t, s, id, size, r)
				}
			}
		})
	}
	work.Wait()
	close(stop)
	watch.Wait()
	if len(evicted) == 0 {
		t.Error("nothing was evicted: the load was none")
	}
}

func readOne(t *testing.T, s *content.Store, id content.ID, size int64) {
	o := &origin{data: pattern(size, uint64(id))}
	f, err := s.Cold(id, size)
	if err != nil {
		t.Error(err)
		return
	}
	defer f.Release()
	p := make([]byte, size)
	if n, err := f.Read(context.Background(), p, 0, o.fetch); err != nil || int64(n) != size || !bytes.Equal(p, o.data) {
		t.Errorf("read: %d of %d: %v", n, size, err)
	}
}

func writeOne(t *testing.T, s *content.Store, id content.ID, size int64, r *rand.Rand) {
	f, err := s.Create(id)
	if err != nil {
		t.Error(err)
		return
	}
	defer f.Release()
	data := pattern(size, uint64(id))
	for off := int64(0); off < size; {
		n, err := f.WriteAt(context.Background(), data[off:min(size, off+1+r.Int64N(100_000))], off)
		if err != nil && !errors.Is(err, content.ErrFull) {
			t.Error(err)
			return
		}
		off += int64(n)
	}
	if got := readAll(t, f); !bytes.Equal(got, data) {
		t.Error("written bytes read differently")
	}
	if err := f.SetDirty(false); err != nil {
		t.Error(err)
	}
}
