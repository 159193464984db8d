package text_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/image/font/gofont/gomono"

	"dropfs/convert"
)

// linesOfPage is how many lines fit on a page.
const linesOfPage = 58

// TestPrintedText: what another program reads in the PDF is the text, page by page.
func TestPrintedText(t *testing.T) {
	for _, tool := range []string{"pdftotext", "qpdf"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(tool + " is not installed")
		}
	}
	word := strings.Repeat("word ", 40)
	for name, c := range map[string]struct {
		text  string
		pages []string // what stands on each, spaces made one
	}{
		"one line":         {"hello world\n", []string{"hello world"}},
		"nothing":          {"", []string{""}},
		"scripts":          {"\ufeffÄpfel, e\u0301te\u0301, Ελλάδα, Москва\r\nx\ty", []string{"Äpfel, été, Ελλάδα, Москва x y"}},
		"a form feed":      {"one\ftwo", []string{"one", "two"}},
		"a long line":      {word, []string{strings.TrimSpace(word)}},
		"more than a page": {strings.Repeat("line\n", linesOfPage+1), []string{strings.TrimSpace(strings.Repeat("line ", linesOfPage)), "line"}},
		"no such glyphs":   {"a 漢😀 b", []string{"a □□ b"}},
		"no UTF-8":         {"a \xff b", []string{"a \ufffd b"}},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "out.pdf")
			if err := os.WriteFile(path, []byte(must(t, "pdf", "txt", c.text)), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.CommandContext(t.Context(), "qpdf", "--check", path).CombinedOutput(); err != nil {
				t.Errorf("qpdf: %v %s", err, out)
			}
			out, err := exec.CommandContext(t.Context(), "pdftotext", "-layout", path, "-").Output()
			if err != nil {
				t.Fatal(err)
			}
			var pages []string
			for page := range strings.SplitSeq(strings.TrimSuffix(string(out), "\f"), "\f") {
				pages = append(pages, strings.Join(strings.Fields(page), " "))
			}
			if strings.Join(pages, "\f") != strings.Join(c.pages, "\f") {
				t.Errorf("%q, want %q", pages, c.pages)
			}
		})
	}
}

// TestPrintedIsSmall: the font is in it with the characters that are used.
func TestPrintedIsSmall(t *testing.T) {
	if one := must(t, "pdf", "txt", "hello world"); len(one) > len(gomono.TTF)/10 {
		t.Errorf("%d bytes", len(one))
	}
}

func TestTextAsHTML(t *testing.T) {
	if got := must(t, "html", "txt", "a <b> & c"); !strings.Contains(got, "<pre>a &lt;b&gt; &amp; c</pre>") {
		t.Error(got)
	}
	fails(t, "no text", "pdf", "txt", "a\x00b", convert.ErrBroken)
	fails(t, "no text", "html", "txt", "a\x00b", convert.ErrBroken)
}
