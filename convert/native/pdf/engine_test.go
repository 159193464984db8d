package pdf

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	_ "golang.org/x/image/bmp"
	_ "golang.org/x/image/tiff"

	"dropfs/convert"
	"dropfs/convert/magic"
)

// shared is the engine of all tests: compiling the module takes seconds.
var shared = New(Config{})

// run does a step with sources and answers the result.
func run(t testing.TB, step string, sources ...[]byte) ([]byte, error) {
	t.Helper()
	return runJob(t.Context(), t, convert.Job{Step: stepOf(t, step)}, sources...)
}

func stepOf(t testing.TB, text string) magic.Step {
	t.Helper()
	p, err := magic.Parse("@"+text, "pdf")
	if err != nil || len(p.Steps) != 1 {
		t.Fatalf("%s: %v", text, err)
	}
	return p.Steps[0]
}

func runJob(ctx context.Context, t testing.TB, job convert.Job, sources ...[]byte) ([]byte, error) {
	t.Helper()
	dir := t.TempDir()
	job.Dir = filepath.Join(dir, "job")
	if err := os.Mkdir(job.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	job.Sources = sourcesIn(t, dir, sources...)
	job.Out = filepath.Join(job.Dir, "out")
	if job.Secret == nil {
		job.Secret = secrets
	}
	job.Edge = edgeOf(t, job.Step)
	err := shared.Run(ctx, job)
	for i, s := range sources {
		if now, e := os.ReadFile(job.Sources[i].Path); e != nil || !bytes.Equal(now, s) {
			t.Errorf("source %d was changed: %v", i, e)
		}
	}
	if err != nil {
		return nil, err
	}
	out, err := os.ReadFile(job.Out)
	if err != nil {
		t.Fatal(err)
	}
	return out, nil
}

func sourcesIn(t testing.TB, dir string, sources ...[]byte) []convert.Source {
	t.Helper()
	var out []convert.Source
	for i, data := range sources {
		path := filepath.Join(dir, string(rune('a'+i))+".pdf")
		if err := os.WriteFile(path, data, 0o400); err != nil {
			t.Fatal(err)
		}
		out = append(out, convert.Source{Path: path, Name: filepath.Base(path), Ext: "pdf", Size: int64(len(data))})
	}
	return out
}

// edgeOf is the edge for a step, which must honour all that it asks (V1).
func edgeOf(t testing.TB, step magic.Step) convert.Edge {
	t.Helper()
	plan, err := convert.NewRegistry(shared).Plan(step, "pdf", false)
	if err != nil {
		t.Fatal(err)
	}
	return plan[0].Edge
}

// secrets are those of the tests.
func secrets(name string) (string, error) {
	switch name {
	case "old":
		return "pässword one", nil
	case "new":
		return "another one", nil
	case "long":
		return strings.Repeat("ü", 150), nil
	case "empty":
		return "", nil
	}
	return "", errors.New("not known")
}

func mustRun(t testing.TB, step string, sources ...[]byte) []byte {
	t.Helper()
	out, err := run(t, step, sources...)
	if err != nil {
		t.Fatalf("%s: %v", step, err)
	}
	return out
}

func decoded(t testing.TB, data []byte) (image.Image, string) {
	t.Helper()
	m, format, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return m, format
}

func TestDrawsEveryFormat(t *testing.T) {
	doc := documentOf(page{letter, "1 0 0 rg 0 0 306 792 re f 0 0 1 rg 306 0 306 792 re f"})
	for _, format := range pictures() {
		t.Run(format, func(t *testing.T) {
			m, got := decoded(t, mustRun(t, format, doc))
			if want := strings.Replace(format, "jpg", "jpeg", 1); got != want {
				t.Errorf("made %s", got)
			}
			if m.Bounds().Dx() != 1275 || m.Bounds().Dy() != 1650 {
				t.Errorf("made %v", m.Bounds())
			}
			for x, want := range map[int]color.RGBA{100: {255, 0, 0, 255}, 1200: {0, 0, 255, 255}} {
				if got := color.RGBAModel.Convert(m.At(x, 800)).(color.RGBA); !near(got, want) {
					t.Errorf("at %d: %v, want %v", x, got, want)
				}
			}
		})
	}
}

func near(a, b color.RGBA) bool {
	d := func(x, y uint8) bool { return max(x, y)-min(x, y) <= 4 }
	return d(a.R, b.R) && d(a.G, b.G) && d(a.B, b.B) && d(a.A, b.A)
}

func TestText(t *testing.T) {
	doc := numbered(4)
	for step, want := range map[string]string{
		"txt":          "Page number 1\n\fPage number 2\n\fPage number 3\n\fPage number 4\n",
		"txt,page=2":   "Page number 2\n",
		"txt,page=2-3": "Page number 2\n\fPage number 3\n",
		"txt,page=3-":  "Page number 3\n\fPage number 4\n",
		"txt,p=3-9":    "Page number 3\n\fPage number 4\n",
	} {
		if got := string(mustRun(t, step, doc)); got != want {
			t.Errorf("%s: %q, want %q", step, got, want)
		}
	}
}

// The same source makes the same result: what a new document says of its time is the source's.
func TestSameSourceSameResult(t *testing.T) {
	src := sourcesIn(t, t.TempDir(), numbered(4), numbered(2))
	when := time.Date(2020, 5, 17, 1, 2, 3, 0, time.UTC)
	for _, s := range src {
		if err := os.Chtimes(s.Path, when, when); err != nil {
			t.Fatal(err)
		}
	}
	for step, n := range map[string]int{"pdf,page=2-3": 1, "merge": 2, "compress": 1, "png": 1, "txt": 1} {
		var last []byte
		for i := range 2 {
			out := filepath.Join(t.TempDir(), "out")
			if err := shared.Run(t.Context(), convert.Job{Step: stepOf(t, step), Sources: src[:n], Out: out}); err != nil {
				t.Fatal(err)
			}
			b, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			if i > 0 && !bytes.Equal(b, last) {
				t.Errorf("%s: two results", step)
			}
			if last = b; step == "merge" && !bytes.Contains(b, []byte("D:20200517")) {
				t.Errorf("%s: made at another time", step)
			}
		}
	}
}

func TestProgressIsTold(t *testing.T) {
	var told []float64
	job := convert.Job{Step: stepOf(t, "txt"), Progress: func(x float64) { told = append(told, x) }}
	if _, err := runJob(t.Context(), t, job, numbered(4)); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(told, []float64{0.25, 0.5, 0.75, 1}) {
		t.Errorf("%v", told)
	}
}

func TestNameAndVersion(t *testing.T) {
	if shared.Name() != "pdfium" || !strings.HasPrefix(shared.Version(), "2.15.1-") {
		t.Errorf("%s %s", shared.Name(), shared.Version())
	}
}

func TestUncheckedMakesTheSame(t *testing.T) {
	src := sourcesIn(t, t.TempDir(), documentOf(paragraph()))
	e := New(Config{Unchecked: true, Instances: 1})
	for _, step := range []string{"png", "txt"} {
		out := filepath.Join(t.TempDir(), "out")
		if err := e.Run(t.Context(), convert.Job{Step: stepOf(t, step), Sources: src, Out: out}); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, mustRun(t, step, documentOf(paragraph()))) {
			t.Errorf("%s: another result", step)
		}
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}
