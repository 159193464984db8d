package cache

import (
	"context"
	"errors"
	"fmt"

	"dropfs/cache/content"
	"dropfs/cache/index"
	"dropfs/remote"
)

// Pin keeps a file, or all below a directory, here always; on is false: no longer. What is not here is fetched before
// Pin returns.
func (r *Replica) Pin(ctx context.Context, ino Ino, on bool) error {
	if err := r.ready(ctx, ino); err != nil {
		return err
	}
	var children []index.Entry
	var n index.Node
	err := r.writeAlways(func(t *txn) error {
		var err error
		if n, err = t.node(ino); err != nil {
			return err
		}
		n.Flags &^= index.Pinned
		if on {
			n.Flags |= index.Pinned
		}
		if err := t.UpdateNode(n); err != nil {
			return err
		}
		if isDir(n.Mode) {
			children, err = t.Children(n.Ino)
		}
		return err
	})
	if err != nil {
		return err
	}
	if isFile(n.Mode) {
		r.store.Pin(content.ID(n.Content), on)
		if on {
			return r.fetchWhole(ctx, ino)
		}
	}
	for _, e := range children {
		if err := r.Pin(ctx, Ino(e.Ino), on); err != nil && !errors.Is(err, ErrStale) {
			return err
		}
	}
	return nil
}

// fetchWhole makes all of a file be here.
func (r *Replica) fetchWhole(ctx context.Context, ino Ino) error {
	in := r.acquire(ino, false)
	in.mu.Lock()
	err := in.load()
	file, size := in.file, in.size
	in.mu.Unlock()
	if err == nil && !file.Complete() {
		err = in.ensure(ctx, file, 0, size)
	}
	if err == nil {
		file.SetPinned(true)
	}
	return errors.Join(err, in.release(false))
}

// CachePrune evicts what may be evicted until no more than target bytes are held.
func (r *Replica) CachePrune(_ context.Context, target int64) error {
	return asSpace(r.store.Prune(target))
}

// CacheVerify reads all content that is here and whole, and answers the paths of what differs from what the service said
// of it. progress is called as it goes; it may be nil.
func (r *Replica) CacheVerify(ctx context.Context, progress func(done, total int)) (bad []string, err error) {
	var list []index.Content
	err = r.read(func(t *txn) error {
		return t.Contents(func(c index.Content) {
			if c.Complete {
				list = append(list, c)
			}
		})
	})
	for i, c := range list {
		if err != nil || ctx.Err() != nil {
			return bad, errors.Join(err, ctx.Err())
		}
		var ok bool
		if ok, err = r.verifyContent(ctx, c); err == nil && !ok {
			path, perr := r.Path(ctx, Ino(c.Ino))
			if perr != nil {
				path = fmt.Sprintf("inode %d", c.Ino)
			}
			bad = append(bad, path)
		}
		if progress != nil {
			progress(i+1, len(list))
		}
	}
	return bad, err
}

// CanLink tells whether the service is known to make links that change nothing about who may read. It asks nobody.
func (r *Replica) CanLink() bool {
	c := r.caps.Load()
	return c != nil && c.PublicLink
}

// Share answers a URL under which anybody can read a file; public allows its permissions to be changed for that.
func (r *Replica) Share(ctx context.Context, ino Ino, public bool) (string, error) {
	if err := r.Sync(ctx, []Ino{ino}); err != nil {
		return "", err
	}
	f, err := r.Info(ctx, ino)
	if err != nil {
		return "", err
	}
	if f.Asset.ID == "" {
		return "", fmt.Errorf("%w: only a file that is sent can be shared", remote.ErrInvalid)
	}
	return r.cfg.Service.Link(ctx, f.Drop.ID, f.Asset.ID, public)
}
