package d3

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"dropfs/convert"
	"dropfs/remote/hub/store"
	"dropfs/remote/hub/web"
)

// Bounds of an operation.
const (
	maxFiles = 1000
	maxNotes = 64 << 10 // bytes of JSON
)

func unsupported(message string) error {
	return &failure{http.StatusBadRequest, "unsupported_operation", message, nil}
}

// acceptedJSON is the answer of do.
type acceptedJSON struct {
	Main string `json:"main_task_id"`
}

// operate is do (wire/d3.md §6).
func (a *API) operate(w http.ResponseWriter, r *http.Request, key store.Key) error {
	var q struct {
		Action     string          `json:"action"`
		Files      []string        `json:"file_keys"`
		Parameters map[string]any  `json:"parameters"`
		Notes      json.RawMessage `json:"notes"`
	}
	if err := web.ReadJSON(r, jsonLimit, &q); err != nil {
		return err
	}
	if len(q.Files) == 0 || len(q.Files) > maxFiles {
		return invalid(fmt.Sprintf("file_keys must be 1 to %d file keys.", maxFiles))
	}
	notes, err := readNotes(q.Notes)
	if err != nil {
		return err
	}
	o, err := readOrder(q.Action, q.Parameters)
	if err != nil {
		return err
	}
	files, err := a.inputs(r, key, q.Files)
	if err != nil {
		return err
	}
	a.settle(r.Context(), answerSettle)
	tasks, err := a.tasks(o, files)
	if err != nil {
		return err
	}
	op, err := a.cfg.Store.AddD3Op(r.Context(), store.D3Op{
		Owner: key.ID, Action: actionName(q.Action), Notes: notes, Base: a.base(r), Tasks: tasks,
		Expires: a.cfg.Now().Add(a.cfg.Keep),
	}, a.events)
	if err != nil {
		return err
	}
	a.cfg.Step("d3.accepted")
	return success(w, acceptedJSON{op.ID})
}

// readNotes takes an object, in its shortest form; nil where there is none.
func readNotes(raw json.RawMessage) (json.RawMessage, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) || bytes.Equal(raw, []byte(`""`)) {
		return nil, nil
	}
	var fields map[string]any
	if err := json.Unmarshal(raw, &fields); err != nil || len(raw) > maxNotes {
		return nil, invalid("notes must be an object, of at most 64 KiB.")
	}
	dropNulls(fields)
	return web.Marshal(fields), nil
}

// dropNulls removes what an answer must not have (T3).
func dropNulls(v any) {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			if e == nil {
				delete(v, k)
			}
			dropNulls(e)
		}
	case []any:
		for i, e := range v {
			if e == nil {
				v[i] = "" // the others keep their places
			}
			dropNulls(e)
		}
	}
}

// inputs are the files that an operation names: uploads, or results of others.
func (a *API) inputs(r *http.Request, key store.Key, keys []string) ([]store.D3File, error) {
	files := make([]store.D3File, len(keys))
	for i, id := range keys {
		f, err := a.cfg.Store.D3File(r.Context(), id)
		switch {
		case errors.Is(err, store.ErrNotFound) || err == nil && f.Owner != key.ID:
			return nil, missing(fmt.Sprintf("There is no file for file_keys[%d].", i))
		case err != nil:
			return nil, err
		case !f.Ready():
			return nil, conflict("upload_incomplete", fmt.Sprintf("The upload of file_keys[%d] is not completed.", i))
		}
		files[i] = f
	}
	return files, nil
}

// tasks makes one task of each file, or one of all. Of several files those that cannot be done fail at once; where none
// can be done, there is no operation.
func (a *API) tasks(o order, files []store.D3File) ([]store.D3Task, error) {
	groups := [][]store.D3File{files}
	if !together(o.Step.Op) {
		groups = nil
		for _, f := range files {
			groups = append(groups, []store.D3File{f})
		}
	}
	text, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	var out []store.D3Task
	var refused error
	can := false
	for _, group := range groups {
		k := store.D3Task{Status: store.D3Queued, Step: string(text)}
		for _, f := range group {
			k.Inputs = append(k.Inputs, f.ID)
		}
		plan, err := a.plan(o, group)
		if err != nil {
			refused = err
			k.Status, k.Step = store.D3Failed, ""
			k.Code, k.Message = "unsupported_operation", toWire(err).message
		} else {
			can = true
			k.Name = resultName(o, group[0].Name, plan[len(plan)-1].To, len(group) > 1)
		}
		out = append(out, k)
	}
	if !can {
		return nil, refused
	}
	return out, nil
}

// plan finds how a step is done with files: that of the first, which all others must have as well.
func (a *API) plan(o order, files []store.D3File) (convert.Plan, error) {
	var first convert.Plan
	for i, f := range files {
		plan, err := a.cfg.Convert.Plan(o.Step, extOf(f.Name), len(files) > 1)
		if err != nil {
			return nil, &failure{
				http.StatusBadRequest, "unsupported_operation",
				fmt.Sprintf("%q cannot be done with a file %q and these parameters.", o.Step.Op, extOf(f.Name)), err,
			}
		}
		if i == 0 {
			first = plan
		}
	}
	return first, nil
}
