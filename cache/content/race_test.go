package content_test

import (
	"bytes"
	"context"
	"math/rand/v2"
	"sync"
	"testing"

	"dropfs/cache/content"
)

// TestC4StaleStateNeverShowsHoles lets readers come with the State that was true before any eviction, while all content
// is evicted again and again.
func TestC4StaleStateNeverShowsHoles(t *testing.T) {
	const ids, size = 6, 300_000
	s := newStore(t, content.Config{})
	states := make([]content.State, ids+1)
	origins := make([]*origin, ids+1)
	for id := content.ID(1); id <= ids; id++ {
		states[id] = fill(t, s, id, size, false)
		origins[id] = &origin{data: pattern(size, uint64(id))}
	}
	stop := make(chan struct{})
	var pruner, readers sync.WaitGroup
	pruner.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				if err := s.Prune(0); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	for w := range 4 {
		readers.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 9))
			p := make([]byte, 20_000)
			for range 300 {
				id := content.ID(1 + r.IntN(ids))
				f, err := s.Open(id, states[id])
				if err != nil {
					t.Error(err)
					return
				}
				off := r.Int64N(size - int64(len(p)))
				n, err := f.Read(context.Background(), p, off, origins[id].fetch)
				if err != nil || !bytes.Equal(p[:n], origins[id].data[off:off+int64(len(p))]) {
					t.Errorf("content %d at %d: %d bytes, %v", id, off, n, err)
				}
				f.Release()
			}
		})
	}
	readers.Wait()
	close(stop)
	pruner.Wait()
	if err := s.Prune(0); err != nil {
		t.Fatal(err)
	}
	var fetched int64
	for _, o := range origins[1:] {
		fetched += o.requests.Load()
	}
	if fetched == 0 {
		t.Error("nothing was ever evicted: the test tested nothing")
	}
}

// TestWritersAndFetchesTogether has writers and readers on one partial content; each writer owns blocks and knows what
// must be in them.
func TestWritersAndFetchesTogether(t *testing.T) {
	const block, blocks = 10_000, 400
	s := newStore(t, content.Config{})
	f, o := cold(t, s, 1, block*blocks)
	if err := f.SetDirty(true); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 5))
			mine := map[int64][]byte{}
			p := make([]byte, block)
			for range 300 {
				b := int64(w) + 4*r.Int64N(blocks/4)
				if r.IntN(2) == 0 {
					mine[b] = pattern(block, r.Uint64())
					if _, err := f.WriteAt(context.Background(), mine[b], b*block); err != nil {
						t.Error(err)
					}
					continue
				}
				want := mine[b]
				if want == nil {
					want = o.data[b*block : (b+1)*block]
				}
				if _, err := f.Read(context.Background(), p, b*block, o.fetch); err != nil || !bytes.Equal(p, want) {
					t.Errorf("block %d: %v, first difference at %d", b, err, difference(p, want))
					return
				}
			}
		})
	}
	wg.Wait()
}
