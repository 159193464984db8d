package corpus

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"dropfs/convert"
	"dropfs/convert/magic"
)

// special are ops whose steps need options, or several sources: they have tests of their own (steps_test.go).
var special = []string{magic.Lock, magic.Unlock, magic.ResetPassword, magic.Merge, magic.OCR}

// limits bound every conversion here.
var limits = convert.Limits{Time: 3 * time.Minute}

// TestEveryEdge runs what every engine can make of every document, and looks at it.
func TestEveryEdge(t *testing.T) {
	for _, d := range documents {
		if d.left() {
			continue
		}
		t.Run(d.family+"/"+d.name, func(t *testing.T) {
			t.Parallel()
			source := d.source(t)
			for _, e := range all() {
				if len(e.Edges()) == 0 {
					t.Run(e.Name(), func(t *testing.T) { t.Skipf("%s is not there: %s", e.Name(), whyNot(e.Name())) })
				}
				for _, edge := range e.Edges() {
					step, ok := plain(edge, source.Ext)
					if !ok || edge.From == "*" && d.family != "archive" && d.name != "chapter.html" || !long && e.Name() == "vips" && d.name != "photo.png" {
						continue
					}
					t.Run(e.Name()+step.Key(), func(t *testing.T) {
						plan := convert.Plan{{Engine: e, Edge: edge, Step: step, To: step.Output(source.Ext)}}
						report(t, check(newReader(t), d, do(t, plan, source, step)))
					})
				}
			}
		})
	}
}

// plain is the step of an edge without options; ok is false for what is tested elsewhere, or not of that source.
func plain(edge convert.Edge, ext string) (step magic.Step, ok bool) {
	step = magic.Step{Op: edge.Op, Options: magic.Options{}}
	if edge.From != ext && edge.From != "*" || step.Kind() == magic.Dirop || slices.Contains(special, edge.Op) {
		return step, false
	}
	if edge.From == "*" && slices.Contains(archives, ext) {
		return step, false // it is repacked, by an edge of its own
	}
	if edge.To != "=" && edge.To != step.Output(ext) {
		step.Options["format"] = edge.To
	}
	return step, true
}

// do runs a plan and answers its result.
func do(t *testing.T, plan convert.Plan, source convert.Source, step magic.Step, more ...convert.Source) result {
	t.Helper()
	m, err := try(t, plan, source, step, more...)
	if err != nil {
		t.Fatalf("%s%s: %v", source.Name, step.Key(), err)
	}
	return m
}

func try(t *testing.T, plan convert.Plan, source convert.Source, step magic.Step, more ...convert.Source) (result, error) {
	t.Helper()
	task := convert.Task{Step: step, Sources: append([]convert.Source{source}, more...), Limits: limits, Secret: secret}
	before, err := os.ReadFile(source.Path)
	if err != nil {
		t.Fatal(err)
	}
	path, err := plan.Run(t.Context(), task, t.TempDir())
	if err != nil {
		return result{}, err
	}
	if after, err := os.ReadFile(source.Path); err != nil || string(after) != string(before) {
		t.Errorf("V2: the source changed: %v", err)
	}
	last := plan[len(plan)-1]
	named := filepath.Join(t.TempDir(), "result."+last.To) // programs go by it
	if err := os.Rename(path, named); err != nil {
		t.Fatal(err)
	}
	return result{from: source, path: named, ext: last.To, engine: last.Engine.Name(), step: step}, nil
}

// report fails a test with what a check found; where a program is missing that looks at results it is skipped.
func report(t *testing.T, err error) {
	t.Helper()
	switch {
	case missing(err):
		t.Skipf("not looked at: %v", err)
	case err != nil:
		t.Error(err)
	}
}

func fieldsOf(s string) []string { return strings.Fields(s) }

// secrets are passwords by the names that stand in steps.
var secrets = map[string]string{"team": "correct horse battery", "new": "Tr0ub4dor", "peanuts": "peanuts", "other": "wrong"}

func secret(name string) (string, error) { return secrets[name], nil }
