package dropzone

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/sirupsen/logrus"

	"dropfs/remote/hub/objects"
	"dropfs/remote/hub/store"
	"dropfs/remote/hub/web"
)

// Abilities is what the header of that name announces on every answer.
const Abilities = "list-drops, delete-drop, rename-drop, multipart, copy, rename, replace, changes, link, renew"

// AbilitiesHeader names it.
const AbilitiesHeader = "Dropfs-Abilities"

// SequenceHeader tells with a listing up to which change of the feed it knows the dropzone.
const SequenceHeader = "Dropfs-Sequence"

// Config is what an API works with. Every field but the marked ones is needed.
type Config struct {
	Store       *store.Store
	Objects     objects.Store
	LinkSecret  []byte // 32 bytes
	PublicURL   string // may be ""
	BehindProxy bool
	NoIDAccess  bool // an id is an address and no credential
	URLLifetime time.Duration
	Grace       time.Duration // from the end of a URL to the end of its reservation
	PartsGrace  time.Duration // the same for uploads in parts, which may go on later
	// MultipartMin is the least size of an upload in parts, PartSizeMin that of a part, in bytes; 0: 64 and 16 MiB.
	MultipartMin, PartSizeMin int64
	Spool                     string // directory for form uploads; "" is the system's
	Feed                      *Feed
	Limiter                   *web.Limiter // nil: none
	Now                       func() time.Time
	Log                       *logrus.Entry
	// Step is called with the name of a step that is done; nil: nothing. Tests die in it.
	Step func(name string)
	// Sweep gives back what is stale, asked for before an upload is refused for want of space.
	Sweep func(ctx context.Context) error
	// Collect removes the objects of what was deleted; called after an answer may be given.
	Collect func(ctx context.Context)
}

// API answers the wire.
type API struct {
	cfg   Config
	mux   *web.Mux
	links sealer
}

// New makes an API.
func New(cfg Config) *API {
	if cfg.Step == nil {
		cfg.Step = func(string) {}
	}
	if cfg.MultipartMin == 0 {
		cfg.MultipartMin = multipartMin
	}
	if cfg.PartSizeMin == 0 {
		cfg.PartSizeMin = partSizeMin
	}
	a := &API{cfg: cfg, links: newSealer(cfg.LinkSecret)}
	a.mux = web.NewMux(a.fail)
	for _, base := range []string{"/api", "/api/v1"} {
		a.routes(base)
	}
	a.mux.Handle("GET /cdn/{file}/download", a.publicDownload)
	a.mux.Handle("GET /link/{token}", a.linkDownload)
	a.mux.Handle("GET /link/{token}/{name}", a.linkDownload)
	return a
}

func (a *API) routes(base string) {
	for pattern, fn := range map[string]web.HandlerFunc{
		"POST /dropzones":                       a.createDrop,
		"GET /dropzones":                        a.listDrops,
		"GET /dropzones/{drop}":                 a.getDrop,
		"DELETE /dropzones/{drop}":              a.deleteDrop,
		"PUT /dropzones/{drop}":                 a.updateDrop,
		"PATCH /dropzones/{drop}":               a.updateDrop,
		"POST /dropzones/{drop}":                a.updateDrop,
		"GET /dropzones/{drop}/files":           a.listFiles,
		"POST /dropzones/{drop}/files":          a.postFiles,
		"GET /dropzone":                         a.getDrop,
		"DELETE /dropzone":                      a.deleteDrop,
		"PUT /dropzone":                         a.updateDrop,
		"PATCH /dropzone":                       a.updateDrop,
		"POST /dropzone":                        a.updateDrop,
		"GET /files":                            a.listFiles,
		"POST /files":                           a.postFiles,
		"GET /files/{file}":                     a.getFile,
		"DELETE /files/{file}":                  a.deleteFile,
		"PATCH /files/{file}":                   a.renameFile,
		"GET /files/{file}/download":            a.download,
		"POST /files/{file}/confirm":            a.confirm,
		"GET /files/{file}/upload":              a.renewUpload,
		"POST /files/{file}/copy":               a.copyFile,
		"POST /files/{file}/link":               a.makeLink,
		"GET /changes":                          a.changes,
		"GET /apikeys/me":                       a.keyInfo,
		"POST /apikeys":                         a.createKey,
		"POST /apikeys/{key}/transfer-gbmonths": a.transfer,
		"GET /dropzones/{drop}/permissions":     a.dropPermissions,
		"POST /dropzones/{drop}/permissions":    a.grantDrop,
		"DELETE /dropzones/{drop}/permissions":  a.revokeDrop,
		"GET /files/{file}/permissions":         a.filePermissions,
		"POST /files/{file}/permissions":        a.grantFile,
		"DELETE /files/{file}/permissions":      a.revokeFile,
		// G1.
		"POST /dropzones/{drop}/upload/request": a.postFiles,
		"POST /files/{file}/upload/confirm":     a.confirm,
		// G0: the path without /download answers the bytes.
		"GET /dropzones/{drop}/files/{file}":          a.download,
		"DELETE /dropzones/{drop}/files/{file}":       a.deleteFile,
		"GET /dropzones/{drop}/files/{file}/download": a.download,
		"POST /dropzones/{drop}/files/{file}/confirm": a.confirm,
	} {
		method, path := splitPattern(pattern)
		a.mux.Handle(method+" "+base+path, a.limited(fn))
	}
}

func splitPattern(p string) (method, path string) {
	for i := range p {
		if p[i] == ' ' {
			return p[:i], p[i+1:]
		}
	}
	panic("a pattern has a method")
}

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.mux.ServeHTTP(w, r) }

// fail writes an error in the wire's shape.
func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	e := toWire(err)
	if e.Status >= http.StatusInternalServerError && r.Context().Err() == nil {
		a.cfg.Log.WithError(err).WithField("op", r.Pattern).Error("request failed")
	}
	web.WriteError(w, e)
}

// toWire gives an error its status and words (wire/dropzone.md §5).
func toWire(err error) *web.Error {
	var e *web.Error
	var status *objects.StatusError
	switch {
	case errors.As(err, &e):
		return e
	case errors.As(err, &status):
		return &web.Error{Status: status.Status, Message: status.Message, Err: status.Err}
	case errors.Is(err, store.ErrNotFound), errors.Is(err, objects.ErrNotFound):
		return &web.Error{Status: http.StatusNotFound, Message: "File or dropzone not found.", Err: err}
	case errors.Is(err, store.ErrQuota):
		return &web.Error{Status: http.StatusRequestEntityTooLarge, Message: "Not enough space in the dropzone.", Err: err}
	case errors.Is(err, store.ErrPayment):
		return &web.Error{Status: http.StatusPaymentRequired, Message: "Not enough GB-months on the API key.", Err: err}
	case errors.Is(err, store.ErrNameTaken):
		return &web.Error{Status: http.StatusConflict, Message: "Another dropzone of the API key has this name.", Err: err}
	case errors.Is(err, store.ErrSmaller):
		return &web.Error{
			Status: http.StatusBadRequest, Err: err,
			Message: "gb and days must not be smaller than the current values.",
		}
	case errors.Is(err, objects.ErrMissing):
		return &web.Error{Status: http.StatusConflict, Message: "The file has not been uploaded yet.", Err: err}
	case errors.Is(err, objects.ErrMismatch):
		return &web.Error{Status: http.StatusConflict, Message: "What was uploaded is not what was announced.", Err: err}
	default:
		return &web.Error{Status: http.StatusInternalServerError, Message: "An unexpected error occurred.", Err: err}
	}
}

// limited applies the rate limit before fn.
func (a *API) limited(fn web.HandlerFunc) web.HandlerFunc {
	if a.cfg.Limiter == nil {
		return fn
	}
	return func(w http.ResponseWriter, r *http.Request) error {
		who := r.Header.Get(headerKey)
		if who == "" {
			who = r.Header.Get(headerDrop)
		}
		if err := a.cfg.Limiter.Allow(w, r, who); err != nil {
			return err
		}
		return fn(w, r)
	}
}

func (a *API) base(r *http.Request) string {
	return web.BaseURL(r, a.cfg.PublicURL, a.cfg.BehindProxy)
}
