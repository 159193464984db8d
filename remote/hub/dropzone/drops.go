package dropzone

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"net/http"
	"strings"
	"unicode/utf8"

	"dropfs/remote/hub/store"
	"dropfs/remote/hub/web"
)

// jsonLimit bounds every JSON body but that of a confirm, in bytes.
const jsonLimit = 64 << 10

// nameLimit bounds names, in bytes.
const nameLimit = 4096

// reserved are words that are addresses of the hub, so that no drop may have them for a name.
var reserved = map[string]bool{
	"drops": true, "upload": true, "api": true, "v1": true, "cdn": true, "jobs": true, "accounts": true, "hidden": true,
	"metrics": true, "healthz": true, "mcp": true, "javascripts": true,
}

// dropBody is the body of a create or an update.
type dropBody struct {
	GB     *float64 `json:"gb"`
	Days   *float64 `json:"days"`
	Name   *string  `json:"name"`
	APIKey string   `json:"apiKey"` // G0
}

// spec checks the body. create asks for both numbers, unless the key is embedded.
func (b dropBody) spec(key store.Key, create bool) (store.DropSpec, error) {
	var s store.DropSpec
	if b.Name != nil {
		s.Name = *b.Name
		if *b.Name == "" && !create || !validName(s.Name) && *b.Name != "" {
			return s, web.Fail(http.StatusBadRequest, "name must be 1 to 4096 bytes without NUL.")
		}
		if reserved[strings.ToLower(s.Name)] {
			return s, web.Fail(http.StatusBadRequest, "This name is reserved.")
		}
	}
	if !key.Embedded {
		if create && (b.GB == nil || b.Days == nil) {
			return s, web.Fail(http.StatusBadRequest, "gb and days are required.")
		}
		if b.GB != nil && !(*b.GB >= 0.2 && *b.GB <= 4) {
			return s, web.Fail(http.StatusBadRequest, "gb must be between 0.2 and 4.")
		}
		if b.Days != nil && !(*b.Days >= 30 && *b.Days <= 365 && *b.Days == math.Trunc(*b.Days)) {
			return s, web.Fail(http.StatusBadRequest, "days must be a whole number between 30 and 365.")
		}
	}
	if b.GB != nil && *b.GB >= 0 && *b.GB < 1e9 {
		s.GBMilli = int64(math.Round(*b.GB * 1000))
	}
	if b.Days != nil && *b.Days >= 0 && *b.Days < 1e6 {
		s.Days = int(*b.Days)
	}
	if !create && b.GB == nil && b.Days == nil && b.Name == nil {
		return s, web.Fail(http.StatusBadRequest, "gb, days or name is required.")
	}
	return s, nil
}

func validName(name string) bool {
	return name != "" && len(name) <= nameLimit && utf8.ValidString(name) && !strings.ContainsRune(name, 0)
}

func (a *API) createDrop(w http.ResponseWriter, r *http.Request) error {
	var body dropBody
	c, err := a.caller(r)
	if err != nil {
		return err
	}
	if err := web.ReadJSON(r, jsonLimit, &body); err != nil {
		return err
	}
	if c.key == nil {
		if err := a.identify(r.Context(), &c, body.APIKey); err != nil {
			return err
		}
	}
	if c.key == nil {
		return web.Fail(http.StatusUnauthorized, "An API key is required.")
	}
	spec, err := body.spec(*c.key, true)
	if err != nil {
		return err
	}
	if spec.Name == "" {
		spec.Name = store.NewID(12)
	}
	d, err := a.cfg.Store.PutDrop(r.Context(), *c.key, spec)
	if err != nil {
		return err
	}
	return a.answerDrop(w, r, d)
}

// answerDrop tells the feed that something happened, and answers d.
func (a *API) answerDrop(w http.ResponseWriter, r *http.Request, d store.Drop) error {
	a.cfg.Feed.Notify()
	free, err := a.free(r.Context(), d)
	if err != nil {
		return err
	}
	return success(w, dropzone(d, a.base(r), free))
}

// unbounded stands for the free space of a store without limit, in bytes.
const unbounded = int64(1) << 50

// free returns the bytes that the disk has left for d, which is 0 where d has a size of its own.
func (a *API) free(ctx context.Context, d store.Drop) (int64, error) {
	if d.MaxSize > 0 {
		return 0, nil
	}
	free, err := a.cfg.Objects.Free(ctx)
	if err != nil || free < 0 {
		return unbounded, err
	}
	pending, err := a.cfg.Store.PendingBytes(ctx)
	return max(free-pending, 0), err
}

func (a *API) getDrop(w http.ResponseWriter, r *http.Request) error {
	c, err := a.caller(r)
	if err != nil {
		return err
	}
	d, err := a.drop(r.Context(), c, access{permission: dropGet, byID: true})
	if err != nil {
		return err
	}
	free, err := a.free(r.Context(), d)
	if err != nil {
		return err
	}
	return success(w, dropzone(d, a.base(r), free))
}

func (a *API) listDrops(w http.ResponseWriter, r *http.Request) error {
	c, err := a.keyed(r)
	if err != nil {
		return err
	}
	drops, err := a.cfg.Store.DropsOf(r.Context(), c.key.ID)
	if err != nil {
		return err
	}
	list := make([]dropzoneJSON, len(drops))
	for i, d := range drops {
		free, err := a.free(r.Context(), d)
		if err != nil {
			return err
		}
		list[i] = dropzone(d, a.base(r), free)
	}
	return success(w, list)
}

func (a *API) updateDrop(w http.ResponseWriter, r *http.Request) error {
	c, err := a.keyed(r)
	if err != nil {
		return err
	}
	var body dropBody
	if err := web.ReadJSON(r, jsonLimit, &body); err != nil {
		return err
	}
	d, err := a.drop(r.Context(), c, access{permission: dropUpdate})
	if err != nil {
		return err
	}
	spec, err := body.spec(*c.key, false)
	if err != nil {
		return err
	}
	d, err = a.cfg.Store.UpdateDrop(r.Context(), *c.key, d.ID, spec)
	if err != nil {
		return err
	}
	return a.answerDrop(w, r, d)
}

func (a *API) deleteDrop(w http.ResponseWriter, r *http.Request) error {
	c, err := a.keyed(r)
	if err != nil {
		return err
	}
	d, err := a.drop(r.Context(), c, access{permission: dropOwn})
	if err != nil {
		return err
	}
	if err := a.cfg.Store.DeleteDrop(r.Context(), d.ID); err != nil {
		return err
	}
	a.cfg.Feed.Notify()
	a.cfg.Collect(r.Context())
	return done(w, "Dropzone deleted successfully.")
}

// listFiles answers all confirmed files. Its ETag is the dropzone's sequence number, so that asking again costs nothing; the
// number is told in the open as well, so that an answer which somebody kept on the way is known for what it is.
func (a *API) listFiles(w http.ResponseWriter, r *http.Request) error {
	c, err := a.caller(r)
	if err != nil {
		return err
	}
	d, err := a.drop(r.Context(), c, access{permission: dropList, byID: true})
	if err != nil {
		return err
	}
	etag := `W/"` + d.ID[:4] + "-" + itoa(d.Seq) + `"`
	w.Header().Set("ETag", etag)
	w.Header().Set(SequenceHeader, itoa(d.Seq))
	w.Header().Set("Cache-Control", "private, no-cache")
	if r.Header.Get("If-None-Match") == etag {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	return a.writeFiles(w, r, d)
}

// filesPage is how many files are read and answered at once, so that a long listing needs little memory and holds no
// connection of the database while it is sent.
const filesPage = 2000

// writeFiles answers the files of d. A file that comes while they are sent may be among them: the ETag is of before.
func (a *API) writeFiles(w http.ResponseWriter, r *http.Request, d store.Drop) error {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	out.WriteString(`{"status":"success","data":[`)
	behind := int64(0)
	for {
		page, err := a.cfg.Store.Files(r.Context(), d.ID, behind, filesPage)
		if err != nil && behind > 0 {
			a.cfg.Log.WithError(err).Warn("a listing was broken off")
			panic(http.ErrAbortHandler) // half of it is out
		}
		if err != nil {
			return err
		}
		for i, f := range page {
			if behind > 0 || i > 0 {
				out.WriteByte(',')
			}
			if err := enc.Encode(fileItem(f)); err != nil {
				panic("answers are plain data: " + err.Error())
			}
			out.Truncate(out.Len() - 1) // the line end of Encode
		}
		if len(page) == filesPage {
			behind = page[len(page)-1].Seq
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			if _, err := w.Write(out.Bytes()); err != nil {
				return nil // the client went away
			}
			out.Reset()
			continue
		}
		out.WriteString("]}")
		if behind == 0 {
			web.WriteRaw(w, http.StatusOK, out.Bytes())
			return nil
		}
		_, _ = w.Write(out.Bytes()) // as above
		return nil
	}
}
