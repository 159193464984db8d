package cache

// isEcho tells whether a change of the feed says only what is known already: mostly it is our own doing, and needs no look
// at the whole drop. Its number is remembered then.
func (r *Replica) isEcho(drop int64, h heard) (echo bool, err error) {
	if h.complete {
		return false, nil
	}
	echo = true
	err = r.read(func(t *txn) error {
		for _, a := range h.assets {
			known, found, err := t.Asset(drop, a.ID)
			if err != nil {
				return err
			}
			echo = echo && found && known.Remote.Name == a.Name && known.Remote.Size == a.Size
		}
		for _, id := range h.gone {
			_, found, err := t.Asset(drop, id)
			if err != nil {
				return err
			}
			echo = echo && !found
		}
		return nil
	})
	echo = echo && err == nil
	if echo {
		r.recentOf(drop).heardOf(h)
	}
	return echo, err
}
