package d3_test

import (
	"errors"
	"net/http"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"dropfs/remote"
	"dropfs/remote/d3"
	"dropfs/remote/d3/d3test"
	"dropfs/remote/httpx/faultproxy"
)

// TestConversionInEveryDialect does one conversion with each way in which services differ.
func TestConversionInEveryDialect(t *testing.T) {
	upper := map[string]string{"queued": "QUEUED", "running": "IN_PROGRESS", "completed": "COMPLETED", "failed": "FAILED"}
	for _, tt := range []struct {
		name   string
		quirks d3test.Quirks
		base   string // behind the host
	}{
		{name: "as the present SDKs have it"},
		{name: "bare answers", quirks: d3test.Quirks{Envelope: d3test.Bare}},
		{name: "both envelopes", quirks: d3test.Quirks{Envelope: d3test.Both}},
		{name: "camelCase", quirks: d3test.Quirks{Camel: true}},
		{name: "camelCase, bare, nulls", quirks: d3test.Quirks{Camel: true, Envelope: d3test.Bare, Nulls: true}},
		{name: "upper case", quirks: d3test.Quirks{Words: upper}},
		{name: "words of its own", quirks: d3test.Quirks{Words: map[string]string{"queued": "Pending", "running": "crunching", "completed": "Success"}}},
		{name: "nulls", quirks: d3test.Quirks{Nulls: true}},
		{name: "relative links", quirks: d3test.Quirks{Relative: true}},
		{name: "links elsewhere", quirks: d3test.Quirks{Elsewhere: true}},
		{name: "redirect elsewhere", quirks: d3test.Quirks{Redirect: true}},
		{name: "relative, redirect", quirks: d3test.Quirks{Relative: true, Redirect: true}},
		{name: "quoted ETags", quirks: d3test.Quirks{QuoteETag: true}},
		{name: "no object name", quirks: d3test.Quirks{NoObject: true, Nulls: true}},
		{name: "older prefix", quirks: d3test.Quirks{Prefixes: []string{"/v1/biz"}}},
		{name: "older prefix, a page for people elsewhere", quirks: d3test.Quirks{Prefixes: []string{"/v1/biz"}, NotFound: "<!doctype html><p>nothing here"}},
		{name: "prefix in the base", base: "/v1/biz/", quirks: d3test.Quirks{Prefixes: []string{"/v1/biz"}}},
		{name: "base with a path", base: "/x", quirks: d3test.Quirks{Prefixes: []string{"/x/api/v1"}, Relative: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := d3test.New(t)
			s.Quirks = tt.quirks
			c := client(t, d3.Config{BaseURL: s.URL() + tt.base})
			key := send(t, c, "v1", "a.txt", "hello")
			task, err := c.Do(t.Context(), d3.Operation{Action: d3.Convert, Files: []d3.FileKey{key}, To: ".PNG"})
			if err != nil {
				t.Fatal(err)
			}
			done, err := c.Wait(t.Context(), task)
			if err != nil || done.ID != task || done.State != d3.Completed || len(done.Files) != 1 || done.Files[0].State != d3.Completed {
				t.Fatalf("got %+v, %v", done, err)
			}
			if n := s.Calls("status"); n != 3 {
				t.Errorf("asked %d times, want 3", n)
			}
			got, err := fetch(t.Context(), t, c, done.Files[0], 1000)
			if want := `convert {"convert_to":"png"} of hello`; err != nil || got != want {
				t.Errorf("got %q, %v, want %q", got, err, want)
			}
			one, err := c.Status(t.Context(), task, done.Files[0].Key)
			if err != nil || len(one.Files) != 1 || one.Files[0] != done.Files[0] {
				t.Errorf("of the one file: %+v, %v", one, err)
			}
		})
	}
}

func TestEveryAction(t *testing.T) {
	s := d3test.New(t)
	s.Polls = []string{}
	c := client(t, d3.Config{BaseURL: s.URL()})
	a, b := send(t, c, "1", "a.pdf", "A"), send(t, c, "2", "b.pdf", "B")
	for _, tt := range []struct {
		name string
		op   d3.Operation
		want map[string]any
	}{
		{"convert", d3.Operation{Action: d3.Convert, To: "docx"}, map[string]any{"convert_to": "docx"}},
		{"convert with a hub's options", d3.Operation{Action: "CONVERT", To: "png", Options: map[string]string{"dpi": "300"}}, map[string]any{"convert_to": "png", "dpi": "300"}},
		{"compress", d3.Operation{Action: d3.Compress}, map[string]any{"compression_value": "recommended"}},
		{"compress more", d3.Operation{Action: d3.Compress, Level: "high"}, map[string]any{"compression_value": "high"}},
		{"merge", d3.Operation{Action: d3.Merge}, nil},
		{"zip", d3.Operation{Action: d3.Zip, Notes: map[string]string{"a": "b"}}, nil},
		{"share", d3.Operation{Action: d3.Share}, nil},
		{"lock", d3.Operation{Action: d3.Lock, Password: "p"}, map[string]any{"password": "p"}},
		{"unlock", d3.Operation{Action: d3.Unlock, Password: "p"}, map[string]any{"password": "p"}},
		{"reset_password", d3.Operation{Action: d3.ResetPassword, Password: "p", NewPassword: "q"}, map[string]any{"old_password": "p", "new_password": "q"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.op.Files = []d3.FileKey{b, a}
			id, err := c.Do(t.Context(), tt.op)
			if err != nil {
				t.Fatal(err)
			}
			got := s.Last()
			if got.Action != strings.ToLower(string(tt.op.Action)) || !reflect.DeepEqual(got.Parameters, tt.want) || !reflect.DeepEqual(got.Notes, tt.op.Notes) {
				t.Errorf("the server saw %+v", got)
			}
			if !reflect.DeepEqual(got.Names, []string{"b.pdf", "a.pdf"}) {
				t.Errorf("in the order %v", got.Names)
			}
			done, err := c.Wait(t.Context(), id)
			want := 2
			if tt.op.Action == d3.Merge || tt.op.Action == d3.Zip {
				want = 1
			}
			if err != nil || len(done.Files) != want {
				t.Errorf("got %+v, %v", done, err)
			}
		})
	}
	calls := s.Calls("do")
	for _, op := range []d3.Operation{
		{},
		{Action: d3.Convert, To: "png"},
		{Action: d3.Convert, Files: []d3.FileKey{a}},
		{Action: d3.Lock, Files: []d3.FileKey{a}},
		{Action: d3.Unlock, Files: []d3.FileKey{a}},
		{Action: d3.ResetPassword, Files: []d3.FileKey{a}, Password: "p"},
		{Action: d3.ResetPassword, Files: []d3.FileKey{a}, NewPassword: "p"},
	} {
		if _, err := c.Do(t.Context(), op); !errors.Is(err, remote.ErrInvalid) {
			t.Errorf("%+v: %v", op, err)
		}
	}
	if n := s.Calls("do"); n != calls {
		t.Errorf("%d operations that cannot succeed were sent", n-calls)
	}
	s.Say(d3test.Answer{Call: "do", Status: 400, Body: `{"error":"validation","message":"invalid action share"}`})
	if _, err := c.Do(t.Context(), d3.Operation{Action: d3.Share, Files: []d3.FileKey{a}}); !errors.Is(err, remote.ErrUnsupported) {
		t.Errorf("share where the server has it no more: %v", err)
	}
}

func TestResultsPerFile(t *testing.T) {
	for _, tt := range []struct {
		name  string
		files []d3test.File
		want  d3.State
	}{
		{"some", []d3test.File{{Body: []byte("x")}, {Code: "internal_error", Message: "no pages in " + d3test.Key}}, d3.Partial},
		{"none", []d3test.File{{Code: "internal_error", Message: "bad"}, {Code: "internal_error", Message: "worse"}}, d3.Failed},
		{"all", []d3test.File{{Body: []byte("x")}, {Body: nil}}, d3.Completed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := d3test.New(t)
			s.Work = func(d3test.Operation) []d3test.File { return tt.files }
			c := client(t, d3.Config{BaseURL: s.URL()})
			id, err := c.Do(t.Context(), d3.Operation{Action: d3.Convert, To: "png", Files: []d3.FileKey{send(t, c, "", "a.pdf", "A")}})
			if err != nil {
				t.Fatal(err)
			}
			got, err := c.Wait(t.Context(), id)
			if err != nil || got.State != tt.want || len(got.Files) != len(tt.files) {
				t.Fatalf("got %+v, %v", got, err)
			}
			for i, f := range tt.files {
				g := got.Files[i]
				if (g.State == d3.Failed) != (f.Code != "") || g.Code != f.Code || (g.Link == "") != (f.Code != "") {
					t.Errorf("file %d: %+v", i, g)
				}
				if strings.Contains(g.Message, d3test.Key) || f.Message != "" && g.Message == "" {
					t.Errorf("file %d says %q", i, g.Message)
				}
				if f.Code == "" {
					if text, err := fetch(t.Context(), t, c, g, 10); err != nil || text != string(f.Body) {
						t.Errorf("file %d: %q, %v", i, text, err)
					}
				}
			}
		})
	}
}

// TestB2AnOperationIsSentOnce loses the answer of do, which must not be asked for again.
func TestB2AnOperationIsSentOnce(t *testing.T) {
	s := d3test.New(t)
	faults := faultproxy.New(1)
	c := client(t, through(s.URL(), faults.Transport(transport(t))))
	op := d3.Operation{Action: d3.Convert, To: "png", Files: []d3.FileKey{send(t, c, "", "a.pdf", "A")}}
	faults.Add(faultproxy.Rule{Path: regexp.MustCompile("/do$"), Fault: faultproxy.Lost, Times: 1})
	if _, err := c.Do(t.Context(), op); !errors.Is(err, remote.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	if n := s.Calls("do"); n != 1 {
		t.Errorf("sent %d times", n)
	}
	faults.Add(faultproxy.Rule{Path: regexp.MustCompile("/do$"), Fault: faultproxy.Refused, Times: 1})
	if _, err := c.Do(t.Context(), op); err != nil {
		t.Errorf("after a connection that was refused: %v", err)
	}
	if n := s.Calls("do"); n != 2 {
		t.Errorf("sent %d times", n)
	}
}

func transport(t *testing.T) *http.Transport {
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}
