package dropzone

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"time"

	"dropfs/remote"
	"dropfs/remote/transfer"
)

// confirmTimeout is how long a confirm may take for which the hub puts parts together, or copies, before it answers. Others
// have the time of any request: changes of the drop wait for it.
const confirmTimeout = 3 * time.Minute

type wirePart struct {
	N    number `json:"partNumber"`
	URL  text   `json:"signedUrl"`
	URL2 text   `json:"url"`
	ETag text   `json:"etag"`
}

// wireUpload answers a request for an upload. Only here uploadUrl is where to send the bytes (wire/dropzone.md §6).
type wireUpload struct {
	ID       text            `json:"fileId"`
	ID2      text            `json:"_id"`
	ID3      text            `json:"id"`
	URL      text            `json:"signedUrl"`
	URL2     text            `json:"uploadUrl"`
	URL3     text            `json:"url"`
	Header   map[string]text `json:"headers"`
	Expires  instant         `json:"expiresAt"`
	UploadID text            `json:"uploadId"`
	PartSize number          `json:"partSize"`
	Parts    []wirePart      `json:"parts"`
}

// maxParts is what S3 allows, and any store that speaks like it.
const maxParts = 10_000

// fill puts an answer into up; ok is false where it cannot be used.
func (c *Client) fill(up *remote.Upload, w wireUpload) bool {
	if id := first(w.ID, w.ID2, w.ID3); id != "" || up.ID == "" {
		up.ID = remote.AssetID(id)
	}
	up.Expires = w.Expires.t
	up.Header = maps.Clone(c.cfg.UploadHeader)
	for k, v := range w.Header {
		if up.Header == nil {
			up.Header = map[string]string{}
		}
		up.Header[k] = string(v)
	}
	if len(w.Parts) == 0 {
		u, err := c.absolute(first(w.URL, w.URL2, w.URL3))
		up.URL = remote.Secret(u)
		return err == nil && validID(string(up.ID))
	}
	size, ok := w.PartSize.whole()
	up.UploadID, up.PartSize = string(w.UploadID), size
	if !ok || size == 0 || len(w.Parts) > maxParts || int64(len(w.Parts)) != (up.Spec.Size+size-1)/size {
		return false
	}
	up.Parts = make([]remote.Part, len(w.Parts))
	for _, p := range w.Parts {
		n, ok := p.N.whole()
		if !ok || n < 1 || n > int64(len(w.Parts)) || up.Parts[n-1].N != 0 {
			return false
		}
		part := remote.Part{N: int(n), ETag: string(p.ETag)}
		if u, err := c.absolute(first(p.URL, p.URL2)); err == nil {
			part.URL = remote.Secret(u)
		} else if part.ETag == "" {
			return false
		}
		up.Parts[n-1] = part
	}
	return validID(string(up.ID))
}

// StartUpload implements remote.Service. It is sent once: what a lost answer reserved the service gives back by itself.
func (c *Client) StartUpload(ctx context.Context, drop remote.DropID, spec remote.UploadSpec) (remote.Upload, error) {
	const op = "start upload"
	up := remote.Upload{Drop: drop, Spec: spec}
	if !validName(spec.Name) || spec.Size < 0 {
		return up, &remote.Error{Kind: remote.ErrInvalid, Op: op, Subject: spec.Name, Message: "no valid name or size"}
	}
	if c.generation() == G0 {
		return up, nil // the form that carries the bytes is all
	}
	body := map[string]any{"name": spec.Name, "type": mimeOf(spec), "size": spec.Size}
	if c.can(ctx, ableMultipart) {
		body["multipart"] = true
	}
	var w wireUpload
	err := c.inDialect(func(g Generation) error {
		req, err := c.requestIn(g, drop, "", OpRequest)
		if err != nil {
			return err
		}
		req.Op, req.Subject, req.JSON = op, spec.Name, body
		w = wireUpload{}
		_, err = c.http.Do(ctx, req, decodeOne(&w))
		return err
	})
	if err != nil {
		return up, c.whyFull(ctx, up, err)
	}
	if !c.fill(&up, w) {
		return up, &remote.Error{Kind: remote.ErrProtocol, Op: op, Subject: spec.Name, Message: "no usable place to send the bytes to"}
	}
	return up, nil
}

// mimeOf is the type to declare and to send, which must be the same.
func mimeOf(spec remote.UploadSpec) string {
	if spec.Type == "" || !safeHeader(spec.Type) || len(spec.Type) > 255 {
		return "application/octet-stream"
	}
	return spec.Type
}

// whyFull tells a file over the drop's limit for one file from a full drop: both are 413.
func (c *Client) whyFull(ctx context.Context, up remote.Upload, err error) error {
	var e *remote.Error
	if !errors.As(err, &e) || e.Kind != remote.ErrQuota {
		return err
	}
	d, derr := c.Drop(ctx, up.Drop)
	if derr == nil && d.MaxFileSize > 0 && up.Spec.Size > d.MaxFileSize {
		x := *e
		x.Kind = remote.ErrTooLarge
		return &x
	}
	return err
}

// Send implements remote.Service.
func (c *Client) Send(ctx context.Context, up remote.Upload, src io.ReaderAt, record func(remote.Upload) error, progress func(n int64)) (remote.Upload, error) {
	if c.generation() == G0 {
		return c.sendForm(ctx, up, src, record, progress)
	}
	up.Spec.Type = mimeOf(up.Spec)
	var renew transfer.Renew
	if c.known(ableRenew) {
		renew = c.renew
	}
	sent, err := c.tr.Send(ctx, up, src, renew, record, progress)
	if errors.Is(err, remote.ErrConflict) {
		// The store takes no bytes any more: of an upload whose confirm was done and its answer lost.
		switch w, _, err2 := c.file(ctx, up.Drop, up.ID); {
		case err2 == nil && w.uploaded():
			return sent, nil
		case err2 != nil && remote.KindOf(err2).Transient():
			return sent, err2
		}
	}
	return sent, err
}

// renew asks for fresh URLs. An upload that is confirmed already needs none.
func (c *Client) renew(ctx context.Context, up remote.Upload) (remote.Upload, error) {
	req, err := c.request(up.Drop, up.ID, OpRenew)
	if err != nil {
		return up, err
	}
	req.Op, req.Subject = "renew upload", up.Spec.Name
	var w wireUpload
	_, err = c.http.Do(ctx, req, decodeOne(&w))
	if errors.Is(err, remote.ErrConflict) {
		return up, transfer.ErrDone
	}
	if err != nil {
		return up, err
	}
	id := up.ID
	if !c.fill(&up, w) || up.ID != id {
		return up, &remote.Error{Kind: remote.ErrProtocol, Op: req.Op, Subject: req.Subject, Message: "no usable place to send the bytes to"}
	}
	return up, nil
}

// Confirm implements remote.Service. A refusal is held against the file itself: after a lost answer the service may know
// the upload no more as one that waits (D4).
func (c *Client) Confirm(ctx context.Context, up remote.Upload, spec remote.ConfirmSpec) (remote.Asset, error) {
	const op = "confirm upload"
	if c.generation() == G0 {
		if up.ID == "" {
			return remote.Asset{}, &remote.Error{Kind: remote.ErrConflict, Op: op, Subject: up.Spec.Name, Message: "the bytes were not sent"}
		}
		return c.listed(ctx, up.Drop, up.ID)
	}
	if spec.CopyOf != "" {
		if able, err := c.abilities(ctx); err != nil {
			return remote.Asset{}, err
		} else if !able[ableCopy] {
			return remote.Asset{}, unsupported(op)
		}
	}
	req, err := c.request(up.Drop, up.ID, OpConfirm)
	if err != nil {
		return remote.Asset{}, err
	}
	req.Op, req.Subject, req.Repeat = op, up.Spec.Name, true
	if up.UploadID != "" || spec.CopyOf != "" {
		req.HeaderTimeout = confirmTimeout
	}
	req.Hide = append(req.Hide, remote.Secret(spec.CopyFrom))
	if body := c.confirmBody(up, spec); body != nil {
		req.JSON = body
	} else {
		req.Header = http.Header{"Content-Type": {"application/json"}}
	}
	w, a, err := c.oneFile(ctx, req, up.Drop)
	switch {
	case err == nil && a.ID == up.ID && w.uploaded():
		return a, nil
	case err == nil, errors.Is(err, remote.ErrProtocol) && statusOf(err) < 400, isRefusal(err):
		switch w2, a2, err2 := c.file(ctx, up.Drop, up.ID); {
		case err2 == nil && w2.uploaded():
			return a2, nil
		case err2 != nil && remote.KindOf(err2).Transient():
			return remote.Asset{}, err2 // the refusal may be the echo of a success: it must not be the last word
		}
	}
	if err == nil {
		err = &remote.Error{Kind: remote.ErrConflict, Op: op, Subject: up.Spec.Name, Message: "the service does not call it uploaded"}
	}
	return remote.Asset{}, err
}

// confirmBody is what a confirm says beyond the file's id; nil: nothing.
func (c *Client) confirmBody(up remote.Upload, spec remote.ConfirmSpec) map[string]any {
	body := map[string]any{}
	if c.generation() == G1 {
		body["fileId"] = string(up.ID)
	}
	if spec.CopyOf != "" {
		body["copyOf"] = string(spec.CopyOf)
		if spec.CopyFrom != up.Drop {
			body["copyFrom"] = string(spec.CopyFrom)
		}
	} else if up.PartSize > 0 {
		parts := make([]map[string]any, len(up.Parts))
		for i, p := range up.Parts {
			parts[i] = map[string]any{"partNumber": p.N, "etag": p.ETag}
		}
		body["parts"] = parts
	}
	if spec.Replaces != "" && c.known(ableReplace) {
		body["replaces"] = string(spec.Replaces)
	}
	if len(body) == 0 {
		return nil
	}
	return body
}

// Abort implements remote.Service.
func (c *Client) Abort(ctx context.Context, up remote.Upload) error {
	if up.ID == "" {
		return nil
	}
	err := c.Delete(ctx, up.Drop, up.ID)
	if errors.Is(err, remote.ErrNotFound) {
		return nil
	}
	return err
}
