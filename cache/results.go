package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"dropfs/cache/content"
	"dropfs/cache/index"
)

// A result is a file made of others by a conversion, kept under a key. It is content like any other, clean from the first:
// it is evicted when room is needed, and made again. It has an inode and no name, and is never sent.

// Version names the content of a file as it is now: what has another version may have other bytes.
func (r *Replica) Version(ctx context.Context, ino Ino) (string, error) {
	a, err := r.GetAttr(ctx, ino)
	if err != nil {
		return "", err
	}
	var n index.Node
	err = r.read(func(t *txn) (err error) {
		n, err = t.node(ino)
		return err
	})
	return version(n, a), err
}

// CopyOut writes the bytes of a file to a new file at path, fetching what is not here.
func (r *Replica) CopyOut(ctx context.Context, ino Ino, path string) error {
	h, err := r.Open(ctx, ino, OpenRead)
	if err != nil {
		return err
	}
	return errors.Join(h.copyOut(ctx, path), h.Release())
}

func (h *Handle) copyOut(ctx context.Context, path string) error {
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrIO, err)
	}
	buf := make([]byte, copyBuffer)
	for off := int64(0); ; {
		n, err := h.Read(ctx, buf, off)
		if err != nil || n == 0 {
			return errors.Join(err, out.Close())
		}
		if _, err := out.Write(buf[:n]); err != nil {
			return errors.Join(asSpace(err), out.Close())
		}
		off += int64(n)
	}
}

// KeepResult takes over the bytes of the file at path as the result of a key, and removes that file. about is kept with it.
//
// Killed before the commit: nothing, but perhaps a content file that no row names, which the next start sweeps. Killed
// after it: the result is there.
func (r *Replica) KeepResult(ctx context.Context, key, path string, mtime time.Time, about []byte) error {
	file, err := r.store.Create(r.newContentID())
	if err != nil {
		return asSpace(err)
	}
	size, err := fill(ctx, file, path)
	var old content.ID
	if err == nil {
		err = r.writeAlways(func(t *txn) (err error) {
			old, err = t.putResult(key, int64(file.ID()), size, mtime, about)
			return err
		})
	}
	if err != nil {
		file.Release()
		return errors.Join(err, r.store.Remove(file.ID()))
	}
	err = asSpace(file.SetDirty(false))
	file.Release()
	if old != 0 {
		err = errors.Join(err, asSpace(r.store.Remove(old)))
	}
	return errors.Join(err, os.Remove(path))
}

// fill writes the bytes of the file at path into a new content.
func fill(ctx context.Context, file *content.File, path string) (size int64, err error) {
	in, err := os.Open(path)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrIO, err)
	}
	defer func() { _ = in.Close() }()
	buf := make([]byte, copyBuffer)
	for {
		n, err := in.Read(buf)
		if n > 0 {
			if _, err := file.WriteAt(ctx, buf[:n], size); err != nil {
				return size, asSpace(err)
			}
			size += int64(n)
		}
		switch {
		case errors.Is(err, io.EOF):
			return size, nil
		case err != nil:
			return size, fmt.Errorf("%w: %w", ErrIO, err)
		}
	}
}

// putResult records content cid as the result of a key, and answers the content that it takes the place of; 0 none.
func (t *txn) putResult(key string, cid, size int64, mtime time.Time, about []byte) (old content.ID, err error) {
	ino, _, found, err := t.Result(key)
	if err != nil {
		return 0, err
	}
	now := t.now.UnixNano()
	n := index.Node{Mode: unix.S_IFREG | 0o444, UID: t.r.cfg.UID, GID: t.r.cfg.GID, Nlink: 1, Chg: 1, Btime: now}
	if found {
		if n, err = t.node(Ino(ino)); err != nil {
			return 0, err
		}
		old = content.ID(n.Content)
		if err := t.DeleteContent(n.Content); err != nil {
			return 0, err
		}
	}
	n.Size, n.Content, n.Atime, n.Mtime, n.Ctime = size, cid, now, mtime.UnixNano(), now
	if found {
		err = t.UpdateNode(n)
	} else {
		n.Ino, err = t.InsertNode(n)
	}
	if err != nil {
		return 0, err
	}
	if err := t.InsertContent(index.Content{ID: cid, Ino: n.Ino, Size: size, Complete: true, Boot: t.r.boot}); err != nil {
		return 0, err
	}
	return old, t.PutResult(key, n.Ino, about)
}

// result finds the node of a result that is here.
func (t *txn) result(key string) (n index.Node, about []byte, ok bool, err error) {
	ino, about, found, err := t.Result(key)
	if err != nil || !found {
		return n, nil, false, err
	}
	if n, err = t.node(Ino(ino)); err != nil || n.Content == 0 {
		return n, nil, false, err
	}
	c, found, err := t.Content(n.Content)
	return n, about, found && c.Complete, err
}

// ResultAttr tells what stat tells of a result; ok is false where there is none (any more).
func (r *Replica) ResultAttr(key string) (a Attr, about []byte, ok bool, err error) {
	err = r.read(func(t *txn) error {
		var n index.Node
		n, about, ok, err = t.result(key)
		if ok {
			a = indexAttr(n)
		}
		return err
	})
	return a, about, ok && err == nil, err
}

// OpenResult opens a result for reading; ok is false where there is none (any more). While it is open it stays.
func (r *Replica) OpenResult(key string) (h *Handle, ok bool, err error) {
	a, _, ok, err := r.ResultAttr(key)
	if err != nil || !ok {
		return nil, false, err
	}
	h = &Handle{in: r.acquire(a.Ino, false), flags: OpenRead}
	h.in.mu.Lock()
	err = h.in.load()
	ok = err == nil && h.in.file.Complete()
	h.in.mu.Unlock()
	if !ok { // evicted since the look
		return nil, false, errors.Join(err, h.Release())
	}
	return h, true, nil
}

// CopyResult writes a result to a new file at path; ok is false where there is none (any more).
func (r *Replica) CopyResult(ctx context.Context, key, path string) (ok bool, err error) {
	h, ok, err := r.OpenResult(key)
	if err != nil || !ok {
		return false, err
	}
	return true, errors.Join(h.copyOut(ctx, path), h.Release())
}

// trimResults forgets the results whose content went.
func (r *Replica) trimResults() error {
	return r.writeAlways(func(t *txn) error {
		dead, err := t.DeadResults()
		for key, ino := range dead {
			if err != nil {
				return err
			}
			if err = t.DeleteResult(key); err == nil {
				err = t.DeleteNode(ino)
			}
		}
		return err
	})
}
