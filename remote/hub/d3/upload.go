package d3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"dropfs/remote/hub/objects"
	"dropfs/remote/hub/store"
	"dropfs/remote/hub/web"
)

// Bounds of requests.
const (
	jsonLimit = 1 << 20 // bytes of a body
	maxParts  = 10_000
	maxName   = 1024 // bytes
)

// putLifetime bounds how long an upload URL is good: the clients ask for all of them at once and send one after another.
const putLifetime = 24 * time.Hour

// objectName is what the wire calls the object of a file. It is told, and not needed again.
func objectName(key string) string { return "external/" + key }

// announcement is what initiate-upload is asked.
type announcement struct {
	Name  string `json:"file_name"`
	Size  *int64 `json:"size"`
	Type  string `json:"mime_type"`
	Parts int    `json:"parts"`
}

// uploadJSON is its answer.
type uploadJSON struct {
	FileKey string   `json:"file_key"`
	Upload  string   `json:"upload_id"`
	URLs    []string `json:"presigned_urls"`
	Object  string   `json:"object_name"`
}

// initiate is initiate-upload (wire/d3.md §5.1).
func (a *API) initiate(w http.ResponseWriter, r *http.Request, key store.Key) error {
	var q announcement
	if err := web.ReadJSON(r, jsonLimit, &q); err != nil {
		return err
	}
	f, err := a.announce(r.Context(), key, q)
	if err != nil {
		return err
	}
	urls, err := a.putURLs(r, f)
	if err != nil {
		return err
	}
	return success(w, uploadJSON{f.ID, f.UploadID, urls, objectName(f.ID)})
}

// announce makes a file of which no bytes are there yet.
func (a *API) announce(ctx context.Context, key store.Key, q announcement) (store.D3File, error) {
	q.Parts = max(q.Parts, 1)
	switch {
	case q.Name == "" || len(q.Name) > maxName || strings.ContainsRune(q.Name, 0):
		return store.D3File{}, invalid("file_name must be 1 to 1024 bytes without NUL.")
	case q.Size == nil || *q.Size < 0:
		return store.D3File{}, invalid("size must be the number of bytes, 0 or more.")
	case q.Parts > maxParts:
		return store.D3File{}, invalid("parts must be at most 10000.")
	case len(q.Type) > 256:
		return store.D3File{}, invalid("mime_type must be at most 256 bytes.")
	}
	free, err := a.cfg.Objects.Free(ctx)
	if err != nil {
		return store.D3File{}, err
	}
	if free >= 0 && *q.Size > free {
		return store.D3File{}, &failure{http.StatusRequestEntityTooLarge, "too_large", "The server has not so much space.", nil}
	}
	f := store.D3File{
		Owner: key.ID, Name: q.Name, Type: q.Type, Size: *q.Size, Parts: q.Parts, UploadID: store.NewID(40),
		Expires: a.cfg.Now().Add(a.cfg.Keep),
	}
	if a.cfg.Presign && f.Parts > 1 && f.Size/int64(f.Parts) >= minPart {
		return a.announceParts(ctx, f)
	}
	return a.cfg.Store.AddD3File(ctx, f)
}

// minPart is the least that the object store takes as a part that is not the last, in bytes. No client that cuts a file
// into equal parts, but for a last one that is the rest, has smaller ones where the parts are as large as that on average.
const minPart = 5 << 20

// announceParts makes a file whose parts go to the object store itself. A death before the row is there leaves a multipart
// upload that no row names, see package objects.
func (a *API) announceParts(ctx context.Context, f store.D3File) (store.D3File, error) {
	o := store.D3Object{Key: "parts_" + store.NewID(27)}
	var err error
	if o.UploadID, err = a.cfg.Objects.StartParts(ctx, o.Key, f.Type); err != nil {
		return f, err
	}
	a.cfg.Step("d3.parts.begun")
	added, err := a.cfg.Store.AddD3Multipart(ctx, f, o)
	if err != nil {
		return f, errors.Join(err, a.cfg.Objects.Delete(context.WithoutCancel(ctx), o.Key, o.UploadID))
	}
	a.cfg.Step("d3.parts.announced")
	return added, nil
}

// inParts is the upload of f as the object store knows it.
func inParts(f store.D3File, o store.D3Object) objects.Upload {
	return objects.Upload{Key: o.Key, Type: f.Type, Size: f.Size, UploadID: o.UploadID, Count: f.Parts}
}

// putURLs are the URLs of all parts, in order. They lead to the object store itself where that can be; parts that may be
// smaller than it takes go through the hub, each an object of its own.
func (a *API) putURLs(r *http.Request, f store.D3File) ([]string, error) {
	if f.Parts > 1 {
		o, err := a.cfg.Store.D3Multipart(r.Context(), f.ID)
		if err == nil {
			return a.partURLs(r, inParts(f, o))
		}
		if !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
	}
	expires := a.cfg.Now().Add(min(putLifetime, a.cfg.Keep))
	if a.cfg.Presign && f.Parts == 1 && f.Size > 0 {
		o := store.D3Object{Key: f.ID + "-" + store.NewID(8), File: f.ID, N: 1}
		if err := a.cfg.Store.AddD3Object(r.Context(), o); err != nil {
			return nil, err
		}
		signed, err := a.cfg.Objects.SignPut(r.Context(), a.base(r), objects.Upload{Key: o.Key, Size: f.Size}, 0, time.Now().Add(min(putLifetime, a.cfg.Keep)))
		return []string{signed.URL}, err
	}
	urls := make([]string, f.Parts)
	for i := range urls {
		// The size is that of the whole: the most that a part may have.
		claim := objects.Claim{Method: http.MethodPut, Key: f.ID, Part: i + 1, Size: f.Size, Expires: expires}
		urls[i] = a.base(r) + "/v1/upload/" + f.ID + "?" + a.signer.Query(claim).Encode()
	}
	return urls, nil
}

// partURLs are the object store's own URLs. Their sizes are not signed: the clients do not tell how they cut.
func (a *API) partURLs(r *http.Request, u objects.Upload) ([]string, error) {
	expires := time.Now().Add(min(putLifetime, a.cfg.Keep)) // by the store's clock, which is no test's
	urls := make([]string, u.Count)
	for i := range urls {
		signed, err := a.cfg.Objects.SignPut(r.Context(), a.base(r), u, i+1, expires)
		if err != nil {
			return nil, err
		}
		urls[i] = signed.URL
	}
	return urls, nil
}

// completedJSON is the answer of complete-upload.
type completedJSON struct {
	Message string `json:"message"`
	File    string `json:"file_key"`
}

// complete is complete-upload (wire/d3.md §5.3).
func (a *API) complete(w http.ResponseWriter, r *http.Request, key store.Key) error {
	var q struct {
		File   string `json:"file_key"`
		Upload string `json:"upload_id"`
		Parts  []struct {
			ETag string `json:"etag"`
			N    int    `json:"part_number"`
		} `json:"parts"`
	}
	if err := web.ReadJSON(r, jsonLimit, &q); err != nil {
		return err
	}
	f, err := a.upload(r, key, q.File, q.Upload)
	if err != nil {
		return err
	}
	if !f.Ready() {
		etags := map[int]string{}
		for _, p := range q.Parts {
			if p.N < 1 || p.N > f.Parts {
				return invalid(fmt.Sprintf("part_number must be from 1 to %d.", f.Parts))
			}
			if etag := strings.Trim(strings.TrimPrefix(strings.TrimSpace(p.ETag), "W/"), `"`); etag != "" {
				etags[p.N] = etag
			}
		}
		if f, err = a.join(r.Context(), f, etags); err != nil {
			return err
		}
		a.cfg.Step("d3.confirmed")
	}
	return success(w, completedJSON{"Upload completed successfully", f.ID})
}

// upload is the upload that a request names by its key, or else by its upload id (T9).
func (a *API) upload(r *http.Request, key store.Key, file, upload string) (f store.D3File, err error) {
	switch {
	case file != "":
		f, err = a.cfg.Store.D3File(r.Context(), file)
	case upload != "":
		f, err = a.cfg.Store.D3Upload(r.Context(), upload)
	default:
		return f, invalid("file_key is required.")
	}
	if err != nil || f.Owner != key.ID || f.UploadID == "" {
		if err == nil || toWire(err).status == http.StatusNotFound {
			err = missing("There is no such upload.")
		}
		return f, err
	}
	if upload != "" && upload != f.UploadID {
		return f, invalid("upload_id is not that of the file_key.")
	}
	return f, nil
}
