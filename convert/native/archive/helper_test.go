package archive_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"dropfs/convert"
	"dropfs/convert/magic"
	"dropfs/convert/native/archive"
)

// item is a file of an archive, or what passes for one.
type item struct {
	name, text string
	kind       byte // of tar; 0: a regular file
}

var when = time.Date(2021, 3, 4, 5, 6, 7, 0, time.UTC)

func tarOf(t testing.TB, items ...item) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, i := range items {
		h := &tar.Header{Name: i.name, Mode: 0o644, Size: int64(len(i.text)), ModTime: when, Typeflag: tar.TypeReg}
		if i.kind != 0 {
			h.Typeflag, h.Size, h.Linkname = i.kind, 0, i.text
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if i.kind == 0 {
			if _, err := io.WriteString(w, i.text); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zipOf(t testing.TB, items ...item) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, i := range items {
		h := &zip.FileHeader{Name: i.name, Method: zip.Deflate, Modified: when}
		if i.kind == tar.TypeSymlink {
			h.SetMode(os.ModeSymlink | 0o777)
		}
		f, err := w.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(f, i.text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gz(t testing.TB, in []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(in); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zst(t testing.TB, in []byte) []byte {
	t.Helper()
	e, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return e.EncodeAll(in, nil)
}

func archiveOf(t testing.TB, ext string, items ...item) []byte {
	t.Helper()
	switch ext {
	case "zip":
		return zipOf(t, items...)
	case "tgz", "gz":
		return gz(t, tarOf(t, items...))
	case "tzst", "zst":
		return zst(t, tarOf(t, items...))
	}
	return tarOf(t, items...)
}

// got is what an independent reader finds: bytes, mode and time by name, and the names in order.
type got struct {
	names []string
	text  map[string]string
	mod   map[string]time.Time
	mode  map[string]os.FileMode
}

func read(t testing.TB, ext string, b []byte) got {
	t.Helper()
	out := got{nil, map[string]string{}, map[string]time.Time{}, map[string]os.FileMode{}}
	add := func(name string, r io.Reader, mod time.Time, mode os.FileMode) {
		all, err := io.ReadAll(r)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		out.names, out.text[name], out.mod[name], out.mode[name] = append(out.names, name), string(all), mod, mode
	}
	var r io.Reader = bytes.NewReader(b)
	var err error
	switch ext {
	case "zip":
		z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range z.File {
			c, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			add(f.Name, c, f.Modified, f.Mode())
			c.Close()
		}
		return out
	case "tgz":
		r, err = gzip.NewReader(r)
	case "tzst":
		r, err = zstd.NewReader(r)
	}
	if err != nil {
		t.Fatal(err)
	}
	for a := tar.NewReader(r); ; {
		h, err := a.Next()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		add(h.Name, a, h.ModTime, h.FileInfo().Mode())
	}
}

type named struct{ name, text string }

// task makes one of a step and its sources.
func task(t testing.TB, step magic.Step, l convert.Limits, ext string, files ...named) convert.Task {
	t.Helper()
	dir := t.TempDir()
	out := convert.Task{Step: step, Limits: l}
	for i, f := range files {
		path := filepath.Join(dir, string(rune('a'+i%26))+filepath.Base(t.TempDir()))
		if err := os.WriteFile(path, []byte(f.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, when, when); err != nil {
			t.Fatal(err)
		}
		out.Sources = append(out.Sources, convert.Source{Path: path, Name: f.name, Ext: ext, Size: int64(len(f.text))})
	}
	return out
}

func plan(t testing.TB, step magic.Step, ext string, many bool) convert.Plan {
	t.Helper()
	p, err := convert.NewRegistry(archive.New()).Plan(step, ext, many)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func runTask(ctx context.Context, t testing.TB, k convert.Task, ext string) ([]byte, error) {
	t.Helper()
	out, err := plan(t, k.Step, ext, len(k.Sources) > 1).Run(ctx, k, t.TempDir())
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return b, nil
}

// list answers the members of an archive.
func list(t testing.TB, ext string, b []byte, l convert.Limits) ([]convert.Member, error) {
	t.Helper()
	k := task(t, magic.Step{Op: magic.Members}, l, ext, named{"x." + ext, string(b)})
	m, _, err := plan(t, k.Step, ext, false).List(t.Context(), k, t.TempDir())
	return m, err
}

// extract makes one member.
func extract(t testing.TB, ext string, b []byte, part string, l convert.Limits) ([]byte, error) {
	t.Helper()
	k := task(t, magic.Step{Op: magic.Members}, l, ext, named{"x." + ext, string(b)})
	k.Part = part
	return runTask(t.Context(), t, k, ext)
}
