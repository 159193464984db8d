package d3

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"dropfs/remote/hub/objects"
	"dropfs/remote/hub/store"
	"dropfs/remote/hub/web"
)

// linkLifetime is how long a redirect to the object store is good.
const linkLifetime = 15 * time.Minute

// download answers a result, with ranges and preconditions (RFC 9110 §13, §14), or where else it is. Its key is all that
// is asked for (T2); the key of an upload opens nothing here.
func (a *API) download(w http.ResponseWriter, r *http.Request) error {
	f, err := a.cfg.Store.D3File(r.Context(), r.PathValue("file"))
	if err != nil || !f.Ready() || f.UploadID != "" {
		if err == nil || toWire(err).status == http.StatusNotFound {
			err = missing("There is no such file.")
		}
		return err
	}
	read := readOf(f)
	elsewhere, err := a.cfg.Objects.SignGet(r.Context(), read, time.Now().Add(linkLifetime))
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("ETag", `"`+f.ETag+`"`)
	h.Set("Cache-Control", "private, no-cache")
	h.Set("Content-Type", read.Type)
	h.Set("Content-Disposition", read.Disposition)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'") // a page of a stranger is no page of the hub
	if elsewhere != "" {
		redirect(w, r, f, elsewhere)
		return nil
	}
	body, err := a.cfg.Objects.Open(r.Context(), f.Obj)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	if rec, ok := w.(*web.Recorder); ok {
		rec.PlainErrors = plainError
	}
	http.ServeContent(w, r, "", f.Created, body)
	return nil
}

// readOf is how a result is answered, wherever it is.
func readOf(f store.D3File) objects.Read {
	return objects.Read{Key: f.Obj, Type: web.SafeType(f.Type), Disposition: web.Disposition(f.Name)}
}

// plainError gives what http.ServeContent answers in plain text the shape of the wire.
func plainError(w http.ResponseWriter, status int) {
	f := &failure{status, "not_readable", "The file could not be read.", nil}
	switch status {
	case http.StatusRequestedRangeNotSatisfiable:
		f.code, f.message = "range_not_satisfiable", "The range lies outside of the file."
	case http.StatusPreconditionFailed:
		f.code, f.message = "precondition_failed", "The file is not the version asked for."
	}
	writeFailure(w, f)
}

// redirect answers a download whose bytes another server has; a URL signed for GET does not answer HEAD.
func redirect(w http.ResponseWriter, r *http.Request, f store.D3File, to string) {
	h := w.Header()
	if strings.Contains(r.Header.Get("If-None-Match"), `"`+f.ETag+`"`) {
		h.Del("Content-Type")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if r.Method == http.MethodHead {
		h.Set("Content-Length", strconv.FormatInt(f.Size, 10))
		h.Set("Accept-Ranges", "bytes")
		h.Set("Last-Modified", f.Created.UTC().Format(http.TimeFormat))
		w.WriteHeader(http.StatusOK)
		return
	}
	for _, name := range []string{"Content-Type", "Content-Disposition", "Content-Security-Policy"} {
		h.Del(name)
	}
	h.Set("Location", to)
	h.Set("Cache-Control", "private, no-store")
	h.Set("Content-Length", "0")
	w.WriteHeader(http.StatusFound)
}
