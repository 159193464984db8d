package cache

import (
	"sync/atomic"
	"time"

	"dropfs/cache/index"
)

// transfer is bytes on their way, for status.
type transfer struct {
	ino   int64
	path  string
	up    bool
	total int64
	began time.Time
	done  atomic.Int64
}

func (tr *transfer) add(n int64) { tr.done.Add(n) }

// startTransfer shows a transfer in the status until endTransfer.
func (r *Replica) startTransfer(e index.Entry, up bool, total int64) *transfer {
	tr := &transfer{ino: e.Ino, up: up, total: total, began: r.cfg.Now(), path: e.Name}
	err := r.read(func(t *txn) (err error) {
		tr.path, err = t.path(e.Parent, e.Name)
		return err
	})
	if err != nil {
		tr.path = e.Name
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.transfers[tr] = true
	return tr
}

func (r *Replica) endTransfer(tr *transfer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.transfers, tr)
}

// transfersNow lists what is on its way.
func (r *Replica) transfersNow() []Transfer {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]Transfer, 0, len(r.transfers))
	for tr := range r.transfers {
		done := tr.done.Load()
		t := Transfer{Path: tr.path, Up: tr.up, Done: done, Total: tr.total}
		if d := r.cfg.Now().Sub(tr.began).Seconds(); d > 0 {
			t.Rate = float64(done) / d
		}
		out = append(out, t)
	}
	return out
}

// percentOf tells how much of an inode's upload has been sent; ok is false where there is none.
func (r *Replica) percentOf(ino int64) (percent int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for tr := range r.transfers {
		if tr.ino == ino && tr.up {
			if tr.total == 0 {
				return 100, true
			}
			return int(min(100, tr.done.Load()*100/tr.total)), true
		}
	}
	return 0, false
}
