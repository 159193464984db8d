package d3

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"dropfs/remote"
	"dropfs/remote/httpx"
)

// TaskID names an operation under way. It is opaque.
type TaskID string

// Action is what is done with files.
type Action string

// The actions of the service (wire/d3.md §6). A hub may have others; they are asked for by their names.
const (
	Convert       Action = "convert"
	Compress      Action = "compress"
	Merge         Action = "merge"
	Zip           Action = "zip"
	Share         Action = "share" // only older services have it
	Lock          Action = "lock"
	Unlock        Action = "unlock"
	ResetPassword Action = "reset_password"
)

// Operation is one thing to be done.
type Operation struct {
	Action Action
	Files  []FileKey // in the order that the result is to have

	To          string        // Convert: extension of the result
	Level       string        // Compress: recommended, high, low, or what supported-operation lists; "": recommended
	Password    remote.Secret // Lock: the one to be set; Unlock, ResetPassword: the present one
	NewPassword remote.Secret // ResetPassword

	Options map[string]string // further parameters, which only a service that lists them may be sent
	Notes   map[string]string // kept with the operation
}

// wireDo is the body of do.
type wireDo struct {
	Action     Action            `json:"action"`
	FileKeys   []FileKey         `json:"file_keys"`
	Parameters map[string]any    `json:"parameters,omitempty"`
	Notes      map[string]string `json:"notes,omitempty"`
}

// Do begins an operation and answers its task. It is sent once (B2): ErrUnavailable leaves open whether it was begun. Where
// the service does not know a file, ErrNotFound, all files of the operation are forgotten and may be sent anew (B4).
// ErrUnsupported says that the service has no such action.
func (c *Client) Do(ctx context.Context, op Operation) (TaskID, error) {
	body, err := op.wire()
	if err != nil {
		return "", err
	}
	var task TaskID
	r := httpx.Request{
		Op: "begin operation", Subject: string(op.Action), Method: http.MethodPost, JSON: body,
		Hide: []remote.Secret{op.Password, op.NewPassword},
	}
	err = c.call(ctx, r, "/do", decoded(func(o object) error {
		var err error
		task, err = readTaskID(o)
		return err
	}))
	switch {
	case errors.Is(err, remote.ErrNotFound):
		c.held.forget(op.Files)
	case op.Action == Share && errors.Is(err, remote.ErrInvalid):
		var e *remote.Error
		errors.As(err, &e)
		gone := *e
		gone.Kind = remote.ErrUnsupported
		return "", &gone
	}
	return task, err
}

// readTaskID reads the answer of do.
func readTaskID(o object) (TaskID, error) {
	for _, name := range []string{"maintaskid", "taskid"} { // "id" may be that of the answer
		if id := o.text(name); validID(id) {
			return TaskID(id), nil
		}
	}
	return "", errors.New("no task in the answer")
}

// wire makes the body of an operation that can succeed.
func (op Operation) wire() (wireDo, error) {
	w := wireDo{Action: Action(strings.ToLower(string(op.Action))), FileKeys: op.Files, Notes: op.Notes}
	p := map[string]any{}
	for k, v := range op.Options {
		p[k] = v
	}
	missing := ""
	need := func(name, value string) {
		if p[name] = value; value == "" {
			missing = name
		}
	}
	switch w.Action {
	case Convert:
		need("convert_to", strings.TrimPrefix(strings.ToLower(op.To), "."))
	case Compress:
		level := op.Level
		if level == "" {
			level = "recommended"
		}
		p["compression_value"] = level
	case Lock, Unlock:
		need("password", op.Password.Reveal())
	case ResetPassword:
		need("old_password", op.Password.Reveal())
		need("new_password", op.NewPassword.Reveal())
	case Merge, Zip, Share: // they take none
	case "":
		missing = "action"
	}
	if len(p) > 0 {
		w.Parameters = p
	}
	if len(op.Files) == 0 {
		missing = "file_keys"
	}
	if missing != "" {
		return w, &remote.Error{Kind: remote.ErrInvalid, Op: "begin operation", Subject: string(op.Action), Message: "without " + missing}
	}
	return w, nil
}
