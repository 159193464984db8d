package dropzone

import (
	"context"
	"errors"
	"math"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"dropfs/remote/hub/objects"
	"dropfs/remote/hub/store"
	"dropfs/remote/hub/web"
)

// Sizes of multipart uploads, in bytes.
const (
	multipartMin = 64 << 20
	partSizeMin  = 16 << 20
	partsMax     = 1000
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

type uploadBody struct {
	Name      *string  `json:"name"`
	Type      *string  `json:"type"`
	Size      *float64 `json:"size"`
	Multipart bool     `json:"multipart"`
}

func (b uploadBody) file() (store.File, error) {
	switch {
	case b.Name == nil || b.Type == nil || b.Size == nil:
		return store.File{}, web.Fail(http.StatusBadRequest, "name, type and size are required.")
	case !validName(*b.Name):
		return store.File{}, web.Fail(http.StatusBadRequest, "name must be 1 to 4096 bytes without NUL.")
	case len(*b.Type) > 255 || strings.ContainsFunc(*b.Type, func(r rune) bool { return r < 0x20 || r > 0x7e }):
		return store.File{}, web.Fail(http.StatusBadRequest, "type must be a MIME type.")
	case !(*b.Size >= 0 && *b.Size < 1<<53) || *b.Size != math.Trunc(*b.Size):
		return store.File{}, web.Fail(http.StatusBadRequest, "size must be a whole number of bytes, not negative.")
	}
	return store.File{Name: *b.Name, Type: *b.Type, Size: int64(*b.Size)}, nil
}

// postFiles is G0's form upload where the body is a form, else the request of an upload URL.
func (a *API) postFiles(w http.ResponseWriter, r *http.Request) error {
	c, err := a.caller(r)
	if err != nil {
		return err
	}
	d, err := a.drop(r.Context(), c, access{permission: dropUpload, byID: true})
	if err != nil {
		return err
	}
	if media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err == nil && media == "multipart/form-data" {
		return a.formUpload(w, r, c, d, params["boundary"])
	}
	var body uploadBody
	if err := web.ReadJSON(r, jsonLimit, &body); err != nil {
		return err
	}
	f, err := body.file()
	if err != nil {
		return err
	}
	f.ID = store.NewID(20)
	if body.Multipart && f.Size >= a.cfg.MultipartMin {
		f.PartSize = a.partSize(f.Size)
	}
	if f, err = a.reserve(r.Context(), c, d, f); err != nil {
		return err
	}
	return a.answerUpload(w, r, f, nil)
}

// partSize is the smallest whole number of MiB, or PartSizeMin, that needs no more than partsMax parts.
func (a *API) partSize(size int64) int64 {
	const mib = 1 << 20
	need := (size + partsMax - 1) / partsMax
	if need <= a.cfg.PartSizeMin {
		return a.cfg.PartSizeMin
	}
	return (need + mib - 1) / mib * mib
}

// reserve takes the space for f in d (D4). Where there is none, what is stale is given back first.
func (a *API) reserve(ctx context.Context, c caller, d store.Drop, f store.File) (store.File, error) {
	f.Drop = d.ID
	f.StaleAt = a.staleAt(f)
	if c.key != nil {
		f.Uploader = c.key.ID
	}
	try := func() (store.File, error) {
		free, err := a.free(ctx, d)
		if err != nil {
			return f, err
		}
		return a.cfg.Store.Reserve(ctx, f, d.Used+free)
	}
	if f.PartSize > 0 {
		var err error
		if f.UploadID, err = a.cfg.Objects.StartParts(ctx, f.ID, f.Type); err != nil {
			return f, err
		}
	}
	got, err := try()
	if errors.Is(err, store.ErrQuota) {
		if err := a.cfg.Sweep(ctx); err != nil {
			return f, err
		}
		if d, err = a.cfg.Store.Drop(ctx, d.ID); err != nil {
			return f, err
		}
		got, err = try()
	}
	if err != nil && f.UploadID != "" {
		_ = a.cfg.Objects.Delete(ctx, f.ID, f.UploadID) // else the sweeper ends it
	}
	return got, err
}

func (a *API) staleAt(f store.File) time.Time {
	grace := a.cfg.Grace
	if f.PartSize > 0 {
		grace = a.cfg.PartsGrace
	}
	return a.cfg.Now().Add(a.cfg.URLLifetime + grace)
}

func announced(f store.File) objects.Upload {
	return objects.Upload{Key: f.ID, Type: f.Type, Size: f.Size, UploadID: f.UploadID, PartSize: f.PartSize}
}

type uploadJSON struct {
	FileID    string            `json:"fileId"`
	SignedURL string            `json:"signedUrl,omitempty"`
	Headers   map[string]string `json:"headers,omitempty"`
	UploadID  string            `json:"uploadId,omitempty"`
	PartSize  int64             `json:"partSize,omitempty"`
	Parts     []partJSON        `json:"parts,omitempty"`
	ExpiresAt string            `json:"expiresAt"`
}

type partJSON struct {
	PartNumber int    `json:"partNumber"`
	SignedURL  string `json:"signedUrl,omitempty"`
	ETag       string `json:"etag,omitempty"`
}

// answerUpload answers where to send f; arrived parts need no URL.
func (a *API) answerUpload(w http.ResponseWriter, r *http.Request, f store.File, arrived []objects.Part) error {
	expires := a.cfg.Now().Add(a.cfg.URLLifetime).Truncate(time.Second)
	u := announced(f)
	out := uploadJSON{FileID: f.ID, ExpiresAt: iso(expires)}
	if u.Parts() == 0 {
		signed, err := a.cfg.Objects.SignPut(r.Context(), a.base(r), u, 0, expires)
		if err != nil {
			return err
		}
		out.SignedURL, out.Headers = signed.URL, signed.Header
		return success(w, out)
	}
	out.UploadID, out.PartSize, out.Parts = f.UploadID, f.PartSize, make([]partJSON, u.Parts())
	for _, p := range arrived {
		out.Parts[p.N-1].ETag = p.ETag
	}
	for i := range out.Parts {
		out.Parts[i].PartNumber = i + 1
		if out.Parts[i].ETag != "" {
			continue
		}
		signed, err := a.cfg.Objects.SignPut(r.Context(), a.base(r), u, i+1, expires)
		if err != nil {
			return err
		}
		out.Parts[i].SignedURL = signed.URL
	}
	return success(w, out)
}

// renewUpload answers fresh URLs for an upload under way.
func (a *API) renewUpload(w http.ResponseWriter, r *http.Request) error {
	c, err := a.caller(r)
	if err != nil {
		return err
	}
	f, err := a.file(r, c, access{permission: fileConfirm, byID: true})
	if err != nil {
		return err
	}
	if !f.Pending() {
		return web.Fail(http.StatusConflict, "The upload is already confirmed.")
	}
	var arrived []objects.Part
	if f.PartSize > 0 {
		if arrived, err = a.cfg.Objects.Arrived(r.Context(), announced(f)); err != nil {
			return err
		}
	}
	if err := a.cfg.Store.Renew(r.Context(), f.ID, a.staleAt(f)); err != nil {
		return err
	}
	return a.answerUpload(w, r, f, arrived)
}

// confirmLimit bounds the body of a confirm: partsMax parts and more.
const confirmLimit = 1 << 20

type confirmBody struct {
	Parts []struct {
		PartNumber int    `json:"partNumber"`
		ETag       string `json:"etag"`
	} `json:"parts"`
	Replaces string `json:"replaces"`
	CopyOf   string `json:"copyOf"`
	CopyFrom string `json:"copyFrom"` // the dropzone of copyOf, where that is another
}

// confirm closes an upload: the bytes become an object, then the metadata becomes durable, then the answer (D4).
func (a *API) confirm(w http.ResponseWriter, r *http.Request) error {
	c, err := a.caller(r)
	if err != nil {
		return err
	}
	var body confirmBody
	if err := web.ReadJSON(r, confirmLimit, &body); err != nil {
		return err
	}
	f, err := a.file(r, c, access{permission: fileConfirm, byID: true, byFile: true})
	if err != nil {
		return err
	}
	if !f.Pending() {
		return a.answerFile(w, r, c, f)
	}
	if body.Replaces != "" {
		if err := a.mayReplace(r.Context(), c, f, body.Replaces); err != nil {
			return err
		}
	}
	etags := map[int]string{}
	for _, p := range body.Parts {
		etags[p.PartNumber] = strings.Trim(p.ETag, `"`)
	}
	bytes := func(ctx context.Context) (objects.Object, error) {
		return a.cfg.Objects.Commit(ctx, announced(f), etags)
	}
	if body.CopyOf != "" {
		from, err := a.copySource(r.Context(), c, body, f)
		if err != nil {
			return err
		}
		bytes = func(ctx context.Context) (objects.Object, error) { return a.copyBytes(ctx, from, f) }
	}
	if f, err = a.commit(r.Context(), f, bytes, body.Replaces); err != nil {
		return err
	}
	return a.answerFile(w, r, c, f)
}

// commit makes the bytes of f an object and f a file.
func (a *API) commit(ctx context.Context, f store.File, bytes func(context.Context) (objects.Object, error), replaces string) (store.File, error) {
	o, err := bytes(ctx)
	if err != nil {
		// A confirm of the same file at the same time may have been faster, and moved the bytes away.
		if again, err2 := a.cfg.Store.File(ctx, f.ID); err2 == nil && !again.Pending() {
			return again, nil
		}
		return f, err
	}
	f, err = a.settle(ctx, f, o, replaces)
	if err != nil {
		return f, err
	}
	if err := a.cfg.Objects.Cleanup(ctx, announced(f)); err != nil {
		a.cfg.Log.WithError(err).Debug("what an upload left is removed later")
	}
	if replaces != "" {
		a.cfg.Collect(ctx)
	}
	return f, nil
}

// copySource finds the file whose bytes f is to have. 409 says that there is none such, and that they may still be sent.
func (a *API) copySource(ctx context.Context, c caller, body confirmBody, f store.File) (store.File, error) {
	if body.CopyFrom != "" {
		c.path, c.header = "", body.CopyFrom // where ids open what they name, this one does
	}
	from, err := a.fileByID(ctx, c, body.CopyOf, access{permission: fileDownload, byID: true})
	var e *web.Error
	switch {
	case errors.As(err, &e) && e.Status == http.StatusNotFound, err == nil && from.Pending(),
		err == nil && body.CopyFrom != "" && from.Drop != body.CopyFrom:
		return from, web.Fail(http.StatusConflict, "copyOf: File not found.")
	case err == nil && from.Size != f.Size:
		return from, web.Fail(http.StatusConflict, "copyOf: its size is not the one declared.")
	}
	return from, err
}

// copyBytes makes the bytes of from the object of f.
func (a *API) copyBytes(ctx context.Context, from, f store.File) (objects.Object, error) {
	err := a.cfg.Objects.Copy(ctx, from.ID, f.ID)
	if errors.Is(err, objects.ErrNotFound) {
		err = web.Fail(http.StatusConflict, "copyOf: File not found.")
	}
	return objects.Object{Size: from.Size, ETag: from.ETag, MD5: from.MD5}, err
}

// settle makes the metadata of a committed object durable. Where the file was given up meanwhile its object goes too.
func (a *API) settle(ctx context.Context, f store.File, o objects.Object, replaces string) (store.File, error) {
	got, err := a.cfg.Store.Confirm(ctx, f.ID, o.ETag, o.MD5, replaces)
	if errors.Is(err, store.ErrNotFound) {
		if err := a.cfg.Objects.Delete(context.WithoutCancel(ctx), f.ID, f.UploadID); err != nil {
			a.cfg.Log.WithError(err).Debug("an object without metadata is removed later")
		}
	}
	if err != nil {
		return f, err
	}
	a.cfg.Step("confirm.durable")
	a.cfg.Feed.Notify()
	return got, nil
}

// mayReplace checks that the caller may delete the file that f takes the place of.
func (a *API) mayReplace(ctx context.Context, c caller, f store.File, replaces string) error {
	old, err := a.cfg.Store.File(ctx, replaces)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if old.Drop != f.Drop {
		return web.Fail(http.StatusBadRequest, "replaces must be a file of the same dropzone.")
	}
	if c.ids && c.key == nil || c.ids && c.header == f.Drop {
		return nil // the id that opened f opens every file of its dropzone
	}
	d, err := a.cfg.Store.Drop(ctx, f.Drop)
	if err != nil {
		return err
	}
	held, err := a.held(ctx, c, d, &old)
	if err != nil {
		return err
	}
	for _, p := range held {
		if p == fileDelete {
			return nil
		}
	}
	return c.refuse()
}
