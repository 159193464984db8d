package corpus

import (
	"os"
	"path/filepath"
	"testing"
)

// TestChecksFind feeds each kind of check with something wrong (C3).
func TestChecksFind(t *testing.T) {
	r := newReader(t)
	file := func(name string) string { return of(t, name).file(t) }
	half := func(name string) string { // a file that was cut off
		b, err := os.ReadFile(file(name))
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, b[:len(b)/2], 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, c := range []struct {
		of, op, ext, engine, path string // what is said to be made of a document, and the wrong file
		long                      bool
	}{
		{of: "example.docx", op: "md", ext: "md", path: file("readme.md")},
		{of: "manual.odt", op: "txt", ext: "txt", path: half("readme.md")},
		{of: "manual.epub", op: "html", ext: "html", path: file("chapter.html")},
		{of: "testpage.pdf", op: "pdf", ext: "pdf", path: file("logo.pdf")},
		{of: "testpage.pdf", op: "pdf", ext: "pdf", path: half("testpage.pdf")},
		{of: "testpage.pdf", op: "png", ext: "png", engine: "pdfium", path: file("photo.png")},
		{of: "logo.pdf", op: "svg", ext: "svg", path: "home.svg", long: true},
		{of: "logo.svg", op: "png", ext: "png", path: file("photo.png")},
		{of: "photo.png", op: "bmp", ext: "bmp", engine: "images", path: half("photo.bmp")},
		{of: "photo.png", op: "jpg", ext: "jpg", engine: "vips", path: file("turned.jpg")},
		{of: "rose.webp", op: "png", ext: "png", engine: "images", path: half("photo.png")},
		{of: "turned.jpg", op: "jpg", ext: "jpg", engine: "vips", path: file("turned.jpg")}, // not turned
		{of: "datasets.xlsx", op: "csv", ext: "csv", path: file("stocks.csv")},
		{of: "stocks.csv", op: "csv", ext: "csv", path: half("stocks.csv")},
		{of: "stocks.csv", op: "pdf", ext: "pdf", path: file("testpage.pdf")},
		{of: "example.toml", op: "toml", ext: "json", path: half("example.toml")},
		{of: "many.zip", op: "tar", ext: "tgz", path: file("bashcc.tgz")},
		{of: "chapter.html", op: "zip", ext: "zip", path: file("many.zip")},
		{of: "readme.md", op: "compress", ext: "md", path: file("chapter.html")}, // larger
		{of: "readme.md", op: "md", ext: "exe", path: file("readme.md")},         // no check (C1)
		{of: "speech.mp3", op: "ogg", ext: "ogg", path: "bell.oga", long: true},
		{of: "speech.wav", op: "wav", ext: "wav", path: "speech.mp3", long: true},
		{of: "sample.mp4", op: "webm", ext: "mov", path: "hello.avi", long: true},
		{of: "sample.webm", op: "mp4", ext: "mp4", path: "hello.avi", long: true},
		{of: "sample.mp4", op: "jpg", ext: "jpg", path: "gopher.jpg", long: true},
	} {
		if c.long && !long {
			continue
		}
		t.Run(c.of+"@"+c.op, func(t *testing.T) {
			d := of(t, c.of)
			path := c.path
			if !filepath.IsAbs(path) {
				path = file(path)
			}
			m := result{from: d.source(t), path: path, ext: c.ext, engine: c.engine}
			m.step.Op = c.op
			r.t = t
			if err := check(r, d, m); err == nil {
				t.Error("it finds nothing")
			} else {
				t.Log(err)
			}
		})
	}
}
