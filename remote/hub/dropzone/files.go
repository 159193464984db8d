package dropzone

import (
	"context"
	"net/http"

	"dropfs/remote/hub/store"
	"dropfs/remote/hub/web"
)

func (a *API) getFile(w http.ResponseWriter, r *http.Request) error {
	c, err := a.caller(r)
	if err != nil {
		return err
	}
	f, err := a.file(r, c, access{permission: fileGet, byID: true, byFile: true})
	if err != nil {
		return err
	}
	return a.answerFile(w, r, c, f)
}

func (a *API) answerFile(w http.ResponseWriter, r *http.Request, c caller, f store.File) error {
	j, err := a.item(r.Context(), c, f)
	if err != nil {
		return err
	}
	return success(w, j)
}

func (a *API) deleteFile(w http.ResponseWriter, r *http.Request) error {
	c, err := a.caller(r)
	if err != nil {
		return err
	}
	f, err := a.file(r, c, access{permission: fileDelete, byID: true})
	if err != nil {
		return err
	}
	if err := a.cfg.Store.DeleteFile(r.Context(), f.ID); err != nil {
		return err
	}
	a.cfg.Feed.Notify()
	a.cfg.Collect(r.Context())
	return done(w, "File deleted successfully.")
}

type nameBody struct {
	Name       *string `json:"name"`
	DropzoneID string  `json:"dropzoneId"`
}

func readName(r *http.Request) (nameBody, error) {
	var body nameBody
	if err := web.ReadJSON(r, jsonLimit, &body); err != nil {
		return body, err
	}
	if body.Name == nil || !validName(*body.Name) {
		return body, web.Fail(http.StatusBadRequest, "name must be 1 to 4096 bytes without NUL.")
	}
	return body, nil
}

func (a *API) renameFile(w http.ResponseWriter, r *http.Request) error {
	c, err := a.caller(r)
	if err != nil {
		return err
	}
	body, err := readName(r)
	if err != nil {
		return err
	}
	f, err := a.file(r, c, access{permission: fileOwn, byID: true})
	if err != nil {
		return err
	}
	if f, err = a.cfg.Store.RenameFile(r.Context(), f.ID, *body.Name); err != nil {
		return err
	}
	a.cfg.Feed.Notify()
	return a.answerFile(w, r, c, f)
}

// copyFile makes a further file of the same bytes, here or in another dropzone where the caller may upload.
func (a *API) copyFile(w http.ResponseWriter, r *http.Request) error {
	c, err := a.caller(r)
	if err != nil {
		return err
	}
	body, err := readName(r)
	if err != nil {
		return err
	}
	from, err := a.file(r, c, access{permission: fileDownload, byID: true})
	if err != nil {
		return err
	}
	if from.Pending() {
		return store.ErrNotFound
	}
	to := c
	if to.path = body.DropzoneID; to.path == "" {
		to.path = from.Drop
	}
	d, err := a.drop(r.Context(), to, access{permission: dropUpload, byID: true})
	if err != nil {
		return err
	}
	f, err := a.reserve(r.Context(), c, d, store.File{Name: *body.Name, Type: from.Type, Size: from.Size})
	if err != nil {
		return err
	}
	o, err := a.copyBytes(r.Context(), from, f)
	if err != nil {
		a.giveUp(r.Context(), f)
		return err
	}
	if f, err = a.settle(r.Context(), f, o, ""); err != nil {
		return err
	}
	return success(w, fileItem(f))
}

// giveUp ends an upload of the hub's own that went wrong; where that fails too it goes stale.
func (a *API) giveUp(ctx context.Context, f store.File) {
	ctx = context.WithoutCancel(ctx)
	if err := a.cfg.Store.DeleteFile(ctx, f.ID); err != nil {
		a.cfg.Log.WithError(err).Debug("a copy that failed is given up later")
		return
	}
	a.cfg.Collect(ctx)
}
