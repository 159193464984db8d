package remotetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"dropfs/remote"
)

func cloneUpload(up remote.Upload) remote.Upload {
	up.Parts = slices.Clone(up.Parts)
	up.Header = maps.Clone(up.Header)
	return up
}

// checkName refuses what no service takes as a name.
func checkName(name string) *remote.Error {
	if name == "" || strings.ContainsRune(name, 0) || !utf8.ValidString(name) {
		return fail(remote.ErrInvalid, "not a name")
	}
	return nil
}

// StartUpload implements remote.Service.
func (f *Fake) StartUpload(ctx context.Context, drop remote.DropID, spec remote.UploadSpec) (remote.Upload, error) {
	return call(ctx, f, "StartUpload", spec.Name, func() (remote.Upload, *remote.Error) {
		if e := checkName(spec.Name); e != nil {
			return remote.Upload{}, e
		}
		if spec.Size < 0 {
			return remote.Upload{}, fail(remote.ErrInvalid, "a size below zero")
		}
		if e := f.roomLocked(drop, spec.Size); e != nil {
			return remote.Upload{}, e
		}
		up := remote.Upload{ID: remote.AssetID(f.newIDLocked("file")), Drop: drop, Spec: spec}
		if f.caps.Multipart && spec.Size >= f.cfg.MultipartFrom {
			up.UploadID, up.PartSize = "up-"+string(up.ID), f.cfg.PartSize
			for n := 1; int64(n-1)*up.PartSize < spec.Size; n++ {
				up.Parts = append(up.Parts, remote.Part{N: n})
			}
		}
		f.signLocked(&up)
		f.uploads[up.ID] = &fakeUpload{up: cloneUpload(up), data: make([]byte, spec.Size)}
		return up, nil
	})
}

// signLocked puts URLs of the present generation on what has not arrived.
func (f *Fake) signLocked(up *remote.Upload) {
	if f.cfg.URLLifetime > 0 {
		up.Expires = f.cfg.Now().Add(f.cfg.URLLifetime)
	}
	if up.PartSize == 0 {
		up.URL = f.urlLocked(up.ID, 0)
		return
	}
	for i := range up.Parts {
		if up.Parts[i].ETag == "" {
			up.Parts[i].URL = f.urlLocked(up.ID, up.Parts[i].N)
		}
	}
}

func (f *Fake) urlLocked(id remote.AssetID, part int) remote.Secret {
	return remote.Secret(fmt.Sprintf("https://fake.invalid/put/%s/%d?gen=%d", id, part, f.urlGen))
}

// Send implements remote.Service. Parts go one after the other, each counted as a call of "Send.part".
func (f *Fake) Send(ctx context.Context, up remote.Upload, src io.ReaderAt, record func(remote.Upload) error, progress func(n int64)) (remote.Upload, error) {
	if _, err := call(ctx, f, "Send", up.Spec.Name, func() (struct{}, *remote.Error) { return struct{}{}, nil }); err != nil {
		return up, err
	}
	up = cloneUpload(up)
	if progress == nil {
		progress = func(int64) {}
	}
	if up.PartSize == 0 {
		return f.sendPart(ctx, up, 0, src, record, progress)
	}
	for i := range up.Parts {
		if up.Parts[i].ETag != "" {
			continue
		}
		var err error
		if up, err = f.sendPart(ctx, up, up.Parts[i].N, src, record, progress); err != nil {
			return up, err
		}
	}
	return up, nil
}

// sendPart sends part n, or with n 0 the one body, renewing an URL that has ended where the service can.
func (f *Fake) sendPart(ctx context.Context, up remote.Upload, n int, src io.ReaderAt, record func(remote.Upload) error, progress func(int64)) (remote.Upload, error) {
	etag, err := f.putPart(ctx, up, n, src)
	if errors.Is(err, remote.ErrExpiredURL) {
		if up, err = f.renew(up); err != nil {
			return up, err
		}
		if err = record(cloneUpload(up)); err != nil {
			return up, asError("Send", up.Spec.Name, err)
		}
		etag, err = f.putPart(ctx, up, n, src)
	}
	if err != nil {
		return up, err
	}
	size := up.Spec.Size
	if n > 0 {
		size = min(up.PartSize, up.Spec.Size-int64(n-1)*up.PartSize)
		up.Parts[n-1].ETag = etag
	}
	progress(size)
	if err := record(cloneUpload(up)); err != nil {
		return up, asError("Send", up.Spec.Name, err)
	}
	return up, nil
}

// renew puts new URLs on an upload; without Caps.Multipart a service has no way to.
func (f *Fake) renew(up remote.Upload) (remote.Upload, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.caps.Multipart {
		return up, asError("Send", up.Spec.Name, remote.ErrExpiredURL)
	}
	f.signLocked(&up)
	return up, nil
}

// putPart stores the bytes of part n as the service does that gets them, and answers the part's ETag.
func (f *Fake) putPart(ctx context.Context, up remote.Upload, n int, src io.ReaderAt) (string, error) {
	off, size := int64(0), up.Spec.Size
	if n > 0 {
		off = int64(n-1) * up.PartSize
		size = min(up.PartSize, up.Spec.Size-off)
	}
	buf := make([]byte, size)
	if got, err := src.ReadAt(buf, off); int64(got) < size {
		return "", asError("Send", up.Spec.Name, &remote.Error{Kind: remote.ErrCorrupt, Message: "the source reads short", Err: err})
	}
	return call(ctx, f, "Send.part", up.Spec.Name, func() (string, *remote.Error) {
		u := f.uploads[up.ID]
		if u == nil {
			return "", fail(remote.ErrNotFound, "no such upload")
		}
		url := up.URL
		if n > 0 {
			url = up.Parts[n-1].URL
		}
		ended := !up.Expires.IsZero() && !f.cfg.Now().Before(up.Expires)
		if url != f.urlLocked(up.ID, n) || ended {
			return "", fail(remote.ErrExpiredURL, "")
		}
		copy(u.data[off:], buf)
		if n == 0 {
			u.full = true
			return "", nil
		}
		etag := fmt.Sprintf("part-%d", n)
		u.up.Parts[n-1].ETag = etag
		return etag, nil
	})
}

// Confirm implements remote.Service. One with a CopyOf is counted as a call of "Confirm.copy".
func (f *Fake) Confirm(ctx context.Context, up remote.Upload, spec remote.ConfirmSpec) (remote.Asset, error) {
	method := "Confirm"
	if spec.CopyOf != "" {
		method = "Confirm.copy"
	}
	return call(ctx, f, method, up.Spec.Name, func() (remote.Asset, *remote.Error) {
		if spec.CopyOf != "" && !f.caps.Copy {
			return remote.Asset{}, fail(remote.ErrUnsupported, "assets cannot be copied")
		}
		if a := f.assets[up.ID]; a != nil {
			return a.info, nil
		}
		u := f.uploads[up.ID]
		if u == nil || f.dropLocked(up.Drop) == nil {
			return remote.Asset{}, fail(remote.ErrNotFound, "no such upload")
		}
		data, e := f.bytesLocked(u, spec.CopyOf)
		if e != nil {
			return remote.Asset{}, e
		}
		if !f.caps.Replace {
			spec.Replaces = ""
		}
		if e := f.nameFreeLocked(u.up.Drop, u.up.Spec.Name, spec.Replaces); e != nil {
			return remote.Asset{}, e
		}
		delete(f.uploads, up.ID)
		return f.addAssetLocked(up.ID, u.up.Drop, u.up.Spec, data, spec.Replaces).info, nil
	})
}

// bytesLocked are those that an upload ends with: what was sent, or what another asset has.
func (f *Fake) bytesLocked(u *fakeUpload, copyOf remote.AssetID) ([]byte, *remote.Error) {
	if copyOf != "" {
		from := f.assets[copyOf]
		if from == nil || int64(len(from.data)) != u.up.Spec.Size {
			return nil, fail(remote.ErrConflict, "no such asset of that size")
		}
		return from.data, nil
	}
	complete := u.full
	if u.up.PartSize > 0 {
		complete = !slices.ContainsFunc(u.up.Parts, func(p remote.Part) bool { return p.ETag == "" })
	}
	if !complete {
		return nil, fail(remote.ErrConflict, "the bytes have not arrived")
	}
	return u.data, nil
}

// Abort implements remote.Service.
func (f *Fake) Abort(ctx context.Context, up remote.Upload) error {
	_, err := call(ctx, f, "Abort", up.Spec.Name, func() (struct{}, *remote.Error) {
		delete(f.uploads, up.ID)
		return struct{}{}, nil
	})
	return err
}
