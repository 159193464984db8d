package cloud_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"dropfs/convert"
	"dropfs/convert/cloud"
	"dropfs/convert/magic"
	"dropfs/remote/d3"
	"dropfs/remote/d3/d3test"
)

// write lists edges as OP FROM-TO options, one a line.
func write(edges []convert.Edge) string {
	var out []string
	for _, e := range edges {
		many := ""
		if e.Many {
			many = " many"
		}
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s-%s loss %d%s %s", e.Op, e.From, e.To, e.Loss, many, strings.Join(e.Options, ","))))
	}
	return strings.Join(out, "\n")
}

func TestC2EdgesAreWhatTheServiceSays(t *testing.T) {
	s := d3test.New(t)
	e := known(t, s, cloud.Config{})
	want := strings.Join([]string{
		"pdf docx-pdf loss 1", "png docx-png loss 1 dpi,page", "zip docx-zip loss 0 many",
		"compress jpg-= loss 1 strip", "ocr jpg-txt loss 100 format,lang", "png jpg-png loss 1 width",
		"compress pdf-= loss 1 level", "docx pdf-docx loss 10", "jpg pdf-jpg loss 1", "lock pdf-= loss 0 secret", "merge pdf-pdf loss 1 many",
		"png pdf-png loss 1", "reset_password pdf-= loss 0 new_secret,secret", "txt pdf-txt loss 100", "unlock pdf-= loss 0 secret",
		"zip pdf-zip loss 0 many",
	}, "\n")
	if got := write(e.Edges()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if e.Name() != "d3" || e.Version() == "" {
		t.Errorf("%s/%s", e.Name(), e.Version())
	}
	r := convert.NewRegistry(e)
	if _, err := r.Plan(magic.Step{Op: "png", Options: magic.Options{"dpi": "300"}}, "docx", false); err != nil {
		t.Error(err)
	}
	if _, err := r.Plan(magic.Step{Op: "png", Options: magic.Options{"sheet": "a"}}, "pdf", false); !errors.Is(err, convert.ErrUnsupported) {
		t.Errorf("an option that is not listed: %v", err)
	}
	if n := s.Calls("supported-operation"); n != 9 {
		t.Errorf("%d questions", n)
	}
	if err := e.Refresh(t.Context()); err != nil || s.Calls("supported-operation") != 9 {
		t.Errorf("asked again: %v", err)
	}
}

// memory answers without a network, so that time may be a bubble's.
type memory struct{ h http.HandlerFunc }

func (m memory) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	m.h(w, r)
	resp := w.Result()
	resp.Request = r
	return resp, nil
}

// TestC1EdgesNeverWait has a service that does not answer, then one that refuses, then one that answers.
func TestC1EdgesNeverWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		var healthy atomic.Bool
		hang := make(chan struct{})
		rt := memory{func(w http.ResponseWriter, r *http.Request) {
			if calls.Add(1) == 1 {
				<-hang
			}
			if !healthy.Load() {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			_, _ = fmt.Fprint(w, `{"data":{"supported":true,"available_actions":["zip"]}}`)
		}}
		cfg := d3.Config{BaseURL: "http://d3.test"}
		cfg.HTTP.RoundTripper, cfg.HTTP.Attempts, cfg.HTTP.HeaderTimeout = rt, 1, time.Hour
		c := client(t, cfg)
		e, err := cloud.New(cloud.Config{Client: c, Exts: []string{"pdf"}})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if calls.Load() != 0 {
			t.Error("it asks although nobody wants to know")
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- e.Background(ctx) }()
		synctest.Wait()
		if calls.Load() != 0 {
			t.Error("it asks although nobody wants to know")
		}
		began := time.Now()
		for range 3 {
			if got := e.Edges(); len(got) != 0 || !time.Now().Equal(began) {
				t.Errorf("%d edges after %v", len(got), time.Since(began))
			}
		}
		synctest.Wait()
		if calls.Load() != 1 {
			t.Errorf("%d questions, want 1", calls.Load())
		}
		close(hang)
		synctest.Wait()
		for range 100 {
			e.Edges()
			time.Sleep(10 * time.Second)
		}
		if n := calls.Load(); n < 4 || n > 8 {
			t.Errorf("%d questions in 1,000 s of a service that fails", n)
		}
		healthy.Store(true)
		e.Edges()
		time.Sleep(6 * time.Minute)
		if got := write(e.Edges()); got != "zip pdf-zip loss 0 many" {
			t.Errorf("then it has %q", got)
		}
		known := calls.Load()
		e.Edges()
		synctest.Wait()
		if calls.Load() != known {
			t.Error("what is known is asked again")
		}
		healthy.Store(false)
		time.Sleep(2 * time.Hour)
		e.Edges()
		time.Sleep(time.Minute)
		if got := len(e.Edges()); got != 1 || calls.Load() == known {
			t.Errorf("what was known is lost while the service does not answer: %d edges", got)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("background ends with %v", err)
		}
	})
}

func TestRefreshTellsWhyNot(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer d3test.Answer
		want   convert.Kind // "": it goes well
		edges  int
	}{
		{"key refused", d3test.Answer{Status: 401, Body: `{"message":"no"}`}, convert.ErrUnreachable, 0},
		{"out of credit", d3test.Answer{Status: 402}, convert.ErrBudget, 0},
		{"a page", d3test.Answer{Status: 200, Type: "text/html", Body: "<html>"}, convert.ErrUnreachable, 0},
		{"one extension is refused", d3test.Answer{Status: 400, Body: `{"message":"no such extension"}`}, "", 0},
		{"it knows none of it", d3test.Answer{Status: 200, Body: `{"supported":false}`}, "", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := d3test.New(t)
			s.Support = matrix
			tt.answer.Call, tt.answer.Times = "supported-operation", 1000
			s.Say(tt.answer)
			e := engine(t, s, cloud.Config{Exts: []string{"pdf"}})
			err := e.Refresh(t.Context())
			if tt.want == "" && err != nil || tt.want != "" && !errors.Is(err, tt.want) {
				t.Errorf("got %v", err)
			}
			if got := len(e.Edges()); got != tt.edges {
				t.Errorf("%d edges", got)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := engine(t, d3test.New(t), cloud.Config{}).Refresh(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("with an ended context: %v", err)
	}
}

// TestRefreshOfEverything asks about all formats there are, of a service that has them all.
func TestRefreshOfEverything(t *testing.T) {
	s := d3test.New(t)
	s.Support = func(ext, action string, _ map[string]any) map[string]any {
		v := map[string]any{"supported": true, "available_actions": []string{"convert", "compress"}}
		if action == "convert" {
			v["parameters"] = map[string]any{"convert_to": magic.Formats()}
		}
		return v
	}
	e := engine(t, s, cloud.Config{})
	if err := e.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	n := len(magic.Formats())
	got := e.Edges()
	// Each to each other but zip, which is no target, and each its compress.
	if want := n*(n-2) + 1 + n; len(got) != want {
		t.Errorf("%d edges, want %d", len(got), want)
	}
	if slices.ContainsFunc(got, func(x convert.Edge) bool { return x.From == x.To }) {
		t.Error("a format is converted into itself")
	}
	if q := s.Calls("supported-operation"); q != 3*n {
		t.Errorf("%d questions", q)
	}
}
