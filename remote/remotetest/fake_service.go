package remotetest

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"io"
	"slices"
	"strings"
	"time"

	"dropfs/remote"
)

// Caps implements remote.Service.
func (f *Fake) Caps(ctx context.Context) (remote.Caps, error) {
	return call(ctx, f, "Caps", "", func() (remote.Caps, *remote.Error) { return f.caps, nil })
}

// Ping implements remote.Service.
func (f *Fake) Ping(ctx context.Context) error {
	_, err := call(ctx, f, "Ping", "", func() (struct{}, *remote.Error) { return struct{}{}, nil })
	return err
}

// Drops implements remote.Service.
func (f *Fake) Drops(ctx context.Context) ([]remote.Drop, error) {
	return call(ctx, f, "Drops", "", func() ([]remote.Drop, *remote.Error) {
		if !f.caps.ListDrops {
			return nil, fail(remote.ErrUnsupported, "drops cannot be listed")
		}
		out := []remote.Drop{}
		for id := range f.drops {
			if d := f.dropLocked(id); d != nil {
				out = append(out, f.dropInfoLocked(d))
			}
		}
		slices.SortFunc(out, func(a, b remote.Drop) int { return strings.Compare(string(a.ID), string(b.ID)) })
		return out, nil
	})
}

// CreateDrop implements remote.Service.
func (f *Fake) CreateDrop(ctx context.Context, spec remote.DropSpec) (remote.Drop, error) {
	return call(ctx, f, "CreateDrop", spec.Name, func() (remote.Drop, *remote.Error) {
		if spec.GB <= 0 || spec.Days <= 0 {
			return remote.Drop{}, fail(remote.ErrInvalid, "gb and days must be positive")
		}
		return f.makeDropLocked(spec), nil
	})
}

// Drop implements remote.Service.
func (f *Fake) Drop(ctx context.Context, id remote.DropID) (remote.Drop, error) {
	return call(ctx, f, "Drop", string(id), func() (remote.Drop, *remote.Error) {
		d := f.dropLocked(id)
		if d == nil {
			return remote.Drop{}, fail(remote.ErrNotFound, "no such drop")
		}
		return f.dropInfoLocked(d), nil
	})
}

// UpdateDrop implements remote.Service.
func (f *Fake) UpdateDrop(ctx context.Context, id remote.DropID, spec remote.DropSpec) (remote.Drop, error) {
	return call(ctx, f, "UpdateDrop", string(id), func() (remote.Drop, *remote.Error) {
		d := f.dropLocked(id)
		switch {
		case d == nil:
			return remote.Drop{}, fail(remote.ErrNotFound, "no such drop")
		case spec.Name != "" && spec.Name != d.info.Name && !f.caps.RenameDrop:
			return remote.Drop{}, fail(remote.ErrUnsupported, "drops cannot be renamed")
		case spec.GB != 0 && spec.GB < d.info.GB, spec.Days != 0 && spec.Days < d.info.Days:
			return remote.Drop{}, fail(remote.ErrInvalid, "a drop does not shrink")
		}
		if spec.Name != "" {
			d.info.Name = spec.Name
		}
		if spec.GB != 0 {
			d.info.GB = spec.GB
			if f.cfg.MaxSize == 0 {
				d.info.MaxSize = int64(spec.GB * 1e9)
			}
		}
		if spec.Days != 0 {
			d.info.Days, d.info.Expires = spec.Days, d.info.Created.Add(time.Duration(spec.Days)*24*time.Hour)
		}
		f.emitLocked(remote.Change{Kind: remote.ChangeDrop, Drop: id, DropInfo: f.dropInfoLocked(d)})
		return f.dropInfoLocked(d), nil
	})
}

// DeleteDrop implements remote.Service.
func (f *Fake) DeleteDrop(ctx context.Context, id remote.DropID) error {
	_, err := call(ctx, f, "DeleteDrop", string(id), func() (struct{}, *remote.Error) {
		switch {
		case !f.caps.DeleteDrop:
			return struct{}{}, fail(remote.ErrUnsupported, "drops cannot be deleted")
		case f.dropLocked(id) == nil:
			return struct{}{}, fail(remote.ErrNotFound, "no such drop")
		}
		f.removeDropLocked(id)
		return struct{}{}, nil
	})
	return err
}

// Assets implements remote.Service.
func (f *Fake) Assets(ctx context.Context, id remote.DropID) ([]remote.Asset, error) {
	return call(ctx, f, "Assets", string(id), func() ([]remote.Asset, *remote.Error) {
		if f.dropLocked(id) == nil {
			return nil, fail(remote.ErrNotFound, "no such drop")
		}
		if s := f.stale[id]; s != nil && s.left > 0 {
			s.left--
			return slices.Clone(s.assets), nil
		}
		return f.listLocked(id), nil
	})
}

// Asset implements remote.Service.
func (f *Fake) Asset(ctx context.Context, drop remote.DropID, id remote.AssetID) (remote.Asset, error) {
	return call(ctx, f, "Asset", string(id), func() (remote.Asset, *remote.Error) {
		a, e := f.assetLocked(drop, id)
		if e != nil {
			return remote.Asset{}, e
		}
		return a.info, nil
	})
}

// Fetch implements remote.Service.
func (f *Fake) Fetch(ctx context.Context, a remote.Asset, off, n int64) (io.ReadCloser, error) {
	return call(ctx, f, "Fetch", string(a.ID), func() (io.ReadCloser, *remote.Error) {
		x, e := f.assetLocked(a.Drop, a.ID)
		if e != nil {
			return nil, e
		}
		size := int64(len(x.data))
		if n < 0 {
			n = max(size-off, 0)
		}
		switch {
		case a.ETag != "" && x.info.ETag != "" && a.ETag != x.info.ETag, a.Size != size:
			return nil, fail(remote.ErrChanged, "another version")
		case off < 0 || off > size-n:
			return nil, fail(remote.ErrInvalid, "range [%d, %d) is outside of %d bytes", off, off+n, size)
		}
		return io.NopCloser(bytes.NewReader(x.data[off : off+n])), nil
	})
}

// Delete implements remote.Service.
func (f *Fake) Delete(ctx context.Context, drop remote.DropID, id remote.AssetID) error {
	_, err := call(ctx, f, "Delete", string(id), func() (struct{}, *remote.Error) {
		a, e := f.assetLocked(drop, id)
		if e != nil {
			return struct{}{}, e
		}
		f.removeAssetLocked(a, true)
		return struct{}{}, nil
	})
	return err
}

// Rename implements remote.Service.
func (f *Fake) Rename(ctx context.Context, drop remote.DropID, id remote.AssetID, name string) (remote.Asset, error) {
	return call(ctx, f, "Rename", string(id), func() (remote.Asset, *remote.Error) {
		if !f.caps.Rename {
			return remote.Asset{}, fail(remote.ErrUnsupported, "assets cannot be renamed")
		}
		a, e := f.assetLocked(drop, id)
		if e == nil {
			e = checkName(name)
		}
		if e == nil {
			e = f.nameFreeLocked(drop, name, id)
		}
		if e != nil {
			return remote.Asset{}, e
		}
		a.info.Name = name
		f.emitLocked(remote.Change{Kind: remote.ChangeAsset, Drop: drop, Asset: a.info})
		return a.info, nil
	})
}

// Copy implements remote.Service.
func (f *Fake) Copy(ctx context.Context, drop remote.DropID, id remote.AssetID, to remote.DropID, name string) (remote.Asset, error) {
	return call(ctx, f, "Copy", string(id), func() (remote.Asset, *remote.Error) {
		if !f.caps.Copy {
			return remote.Asset{}, fail(remote.ErrUnsupported, "assets cannot be copied")
		}
		a, e := f.assetLocked(drop, id)
		if e == nil {
			e = checkName(name)
		}
		if e == nil {
			e = f.roomLocked(to, a.info.Size)
		}
		if e == nil {
			e = f.nameFreeLocked(to, name, "")
		}
		if e != nil {
			return remote.Asset{}, e
		}
		spec := remote.UploadSpec{Name: name, Type: a.info.Type}
		return f.addAssetLocked(remote.AssetID(f.newIDLocked("file")), to, spec, a.data, "").info, nil
	})
}

// Link implements remote.Service.
func (f *Fake) Link(ctx context.Context, drop remote.DropID, id remote.AssetID, public bool) (string, error) {
	return call(ctx, f, "Link", string(id), func() (string, *remote.Error) {
		if _, e := f.assetLocked(drop, id); e != nil {
			return "", e
		}
		if !f.caps.PublicLink && !public {
			return "", fail(remote.ErrDenied, "the asset is not public")
		}
		return "https://fake.invalid/" + string(id), nil
	})
}

func (f *Fake) makeDropLocked(spec remote.DropSpec) remote.Drop {
	now := f.cfg.Now()
	d := &fakeDrop{info: remote.Drop{
		ID: remote.DropID(f.newIDLocked("drop")), Name: spec.Name, Created: now, GB: spec.GB, Days: spec.Days,
		MaxSize: f.cfg.MaxSize, MaxFileSize: f.cfg.MaxFileSize,
	}}
	if d.info.MaxSize == 0 {
		d.info.MaxSize = int64(spec.GB * 1e9)
	}
	if spec.Days > 0 {
		d.info.Expires = now.Add(time.Duration(spec.Days) * 24 * time.Hour)
	}
	f.drops[d.info.ID] = d
	f.emitLocked(remote.Change{Kind: remote.ChangeDrop, Drop: d.info.ID, DropInfo: d.info})
	return d.info
}

// dropLocked returns a drop that has not expired; nil where there is none.
func (f *Fake) dropLocked(id remote.DropID) *fakeDrop {
	d := f.drops[id]
	if d != nil && !d.info.Expires.IsZero() && !f.cfg.Now().Before(d.info.Expires) {
		f.removeDropLocked(id)
		return nil
	}
	return d
}

// dropInfoLocked returns a drop with the bytes it holds and has reserved.
func (f *Fake) dropInfoLocked(d *fakeDrop) remote.Drop {
	info := d.info
	for _, a := range f.assets {
		if a.info.Drop == info.ID {
			info.Used += a.info.Size
		}
	}
	for _, u := range f.uploads {
		if u.up.Drop == info.ID {
			info.Used += u.up.Spec.Size
		}
	}
	return info
}

func (f *Fake) removeDropLocked(id remote.DropID) {
	if f.drops[id] == nil {
		return
	}
	delete(f.drops, id)
	for _, a := range f.assets {
		if a.info.Drop == id {
			delete(f.assets, a.info.ID)
		}
	}
	for _, u := range f.uploads {
		if u.up.Drop == id {
			delete(f.uploads, u.up.ID)
		}
	}
	f.emitLocked(remote.Change{Kind: remote.ChangeDropGone, Drop: id})
}

func (f *Fake) assetLocked(drop remote.DropID, id remote.AssetID) (*fakeAsset, *remote.Error) {
	a := f.assets[id]
	if a == nil || a.info.Drop != drop || f.dropLocked(drop) == nil {
		return nil, fail(remote.ErrNotFound, "no such asset")
	}
	return a, nil
}

func (f *Fake) listLocked(drop remote.DropID) []remote.Asset {
	out := []remote.Asset{}
	for _, a := range f.assets {
		if a.info.Drop == drop {
			out = append(out, a.info)
		}
	}
	slices.SortFunc(out, func(a, b remote.Asset) int {
		if c := a.Created.Compare(b.Created); c != 0 {
			return c
		}
		return strings.Compare(string(a.ID), string(b.ID))
	})
	return out
}

// addAssetLocked makes an asset be there and tells the feed, in one event with the asset that it replaces.
func (f *Fake) addAssetLocked(id remote.AssetID, drop remote.DropID, spec remote.UploadSpec, data []byte, replaces remote.AssetID) *fakeAsset {
	f.seq++
	a := &fakeAsset{data: data, info: remote.Asset{
		ID: id, Drop: drop, Name: spec.Name, Size: int64(len(data)), Type: spec.Type, Created: f.cfg.Now(), Seq: f.seq,
	}}
	if a.info.Type == "" {
		a.info.Type = "application/octet-stream"
	}
	if !f.cfg.NoChecksums {
		sum := md5.Sum(data)
		a.info.MD5 = hex.EncodeToString(sum[:])
		a.info.ETag = a.info.MD5
	}
	if f.cfg.NoSeq {
		a.info.Seq = 0
	}
	if old := f.assets[replaces]; old != nil && old.info.Drop == drop && replaces != id {
		f.removeAssetLocked(old, false)
	} else {
		replaces = ""
	}
	f.assets[id] = a
	f.emitLocked(remote.Change{Seq: f.seq, Kind: remote.ChangeAsset, Drop: drop, Asset: a.info, Replaces: replaces})
	return a
}

func (f *Fake) removeAssetLocked(a *fakeAsset, tell bool) {
	delete(f.assets, a.info.ID)
	if tell {
		gone := remote.Asset{ID: a.info.ID, Drop: a.info.Drop}
		f.emitLocked(remote.Change{Kind: remote.ChangeAssetGone, Drop: a.info.Drop, Asset: gone})
	}
}

// roomLocked checks that a drop is there and takes size more bytes.
func (f *Fake) roomLocked(drop remote.DropID, size int64) *remote.Error {
	d := f.dropLocked(drop)
	if d == nil {
		return fail(remote.ErrNotFound, "no such drop")
	}
	info := f.dropInfoLocked(d)
	switch {
	case info.MaxFileSize > 0 && size > info.MaxFileSize:
		return fail(remote.ErrTooLarge, "%d bytes of at most %d", size, info.MaxFileSize)
	case info.MaxSize > 0 && info.Used+size > info.MaxSize:
		return fail(remote.ErrQuota, "%d of %d bytes are used", info.Used, info.MaxSize)
	}
	return nil
}

// nameFreeLocked checks that no asset but self has the name, where the service wants that.
func (f *Fake) nameFreeLocked(drop remote.DropID, name string, self remote.AssetID) *remote.Error {
	if f.caps.DupNames {
		return nil
	}
	for _, a := range f.assets {
		if a.info.Drop == drop && a.info.Name == name && a.info.ID != self {
			return fail(remote.ErrConflict, "the name is taken")
		}
	}
	return nil
}
