package text_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"dropfs/convert"
	"dropfs/convert/magic"
	"dropfs/convert/native/text"
)

func run(ctx context.Context, t testing.TB, to, ext, src string, l convert.Limits) (string, error) {
	t.Helper()
	step := magic.Step{Op: to}
	for _, e := range text.New().Edges() {
		if e.From != ext || e.To != to {
			continue
		}
		path := filepath.Join(t.TempDir(), "in."+ext)
		if err := os.WriteFile(path, []byte(src), 0o400); err != nil {
			t.Fatal(err)
		}
		plan := convert.Plan{{Engine: text.New(), Edge: e, Step: step, To: to}}
		out, err := plan.Run(ctx, convert.Task{Step: step, Limits: l, Sources: []convert.Source{{Path: path, Ext: ext, Size: int64(len(src))}}}, t.TempDir())
		if err != nil {
			return "", err
		}
		b, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		return string(b), nil
	}
	t.Fatalf("no edge from %s to %s", ext, to)
	return "", nil
}

func must(t testing.TB, to, ext, src string) string {
	t.Helper()
	out, err := run(t.Context(), t, to, ext, src, convert.Limits{})
	if err != nil {
		t.Fatalf("%s to %s: %v", ext, to, err)
	}
	return out
}

// fails tells that a conversion fails in a way.
func fails(t testing.TB, name, to, ext, src string, want error) {
	t.Helper()
	if out, err := run(t.Context(), t, to, ext, src, convert.Limits{}); !errors.Is(err, want) {
		t.Errorf("%s: %.60q, %v, want %v", name, out, err, want)
	}
}

// zipOf packs parts: name, content, name, content.
func zipOf(t testing.TB, parts ...string) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i < len(parts); i += 2 {
		f, err := w.Create(parts[i])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(f, parts[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
