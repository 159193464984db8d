package vfs

import (
	"context"
	"errors"
	"fmt"

	"dropfs/cache"
)

// GetAttr answers stat.
func (f *FS) GetAttr(ctx context.Context, ino Ino) (Attr, error) {
	if c := f.magics.get(ino); c != nil {
		return f.conjuredAttr(ctx, c)
	}
	p, err := f.place(ino)
	if err != nil {
		return Attr{}, err
	}
	if p.acc == nil {
		return f.listAttr(), nil
	}
	a, err := p.acc.r.GetAttr(ctx, p.ino)
	if err != nil {
		return Attr{}, err
	}
	return f.attr(p.acc, a), nil
}

// listAttr is what stat tells of the list of accounts.
func (f *FS) listAttr() Attr {
	a := Attr{Ino: RootIno}
	a.Mode = typeDir | 0o555
	a.Nlink = uint32(2 + len(f.accounts))
	a.UID, a.GID = owner()
	a.Atime, a.Mtime, a.Ctime, a.Btime = f.made, f.made, f.made, f.made
	return a
}

// SetAttr changes what is not nil. A change of owner or group clears the set-id bits of everything but a directory,
// whoever asks, as chown(2) of Linux does.
func (f *FS) SetAttr(ctx context.Context, ino Ino, s cache.SetAttr) (Attr, error) {
	if f.readOnly {
		return Attr{}, cache.ErrReadOnly
	}
	p, err := f.place(ino)
	if err != nil {
		return Attr{}, err
	}
	if p.acc == nil {
		return Attr{}, f.refuse("setattr", "/", "the list of accounts has no attributes to set")
	}
	if (s.UID != nil || s.GID != nil) && s.Mode == nil {
		if s, err = f.withoutPriv(ctx, p, s); err != nil {
			return Attr{}, err
		}
	}
	a, err := p.acc.r.SetAttr(ctx, p.ino, s)
	if err != nil {
		if s.Size != nil {
			err = f.neverFits(ctx, p, *s.Size, err)
		}
		return Attr{}, err
	}
	f.inodeChanged(p)
	return f.attr(p.acc, a), nil
}

// withoutPriv adds to a change of owner or group that the set-id bits fall. A replica lets them fall with KillPriv for a
// file; on FIFOs, sockets and devices they mean nothing and fall all the same.
func (f *FS) withoutPriv(ctx context.Context, p place, s cache.SetAttr) (cache.SetAttr, error) {
	a, err := p.acc.r.GetAttr(ctx, p.ino)
	if err != nil {
		return s, err
	}
	switch typ := a.Mode & typeMask; {
	case typ == typeDir || a.Mode&(setUID|setGID) == 0:
	case typ == typeReg:
		s.KillPriv = true
	default:
		mode := a.Mode & 0o7777 &^ setUID
		if mode&groupExec != 0 {
			mode &^= setGID
		}
		s.Mode = &mode
	}
	return s, nil
}

// neverFits tells a file that is larger than its whole drop as too large, not as one for which there is no room now.
func (f *FS) neverFits(ctx context.Context, p place, size int64, err error) error {
	if !errors.Is(err, cache.ErrQuota) {
		return err
	}
	st, serr := p.acc.r.StatFS(ctx, p.ino)
	if serr == nil && st.Total > 0 && size > st.Total {
		return fmt.Errorf("%d bytes in a drop of %d: %w", size, st.Total, cache.ErrTooLarge)
	}
	return err
}

// KillPriv clears the set-id bits of a file that somebody without the privilege to keep them writes to. It is to be
// called before the write, so that no changed program is ever set-id.
func (f *FS) KillPriv(ctx context.Context, ino Ino) error {
	p, err := f.place(ino)
	if err != nil || p.acc == nil || f.readOnly {
		return err
	}
	a, err := p.acc.r.GetAttr(ctx, p.ino)
	if err != nil || a.Mode&(setUID|setGID) == 0 {
		return err
	}
	if _, err = p.acc.r.SetAttr(ctx, p.ino, cache.SetAttr{KillPriv: true}); err != nil {
		return err
	}
	f.inodeChanged(p)
	return nil
}

// StatFS answers statfs: of the drop that ino is in, of all drops of an account at its root, and of all accounts at the
// root of their list.
func (f *FS) StatFS(ctx context.Context, ino Ino) (cache.StatFS, error) {
	if c := f.magics.get(ino); c != nil {
		return c.acc.r.StatFS(ctx, c.base)
	}
	p, err := f.place(ino)
	if err != nil {
		return cache.StatFS{}, err
	}
	if p.acc != nil {
		return p.acc.r.StatFS(ctx, p.ino)
	}
	var sum cache.StatFS
	for _, a := range f.accounts {
		s, err := a.r.StatFS(ctx, cache.RootIno)
		if err != nil {
			return cache.StatFS{}, err
		}
		sum.Total += s.Total
		sum.Free += s.Free
		sum.Files += s.Files
	}
	return sum, nil
}

// Forget tells that the front end holds ino no longer: one that has no name left may go.
func (f *FS) Forget(ino Ino) {
	if ino&magicBit != 0 {
		f.magics.forget(ino)
		return
	}
	if p, err := f.place(ino); err == nil && p.acc != nil {
		p.acc.r.Forget(p.ino)
	}
}
