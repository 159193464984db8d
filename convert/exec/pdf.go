package exec

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"strconv"

	"dropfs/convert"
)

func pdfTools() []*tool {
	return []*tool{
		{
			name: "poppler", program: "pdftocairo", packages: "poppler-utils",
			ask: []string{"-v"}, version: regexp.MustCompile(`pdftocairo version (\d+(?:\.\d+)+)`),
			sample: sample{from: "pdf", to: "svg", content: onePage()},
			edges: func(*program) []edge {
				return []edge{{Edge: convert.Edge{Op: "svg", From: "pdf", To: "svg", Options: []string{"page"}, Cost: 2, Loss: 1}, do: pageAsSVG}}
			},
		},
		{
			name: "ghostscript", program: "gs", packages: "ghostscript",
			ask: []string{"--version"}, version: regexp.MustCompile(`^(\d+\.\d+(?:\.\d+)?)\s*$`),
			sample: sample{from: "pdf", to: "pdf", op: "compress", content: onePage()},
			edges: func(*program) []edge {
				return []edge{{Edge: convert.Edge{Op: "compress", From: "pdf", To: "=", Options: []string{"level"}, Cost: 10, Loss: 1}, do: smallerPDF}}
			},
		},
	}
}

// pageAsSVG draws one page, the first where none is asked for.
func pageAsSVG(ctx context.Context, t *task) error {
	first, last, ok := t.step.Options.PageRange()
	if !ok {
		first, last = 1, 1
	}
	if first != last {
		return fmt.Errorf("%w: more than one page", convert.ErrUnsupported)
	}
	n := strconv.Itoa(first)
	r, err := t.run(ctx, t.program.path, "-svg", "-f", n, "-l", n, t.in(), t.out())
	if bytes.Contains(r.Stderr, []byte("Incorrect password")) {
		return fmt.Errorf("%w", convert.ErrLocked)
	}
	return err
}

// levels are what ghostscript calls how much a document is to be compressed.
var levels = map[string]string{"low": "/printer", "recommended": "/ebook", "high": "/screen"}

// smallerPDF writes the document anew, its pictures with fewer pixels; where that is not smaller the result is the source
// (X6).
func smallerPDF(ctx context.Context, t *task) error {
	r, err := t.runWatched(ctx, t.watchGhostscript(), t.program.path, "-dSAFER", "-dBATCH", "-dNOPAUSE", "-sDEVICE=pdfwrite",
		"-dPDFSETTINGS="+levels[t.step.Options.Get("level")], "-sOutputFile="+t.out(), t.in())
	if bytes.Contains(r.Stdout, []byte("requires a password")) || bytes.Contains(r.Stderr, []byte("requires a password")) {
		return fmt.Errorf("%w", convert.ErrLocked)
	}
	if err != nil {
		return err
	}
	if bytes.Contains(r.Stdout, []byte("No pages will be processed")) {
		return fmt.Errorf("%w: ghostscript found no pages", convert.ErrBroken)
	}
	return t.keepSmaller()
}

// onePage is a PDF of one page with a word on it.
func onePage() []byte {
	var b bytes.Buffer
	b.WriteString("%PDF-1.4\n")
	const text = "BT /F 12 Tf 20 50 Td (sample) Tj ET"
	var at []int
	for i, object := range []string{
		"<</Type/Catalog/Pages 2 0 R>>",
		"<</Type/Pages/Kids[3 0 R]/Count 1>>",
		"<</Type/Page/Parent 2 0 R/MediaBox[0 0 100 100]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>",
		fmt.Sprintf("<</Length %d>>\nstream\n%s\nendstream", len(text), text),
		"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
	} {
		at = append(at, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, object)
	}
	start := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(at)+1)
	for _, offset := range at {
		fmt.Fprintf(&b, "%010d 00000 n \n", offset)
	}
	fmt.Fprintf(&b, "trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n", len(at)+1, start)
	return b.Bytes()
}
