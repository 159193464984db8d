package remotetest

import (
	"bytes"
	"context"
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
func (f *Fake) Assets(ctx context.Context, id remote.DropID) (remote.Listing, error) {
	return call(ctx, f, "Assets", string(id), func() (remote.Listing, *remote.Error) {
		if f.dropLocked(id) == nil {
			return remote.Listing{}, fail(remote.ErrNotFound, "no such drop")
		}
		if s := f.stale[id]; s != nil && s.left > 0 {
			s.left--
			return remote.Listing{Assets: slices.Clone(s.list.Assets), Seq: s.list.Seq}, nil
		}
		return f.listingLocked(id), nil
	})
}

// listingLocked is a listing as it is now; only a service with a feed numbers it.
func (f *Fake) listingLocked(id remote.DropID) remote.Listing {
	l := remote.Listing{Assets: f.listLocked(id)}
	if f.caps.Changes {
		l.Seq = f.seq
	}
	return l
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
