package dropzone

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"net/url"
	"path"
	"time"

	"dropfs/remote/hub/web"
)

// Lifetimes of a link.
const (
	linkDefault = 7 * 24 * time.Hour
	linkMax     = 365 * 24 * time.Hour
)

// sealer makes the tokens of links. They are sealed and not only signed: below /api the id of a file is a credential of
// its own, which would outlive the link (D5).
type sealer struct{ aead cipher.AEAD }

// newSealer takes a key of 32 bytes.
func newSealer(key []byte) sealer {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("the key has 32 bytes: " + err.Error())
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic("AES has blocks of 16 bytes: " + err.Error())
	}
	return sealer{aead}
}

func (s sealer) seal(id string, expires time.Time) string {
	plain := binary.BigEndian.AppendUint64(nil, uint64(expires.Unix()))
	return base64.RawURLEncoding.EncodeToString(s.aead.Seal(nil, nil, append(plain, id...), []byte("link")))
}

func (s sealer) open(token string) (id string, expires time.Time, ok bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil {
		return "", expires, false
	}
	plain, err := s.aead.Open(nil, nil, raw, []byte("link"))
	if err != nil || len(plain) < 8 {
		return "", expires, false
	}
	return string(plain[8:]), time.Unix(int64(binary.BigEndian.Uint64(plain)), 0), true
}

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
	f, err := a.file(r, c, access{permission: fileGrant, byID: true})
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
	expires := a.cfg.Now().Add(life).Truncate(time.Second)
	u := a.base(r) + "/link/" + a.links.seal(f.ID, expires) + "/" + url.PathEscape(path.Base(f.Name))
	return success(w, struct {
		URL       string `json:"url"`
		ExpiresAt string `json:"expiresAt"`
	}{u, iso(expires)})
}

// linkDownload answers a URL of makeLink.
func (a *API) linkDownload(w http.ResponseWriter, r *http.Request) error {
	id, expires, ok := a.links.open(r.PathValue("token"))
	if !ok {
		return web.Fail(http.StatusForbidden, "The signature of the link is not valid.")
	}
	if !a.cfg.Now().Before(expires) {
		return web.Fail(http.StatusForbidden, "The link has expired.")
	}
	f, err := a.cfg.Store.File(r.Context(), id)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "private, no-cache")
	return a.send(w, r, f)
}
