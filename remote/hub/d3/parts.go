package d3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"dropfs/remote/hub/objects"
	"dropfs/remote/hub/store"
)

// put receives one part, at a URL of putURLs.
func (a *API) put(w http.ResponseWriter, r *http.Request) error {
	c, err := a.signer.Check(r.Method, r.PathValue("file"), r.URL.Query())
	switch {
	case errors.Is(err, objects.ErrExpired):
		return &failure{http.StatusForbidden, "expired", "The upload URL has expired.", nil}
	case err != nil:
		return &failure{http.StatusForbidden, "forbidden", "The signature of the upload URL is not valid.", nil}
	case r.ContentLength < 0:
		return &failure{http.StatusLengthRequired, "length_required", "A Content-Length is required.", nil}
	}
	f, err := a.cfg.Store.D3File(r.Context(), c.Key)
	if errors.Is(err, store.ErrNotFound) {
		return missing("There is no such upload.")
	}
	if err != nil {
		return err
	}
	if err := a.checkRoom(r.Context(), f, c.Part, r.ContentLength); err != nil {
		return err
	}
	etag, err := a.receive(r, f, c.Part)
	if err != nil {
		return err
	}
	w.Header().Set("ETag", `"`+etag+`"`)
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusOK)
	return nil
}

// checkRoom refuses a part that would make the upload larger than it was announced.
func (a *API) checkRoom(ctx context.Context, f store.D3File, part int, size int64) error {
	if f.Ready() {
		return conflict("already_completed", "The upload is already completed.")
	}
	parts, err := a.cfg.Store.D3Objects(ctx, f.ID)
	if err != nil {
		return err
	}
	for _, p := range parts {
		if p.N != part {
			size += p.Size
		}
	}
	if size > f.Size {
		return &failure{http.StatusRequestEntityTooLarge, "too_large", fmt.Sprintf("The upload was announced with %d bytes.", f.Size), nil}
	}
	return nil
}

// receive stores the body as an object of its own, so that one that breaks off, or is sent again, harms nothing (S3 of
// package store).
func (a *API) receive(r *http.Request, f store.D3File, part int) (etag string, err error) {
	o := store.D3Object{Key: f.ID + "-" + store.NewID(8), File: f.ID, N: part, Size: r.ContentLength}
	if err := a.cfg.Store.AddD3Object(r.Context(), o); err != nil {
		if errors.Is(err, store.ErrConfirmed) {
			err = conflict("already_completed", "The upload is already completed.")
		}
		return "", err
	}
	a.cfg.Step("d3.put.begun")
	body := &watched{r: r.Body}
	stored, err := a.cfg.Objects.Put(r.Context(), o.Key, f.Type, body, r.ContentLength)
	if err != nil {
		if body.err != nil || errors.Is(err, objects.ErrMismatch) {
			err = &failure{http.StatusBadRequest, "upload_broken", "The upload broke off.", err}
		}
		return "", errors.Join(err, a.cfg.Store.DropD3Object(context.WithoutCancel(r.Context()), o.Key))
	}
	a.cfg.Step("d3.put.stored")
	o.ETag = stored.ETag
	return o.ETag, a.cfg.Store.D3Arrived(r.Context(), o)
}

// watched remembers that its reader failed.
type watched struct {
	r   io.Reader
	err error
}

// Read implements io.Reader.
func (b *watched) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	return n, err
}

// join makes the parts that have arrived the bytes of the file, without moving any: the clients wait for the answer no
// longer than for any other. etags, where given, must be theirs (T5).
func (a *API) join(ctx context.Context, f store.D3File, etags map[int]string) (store.D3File, error) {
	if f.Parts > 1 {
		o, err := a.cfg.Store.D3Multipart(ctx, f.ID)
		if err == nil {
			return a.joinParts(ctx, f, o, etags)
		}
		if !errors.Is(err, store.ErrNotFound) {
			return f, err
		}
	}
	parts, err := a.cfg.Store.D3Objects(ctx, f.ID)
	if err != nil {
		return f, err
	}
	if again, err := a.cfg.Store.D3File(ctx, f.ID); err == nil && again.Ready() {
		return again, nil // by another request at the same time
	}
	if len(parts) == 0 && a.cfg.Presign && f.Parts == 1 && f.Size > 0 {
		return a.joinElsewhere(ctx, f, etags)
	}
	if len(parts) != f.Parts {
		return f, incomplete(len(parts), f.Parts)
	}
	size := int64(0)
	for _, p := range parts {
		size += p.Size
		if want := etags[p.N]; want != "" && want != p.ETag {
			return f, otherETag(p.N)
		}
	}
	if size != f.Size {
		return f, otherSize(size, f.Size)
	}
	f, err = a.confirm(ctx, f.ID, parts)
	if errors.Is(err, store.ErrChanged) {
		err = conflict("upload_changed", "A part was sent again while the upload was completed.")
	}
	return f, err
}

// confirm makes objects the bytes of an upload, whose time begins anew with that (T11).
func (a *API) confirm(ctx context.Context, id string, parts []store.D3Object) (store.D3File, error) {
	return a.cfg.Store.ConfirmD3(ctx, id, parts, a.cfg.Now().Add(a.cfg.Keep))
}

func incomplete(have, want int) error {
	return conflict("upload_incomplete", fmt.Sprintf("%d of %d parts have been uploaded.", have, want))
}

func otherETag(n int) error {
	return invalid(fmt.Sprintf("The etag of part %d is not that of what was uploaded.", n))
}

func otherSize(have, want int64) error {
	return conflict("size_mismatch", fmt.Sprintf("%d bytes have been uploaded, not %d.", have, want))
}

// joinParts is join for parts that went to the object store itself, which puts them together.
func (a *API) joinParts(ctx context.Context, f store.D3File, o store.D3Object, etags map[int]string) (store.D3File, error) {
	up := inParts(f, o)
	stored, err := a.cfg.Objects.Commit(ctx, up, etags)
	if err != nil {
		// Another request may have been faster; its upload is no longer open then.
		if again, err := a.cfg.Store.D3File(ctx, f.ID); err == nil && again.Ready() {
			return again, nil
		}
	}
	switch {
	case errors.Is(err, objects.ErrMissing), errors.Is(err, objects.ErrMismatch):
		return f, a.whyNot(ctx, up, etags, err)
	case errors.Is(err, objects.ErrTooSmall):
		return f, conflict("part_too_small", "Every part but the last must have 5 MiB or more.")
	case err != nil:
		return f, err
	}
	a.cfg.Step("d3.parts.joined")
	o.Size, o.ETag = f.Size, stored.ETag
	return a.confirm(ctx, f.ID, []store.D3Object{o})
}

// whyNot says in the wire's words why the object store did not put parts together.
func (a *API) whyNot(ctx context.Context, up objects.Upload, etags map[int]string, cause error) error {
	parts, err := a.cfg.Objects.Arrived(ctx, up)
	if err != nil {
		return errors.Join(cause, err)
	}
	if len(parts) != up.Count {
		return incomplete(len(parts), up.Count)
	}
	size := int64(0)
	for _, p := range parts {
		if want, ok := etags[p.N]; ok && want != p.ETag {
			return otherETag(p.N)
		}
		size += p.Size
	}
	return otherSize(size, up.Size)
}

// joinElsewhere is join for a single upload that went to the object store itself.
func (a *API) joinElsewhere(ctx context.Context, f store.D3File, etags map[int]string) (store.D3File, error) {
	o, err := a.cfg.Store.D3Pending(ctx, f.ID, 1)
	if err != nil {
		return f, err
	}
	up := objects.Upload{Key: o.Key, Size: f.Size}
	stored, err := a.cfg.Objects.Commit(ctx, up, nil)
	switch {
	case errors.Is(err, objects.ErrMissing):
		return f, incomplete(0, 1)
	case errors.Is(err, objects.ErrMismatch):
		return f, conflict("size_mismatch", fmt.Sprintf("What was uploaded has not %d bytes.", f.Size))
	case err != nil:
		return f, err
	}
	if want := etags[1]; want != "" && want != stored.ETag {
		return f, otherETag(1)
	}
	o.Size, o.ETag = f.Size, stored.ETag
	if f, err = a.confirm(ctx, f.ID, []store.D3Object{o}); err == nil {
		err = a.cfg.Objects.Cleanup(ctx, up)
	}
	return f, err
}

// series reads objects one after another, one open at a time.
type series struct {
	ctx     context.Context //nolint:containedctx // of the task that reads
	objects objects.Store
	parts   []store.D3Object
	open    io.ReadCloser
}

// Read implements io.Reader.
func (s *series) Read(p []byte) (int, error) {
	for {
		if s.open == nil {
			if len(s.parts) == 0 {
				return 0, io.EOF
			}
			var err error
			if s.open, err = s.objects.Open(s.ctx, s.parts[0].Key); err != nil {
				return 0, err
			}
			s.parts = s.parts[1:]
		}
		n, err := s.open.Read(p)
		if errors.Is(err, io.EOF) {
			s.close()
			err = nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

func (s *series) close() {
	if s.open != nil {
		_ = s.open.Close() // it was only read
		s.open = nil
	}
}

// downloadURL is where a result is fetched from, without a key (T2).
func downloadURL(base, file string) string { return base + "/v1/download/" + url.PathEscape(file) }
