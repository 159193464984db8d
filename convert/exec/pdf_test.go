package exec_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"dropfs/convert"
)

func TestPDF(t *testing.T) {
	lo, poppler, gs := engine(t, "libreoffice"), engine(t, "poppler"), engine(t, "ghostscript")
	doc := make1(t, lo, write(t, "text.rtf", []byte(rtf)), "@pdf")
	first, second := make1(t, poppler, doc, "@svg"), make1(t, poppler, doc, "@svg,page=2")
	a, err := os.ReadFile(first)
	b, err2 := os.ReadFile(second)
	if err != nil || err2 != nil || !strings.Contains(string(a), "<svg") || string(a) == string(b) {
		t.Errorf("the pages as SVG: %v, %v", err, err2)
	}
	for _, step := range []string{"@svg,page=9", "@svg,page=1-2"} {
		if err := poppler.Run(t.Context(), job(t, poppler, doc, step)); err == nil {
			t.Errorf("%s has a result", step)
		}
	}
	t.Run("X6", func(t *testing.T) {
		for _, step := range []string{"@compress,level=low", "@compress", "@compress,level=high"} {
			out := make1(t, gs, doc, step)
			wantWords(t, out, "The first page.", "The third page.")
			if fileSize(t, out) > fileSize(t, doc) {
				t.Errorf("%s made %d bytes of %d", step, fileSize(t, out), fileSize(t, doc))
			}
		}
	})
	broken := write(t, "x.pdf", []byte("%PDF-1.4\nand nothing more"))
	for _, e := range []convert.Engine{gs, poppler} {
		step := map[string]string{"ghostscript": "@compress", "poppler": "@svg"}[e.Name()]
		if err := e.Run(t.Context(), job(t, e, broken, step)); !errors.Is(err, convert.ErrBroken) {
			t.Errorf("%s of a broken document: %v", e.Name(), err)
		}
	}
}

func TestX6LargeStays(t *testing.T) {
	gs := engine(t, "ghostscript")
	vips := engine(t, "vips")
	jpg := make1(t, vips, write(t, "x.png", photo(t, 2000, 2000)), "@jpg,quality=100")
	content, err := os.ReadFile(jpg)
	if err != nil {
		t.Fatal(err)
	}
	doc := write(t, "x.pdf", pictureDocument(content, 2000, 2000))
	low, high := fileSize(t, make1(t, gs, doc, "@compress,level=low")), fileSize(t, make1(t, gs, doc, "@compress,level=high"))
	if whole := fileSize(t, doc); high >= low || low > whole {
		t.Errorf("of %d bytes low leaves %d, high %d", whole, low, high)
	}
}

func TestLockedPDF(t *testing.T) {
	gs, poppler := engine(t, "ghostscript"), engine(t, "poppler")
	plain := write(t, "x.pdf", pictureDocument(nil, 1, 1))
	dir := t.TempDir()
	tool(t, "gs", "-q", "-dBATCH", "-dNOPAUSE", "-sDEVICE=pdfwrite", "-sUserPassword=geheim", "-sOwnerPassword=geheim", "-dEncryptionR=3", "-dKeyLength=128",
		"-sOutputFile="+dir+"/locked.pdf", plain)
	for e, step := range map[convert.Engine]string{gs: "@compress", poppler: "@svg"} {
		if err := e.Run(t.Context(), job(t, e, dir+"/locked.pdf", step)); !errors.Is(err, convert.ErrLocked) {
			t.Errorf("%s of a locked document: %v", e.Name(), err)
		}
	}
}

func TestDocuments(t *testing.T) {
	pandoc := engine(t, "pandoc")
	md := write(t, "x.md", []byte("---\ntitle: A title\n---\n# Heading\n\nSome *text*, ü.\n\n| a | b |\n|---|---|\n| c | d |\n"))
	docx := make1(t, pandoc, md, "@docx")
	for path, steps := range map[string][]string{md: {"@odt", "@epub", "@docx", "@rtf"}, docx: {"@md"}, make1(t, pandoc, md, "@epub"): {"@md", "@txt", "@docx"}} {
		for _, step := range steps {
			if step == "@rtf" {
				wantWords(t, make1(t, pandoc, path, step), "Heading")
				continue
			}
			wantWords(t, make1(t, pandoc, path, step), "Heading", "text", "ü")
		}
	}
}

func TestReadText(t *testing.T) {
	ocr, rsvg := engine(t, "tesseract"), engine(t, "rsvg")
	scan := make1(t, rsvg, write(t, "x.svg", []byte(`<svg xmlns="http://www.w3.org/2000/svg" width="800" height="120">`+
		`<rect width="800" height="120" fill="white"/><text x="20" y="80" font-size="60" font-family="sans-serif">Hello reader</text></svg>`)), "@png")
	wantWords(t, make1(t, ocr, scan, "@ocr"), "Hello reader")
	wantWords(t, make1(t, ocr, scan, "@ocr,format=pdf,lang=eng"), "Hello", "reader")
	for _, step := range []string{"@ocr,lang=xyz", "@ocr,lang=-h", "@ocr,lang=eng+%2F%2E%2E%2Fx", "@ocr,format=docx"} {
		if err := ocr.Run(t.Context(), job(t, ocr, scan, step)); !errors.Is(err, convert.ErrUnsupported) {
			t.Errorf("%s: %v", step, err)
		}
	}
}
