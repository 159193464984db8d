package dropzone

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"dropfs/remote/hub/store"
	"dropfs/remote/hub/web"
)

// grantBody names who gets what. SDKs before 0.4 send the target as apiKey: the text of the key, or its public id.
type grantBody struct {
	PublicID    string   `json:"publicId"`
	APIKey      string   `json:"apiKey"`
	Permissions []string `json:"permissions"`
}

// grantee checks the body against the names that are possible and returns whom it names.
func (a *API) grantee(r *http.Request, names []string) (who string, permissions []string, err error) {
	var body grantBody
	if err := web.ReadJSON(r, jsonLimit, &body); err != nil {
		return "", nil, err
	}
	if body.PublicID == "" && body.APIKey == "" || len(body.Permissions) == 0 {
		return "", nil, web.Fail(http.StatusBadRequest, "publicId and permissions are required.")
	}
	for _, p := range body.Permissions {
		if !slices.Contains(names, p) {
			return "", nil, web.Fail(http.StatusBadRequest, "There is no such permission here.")
		}
	}
	who, err = a.target(r.Context(), body)
	return who, body.Permissions, err
}

func (a *API) target(ctx context.Context, body grantBody) (string, error) {
	id := body.PublicID
	if id == "" {
		if k, err := a.cfg.Store.KeyByHash(ctx, HashKey(body.APIKey)); err == nil {
			return k.ID, nil
		}
		id = body.APIKey
	}
	if id == store.Anyone {
		return id, nil
	}
	k, err := a.cfg.Store.KeyByID(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return "", &web.Error{Status: http.StatusNotFound, Message: "No API key has this public id.", Err: err}
	}
	return k.ID, err
}

// subject is a dropzone or a file whose permissions are asked for or changed.
type subject struct {
	id    string
	names []string // the permissions that are possible on it
	held  []string // by the caller
}

// dropSubject finds the dropzone that the request names.
func (a *API) dropSubject(r *http.Request, c caller) (subject, error) {
	d, err := a.drop(r.Context(), c, access{permission: dropGrant})
	if err != nil {
		return subject{}, err
	}
	held, err := a.held(r.Context(), c, d, nil)
	return subject{d.ID, dropPermissionNames, held}, err
}

// fileSubject finds the file that the request names.
func (a *API) fileSubject(r *http.Request, c caller) (subject, error) {
	f, err := a.file(r, c, access{permission: fileGrant})
	if err != nil {
		return subject{}, err
	}
	d, err := a.cfg.Store.Drop(r.Context(), f.Drop)
	if err != nil {
		return subject{}, err
	}
	held, err := a.held(r.Context(), c, d, &f)
	return subject{f.ID, filePermissionNames, held}, err
}

type finder func(*http.Request, caller) (subject, error)

func (a *API) grantDrop(w http.ResponseWriter, r *http.Request) error {
	return a.change(w, r, a.dropSubject, a.cfg.Store.Grant)
}

func (a *API) revokeDrop(w http.ResponseWriter, r *http.Request) error {
	return a.change(w, r, a.dropSubject, a.cfg.Store.Revoke)
}

func (a *API) grantFile(w http.ResponseWriter, r *http.Request) error {
	return a.change(w, r, a.fileSubject, a.cfg.Store.Grant)
}

func (a *API) revokeFile(w http.ResponseWriter, r *http.Request) error {
	return a.change(w, r, a.fileSubject, a.cfg.Store.Revoke)
}

// change grants or revokes, and answers what the grantee then holds.
func (a *API) change(w http.ResponseWriter, r *http.Request, find finder,
	apply func(context.Context, string, string, []string) error,
) error {
	c, err := a.keyed(r)
	if err != nil {
		return err
	}
	s, err := find(r, c)
	if err != nil {
		return err
	}
	who, permissions, err := a.grantee(r, s.names)
	if err != nil {
		return err
	}
	for _, p := range permissions {
		if !slices.Contains(s.held, p) { // D3
			return web.Fail(http.StatusForbidden, "You do not hold this permission yourself.")
		}
	}
	if err := apply(r.Context(), s.id, who, permissions); err != nil {
		return err
	}
	all, err := a.cfg.Store.Grants(r.Context(), s.id)
	if err != nil {
		return err
	}
	return answerPermissions(w, orEmpty(all[who]), all)
}

// dropPermissions answers an object: who holds what.
func (a *API) dropPermissions(w http.ResponseWriter, r *http.Request) error {
	return a.permissions(w, r, a.dropSubject, func(_ subject, all map[string][]string) any { return all })
}

// filePermissions answers a list, as the SDKs document it: what the caller himself holds; who holds what is beside it.
func (a *API) filePermissions(w http.ResponseWriter, r *http.Request) error {
	return a.permissions(w, r, a.fileSubject, func(s subject, _ map[string][]string) any {
		own := []string{}
		for _, p := range s.held {
			if slices.Contains(s.names, p) {
				own = append(own, p)
			}
		}
		return own
	})
}

func (a *API) permissions(w http.ResponseWriter, r *http.Request, find finder, data func(subject, map[string][]string) any) error {
	c, err := a.keyed(r)
	if err != nil {
		return err
	}
	s, err := find(r, c)
	if err != nil {
		return err
	}
	all, err := a.cfg.Store.Grants(r.Context(), s.id)
	if err != nil {
		return err
	}
	return answerPermissions(w, data(s, all), all)
}

func answerPermissions(w http.ResponseWriter, data any, all map[string][]string) error {
	w.Header().Set("Cache-Control", "no-store")
	web.WriteJSON(w, http.StatusOK, struct {
		Status      string              `json:"status"`
		Data        any                 `json:"data"`
		Permissions map[string][]string `json:"permissions"`
	}{"success", data, all})
	return nil
}

func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
