package cache

import (
	"sync"

	"dropfs/cache/index"
	"dropfs/remote"
)

// traffic tells when nothing of this replica is changing what the service holds. What the service says of a drop's room
// counts only then: reservations and confirms that are under way are in its figure and in ours.
type traffic struct {
	mu    sync.Mutex
	busy  int
	epoch int64 // grows whenever something begins or ends
}

// begin notes a change that begins; its end is told by calling what it returns.
func (c *traffic) begin() (end func()) {
	step := func(n int) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.busy += n
		c.epoch++
	}
	step(1)
	return func() { step(-1) }
}

// calm is an instant at which nothing was changing; the zero value is none.
type calm int64

// now answers the present instant as a calm, zero where it is none.
func (c *traffic) now() calm {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy > 0 {
		return 0
	}
	return calm(c.epoch + 1)
}

// told takes over what the service says of a drop, asked for at the instant since. What it says of the room that is used
// is taken where nothing was changed from here since then, and no upload waits half done; stale tells that it was not.
func (t *txn) told(known *index.Drop, d remote.Drop, since calm) (stale bool, err error) {
	if d.GB == 0 {
		d.GB, d.Days = known.Remote.GB, known.Remote.Days
	}
	ours := known.Remote
	known.Remote = d
	if ours.MaxSize == 0 {
		return false, nil
	}
	under, err := t.uploading(known.Ino)
	if err != nil {
		return false, err
	}
	if under || since == 0 || t.r.traffic.now() != since {
		known.Remote.Used = ours.Used
		return true, nil
	}
	return false, nil
}

// uploading tells whether an upload into a drop was begun and has not ended.
func (t *txn) uploading(drop int64) (bool, error) {
	ops, err := t.Ops()
	for _, op := range ops {
		if sg, ok := uploadOf(op); ok && sg.Drop == drop {
			return true, err
		}
	}
	return false, err
}
