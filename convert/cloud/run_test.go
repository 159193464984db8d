package cloud_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"dropfs/convert"
	"dropfs/convert/cloud"
	"dropfs/remote/d3"
	"dropfs/remote/d3/d3test"
)

// becomes makes one result that begins as a format does.
func becomes(head string) func(d3test.Operation) []d3test.File {
	return func(op d3test.Operation) []d3test.File {
		var all []string
		for _, in := range op.Inputs {
			all = append(all, string(in))
		}
		return []d3test.File{{Body: []byte(head + strings.Join(all, "+"))}}
	}
}

const (
	png = "\x89PNG\r\n\x1a\n"
	pdf = "%PDF-1.7\n"
	zip = "PK\x03\x04"
)

func TestRun(t *testing.T) {
	for _, tt := range []struct {
		name, step, ext string
		sources         []string
		work            func(d3test.Operation) []d3test.File
		want            string // the result
		action          string
		names           []string
		parameters      map[string]any
	}{
		{"convert", "@png", "pdf", []string{"My salary.pdf=A"}, becomes(png), png + "A", "convert", []string{"file.pdf"}, map[string]any{"convert_to": "png"}},
		{"a target that the service spells otherwise", "@jpg", "pdf", []string{"a.pdf=A"}, becomes("\xff\xd8\xff"), "\xff\xd8\xffA", "convert", []string{"file.pdf"}, map[string]any{"convert_to": "jpeg"}},
		{"with a hub's options", "@png,dpi=300,page=2,via=remote", "docx", []string{"a.docx=A"}, becomes(png), png + "A", "convert", []string{"file.docx"}, map[string]any{"convert_to": "png", "dpi": "300", "page": "2"}},
		{"the first of several pages", "@png", "pdf", []string{"a.pdf=A"}, func(d3test.Operation) []d3test.File {
			return []d3test.File{{Body: []byte(png + "1")}, {Body: []byte(png + "2")}, {Code: "internal_error"}}
		}, png + "1", "convert", []string{"file.pdf"}, map[string]any{"convert_to": "png"}},
		{"merge", "@merge", "pdf", []string{"b.pdf=B", "a.pdf=A", "b.pdf=B"}, becomes(pdf), pdf + "B+A+B", "merge", []string{"file.pdf", "file.pdf", "file.pdf"}, nil},
		{"zip", "@zip", "pdf", []string{"b.pdf=B", "a.pdf=A", "b.pdf=C"}, becomes(zip), zip + "B+A+C", "zip", []string{"b.pdf", "a.pdf", "b (2).pdf"}, nil},
		{"compress", "@compress", "pdf", []string{"a.pdf=" + pdf + "long"}, smaller, pdf, "compress", []string{"file.pdf"}, map[string]any{"compression_value": "recommended"}},
		{"compress more", "@compress,level=high", "pdf", []string{"a.pdf=" + pdf + "long"}, smaller, pdf, "compress", []string{"file.pdf"}, map[string]any{"compression_value": "high"}},
		{"C5: compress that makes it larger", "@compress,strip=yes", "jpg", []string{"a.jpg=\xff\xd8\xffA"}, becomes("\xff\xd8\xff\x00"), "\xff\xd8\xffA", "compress", []string{"file.jpg"}, map[string]any{"compression_value": "recommended", "strip": "yes"}},
		{"lock", "@lock,secret=team", "pdf", []string{"a.pdf=A"}, becomes(pdf), pdf + "A", "lock", []string{"file.pdf"}, map[string]any{"password": "sekrit-1"}},
		{"unlock", "@unlock,secret=team", "pdf", []string{"a.pdf=A"}, becomes(pdf), pdf + "A", "unlock", []string{"file.pdf"}, map[string]any{"password": "sekrit-1"}},
		{"reset", "@reset_password,secret=team,new_secret=new", "pdf", []string{"a.pdf=A"}, becomes(pdf), pdf + "A", "reset_password", []string{"file.pdf"}, map[string]any{"old_password": "sekrit-1", "new_password": "sekrit-2"}},
		{"a hub's own action", "@ocr,lang=deu", "jpg", []string{"a.jpg=A"}, becomes("text of "), "text of A", "ocr", []string{"file.jpg"}, map[string]any{"lang": "deu"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := d3test.New(t)
			s.Work = tt.work
			e := known(t, s, cloud.Config{})
			j := job(t, e, tt.step, tt.ext, tt.sources...)
			var told []float64
			j.Progress = func(p float64) { told = append(told, p) }
			if err := e.Run(t.Context(), j); err != nil {
				t.Fatal(err)
			}
			if got := out(t, j); got != tt.want {
				t.Errorf("the result is %q, want %q", got, tt.want)
			}
			op := s.Last()
			names := op.Names
			if tt.action == "merge" {
				names = tt.names[:len(names)]
			}
			if op.Action != tt.action || !reflect.DeepEqual(names, tt.names) || !reflect.DeepEqual(op.Parameters, tt.parameters) {
				t.Errorf("the service was asked for %+v", op)
			}
			if len(told) == 0 || told[len(told)-1] != 1 {
				t.Errorf("progress %v", told)
			}
			for i, s := range j.Sources {
				if b, err := os.ReadFile(s.Path); err != nil || !strings.HasSuffix(tt.sources[i], "="+string(b)) {
					t.Errorf("a source was changed: %q, %v", b, err)
				}
			}
		})
	}
}

// smaller keeps the head of a PDF.
func smaller(op d3test.Operation) []d3test.File {
	return []d3test.File{{Body: op.Inputs[0][:len(pdf)]}}
}

func TestRunFails(t *testing.T) {
	failing := func(code, message string) func(d3test.Operation) []d3test.File {
		return func(d3test.Operation) []d3test.File { return []d3test.File{{Code: code, Message: message}} }
	}
	for _, tt := range []struct {
		name, step string
		work       func(d3test.Operation) []d3test.File
		say        []d3test.Answer
		change     func(*convert.Job)
		want       convert.Kind
		words      string
		begun      int // operations counted
	}{
		{name: "a file that is broken", work: failing("internal_error", "no pages"), want: convert.ErrBroken, words: "internal_error: no pages", begun: 1},
		{name: "a failure without a word", work: failing("x", ""), want: convert.ErrBroken, begun: 1},
		{name: "a document that is locked", work: failing("invalid_input", "the PDF is password protected"), want: convert.ErrLocked, begun: 1},
		{name: "out of credit on the way", work: failing("quota_exceeded", ""), want: convert.ErrBudget, begun: 1},
		{name: "a pair that it has not", work: failing("e", "conversion not supported"), want: convert.ErrUnsupported, begun: 1},
		{name: "its own time-out", work: failing("timeout", ""), want: convert.ErrTimeout, begun: 1},
		{name: "a source that it lost on the way", work: failing("file_not_found", ""), want: convert.ErrUnreachable, begun: 1},
		{name: "out of credit", say: []d3test.Answer{{Call: "do", Status: 402, Body: `{"message":"top up"}`}}, want: convert.ErrBudget, words: "top up"},
		{name: "no credit for an upload", say: []d3test.Answer{{Call: "initiate-upload", Status: 402}}, want: convert.ErrBudget},
		{name: "too many requests", say: []d3test.Answer{{Call: "do", Status: 429, Times: 99, Header: map[string]string{"Retry-After": "60"}}}, want: convert.ErrBudget},
		{name: "the key is refused", say: []d3test.Answer{{Call: "initiate-upload", Status: 401}}, want: convert.ErrUnreachable},
		{name: "too large", say: []d3test.Answer{{Call: "initiate-upload", Status: 413}}, want: convert.ErrTooLarge},
		{name: "refused as invalid", say: []d3test.Answer{{Call: "do", Status: 400, Body: `{"message":"bad file"}`}}, want: convert.ErrBroken, words: "bad file"},
		{name: "down", say: []d3test.Answer{{Call: "initiate-upload", Status: 503, Times: 99}}, want: convert.ErrUnreachable},
		{name: "down, and nobody knows whether it was begun", say: []d3test.Answer{{Call: "do", Status: 502}}, want: convert.ErrUnreachable, begun: 1},
		{name: "a key that it never knows", say: []d3test.Answer{{Call: "do", Status: 404, Times: 99, Body: `{"message":"file not found"}`}}, want: convert.ErrUnreachable},
		{name: "a result that is gone", say: []d3test.Answer{{Call: "download", Status: 404, Times: 99}}, want: convert.ErrUnreachable, begun: 1},
		{name: "C4: a page for people", work: becomes("<!doctype html>"), want: convert.ErrBroken, words: "a page for people", begun: 1},
		{name: "C4: an archive of pages", work: becomes(zip), want: convert.ErrBroken, words: "an archive", begun: 1},
		{name: "C4: nothing", work: func(d3test.Operation) []d3test.File { return []d3test.File{{}} }, want: convert.ErrBroken, words: "empty", begun: 1},
		{name: "no result", work: func(d3test.Operation) []d3test.File { return nil }, want: convert.ErrBroken, begun: 1},
		{name: "the first of several failed", work: func(d3test.Operation) []d3test.File {
			return []d3test.File{{Code: "internal_error", Message: "page 1"}, {Body: []byte(png)}}
		}, want: convert.ErrBroken, words: "page 1", begun: 1},
		{name: "a result over the limit", work: becomes(png), change: func(j *convert.Job) { j.Limits.MaxOutput = 8 }, want: convert.ErrTooLarge, begun: 1},
		{name: "C6: a password in the words", step: "@unlock,secret=team", work: failing("e", "wrong password sekrit-1"), want: convert.ErrLocked, words: "wrong password ***", begun: 1},
		{name: "C6: a password in a refusal", step: "@unlock,secret=team", say: []d3test.Answer{{Call: "do", Status: 400, Body: `{"message":"wrong password sekrit-1"}`}}, want: convert.ErrLocked, words: "***"},
		{name: "no secret", step: "@unlock", want: convert.ErrLocked, words: "needs secret"},
		{name: "a secret that is not there", step: "@unlock,secret=other", want: convert.ErrLocked, words: "secret other"},
		{name: "nobody has secrets", step: "@unlock,secret=team", change: func(j *convert.Job) { j.Secret = nil }, want: convert.ErrLocked},
		{name: "an option that the edge has not", change: func(j *convert.Job) { j.Step.Options = map[string]string{"dpi": "300"} }, want: convert.ErrUnsupported},
		{name: "a name in a directory", step: "@zip", change: func(j *convert.Job) { j.Sources[0].Name = "d/a.pdf" }, want: convert.ErrUnsupported},
		{name: "no source", change: func(j *convert.Job) { j.Sources = nil }, want: convert.ErrUnsupported},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := d3test.New(t)
			s.Work = tt.work
			s.Say(tt.say...)
			e := known(t, s, cloud.Config{PerHour: 10})
			if tt.step == "" {
				tt.step = "@png"
			}
			j := job(t, e, tt.step, "pdf", "a.pdf=A")
			if tt.change != nil {
				tt.change(&j)
			}
			err := e.Run(t.Context(), j)
			if convert.KindOf(err) != tt.want || !strings.Contains(err.Error(), tt.words) {
				t.Errorf("got %v, want %v with %q", err, tt.want, tt.words)
			}
			for _, secret := range []string{"sekrit", d3test.Key, "/v1/download"} {
				if err != nil && strings.Contains(err.Error(), secret) {
					t.Errorf("%q is in %q", secret, err)
				}
			}
			if got := e.Left(); got != 10-tt.begun {
				t.Errorf("%d operations are counted, want %d", 10-got, tt.begun)
			}
		})
	}
}

// TestRunOfFilesThatAreNotThere has errors of this machine, which are of no kind.
func TestRunOfFilesThatAreNotThere(t *testing.T) {
	s := d3test.New(t)
	s.Work = becomes(png)
	e := known(t, s, cloud.Config{})
	j := job(t, e, "@png", "pdf", "a.pdf=A")
	j.Sources[0].Path += "x"
	if err := e.Run(t.Context(), j); !errors.Is(err, os.ErrNotExist) || errors.Is(err, convert.ErrUnreachable) {
		t.Errorf("no source: %v", err)
	}
	j = job(t, e, "@png", "pdf", "a.pdf=A")
	j.Out += "/x"
	if err := e.Run(t.Context(), j); !errors.Is(err, os.ErrNotExist) || errors.Is(err, convert.ErrUnreachable) {
		t.Errorf("no directory: %v", err)
	}
}

// TestSourcesAreSentOnce converts one content in several ways, under several names.
func TestSourcesAreSentOnce(t *testing.T) {
	s := d3test.New(t)
	s.Work = becomes(png)
	e := known(t, s, cloud.Config{})
	run := func(source string) {
		t.Helper()
		j := job(t, e, "@png", "pdf", source)
		if err := e.Run(t.Context(), j); err != nil {
			t.Fatal(err)
		}
		if got := out(t, j); got != png+"A" {
			t.Errorf("got %q", got)
		}
	}
	run("a.pdf=A")
	run("b.pdf=A")
	if n := s.Calls("initiate-upload"); n != 1 {
		t.Errorf("sent %d times", n)
	}
	s.Lose()
	run("a.pdf=A")
	if n, do := s.Calls("initiate-upload"), s.Calls("do"); n != 2 || do != 4 {
		t.Errorf("after the service lost it: sent %d times, %d operations", n, do)
	}
}

// TestAResultIsASourceWithoutBeingSent does a chain of two steps, at a service that takes results as sources and at one
// that does not.
func TestAResultIsASourceWithoutBeingSent(t *testing.T) {
	for _, tt := range []struct {
		name        string
		refuses     bool
		lost        bool
		uploads, do int
	}{
		{"it takes them", false, false, 1, 2},
		{"it does not", true, false, 2, 3},
		{"it has lost them", false, true, 2, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := d3test.New(t)
			s.Quirks.NoResults = tt.refuses
			s.Work = func(op d3test.Operation) []d3test.File {
				return becomes(map[any]string{"docx": zip, "png": png}[op.Parameters["convert_to"]])(op)
			}
			e := known(t, s, cloud.Config{PerHour: 10})
			first := job(t, e, "@docx", "pdf", "a.pdf=A")
			if err := e.Run(t.Context(), first); err != nil {
				t.Fatal(err)
			}
			if tt.lost {
				s.Lose()
			}
			second := job(t, e, "@png,dpi=300", "docx", "a.docx="+out(t, first))
			if err := e.Run(t.Context(), second); err != nil {
				t.Fatal(err)
			}
			if got := out(t, second); got != png+zip+"A" {
				t.Errorf("got %q", got)
			}
			if n, do := s.Calls("initiate-upload"), s.Calls("do"); n != tt.uploads || do != tt.do {
				t.Errorf("%d uploads and %d operations, want %d and %d", n, do, tt.uploads, tt.do)
			}
			if e.Left() != 8 {
				t.Errorf("%d conversions are left", e.Left())
			}
		})
	}
}

// TestAResultThatBearsTheKeyOfItsSource is not taken for the source afterwards.
func TestAResultThatBearsTheKeyOfItsSource(t *testing.T) {
	s := d3test.New(t)
	s.Work = becomes(zip)
	e := known(t, s, cloud.Config{})
	j := job(t, e, "@docx", "pdf", "a.pdf=A")
	s.Say(
		d3test.Answer{Call: "initiate-upload", Status: 200, Body: `{"file_key":"k","presigned_urls":["` + s.SecondURL() + `/store/k/0"]}`},
		d3test.Answer{Call: "put", Status: 200, Header: map[string]string{"ETag": "e"}},
		d3test.Answer{Call: "complete-upload", Status: 200, Body: `{}`},
		d3test.Answer{Call: "do", Status: 200, Body: `{"main_task_id":"m"}`},
		d3test.Answer{Call: "status", Status: 200, Body: `{"operation_status":"COMPLETED","files_data":[{"file_key":"k","status":"COMPLETED","download_link":"/v1/download/r"}]}`},
		d3test.Answer{Call: "download", Status: 200, Body: zip + "B"},
	)
	if err := e.Run(t.Context(), j); err != nil || out(t, j) != zip+"B" {
		t.Fatal(err)
	}
	if err := e.Run(t.Context(), job(t, e, "@zip", "docx", "file.docx="+zip+"B")); err != nil {
		t.Fatal(err)
	}
	if n, do := s.Calls("initiate-upload"), s.Calls("do"); n != 2 || do != 2 {
		t.Errorf("%d uploads and %d operations, want 2 of each", n, do)
	}
}

// TestALinkThatEndedIsAskedForAgain answers 403 once.
func TestALinkThatEndedIsAskedForAgain(t *testing.T) {
	s := d3test.New(t)
	s.Work = becomes(png)
	s.Say(d3test.Answer{Call: "download", Status: 403, Type: "application/xml", Body: "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"})
	e := known(t, s, cloud.Config{})
	j := job(t, e, "@png", "pdf", "a.pdf=A")
	if err := e.Run(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	if out(t, j) != png+"A" || s.Calls("status") != 3 {
		t.Errorf("%q after %d questions", out(t, j), s.Calls("status"))
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	s := d3test.New(t)
	e := known(t, s, cloud.Config{})
	s.Polls = []string{}
	for range 10_000 {
		s.Polls = append(s.Polls, "running")
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, convert.ErrTimeout)
	defer cancel()
	if err := e.Run(ctx, job(t, e, "@png", "pdf", "a.pdf=A")); convert.KindOf(err) != convert.ErrTimeout {
		t.Errorf("got %v", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := e.Run(ctx, job(t, e, "@png", "pdf", "a.pdf=A")); convert.KindOf(err) != convert.ErrTimeout {
		t.Errorf("got %v", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	j := job(t, e, "@png", "pdf", "a.pdf=A")
	j.Progress = func(float64) { cancel() }
	err := e.Run(ctx, j)
	if !errors.Is(err, context.Canceled) || errors.As(err, new(convert.Kind)) {
		t.Errorf("got %v", err)
	}
}

func TestC3BudgetOfAnHour(t *testing.T) {
	s := d3test.New(t)
	s.Work = becomes(png)
	e := known(t, s, cloud.Config{PerHour: 2})
	run := func() error { return e.Run(t.Context(), job(t, e, "@png", "pdf", "a.pdf=A")) }
	s.Say(d3test.Answer{Call: "do", Status: 400, Body: `{"message":"no"}`})
	if err := run(); !errors.Is(err, convert.ErrBroken) {
		t.Fatal(err)
	}
	for range 2 {
		if err := run(); err != nil {
			t.Fatal(err)
		}
	}
	puts := s.Calls("put")
	if err := run(); convert.KindOf(err) != convert.ErrBudget || !strings.Contains(err.Error(), "2 within an hour") {
		t.Errorf("got %v", err)
	}
	if s.Calls("do") != 3 || s.Calls("put") != puts {
		t.Error("something was sent beyond the budget")
	}
}

// TestC3BudgetOutlivesTheProcess: what was begun counts for the next engine, though the last was never closed.
func TestC3BudgetOutlivesTheProcess(t *testing.T) {
	s := d3test.New(t)
	s.Work = becomes(png)
	path := filepath.Join(t.TempDir(), "account", "budget.json")
	open := func() *cloud.Engine { return known(t, s, cloud.Config{PerHour: 2, Spent: path}) }
	run := func(e *cloud.Engine) error { return e.Run(t.Context(), job(t, e, "@png", "pdf", "a.pdf=A")) }
	if err := run(open()); err != nil {
		t.Fatal(err)
	}
	s.Say(d3test.Answer{Call: "do", Status: 400, Body: `{"message":"no"}`})
	if err := run(open()); !errors.Is(err, convert.ErrBroken) {
		t.Fatal(err)
	}
	if n := open().Left(); n != 1 {
		t.Errorf("%d are left after one, and one that was refused", n)
	}
	c := client(t, d3.Config{BaseURL: s.URL()})
	s.Work = func(op d3test.Operation) []d3test.File { // as where the process is killed now
		if e, err := cloud.New(cloud.Config{Client: c, PerHour: 2, Spent: path}); err != nil || e.Left() != 0 {
			t.Errorf("%d are left while the second is done, %v", e.Left(), err)
		}
		return becomes(png)(op)
	}
	if err := run(open()); err != nil {
		t.Fatal(err)
	}
	if err := run(open()); convert.KindOf(err) != convert.ErrBudget {
		t.Errorf("the third of the hour: %v", err)
	}
	st, err := os.Stat(path)
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v %v", st, err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// TestServiceGone takes the service away.
func TestServiceGone(t *testing.T) {
	s := d3test.New(t)
	e := known(t, s, cloud.Config{})
	cfg := d3.Config{BaseURL: "http://127.0.0.1:1"}
	cfg.HTTP.Attempts = 1
	gone, err := cloud.New(cloud.Config{Exts: []string{"pdf"}, Client: client(t, cfg)})
	if err != nil {
		t.Fatal(err)
	}
	if err := gone.Refresh(t.Context()); convert.KindOf(err) != convert.ErrUnreachable {
		t.Errorf("refresh: %v", err)
	}
	if err := gone.Run(t.Context(), job(t, e, "@png", "pdf", "a.pdf=A")); convert.KindOf(err) != convert.ErrUnreachable {
		t.Errorf("run: %v", err)
	}
}
