package d3

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"dropfs/remote"
	"dropfs/remote/httpx"
)

// State is what a task, or a file of it, has come to.
type State string

// The states. Whatever a service calls them, they are one of these.
const (
	Queued    State = "queued"
	Running   State = "running"
	Completed State = "completed"
	Partial   State = "partially completed" // of a task: some files are done, some failed
	Failed    State = "failed"
)

// Ended tells whether nothing will change any more.
func (s State) Ended() bool { return s == Completed || s == Partial || s == Failed }

// File is one result, or the file that has none.
type File struct {
	Key     FileKey       // of the result once there is one, else of the source; may be ""
	State   State         // of a service that tells none: that of the task
	Link    remote.Secret // where the result is, absolute; "" where there is none
	Code    string        // of a failure: the service's code and words, shortened
	Message string
	// Percent is how far it came, from 0 to 100. 0 also where the service tells none: only a hub does.
	Percent int
}

// Task is an operation as it stands.
type Task struct {
	ID    TaskID
	State State
	Files []File // in the service's order
}

// Part is how far the task came, from 0 to 1, as far as the service tells.
func (t Task) Part() float64 {
	if t.State.Ended() {
		return 1
	}
	done := 0
	for _, f := range t.Files {
		if f.State.Ended() {
			done += 100
		} else {
			done += f.Percent
		}
	}
	return float64(done) / float64(100*max(len(t.Files), 1))
}

// maxFiles bounds the files of one task.
const maxFiles = 10_000

// Status asks how a task stands; with a key, which may be a source's or a result's, only of that file.
func (c *Client) Status(ctx context.Context, id TaskID, key FileKey) (Task, error) {
	const op = "task status"
	path := "/status/" + url.PathEscape(string(id))
	if key != "" {
		path += "/" + url.PathEscape(string(key))
	}
	if !validID(string(id)) || key != "" && !validID(string(key)) {
		return Task{}, &remote.Error{Kind: remote.ErrInvalid, Op: op, Message: "an id that cannot be one"}
	}
	var t Task
	r := httpx.Request{Op: op, Method: http.MethodGet, Repeat: true}
	ctx = httpx.WithDefaultPriority(ctx, httpx.Poller)
	err := c.call(ctx, r, path, decoded(func(o object) error {
		var err error
		t, err = c.readTask(o)
		return err
	}))
	if err != nil {
		return Task{}, err
	}
	t.ID = id
	return t, nil
}

// readTask reads the answer of status.
func (c *Client) readTask(o object) (Task, error) {
	word := o.text("operationstatus") // "status" alone may be that of the answer
	var t Task
	for _, raw := range filesOf(o) {
		f, ok := parseObject(raw)
		if !ok {
			continue
		}
		if len(t.Files) == maxFiles {
			return Task{}, errors.New("more files than can be")
		}
		t.Files = append(t.Files, c.readFile(f))
	}
	if word == "" && len(t.Files) == 0 {
		return Task{}, errors.New("no state in the answer")
	}
	state, known := stateOf(word)
	if ended := allEnded(t.Files); !known && ended != "" {
		state = ended
	}
	t.State = state
	for i := range t.Files {
		f := &t.Files[i]
		if f.State == "" {
			f.State = state
			if f.Link == "" && f.Code != "" {
				f.State = Failed
			}
		}
	}
	return t, nil
}

func filesOf(o object) []json.RawMessage {
	if l := o.list("filesdata"); l != nil {
		return l
	}
	return o.list("filedata") // so the webhooks call it
}

func (c *Client) readFile(o object) File {
	f := File{Key: FileKey(o.text("filekey"))}
	if !validID(string(f.Key)) {
		f.Key = ""
	}
	if word := o.text("status"); word != "" {
		f.State, _ = stateOf(word)
	}
	if link := o.text("downloadlink"); link != "" {
		if u, err := c.resolve(link); err == nil {
			f.Link = remote.Secret(u.String())
		}
	}
	if n, err := strconv.ParseFloat(o.text("progress"), 64); err == nil && n > 0 && n <= 100 {
		f.Percent = int(n)
	}
	f.Code = c.clean(o.text("errorcode"))
	f.Message = c.clean(o.text("errormessage"))
	return f
}

// clean makes the service's words fit to be shown (B1).
func (c *Client) clean(s string) string {
	return c.http.Clean(&httpx.Request{Hide: []remote.Secret{c.cfg.Key}}, s)
}

// stateOf reads either enumeration, in any case, and what comes close to it (wire/d3.md §8). A word that is not known is
// taken for running: only the service can say that something has ended.
func stateOf(word string) (s State, known bool) {
	word = strings.NewReplacer("-", "_", " ", "_").Replace(strings.ToLower(strings.TrimSpace(word)))
	switch word {
	case "queued", "pending", "created", "waiting":
		return Queued, true
	case "running", "in_progress", "processing", "started":
		return Running, true
	case "completed", "complete", "success", "succeeded", "done", "finished":
		return Completed, true
	case "failed", "failure", "error", "cancelled", "canceled", "aborted", "rejected", "expired":
		return Failed, true
	case "completed_with_errors":
		return Partial, true
	}
	if strings.Contains(word, "partial") {
		return Partial, true
	}
	return Running, false
}

// allEnded is what a task of such files has come to where all of them have ended, else "".
func allEnded(files []File) State {
	done, failed := 0, 0
	for _, f := range files {
		switch f.State {
		case Completed, Partial:
			done++
		case Failed:
			failed++
		default:
			return ""
		}
	}
	switch {
	case done > 0 && failed > 0:
		return Partial
	case done > 0:
		return Completed
	case failed > 0:
		return Failed
	}
	return ""
}
