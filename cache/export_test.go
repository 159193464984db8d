package cache

import (
	"errors"

	"dropfs/cache/index"
)

// SetFault has fn called at the named points of the replica that c opens (Replica.at).
func (c *Config) SetFault(fn func(point string)) { c.fault = fn }

// errThawed ends the transaction of Freeze.
var errThawed = errors.New("thawed")

// Freeze runs fn while the index can not change: what is in the state directory then is what a kill would leave.
func (r *Replica) Freeze(fn func() error) error {
	var err error
	werr := r.idx.Write(func(*index.Tx) error {
		err = fn()
		return errThawed
	})
	if !errors.Is(werr, errThawed) {
		return werr
	}
	return err
}

// AgeBoot makes everything that is held look as if it was written before the machine started.
func (r *Replica) AgeBoot() error {
	return r.writeAlways(func(t *txn) error {
		var list []index.Content
		if err := t.Contents(func(c index.Content) { list = append(list, c) }); err != nil {
			return err
		}
		for _, c := range list {
			c.Boot = "an earlier one"
			if err := t.UpdateContent(c); err != nil {
				return err
			}
		}
		return nil
	})
}

// SyncLocal does what Run does every second.
func (r *Replica) SyncLocal() error { return r.syncLocal() }
