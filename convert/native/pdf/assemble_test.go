package pdf

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dropfs/convert"
)

func TestPicksPages(t *testing.T) {
	doc := numbered(12)
	for step, want := range map[string]string{
		"pdf,page=2":    "Page number 2\n",
		"pdf,page=9-11": "Page number 9\n\fPage number 10\n\fPage number 11\n",
		"pdf,page=11-":  "Page number 11\n\fPage number 12\n",
		"pdf,page=1-99": textOf(t, doc, ""),
	} {
		out := mustRun(t, step, doc)
		if got := textOf(t, out, ""); got != want {
			t.Errorf("%s: %q", step, got)
		}
		qpdfCheck(t, out)
	}
	if got := mustRun(t, "pdf", doc); string(got) != string(doc) {
		t.Error("all pages are not the source")
	}
	for _, step := range []string{"pdf,page=13", "txt,page=13-", "png,page=13", "png,page=1-2"} {
		if _, err := run(t, step, doc); !errors.Is(err, convert.ErrUnsupported) {
			t.Errorf("%s: %v", step, err)
		}
	}
}

// Of pages that were not picked nothing is left.
func TestPickedPagesLeaveTheRestBehind(t *testing.T) {
	m := &maker{}
	m.add("<< /Type /Catalog /Pages 2 0 R /Outlines 8 0 R >>")
	m.add("<< /Type /Pages /Count 2 /Kids [4 0 R 6 0 R] >>")
	m.add("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>")
	m.add("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 5 0 R /Annots [<< /Type /Annot /Subtype /Link" +
		" /Rect [0 0 9 9] /Dest [6 0 R /Fit] >>] /Resources << /Font << /F1 3 0 R >> >> >>")
	m.stream("", saying("open words").draw)
	m.add("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 7 0 R /Resources << /Font << /F1 3 0 R >> >> >>")
	m.stream("", saying("classified").draw)
	m.add("<< /Type /Outlines /First 9 0 R /Last 9 0 R /Count 1 >>")
	m.add("<< /Title (classified) /Parent 8 0 R /Dest [6 0 R /Fit] >>")
	out := mustRun(t, "pdf,page=1", m.bytes())
	f, err := parse(out)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range f.objects {
		if text := string(inflated(o)) + string(o.head); strings.Contains(text, "classified") {
			t.Errorf("object %d: %s", o.num, text)
		}
	}
	if got := textOf(t, out, ""); got != "open words\n" {
		t.Errorf("%q", got)
	}
}

func TestMergesInOrder(t *testing.T) {
	var sources [][]byte
	var want []string
	for i := range 5 {
		sources = append(sources, documentOf(saying(fmt.Sprintf("first of %d", i)), saying(fmt.Sprintf("second of %d", i))))
		want = append(want, fmt.Sprintf("first of %d\n\fsecond of %d\n", i, i))
	}
	out := mustRun(t, "merge", sources...)
	if got := textOf(t, out, ""); got != strings.Join(want, "\f") {
		t.Errorf("%q", got)
	}
	qpdfCheck(t, out)
	if _, err := run(t, "merge", sources[0], []byte("%PDF-1.7 nothing"), sources[1]); !errors.Is(err, convert.ErrBroken) {
		t.Errorf("one is broken: %v", err)
	}
	locked := mustRun(t, "lock,secret=old", sources[1])
	if _, err := run(t, "merge", sources[0], locked); !errors.Is(err, convert.ErrLocked) {
		t.Errorf("one is locked: %v", err)
	}
	if got := textOf(t, mustRun(t, "merge,secret=old", sources[0], locked), ""); got != strings.Join(want[:2], "\f") {
		t.Errorf("one is locked: %q", got)
	}
	if got := textOf(t, mustRun(t, "merge", sources[0]), ""); got != want[0] {
		t.Errorf("only one: %q", got)
	}
}

// qpdfCheck has another program look at a document, where there is one.
func qpdfCheck(t testing.TB, doc []byte) {
	t.Helper()
	if !has("qpdf") {
		return
	}
	path := filepath.Join(t.TempDir(), "check.pdf")
	if err := os.WriteFile(path, doc, 0o600); err != nil {
		t.Fatal(err)
	}
	command(t, "qpdf", "--check", path)
}
