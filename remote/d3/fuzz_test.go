package d3

import (
	"slices"
	"strings"
	"testing"
)

// seeds are answers of every shape that is known.
var seeds = []string{
	`{"data":{"file_key":"in_1","upload_id":"u","presigned_urls":["https://s/1?sig=x"],"object_name":"external/x"}}`,
	`{"fileKey":"in_1","presignedUrls":["https://s/1"],"objectName":null}`,
	`{"data":{"main_task_id":"main_1"},"main_task_id":"main_1"}`,
	`{"operation_status":"IN_PROGRESS","files_data":[{"file_key":"k","status":"COMPLETED","download_link":"/v1/download/k"}]}`,
	`{"data":{"operationStatus":"partially_completed","filesData":[{"fileKey":"k","status":"failed","errorCode":"internal_error","errorMessage":"m"},null,7]}}`,
	`{"supported":true,"ext":"pdf","available_actions":["CONVERT"],"parameters":{"convert_to":{"IMAGE":["png"]},"options":{"png":["dpi"]},"compression_value":[{"name":"High","value":"high"}]}}`,
	`{"error":{"code":"x","message":"m"},"errors":[{"message":"y"}],"code":7}`,
	`{"success":false,"message":"no"}`, `[]`, `null`, `"x"`, `{"data":null}`, `{"data":[`, `<html>`, ``,
	`{"type":"operation.completed","payload":{"main_task":{"id":"main_1"}}}`,
}

// FuzzAnswers reads anything as each of the answers: no panic, and what is taken for an answer can be used as one.
func FuzzAnswers(f *testing.F) {
	for _, s := range seeds {
		f.Add(s)
	}
	c, err := New(Config{BaseURL: "https://d3.test/x"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, in string) {
		read := func(fn func(o object) error) bool { return decoded(fn)(strings.NewReader(in)) == nil }
		var up started
		if read(func(o object) (err error) { up, err = c.readStarted(o, 1); return err }) {
			if !validID(string(up.key)) || len(up.up.Parts) != 1 || !strings.HasPrefix(up.up.Parts[0].URL.Reveal(), "http") {
				t.Errorf("an upload %+v", up)
			}
		}
		var id TaskID
		if read(func(o object) (err error) { id, err = readTaskID(o); return err }) && !validID(string(id)) {
			t.Errorf("a task %q", id)
		}
		var task Task
		if read(func(o object) (err error) { task, err = c.readTask(o); return err }) {
			checkTask(t, task)
		}
		for _, q := range []Question{{Ext: "pdf"}, {Ext: "pdf", Action: Convert}, {Ext: "pdf", Action: Compress}, {Ext: "pdf", Action: Convert, To: "png"}} {
			var s Support
			if read(func(o object) (err error) { s, err = readSupport(o, q); return err }) {
				checkSupport(t, s)
			}
		}
		_ = acknowledged(strings.NewReader(in))
	})
}

func checkTask(t *testing.T, task Task) {
	states := []State{Queued, Running, Completed, Partial, Failed}
	if !slices.Contains(states, task.State) || len(task.Files) > maxFiles {
		t.Errorf("a task %+v", task)
	}
	for _, f := range task.Files {
		link := f.Link.Reveal()
		if !slices.Contains(states, f.State) || link != "" && !strings.HasPrefix(link, "http") || f.Key != "" && !validID(string(f.Key)) {
			t.Errorf("a file %+v", f)
		}
	}
}

func checkSupport(t *testing.T, s Support) {
	for _, l := range [][]string{s.To, s.Levels} {
		if len(l) > maxWords {
			t.Errorf("%d words", len(l))
		}
		for _, w := range l {
			if w == "" || len(w) > maxWord || w != strings.ToLower(w) {
				t.Errorf("a word %q", w)
			}
		}
	}
}

// FuzzErrors reads anything as an error, a webhook and a signature.
func FuzzErrors(f *testing.F) {
	for _, s := range seeds {
		f.Add(400, s)
	}
	f.Add(200, "sha256=00")
	f.Add(200, `{"payload":{"main_task":{"id":"m","status":"completed","file_data":[{"status":"completed","download_link":"/v1/download/k"}]}}}`)
	c, err := New(Config{BaseURL: "http://d3.test"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, status int, in string) {
		kind, message := apiError(status, nil, []byte(in))
		if kind == "" && message != "" {
			t.Errorf("words %q of no kind", message)
		}
		if ids := taskIDs([]byte(in)); len(ids) > maxFiles {
			t.Errorf("%d ids", len(ids))
		}
		o, _ := parseObject([]byte(in))
		if task, ok := c.readEnded(o.object("payload").object("maintask")); ok && (!task.State.Ended() || len(task.Files) == 0 || !validID(string(task.ID))) {
			t.Errorf("ended: %+v", task)
		}
		if b := signature(in); b != nil && len(b) != 32 {
			t.Errorf("a signature of %d bytes", len(b))
		}
	})
}
