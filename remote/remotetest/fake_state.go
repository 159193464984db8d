package remotetest

import (
	"crypto/md5"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"dropfs/remote"
)

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
