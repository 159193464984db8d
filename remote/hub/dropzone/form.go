package dropzone

import (
	"context"
	"crypto/md5" // an ETag, as S3 has it
	"encoding/hex"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"os"

	"dropfs/remote/hub/store"
	"dropfs/remote/hub/web"
)

// formPartsMax bounds the files of one form.
const formPartsMax = 1000

// failedFile is doc-B's FailedFile.
type failedFile struct {
	Name  string `json:"name"`
	Error string `json:"error"`
}

// formUpload is G0's upload: the field "files" of a form, as often as there are files. Each file stands for itself; the
// answer is an error only where none was taken.
func (a *API) formUpload(w http.ResponseWriter, r *http.Request, c caller, d store.Drop, boundary string) error {
	if boundary == "" {
		return web.Fail(http.StatusBadRequest, "The form has no boundary.")
	}
	uploaded, failed := []fileJSON{}, []failedFile{}
	var firstErr *web.Error
	form := multipart.NewReader(r.Body, boundary)
	for n := 0; ; n++ {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil || n >= formPartsMax {
			firstErr = &web.Error{Status: http.StatusBadRequest, Message: "The form could not be read.", Err: err}
			failed = append(failed, failedFile{"", firstErr.Message})
			break
		}
		if part.FileName() == "" {
			continue // a field that is no file
		}
		f, err := a.formFile(r.Context(), c, d, part)
		if err != nil {
			e := toWire(err)
			if firstErr == nil {
				firstErr = e
			}
			failed = append(failed, failedFile{part.FileName(), e.Message})
			continue
		}
		uploaded = append(uploaded, fileItem(f))
	}
	if len(uploaded) == 0 {
		if firstErr == nil {
			return web.Fail(http.StatusBadRequest, "The form has no files.")
		}
		return &web.Error{Status: firstErr.Status, Message: firstErr.Message, Err: firstErr.Err, Data: map[string]any{
			"uploadedFiles": uploaded, "failedFiles": failed,
		}}
	}
	return success(w, struct {
		UploadedFiles []fileJSON   `json:"uploadedFiles"`
		FailedFiles   []failedFile `json:"failedFiles"`
	}{uploaded, failed})
}

// formFile takes one file. Its size is known only when it is here, so it is spooled first and then stored like any other:
// reserved, made an object, confirmed.
func (a *API) formFile(ctx context.Context, c caller, d store.Drop, part *multipart.Part) (store.File, error) {
	name := part.FileName()
	if !validName(name) {
		return store.File{}, web.Fail(http.StatusBadRequest, "name must be 1 to 4096 bytes without NUL.")
	}
	d, err := a.cfg.Store.Drop(ctx, d.ID)
	if err != nil {
		return store.File{}, err
	}
	free, err := a.free(ctx, d)
	if err != nil {
		return store.File{}, err
	}
	limit := free
	if d.MaxSize > 0 {
		limit = d.MaxSize - d.Used
	}
	spool, err := os.CreateTemp(a.cfg.Spool, "form-*")
	if err != nil {
		return store.File{}, err
	}
	defer func() { _ = spool.Close() }()
	// Without a name it goes with the process.
	if err := os.Remove(spool.Name()); err != nil {
		return store.File{}, err
	}
	h := md5.New()
	size, err := io.Copy(io.MultiWriter(spool, h), io.LimitReader(part, limit+1))
	if err != nil {
		return store.File{}, &web.Error{Status: http.StatusBadRequest, Message: "The upload broke off.", Err: err}
	}
	if size > limit {
		return store.File{}, store.ErrQuota
	}
	if _, err := spool.Seek(0, io.SeekStart); err != nil {
		return store.File{}, err
	}
	f, err := a.reserve(ctx, c, d, store.File{Name: name, Type: web.SafeType(part.Header.Get("Content-Type")), Size: size})
	if err != nil {
		return f, err
	}
	o, err := a.cfg.Objects.Put(ctx, f.ID, f.Type, spool, size)
	if err != nil {
		a.giveUp(ctx, f)
		return f, err
	}
	o.MD5 = hex.EncodeToString(h.Sum(nil))
	return a.settle(ctx, f, o, "")
}
