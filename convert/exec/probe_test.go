package exec_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"dropfs/convert"
	"dropfs/convert/exec"
	"dropfs/convert/magic"
)

// script makes a program of the shell; /usr/local is a place from which the sandbox runs programs.
func script(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+text), 0o755); err != nil {
		t.Fatal(err)
	}
}

func TestX1Probe(t *testing.T) {
	if machine == nil {
		t.Skip("there is no sandbox on this machine")
	}
	dir, err := os.MkdirTemp("/usr/local", "dropfs-test-")
	if err != nil {
		t.Skipf("no place for programs: %v", err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := exec.New(exec.Config{Path: dir, Scratch: t.TempDir()})
	defer s.Close()
	why := func(name string) exec.Hint {
		for _, h := range s.Missing() {
			if h.Engine == name {
				return h
			}
		}
		return exec.Hint{}
	}
	if h := why("pandoc"); h.Why != "not looked for yet" {
		t.Errorf("before: %+v", h)
	}
	for _, c := range []struct {
		name, text string // of a program pandoc; "" none
		why, pack  string // "" it is offered
	}{
		{"not there", "", "not found", "pandoc"},
		{"another program of that name", "echo hello", "not the program of that name", ""},
		{"it hangs", "echo pandoc 3.1; sleep 1000", "too long", ""},
		{"it converts nothing", "echo pandoc 3.1; exit 0", "made nothing", ""},
		{"it fails", "echo pandoc 3.1; test \"$1\" = --version", "ended with 1", ""},
		{"it makes something else", "echo pandoc 3.1; for a; do last=$out; out=$a; done; test \"$1\" = --version || echo x | tee parsed.json >out.docx", "in place of", ""},
		{"it works", "echo pandoc 3.1; test \"$1\" = --version || { echo >parsed.json; cp /usr/share/dropfs-test.docx out.docx; }", "", ""},
		{"it is gone", "", "not found", "pandoc"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_ = os.Remove(filepath.Join(dir, "pandoc")) // it may not be there
			if c.text != "" {
				script(t, dir, "pandoc", strings.ReplaceAll(c.text, "/usr/share", dir))
			}
			if err := os.WriteFile(filepath.Join(dir, "dropfs-test.docx"), archive(t, [2]string{"word/document.xml", "x"}), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := s.Probe(t.Context()); err != nil {
				t.Fatal(err)
			}
			h := why("pandoc")
			if !strings.Contains(h.Why, c.why) || (h.Why == "") != (c.why == "") || h.Package != c.pack {
				t.Errorf("%+v, want %q, %q", h, c.why, c.pack)
			}
			i := slices.IndexFunc(s.Engines(), func(e convert.Engine) bool { return e.Name() == "pandoc" })
			if e := s.Engines()[i]; (len(e.Edges()) > 0) != (c.why == "") || (e.Version() == "3.1") != (c.why == "") {
				t.Errorf("it offers %d edges, version %q", len(e.Edges()), e.Version())
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Probe(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
}

func TestProbeIsRemembered(t *testing.T) {
	if machine == nil {
		t.Skip("there is no sandbox on this machine")
	}
	dir, err := os.MkdirTemp("/usr/local", "dropfs-test-")
	if err != nil {
		t.Skipf("no place for programs: %v", err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	// It works or not by a file beside it, so that what was found tells whether it was tried again.
	script(t, dir, "pandoc", "echo pandoc 3.1; test \"$1\" = --version || { echo >parsed.json; cp "+dir+"/docx out.docx; }")
	if err := os.WriteFile(filepath.Join(dir, "docx"), archive(t, [2]string{"word/document.xml", "x"}), 0o644); err != nil {
		t.Fatal(err)
	}
	s := exec.New(exec.Config{Path: dir})
	defer s.Close()
	for i := range 2 {
		if err := s.ProbeOnly(t.Context(), "pandoc"); err != nil || len(s.Missing()) > 0 {
			t.Fatalf("run %d: %v, %+v", i, err, s.Missing())
		}
		_ = os.Remove(filepath.Join(dir, "docx")) // the second time it is gone
	}
}

// TestV1Edges holds the tables against the grammar: each edge can be asked for, and with each of its options.
func TestV1Edges(t *testing.T) {
	if machine == nil {
		t.Skip("there is no sandbox on this machine")
	}
	values := map[string]string{
		"page": "1", "width": "9", "height": "9", "fit": "pad", "quality": "9", "time": "1", "sheet": "x", "lang": "eng", "background": "red", "strip": "yes", "level": "low",
	}
	for _, e := range machine.Engines() {
		seen := map[string]bool{}
		for _, ed := range e.Edges() {
			text := "@" + ed.Op
			for _, o := range ed.Options {
				if o != "format" {
					text += "," + o + "=" + values[o]
				} else if ed.To != "" {
					text += ",format=" + ed.To
				}
			}
			id := ed.Op + " " + ed.From + " " + ed.To
			if seen[id] {
				t.Errorf("%s: %s twice", e.Name(), id)
			}
			seen[id] = true
			p, err := magic.Parse(text, ed.From)
			if err != nil {
				t.Errorf("%s: %s: %v", e.Name(), text, err)
				continue
			}
			to := ed.To
			if to == "=" {
				to = ed.From
			}
			if got := p.Output(ed.From); got != to || ed.Cost < 1 || ed.From != magic.Ext(ed.From) {
				t.Errorf("%s: %s of %s makes %s: %+v", e.Name(), text, ed.From, got, ed)
			}
		}
	}
}
