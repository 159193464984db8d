package exec_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"dropfs/convert"
	"dropfs/convert/exec"
	"dropfs/convert/exec/sandbox"
	"dropfs/convert/magic"
)

// machine is the set of this machine, probed once for all tests; nil where there is no sandbox.
var machine *exec.Set

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == sandbox.Arg {
		os.Exit(sandbox.Child(os.Args[2:]))
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	s := exec.New(exec.Config{})
	if err := s.Probe(context.Background()); err == nil {
		machine = s
	}
	code := m.Run()
	if err := errors.Join(s.Close(), goleak.Find()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// engine answers one of this machine; a test that needs one that is missing is skipped.
func engine(t *testing.T, name string) convert.Engine {
	t.Helper()
	if machine == nil {
		t.Skip("there is no sandbox on this machine")
	}
	for _, h := range machine.Missing() {
		if h.Engine == name {
			t.Skipf("%s is not there (%s): apt-get install %s", name, h.Why, h.Package)
		}
	}
	i := slices.IndexFunc(machine.Engines(), func(e convert.Engine) bool { return e.Name() == name })
	if i < 0 {
		t.Fatalf("no engine %s", name)
	}
	return machine.Engines()[i]
}

// step parses what stands behind a name.
func step(t *testing.T, text, ext string) magic.Step {
	t.Helper()
	p, err := magic.Parse(text, ext)
	if err != nil || len(p.Steps) != 1 {
		t.Fatalf("%s: %v", text, err)
	}
	return p.Steps[0]
}

// job prepares a step on a file; the edge is what the engine has for it, or one that it has not.
func job(t *testing.T, e convert.Engine, path, text string) convert.Job {
	t.Helper()
	ext := magic.Ext(strings.TrimPrefix(filepath.Ext(path), "."))
	s := step(t, text, ext)
	to := s.Output(ext)
	want := convert.Edge{Op: s.Op, From: ext, To: to}
	for _, have := range e.Edges() {
		if have.Op == s.Op && have.From == ext && (have.To == to || have.To == "=") {
			want = have
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	return convert.Job{
		Edge: want, Step: s, Dir: dir, Out: filepath.Join(dir, "made"), Limits: convert.Limits{Time: 2 * time.Minute},
		Sources: []convert.Source{{Path: path, Name: "a user's name", Ext: ext, Size: info.Size()}},
	}
}

// make1 does a step on a file and answers the path of the result.
func make1(t *testing.T, e convert.Engine, path, text string) string {
	t.Helper()
	j := job(t, e, path, text)
	if err := e.Run(t.Context(), j); err != nil {
		t.Fatalf("%s%s: %v", filepath.Base(path), text, err)
	}
	out := filepath.Join(t.TempDir(), "result."+j.Step.Output(j.Sources[0].Ext))
	if err := os.Rename(j.Out, out); err != nil {
		t.Fatal(err)
	}
	return out
}

// write makes a source.
func write(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestProbe(t *testing.T) {
	if machine == nil {
		t.Skip("there is no sandbox on this machine")
	}
	for _, e := range machine.Engines() {
		t.Logf("%s %s: %d edges", e.Name(), e.Version(), len(e.Edges()))
	}
	for _, h := range machine.Missing() {
		t.Logf("missing: %+v", h)
	}
	for _, p := range machine.Programs() {
		if info, err := os.Stat(p.Path); err != nil || !info.Mode().IsRegular() || p.Version == "" {
			t.Errorf("%+v: %v", p, err)
		}
	}
	if n := len(machine.Programs()) + len(machine.Missing()); n != len(machine.Engines()) {
		t.Errorf("%d are found or missing, of %d", n, len(machine.Engines()))
	}
}
