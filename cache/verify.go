package cache

import (
	"context"
	"crypto/md5" //nolint:gosec // the checksum that services tell
	"encoding/hex"
	"io"
	"math"

	"dropfs/cache/content"
	"dropfs/cache/index"
)

// verifyContent compares content that is here with the checksum of the asset that it is the content of. What no checksum
// is known of must at least be readable.
func (r *Replica) verifyContent(ctx context.Context, c index.Content) (ok bool, err error) {
	want := ""
	err = r.read(func(t *txn) error {
		n, found, err := t.Node(c.Ino)
		if err != nil || !found || c.Dirty {
			return err
		}
		assets, err := t.AssetsWith(n.Ino, n.Chg)
		for _, a := range assets {
			if a.Remote.MD5 != "" {
				want = a.Remote.MD5
			}
		}
		return err
	})
	if err != nil {
		return false, err
	}
	f, err := r.store.Open(content.ID(c.ID), content.State{Size: c.Size, Complete: true, Dirty: c.Dirty})
	if err != nil {
		return false, nil //nolint:nilerr // a content file that cannot be opened is a finding, not a failure to look
	}
	defer f.Release()
	sum := md5.New() //nolint:gosec // as above
	buf := make([]byte, 1<<20)
	src := io.NewSectionReader(f, 0, math.MaxInt64)
	for {
		n, rerr := src.Read(buf)
		sum.Write(buf[:n])
		if rerr == io.EOF {
			break
		}
		if rerr != nil {
			return false, nil //nolint:nilerr // unreadable is a finding
		}
		if ctx.Err() != nil {
			return true, ctx.Err()
		}
	}
	return want == "" || want == hex.EncodeToString(sum.Sum(nil)), nil
}
