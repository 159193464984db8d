package dropzone

import (
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"dropfs/remote/hub/objects"
	"dropfs/remote/hub/store"
	"dropfs/remote/hub/web"
)

func (a *API) download(w http.ResponseWriter, r *http.Request) error {
	c, err := a.caller(r)
	if err != nil {
		return err
	}
	f, err := a.file(r, c, access{permission: fileDownload, byID: true, byFile: true})
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "private, no-cache")
	return a.send(w, r, f)
}

// publicDownload is /cdn/{file}/download: for everybody, where "anyone" may download.
func (a *API) publicDownload(w http.ResponseWriter, r *http.Request) error {
	missing := web.Fail(http.StatusNotFound, "File not found.") // also for a file that is not public: its id stays untold
	f, err := a.cfg.Store.File(r.Context(), r.PathValue("file"))
	if err != nil {
		return missing
	}
	d, err := a.cfg.Store.Drop(r.Context(), f.Drop)
	if err != nil {
		return missing
	}
	held, err := a.held(r.Context(), caller{}, d, &f)
	if err != nil {
		return err
	}
	if !slices.Contains(held, fileDownload) {
		return missing
	}
	w.Header().Set("Cache-Control", "public, no-cache")
	return a.send(w, r, f)
}

// send answers the bytes of f, with ranges and preconditions (RFC 9110 §13, §14), or where else they are.
func (a *API) send(w http.ResponseWriter, r *http.Request, f store.File) error {
	if f.Pending() {
		return web.Fail(http.StatusNotFound, "The file has not been uploaded yet.")
	}
	h := w.Header()
	h.Set("ETag", `"`+f.ETag+`"`)
	read := objects.Read{Key: f.ID, Type: web.SafeType(f.Type), Disposition: web.Disposition(f.Name)}
	elsewhere, err := a.cfg.Objects.SignGet(r.Context(), read, time.Now().Add(a.cfg.URLLifetime))
	if err != nil {
		return err
	}
	h.Set("Content-Type", read.Type)
	h.Set("Content-Disposition", read.Disposition)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'") // a page of a stranger is no page of the hub
	if elsewhere != "" {
		return redirect(w, r, f, elsewhere)
	}
	body, err := a.cfg.Objects.Open(r.Context(), f.ID)
	if err != nil {
		return &web.Error{Status: http.StatusInternalServerError, Message: "The file could not be read.", Err: err}
	}
	defer func() { _ = body.Close() }()
	if rec, ok := w.(*web.Recorder); ok {
		rec.PlainErrors = plainDownloadError
	}
	http.ServeContent(w, r, "", f.Confirmed, body)
	return nil
}

// plainDownloadError gives what http.ServeContent answers in plain text the shape of the wire.
func plainDownloadError(w http.ResponseWriter, status int) {
	message := map[int]string{
		http.StatusRequestedRangeNotSatisfiable: "The range lies outside of the file.",
		http.StatusPreconditionFailed:           "The file is not the version asked for.",
	}[status]
	if message == "" {
		message = "The file could not be read."
	}
	web.WriteError(w, web.Fail(status, message))
}

// redirect answers a download whose bytes another server has. Ranges are that server's affair; the preconditions are
// checked here, where the ETag is known.
func redirect(w http.ResponseWriter, r *http.Request, f store.File, to string) error {
	etag := `"` + f.ETag + `"`
	if v := r.Header.Get("If-Match"); v != "" && !matches(v, etag, false) {
		return web.Fail(http.StatusPreconditionFailed, "The file is not the version asked for.")
	}
	if v := r.Header.Get("If-None-Match"); v != "" && matches(v, etag, true) {
		w.Header().Del("Content-Type")
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	if r.Method == http.MethodHead {
		// A URL signed for GET does not answer HEAD.
		w.Header().Set("Content-Length", strconv.FormatInt(f.Size, 10))
		w.Header().Set("Accept-Ranges", "bytes")
		w.Header().Set("Last-Modified", f.Confirmed.UTC().Format(http.TimeFormat))
		w.WriteHeader(http.StatusOK)
		return nil
	}
	for _, name := range []string{"Content-Type", "Content-Disposition", "Content-Security-Policy"} {
		w.Header().Del(name)
	}
	w.Header().Set("Location", to)
	w.Header().Set("Cache-Control", "private, no-store")
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusFound)
	return nil
}

// matches tells whether a list of ETags holds etag; weak compares as If-None-Match does.
func matches(list, etag string, weak bool) bool {
	for _, v := range strings.Split(list, ",") {
		v = strings.TrimSpace(v)
		if weak {
			v = strings.TrimPrefix(v, "W/")
		}
		if v == "*" || v == etag {
			return true
		}
	}
	return false
}

var _ io.ReaderFrom = (*web.Recorder)(nil)
