package cache_test

import (
	"bytes"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"dropfs/cache"
	"dropfs/remote/remotetest"
)

// quotaBench is a replica with a drop d that takes max bytes, on a clock that the test moves on.
type quotaBench struct {
	*bench
	ahead atomic.Int64 // nanoseconds
}

func startQuota(t *testing.T, limit int64) *quotaBench {
	t.Helper()
	q := &quotaBench{}
	fake := remotetest.NewFake(remotetest.FakeConfig{MaxSize: limit})
	q.bench = start(t, fake, t.TempDir(), func(c *cache.Config) {
		c.Now = func() time.Time { return time.Now().Add(time.Duration(q.ahead.Load())) }
	})
	q.mkdir("d")
	q.sync()
	return q
}

// recount has the next write count the quota again.
func (q *quotaBench) recount() { q.ahead.Add(int64(3 * time.Second)) }

func (q *quotaBench) create(path string) *cache.Handle {
	q.t.Helper()
	dir, name := split(path)
	h, _, err := q.r.Create(q.t.Context(), q.at(dir), name, 0o644, cache.OpenRead|cache.OpenWrite, owner)
	if err != nil {
		q.t.Fatal(err)
	}
	return h
}

func (q *quotaBench) write(h *cache.Handle, off, n int64) error {
	_, err := h.Write(q.t.Context(), bytes.Repeat([]byte("x"), int(n)), off)
	return err
}

func (q *quotaBench) cut(h *cache.Handle, size int64) {
	q.t.Helper()
	if _, err := q.r.SetAttr(q.t.Context(), h.Ino(), cache.SetAttr{Size: &size}); err != nil {
		q.t.Fatal(err)
	}
}

func TestQuota(t *testing.T) {
	const limit = 1 << 20
	for name, run := range map[string]func(q *quotaBench, h *cache.Handle) error{
		"one write": func(q *quotaBench, h *cache.Handle) error { return q.write(h, 0, limit+1) },
		"an open file grows over several counts": func(q *quotaBench, h *cache.Handle) error {
			for off := int64(0); off < limit; off += limit / 4 {
				if err := q.write(h, off, limit/4); err != nil {
					return errors.Join(errors.New("too early"), err)
				}
				q.recount()
			}
			return q.write(h, limit, 1)
		},
		"two open files together": func(q *quotaBench, h *cache.Handle) error {
			other := q.create("d/other")
			defer q.release(other)
			if err := q.write(other, 0, limit/2); err != nil {
				q.t.Fatal(err)
			}
			q.recount()
			return q.write(h, 0, limit/2+1)
		},
		"a hole counts": func(q *quotaBench, h *cache.Handle) error { return q.write(h, limit, 1) },
		"cut and written again, closed between": func(q *quotaBench, h *cache.Handle) error {
			q.put("d/other", string(make([]byte, limit/2)))
			q.put("d/other", string(make([]byte, limit/4)))
			return q.write(h, 0, 3*limit/4+1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			q := startQuota(t, limit)
			h := q.create("d/f")
			defer q.release(h)
			if err := run(q, h); err == nil || !errors.Is(err, cache.ErrQuota) || err.Error() != cache.ErrQuota.Error() {
				t.Errorf("%v, want ErrQuota at the write that crosses the limit", err)
			}
		})
	}
}

func TestWhatIsFreedCountsAtOnce(t *testing.T) {
	const limit = 1 << 20
	for name, step := range map[string]func(q *quotaBench, h *cache.Handle) error{
		"cut to nothing": func(q *quotaBench, h *cache.Handle) error {
			defer q.cut(h, 0)
			return q.write(h, 0, limit)
		},
		"cut in part": func(q *quotaBench, h *cache.Handle) error {
			defer q.cut(h, limit/2)
			return q.write(h, limit/2, limit/2)
		},
		"opened to be truncated": func(q *quotaBench, _ *cache.Handle) error {
			return q.tryPut("d/other", string(make([]byte, 3*limit/4)))
		},
		"deleted when it was sent": func(q *quotaBench, _ *cache.Handle) error {
			err := q.tryPut("d/other", string(make([]byte, 3*limit/4)))
			if err == nil {
				q.sync()
				q.unlink("d/other")
			}
			return err
		},
		"deleted": func(q *quotaBench, _ *cache.Handle) error {
			err := q.tryPut("d/other", string(make([]byte, limit)))
			if err == nil {
				q.unlink("d/other")
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			q := startQuota(t, limit)
			h := q.create("d/f")
			defer q.release(h)
			for i := range 10 {
				if err := step(q, h); err != nil {
					t.Fatalf("round %d: %v", i, err)
				}
			}
		})
	}
}

func (q *quotaBench) release(h *cache.Handle) {
	if err := h.Release(); err != nil {
		q.t.Error(err)
	}
}
