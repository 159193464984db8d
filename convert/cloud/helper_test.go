package cloud_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"dropfs/convert"
	"dropfs/convert/cloud"
	"dropfs/convert/magic"
	"dropfs/remote/d3"
	"dropfs/remote/d3/d3test"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// client is one for a stand-in, impatient.
func client(t *testing.T, cfg d3.Config) *d3.Client {
	t.Helper()
	cfg.Key = d3test.Key
	if cfg.PollFirst == 0 {
		cfg.PollFirst, cfg.PollMax = time.Millisecond, 2*time.Millisecond
	}
	c, err := d3.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// engine is the service behind a stand-in; cfg.Client may be nil.
func engine(t *testing.T, s *d3test.Server, cfg cloud.Config) *cloud.Engine {
	t.Helper()
	if cfg.Client == nil {
		c := d3.Config{BaseURL: s.URL()}
		c.HTTP.Rate.Events = -1 // no limit
		cfg.Client = client(t, c)
	}
	e, err := cloud.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// matrix answers supported-operation as a service that knows pdf, docx and jpg.
func matrix(ext, action string, _ map[string]any) map[string]any {
	v := map[string]any{"ext": ext, "supported": true}
	switch ext + " " + action {
	case "pdf ":
		v["available_actions"] = []string{"CONVERT", "COMPRESS", "MERGE", "ZIP", "create_zip", "LOCK", "UNLOCK", "RESET_PASSWORD", "SHARE"}
	case "docx ":
		v["available_actions"] = []string{"convert", "zip"}
	case "jpg ":
		v["available_actions"] = []string{"convert", "compress", "ocr"}
	case "pdf convert":
		v["parameters"] = map[string]any{"convert_to": map[string]any{"IMAGE": []string{"png", "jpeg"}, "DOCUMENT": []string{"docx", "txt", "pdf", "zip", "xyz"}}}
	case "docx convert":
		v["parameters"] = map[string]any{
			"convert_to": map[string]any{"DOCUMENT": []string{"pdf"}, "IMAGE": []string{"png"}},
			"options":    map[string]any{"png": []string{"dpi", "page", "via", "secret", "unheard_of"}},
		}
	case "jpg convert":
		v["parameters"] = map[string]any{"convert_to": []string{"png"}, "width": map[string]any{"min": 1}}
	case "pdf compress":
		v["parameters"] = map[string]any{"compression_value": []any{
			map[string]any{"name": "Recommended", "value": "recommended"},
			map[string]any{"name": "High", "value": "high"},
			map[string]any{"name": "Low", "value": "low"},
		}}
	case "jpg compress":
		v["parameters"] = map[string]any{"compression_value": []any{map[string]any{"name": "Recommended", "value": "recommended"}}, "options": []string{"strip"}}
	case "jpg ocr":
		v["parameters"] = map[string]any{"options": []string{"format", "lang"}}
	default:
		v["supported"] = false
	}
	return v
}

// job is one step with sources of these names and contents.
func job(t *testing.T, e *cloud.Engine, step, ext string, sources ...string) convert.Job {
	t.Helper()
	p, err := magic.Parse(step, ext)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	j := convert.Job{Step: p.Steps[0], Dir: filepath.Join(dir, "work"), Secret: secrets}
	for i, s := range sources {
		name, text, _ := strings.Cut(s, "=")
		path := filepath.Join(dir, string(rune('a'+i)))
		if err := os.WriteFile(path, []byte(text), 0o400); err != nil {
			t.Fatal(err)
		}
		j.Sources = append(j.Sources, convert.Source{Path: path, Name: name, Ext: ext, Size: int64(len(text))})
	}
	if err := os.Mkdir(j.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	edges := e.Edges()
	i := slices.IndexFunc(edges, func(x convert.Edge) bool { return x.Op == j.Step.Op && x.From == ext })
	if i < 0 {
		t.Fatalf("no edge for %s of %s", step, ext)
	}
	j.Edge, j.Out = edges[i], filepath.Join(j.Dir, "out")
	return j
}

func secrets(name string) (string, error) {
	s, ok := map[string]string{"team": "sekrit-1", "new": "sekrit-2"}[name]
	if !ok {
		return "", os.ErrNotExist
	}
	return s, nil
}

// known is an engine that knows all of matrix.
func known(t *testing.T, s *d3test.Server, cfg cloud.Config) *cloud.Engine {
	t.Helper()
	s.Support, s.Polls = matrix, []string{"running"}
	cfg.Exts = []string{"pdf", "docx", "jpg"}
	e := engine(t, s, cfg)
	if err := e.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	return e
}

func out(t *testing.T, j convert.Job) string {
	t.Helper()
	b, err := os.ReadFile(j.Out)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
