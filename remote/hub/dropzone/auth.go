package dropzone

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strings"

	"dropfs/remote/hub/store"
	"dropfs/remote/hub/web"
)

// The credentials of the wire.
const (
	headerKey  = "X-Api-Key"
	headerDrop = "X-Dropzone-Id"
)

// Permissions that the hub itself asks for; the others are kept and answered.
const (
	dropOwn      = "dropzone.own"
	dropList     = "dropzone.list"
	dropUpdate   = "dropzone.update"
	dropGet      = "dropzone.get"
	dropGrant    = "dropzone.grant"
	dropUpload   = "dropzone.upload"
	dropDownload = "dropzone.download"
	fileOwn      = "file.own"
	fileGet      = "file.get"
	fileGrant    = "file.grant"
	fileConfirm  = "file.upload.confirm"
	fileDelete   = "file.delete"
	fileDownload = "file.download"
	keyCreate    = "apikey.create"
)

var dropPermissionNames = []string{dropOwn, dropList, dropUpdate, dropGet, "dropzone.zip", dropGrant, dropUpload, dropDownload}

var filePermissionNames = []string{fileOwn, fileGet, fileGrant, fileConfirm, fileDelete, fileDownload}

// HashKey is the form in which the text of a key is kept. Keys are long and random, so a plain hash is enough, and an
// index lookup of it tells an attacker's clock nothing about the text.
func HashKey(text string) string {
	sum := sha256.Sum256([]byte("dropfs key " + text))
	return hex.EncodeToString(sum[:])
}

// caller is who asks.
type caller struct {
	key    *store.Key // nil: none sent
	header string     // x-dropzone-id
	path   string     // dropzone id in the path
	bare   bool       // below /api, where a bare file id is a credential
	ids    bool       // id-only access is allowed
}

// caller reads the credentials of a request; a key that is not known is an error.
func (a *API) caller(r *http.Request) (caller, error) {
	c := caller{
		header: strings.TrimSpace(r.Header.Get(headerDrop)), path: r.PathValue("drop"),
		bare: !strings.HasPrefix(r.URL.Path, "/api/v1/"), ids: !a.cfg.NoIDAccess,
	}
	return c, a.identify(r.Context(), &c, strings.TrimSpace(r.Header.Get(headerKey)))
}

func (a *API) identify(ctx context.Context, c *caller, text string) error {
	if text == "" {
		return nil
	}
	k, err := a.cfg.Store.KeyByHash(ctx, HashKey(text))
	if errors.Is(err, store.ErrNotFound) {
		return web.Fail(http.StatusUnauthorized, "The API key is not valid.")
	}
	c.key = &k
	return err
}

// keyed is caller for what only a key can do.
func (a *API) keyed(r *http.Request) (caller, error) {
	c, err := a.caller(r)
	if err == nil && c.key == nil {
		err = web.Fail(http.StatusUnauthorized, "An API key is required.")
	}
	return c, err
}

// byFile tells whether the caller has nothing but the id of a file.
func (c caller) byFile() bool {
	return c.bare && c.key == nil && c.header == "" && c.path == ""
}

// refuse is the answer to a caller who may not.
func (c caller) refuse() error {
	if c.key == nil && c.header == "" {
		return web.Fail(http.StatusUnauthorized, "An API key or dropzone id is required.")
	}
	return web.Fail(http.StatusForbidden, "You do not have permission to access this resource.")
}

// dropID is the dropzone that the request names.
func (c caller) dropID() (string, error) {
	switch {
	case c.path != "":
		return c.path, nil
	case c.header != "":
		return c.header, nil
	case c.key == nil:
		return "", web.Fail(http.StatusUnauthorized, "Missing dropzoneId or fileId.")
	default:
		return "", web.Fail(http.StatusBadRequest, "Missing dropzoneId or fileId.")
	}
}

// access says what a route asks for.
type access struct {
	permission string
	byID       bool // the id of the dropzone suffices, where that is allowed
	byFile     bool // below /api the id of the file suffices, where that is allowed (G1)
}

// drop returns the dropzone that the request names, if the caller may do with it what need says.
func (a *API) drop(ctx context.Context, c caller, need access) (store.Drop, error) {
	id, err := c.dropID()
	if err != nil {
		return store.Drop{}, err
	}
	d, err := a.cfg.Store.Drop(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return d, &web.Error{Status: http.StatusNotFound, Message: "Dropzone not found.", Err: err}
	}
	if err != nil {
		return d, err
	}
	if need.byID && c.ids && (c.header == id || c.key == nil && c.path == id) { // D2
		return d, nil
	}
	held, err := a.held(ctx, c, d, nil)
	if err != nil {
		return d, err
	}
	if !slices.Contains(held, need.permission) {
		return d, c.refuse()
	}
	return d, nil
}

// file returns the file that the request names, if the caller may do with it what need says.
func (a *API) file(r *http.Request, c caller, need access) (store.File, error) {
	return a.fileByID(r.Context(), c, r.PathValue("file"), need)
}

// fileByID is file for one that a body names.
func (a *API) fileByID(ctx context.Context, c caller, id string, need access) (store.File, error) {
	missing := &web.Error{Status: http.StatusNotFound, Message: "File not found."}
	f, err := a.cfg.Store.File(ctx, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && c.path != "" && c.path != f.Drop {
		// Where the file is not there it is not told who may know that.
		if c.key == nil && c.header == "" && c.path == "" && (!need.byFile || !c.byFile() || !c.ids) {
			return f, c.refuse()
		}
		return f, missing
	}
	if err != nil {
		return f, err
	}
	if need.byID && c.ids {
		switch {
		case c.header == f.Drop, c.key == nil && c.path == f.Drop:
			return f, nil
		case need.byFile && c.byFile():
			return f, nil
		}
	}
	d, err := a.cfg.Store.Drop(ctx, f.Drop)
	if err != nil {
		return f, err
	}
	held, err := a.held(ctx, c, d, &f)
	if err != nil {
		return f, err
	}
	if !slices.Contains(held, need.permission) {
		return f, c.refuse()
	}
	return f, nil
}

// item is the FileItem of f as the caller may see it (D5).
func (a *API) item(ctx context.Context, c caller, f store.File) (fileJSON, error) {
	j := fileItem(f)
	switch {
	case c.header == f.Drop, c.path == f.Drop, c.key != nil && c.key.ID == f.Uploader:
		return j, nil
	case c.key != nil:
		d, err := a.cfg.Store.Drop(ctx, f.Drop)
		if err != nil {
			return j, err
		}
		held, err := a.held(ctx, c, d, nil)
		if err != nil || slices.ContainsFunc(held, func(p string) bool { return p != dropDownload }) {
			return j, err
		}
	}
	j.Meta.DropZoneID, j.Meta.DropZoneCode = "", ""
	return j, nil
}

// held returns all permissions that the caller holds on d, and on f where that is not nil, in a fixed order.
func (a *API) held(ctx context.Context, c caller, d store.Drop, f *store.File) ([]string, error) {
	subjects, grantees := []string{d.ID}, []string{store.Anyone}
	if f != nil {
		subjects = append(subjects, f.ID)
	}
	if c.key != nil {
		grantees = append(grantees, c.key.ID)
	}
	has, err := a.cfg.Store.Held(ctx, subjects, grantees)
	if err != nil {
		return nil, err
	}
	if c.key != nil && d.Owner == c.key.ID {
		has[dropOwn] = true
	}
	if has[dropOwn] {
		has[fileOwn] = true
		for _, p := range dropPermissionNames {
			has[p] = true
		}
	}
	if f == nil {
		return pick(dropPermissionNames, has), nil
	}
	if has[fileOwn] {
		for _, p := range filePermissionNames {
			has[p] = true
		}
	}
	if has[dropDownload] {
		has[fileDownload] = true
	}
	if c.key != nil && f.Uploader == c.key.ID {
		has[fileConfirm], has[fileGet] = true, true
		if f.Pending() {
			has[fileDelete] = true
		}
	}
	return append(pick(dropPermissionNames, has), pick(filePermissionNames, has)...), nil
}

func pick(names []string, has map[string]bool) []string {
	var out []string
	for _, p := range names {
		if has[p] {
			out = append(out, p)
		}
	}
	return out
}
