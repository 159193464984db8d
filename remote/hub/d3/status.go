package d3

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"dropfs/remote/hub/store"
)

// fileJSON is one entry of files_data (wire/d3.md §8).
type fileJSON struct {
	File     string `json:"file_key"` // the result's once there is one, else the first source's
	Status   string `json:"status"`
	Link     string `json:"download_link,omitempty"` // absolute, opens without a key
	Code     string `json:"error_code,omitempty"`
	Message  string `json:"error_message,omitempty"`
	Task     string `json:"file_task_id"`
	FileName string `json:"file_name,omitempty"`
	Size     *int64 `json:"size,omitempty"`
	Progress int    `json:"progress,omitempty"` // percent, of a task that is running, where its engine tells
}

func fileItem(k store.D3Task, base string) fileJSON {
	j := fileJSON{File: k.Inputs[0], Status: k.Status, Code: k.Code, Message: k.Message, Task: k.ID}
	if k.Status == store.D3Completed {
		j.File, j.Link, j.FileName, j.Size = k.Output, downloadURL(base, k.Output), k.Name, &k.Size
	}
	return j
}

// statusJSON is the answer of status.
type statusJSON struct {
	Status string          `json:"operation_status"`
	Files  []fileJSON      `json:"files_data"`
	Main   string          `json:"main_task_id"`
	Action string          `json:"action"`
	Notes  json.RawMessage `json:"notes,omitempty"`
}

// status is that of an operation, or of it with one of its files.
func (a *API) status(w http.ResponseWriter, r *http.Request, key store.Key) error {
	op, err := a.cfg.Store.D3Op(r.Context(), r.PathValue("main"))
	if errors.Is(err, store.ErrNotFound) || err == nil && op.Owner != key.ID {
		return missing("There is no such task.")
	}
	if err != nil {
		return err
	}
	if which := r.PathValue("key"); which != "" {
		op.Tasks = slices.DeleteFunc(op.Tasks, func(k store.D3Task) bool {
			return k.ID != which && k.Output != which && !slices.Contains(k.Inputs, which)
		})
		if len(op.Tasks) == 0 {
			return missing("The task has no such file.")
		}
	}
	links, err := a.links(r.Context(), op.ID)
	if err != nil {
		return err
	}
	var came map[string]int
	if op.Status == store.D3Running {
		if came, err = a.cfg.Store.D3Progress(r.Context(), op.ID); err != nil {
			return err
		}
	}
	out := statusJSON{Status: op.Status, Files: []fileJSON{}, Main: op.ID, Action: op.Action, Notes: op.Notes}
	for _, k := range op.Tasks {
		item := fileItem(k, a.base(r))
		if there := links[k.Output]; there != "" {
			item.Link = there
		}
		if k.Status == store.D3Running {
			item.Progress = came[k.ID]
		}
		out.Files = append(out.Files, item)
	}
	return success(w, out)
}

// links are where another server has the results of an operation, by their keys. They are told at once and not by a
// redirect from the hub, which not every client follows: users of the Ruby SDK read a link by Net::HTTP, which does not.
func (a *API) links(ctx context.Context, op string) (map[string]string, error) {
	if !a.cfg.Presign {
		return nil, nil
	}
	files, err := a.cfg.Store.D3Results(ctx, op)
	if err != nil {
		return nil, err
	}
	links := map[string]string{}
	for _, f := range files {
		left := f.Expires.Sub(a.cfg.Now())
		if links[f.ID], err = a.cfg.Objects.SignGet(ctx, readOf(f), time.Now().Add(left)); err != nil {
			return nil, err
		}
	}
	return links, nil
}
