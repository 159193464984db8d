package dropzone

import (
	"errors"
	"net/http"
	"net/url"
	"path"
	"time"

	"dropfs/remote/hub/objects"
	"dropfs/remote/hub/web"
)

// Lifetimes of a link.
const (
	linkDefault = 7 * 24 * time.Hour
	linkMax     = 365 * 24 * time.Hour
)

// makeLink answers a URL under which anybody may read the file for a while.
func (a *API) makeLink(w http.ResponseWriter, r *http.Request) error {
	c, err := a.caller(r)
	if err != nil {
		return err
	}
	var body struct {
		Public  bool    `json:"public"` // our links need no permission, so it changes nothing
		Seconds float64 `json:"seconds"`
	}
	if err := web.ReadJSON(r, jsonLimit, &body); err != nil {
		return err
	}
	if !(body.Seconds >= 0 && body.Seconds <= linkMax.Seconds()) {
		return web.Fail(http.StatusBadRequest, "seconds must be between 0 and a year.")
	}
	f, err := a.file(r, c, access{fileGrant, true})
	if err != nil {
		return err
	}
	if f.Pending() {
		return web.Fail(http.StatusConflict, "The file has not been uploaded yet.")
	}
	life := time.Duration(body.Seconds * float64(time.Second))
	if life == 0 {
		life = linkDefault
	}
	claim := objects.Claim{Method: http.MethodGet, Key: f.ID, Size: f.Size, Expires: a.cfg.Now().Add(life).Truncate(time.Second)}
	u := a.base(r) + "/link/" + f.ID + "/" + url.PathEscape(path.Base(f.Name)) + "?" + a.cfg.Signer.Query(claim).Encode()
	return success(w, struct {
		URL       string `json:"url"`
		ExpiresAt string `json:"expiresAt"`
	}{u, iso(claim.Expires)})
}

// linkDownload answers a URL of makeLink.
func (a *API) linkDownload(w http.ResponseWriter, r *http.Request) error {
	_, err := a.cfg.Signer.Check(http.MethodGet, r.PathValue("file"), r.URL.Query())
	switch {
	case errors.Is(err, objects.ErrExpired):
		return web.Fail(http.StatusForbidden, "The link has expired.")
	case err != nil:
		return web.Fail(http.StatusForbidden, "The signature of the link is not valid.")
	}
	f, err := a.cfg.Store.File(r.Context(), r.PathValue("file"))
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "private, no-cache")
	return a.send(w, r, f)
}
