package cache

import (
	"context"
	"crypto/md5" //nolint:gosec // the services tell no other checksum; it decides over no secret
	"encoding/hex"
	"errors"
	"io"

	"dropfs/cache/content"
	"dropfs/cache/index"
	"dropfs/cache/refresh"
	"dropfs/remote"
)

// sum is the MD5 of the bytes of an unsent file at one change of it.
type sum struct {
	chg int64
	md5 string
}

// sumRivals computes the checksums of unsent files under whose name the service has a new asset of the same size: equal
// bytes are no conflict. It is done before the merge, which must not wait for a disk; what changes meanwhile is not equal.
func (r *Replica) sumRivals(ctx context.Context, drop int64, h heard) (map[Ino]sum, error) {
	var rivals []Ino
	err := r.read(func(t *txn) error {
		for _, a := range h.assets {
			n, found, err := t.rivalOf(drop, a)
			if err != nil {
				return err
			}
			if found {
				rivals = append(rivals, Ino(n.Ino))
			}
		}
		return nil
	})
	if err != nil || len(rivals) == 0 {
		return nil, err
	}
	sums := map[Ino]sum{}
	for _, ino := range rivals {
		s, err := r.sumOf(ctx, ino)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err == nil {
			sums[ino] = s // else it is not known to be equal
		}
	}
	return sums, nil
}

// rivalOf finds the unsent file under whose name the service has an asset that is not known yet, and of the same size.
func (t *txn) rivalOf(drop int64, a remote.Asset) (n index.Node, found bool, err error) {
	if a.MD5 == "" {
		return n, false, nil
	}
	if _, known, err := t.Asset(drop, a.ID); err != nil || known {
		return n, false, err
	}
	_, n, found, err = t.atWire(drop, refresh.Canonical(a.Name))
	if err != nil || !found || !isFile(n.Mode) || n.Size != a.Size {
		return n, false, err
	}
	c, found, err := t.Content(n.Content)
	return n, found && c.Dirty, err
}

// sumOf reads a file that is whole here. A write begins a new change as soon as the reading has begun, as for an upload.
func (r *Replica) sumOf(ctx context.Context, ino Ino) (s sum, err error) {
	in := r.acquire(ino, false)
	defer func() { err = errors.Join(err, in.release(false)) }()
	var file *content.File
	in.mu.Lock()
	if err = in.load(); err == nil {
		err = in.settle(false)
	}
	if err == nil {
		in.armed, file = false, in.file
		err = r.read(func(t *txn) error {
			n, err := t.node(ino)
			s.chg = n.Chg
			return err
		})
	}
	in.mu.Unlock()
	if err != nil {
		return s, err
	}
	h := md5.New() //nolint:gosec // see above
	for off, buf := int64(0), make([]byte, 256<<10); ; {
		n, err := (&sealedReader{in: in, file: file}).ReadAt(buf, off)
		h.Write(buf[:n])
		off += int64(n)
		switch {
		case errors.Is(err, io.EOF):
			s.md5 = hex.EncodeToString(h.Sum(nil))
			return s, ctx.Err()
		case err != nil:
			return s, err
		case ctx.Err() != nil:
			return s, ctx.Err()
		}
	}
}

// is tells whether a checksum is that of a node as it is now.
func (s sum) is(n index.Node) bool { return s.md5 != "" && s.chg == n.Chg }
