package vfs

import (
	"context"

	"dropfs/cache"
)

// The positions of a directory stream: 0 is its begin, firstCookie the smallest that an entry has. What lies between is for
// the front end, which may have entries of its own there (".", "..").
const firstCookie = 16

// dirBatch is how many entries are asked for at a time: one query of a replica answers them with their attributes.
const dirBatch = 1024

// DirEntry is one entry of a directory, with everything that stat would tell of it.
type DirEntry struct {
	Name   string
	Cookie uint64 // position behind this entry
	Attr   Attr
}

// Dir is an open directory: a stream of its entries. An entry that is there from the first Next to the last is answered
// exactly once, whatever is made and removed meanwhile. A Dir is used by one goroutine at a time.
type Dir struct {
	f     *FS
	p     place
	after uint64
	batch []cache.DirEntry
	end   bool
	top   bool // of a drop

	conjured bool       // behind a magic name: all is the listing
	all      []DirEntry // whole
}

// OpenDir opens a directory.
func (f *FS) OpenDir(ctx context.Context, ino Ino) (*Dir, error) {
	if c := f.magics.get(ino); c != nil {
		all, err := f.conjuredEntries(ctx, c)
		return &Dir{f: f, conjured: true, all: all}, err
	}
	p, err := f.place(ino)
	if err != nil {
		return nil, err
	}
	d := &Dir{f: f, p: p}
	if p.acc == nil {
		return d, nil
	}
	if d.top, err = f.atDropTop(ctx, p); err != nil {
		return nil, err
	}
	return d, nil
}

// Seek goes to a position that an entry told, or to the begin.
func (d *Dir) Seek(cookie uint64) {
	d.after, d.batch, d.end = cookie, nil, false
}

// Next answers the next entry; ok is false at the end.
func (d *Dir) Next(ctx context.Context) (e DirEntry, ok bool, err error) {
	if d.conjured {
		return d.nextConjured()
	}
	if d.p.acc == nil {
		return d.nextAccount(ctx)
	}
	for {
		if len(d.batch) == 0 {
			if d.end {
				return DirEntry{}, false, nil
			}
			d.batch, err = d.p.acc.r.ReadDir(ctx, d.p.ino, d.after, dirBatch)
			if err != nil {
				return DirEntry{}, false, err
			}
			d.end = len(d.batch) < dirBatch
			if len(d.batch) == 0 {
				return DirEntry{}, false, nil
			}
		}
		c := d.batch[0]
		d.batch = d.batch[1:]
		d.after = c.Cookie
		if d.top && c.Name == sidecarDir {
			continue
		}
		return DirEntry{Name: c.Name, Cookie: c.Cookie, Attr: d.f.attr(d.p.acc, c.Attr)}, true, nil
	}
}

// nextConjured is Next behind a magic name.
func (d *Dir) nextConjured() (DirEntry, bool, error) {
	for _, e := range d.all {
		if e.Cookie > d.after {
			d.after = e.Cookie
			return e, true, nil
		}
	}
	return DirEntry{}, false, nil
}

// Volatile tells that the listing must not be kept.
func (d *Dir) Volatile() bool { return d.conjured }

// nextAccount is Next of the list of accounts.
func (d *Dir) nextAccount(ctx context.Context) (DirEntry, bool, error) {
	i := 0
	if d.after >= firstCookie {
		i = int(d.after-firstCookie) + 1
	}
	if i >= len(d.f.accounts) {
		return DirEntry{}, false, nil
	}
	acc := d.f.accounts[i]
	a, err := d.f.GetAttr(ctx, d.f.global(acc, cache.RootIno))
	if err != nil {
		return DirEntry{}, false, err
	}
	d.after = firstCookie + uint64(i)
	return DirEntry{Name: acc.name, Cookie: d.after, Attr: a}, true, nil
}

// Parent tells the directory above ino; of the root itself, the root.
func (f *FS) Parent(ctx context.Context, ino Ino) (Ino, error) {
	if c := f.magics.get(ino); c != nil {
		return c.up, nil
	}
	p, err := f.place(ino)
	if err != nil {
		return 0, err
	}
	if ino == RootIno || p.atAccountRoot() {
		return RootIno, nil
	}
	up, err := p.acc.r.Parent(ctx, p.ino)
	if err != nil {
		return 0, err
	}
	return f.global(p.acc, up), nil
}

// SyncDir returns when the entries of a directory survive a power loss.
func (f *FS) SyncDir(ctx context.Context, ino Ino) error {
	p, err := f.place(ino)
	if err != nil || p.acc == nil {
		return err
	}
	return p.acc.r.FsyncDir(ctx, p.ino)
}
