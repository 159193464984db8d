package cache

// origin says that a file is so far a copy of the beginning of another, made by copy_file_range: where the service can
// copy, the bytes need not be sent twice. It is only a hint, kept in memory; the upload checks that both files are
// still what they were.
type origin struct {
	from    Ino
	fromChg int64
	chg     int64 // of the copy
	size    int64 // copied from the beginning on
}

// sentVersion answers the change of an inode whose bytes the service has; 0 where it has not. While it stays the same, so
// do the bytes.
func (r *Replica) sentVersion(ino Ino) (chg int64) {
	err := r.read(func(t *txn) error {
		n, err := t.node(ino)
		if err != nil {
			return err
		}
		if c, found, err := t.Content(n.Content); err != nil || found && c.Dirty {
			return err
		}
		assets, err := t.AssetsWith(n.Ino, n.Chg)
		if len(assets) > 0 {
			chg = n.Chg
		}
		return err
	})
	if err != nil {
		return 0
	}
	return chg
}

// copied notes n bytes that CopyTo copied at off from one file, whose version was sent when that began, to another.
func (r *Replica) copied(from Ino, sent int64, to Ino, off, n int64) {
	if n == 0 || sent == 0 || r.sentVersion(from) != sent {
		return
	}
	o := origin{from: from, fromChg: sent, size: n}
	err := r.read(func(t *txn) error {
		dst, err := t.node(to)
		o.chg = dst.Chg
		return err
	})
	if err != nil {
		return // a hint is lost
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	old, known := r.origins[to]
	switch {
	case off == 0:
	case known && old.from == from && old.fromChg == sent && old.chg == o.chg && old.size == off:
		o.size += old.size
	default:
		return
	}
	if len(r.origins) >= maxOrigins {
		clear(r.origins)
	}
	r.origins[to] = o
}

// maxOrigins bounds what is remembered of copies that are not sent yet.
const maxOrigins = 10000

// originOf answers the file whose present bytes an inode has by copying, where that is known.
func (r *Replica) originOf(s *entryState) (ino Ino, chg int64, ok bool) {
	r.mu.Lock()
	o, known := r.origins[Ino(s.node.Ino)]
	r.mu.Unlock()
	if !known || o.chg != s.node.Chg || o.size != s.node.Size {
		return 0, 0, false
	}
	err := r.read(func(t *txn) error {
		src, err := t.node(o.from)
		ok = err == nil && src.Chg == o.fromChg && src.Size == o.size
		return err
	})
	return o.from, o.fromChg, ok && err == nil
}

// forgetOrigin is called when something else is written into a file.
func (r *Replica) forgetOrigin(ino Ino) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.origins, ino)
}
