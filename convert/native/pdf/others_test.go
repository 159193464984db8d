package pdf

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The tests here compare with what other programs make of the same document.

// paragraph is a page of many lines, with shapes and colours.
func paragraph() page {
	var lines []string
	for i := range 20 {
		lines = append(lines, fmt.Sprintf("Line %d of some words (with brackets) that fill the page", i))
	}
	p := saying(lines...)
	p.draw = strings.Replace(p.draw, "24 Tf", "14 Tf", 1) + " 1 0 0 RG 4 w 100 100 m 500 150 l S 0 0.6 0 rg 300 60 100 30 re f"
	return p
}

func TestDrawsAsPopplerDoes(t *testing.T) {
	need(t, "pdftoppm")
	dir := t.TempDir()
	in := filepath.Join(dir, "in.pdf")
	doc := documentOf(saying("Title"), paragraph(), page{"0 0 595.276 841.89", "0.2 g 100 100 300 400 re f"})
	if err := os.WriteFile(in, doc, 0o600); err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		for _, dpi := range []int{72, 150} {
			root := filepath.Join(dir, fmt.Sprint(n, dpi))
			at := fmt.Sprint(n + 1)
			command(t, "pdftoppm", "-png", "-singlefile", "-r", fmt.Sprint(dpi), "-f", at, "-l", at, in, root)
			data, err := os.ReadFile(root + ".png")
			if err != nil {
				t.Fatal(err)
			}
			theirs, _ := decoded(t, data)
			ours, _ := decoded(t, mustRun(t, fmt.Sprintf("png,page=%s,dpi=%d", at, dpi), doc))
			if ours.Bounds() != theirs.Bounds() {
				t.Errorf("page %s at %d dpi: %v, theirs is %v", at, dpi, ours.Bounds(), theirs.Bounds())
			} else if d := distance(coarse(ours), coarse(theirs)); d > 0.02 {
				t.Errorf("page %s at %d dpi: the distance is %.3f", at, dpi, d)
			}
		}
	}
}

// coarse is a picture in fields of 8 x 8, so that how edges are smoothed does not matter.
func coarse(m image.Image) image.Image {
	b := m.Bounds()
	out := image.NewRGBA(image.Rect(0, 0, b.Dx()/8, b.Dy()/8))
	for y := range out.Bounds().Dy() {
		for x := range out.Bounds().Dx() {
			var sum [3]uint32
			for i := range 64 {
				r, g, b, _ := m.At(8*x+i%8, 8*y+i/8).RGBA()
				sum[0], sum[1], sum[2] = sum[0]+r>>8, sum[1]+g>>8, sum[2]+b>>8
			}
			out.SetRGBA(x, y, color.RGBA{uint8(sum[0] / 64), uint8(sum[1] / 64), uint8(sum[2] / 64), 255})
		}
	}
	return out
}

func TestReadsWhatPopplerReads(t *testing.T) {
	need(t, "pdftotext")
	dir := t.TempDir()
	in := filepath.Join(dir, "in.pdf")
	for name, doc := range documents(t) {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(in, doc, 0o600); err != nil {
				t.Fatal(err)
			}
			theirs := letters(command(t, "pdftotext", "-enc", "UTF-8", in, "-"))
			ours := letters(textOf(t, doc, ""))
			most := 0
			for r := range theirs {
				most += max(theirs[r]-ours[r], ours[r]-theirs[r])
			}
			if total := len(textOf(t, doc, "")); most > total/100 {
				t.Errorf("%d letters of %d differ", most, total)
			}
		})
	}
}

// letters counts the letters of a text. Where lines and words end is not the same in two programs.
func letters(text string) map[rune]int {
	out := map[rune]int{}
	for _, r := range text {
		if r > ' ' {
			out[r]++
		}
	}
	return out
}

// documents are those of the tests, and one of many pages where it is installed.
func documents(t testing.TB) map[string][]byte {
	t.Helper()
	out := map[string][]byte{"numbered": numbered(30), "paragraph": documentOf(paragraph())}
	if b, ok := manual(); ok {
		out["manual"] = b
	}
	return out
}

// manual is the manual of bash, of the Debian package bash-doc. The variable BASHREF may say where it is.
func manual() ([]byte, bool) {
	path := os.Getenv("BASHREF")
	if path == "" {
		path = "/usr/share/doc/bash/bashref.pdf"
	}
	b, err := os.ReadFile(path)
	return b, err == nil
}

func TestCountsAsPopplerDoes(t *testing.T) {
	need(t, "pdfinfo")
	for name, doc := range documents(t) {
		in := filepath.Join(t.TempDir(), "in.pdf")
		picked := mustRun(t, "pdf,page=1", doc)
		merged := mustRun(t, "merge", doc, picked, doc)
		for _, b := range [][]byte{doc, picked, merged, mustRun(t, "compress", doc)} {
			if err := os.WriteFile(in, b, 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := list(t, "pages", "x.pdf", b)
			if err != nil {
				t.Fatal(err)
			}
			if info := command(t, "pdfinfo", in); !strings.Contains(strings.Join(strings.Fields(info), " "), fmt.Sprintf("Pages: %d ", len(got))) {
				t.Errorf("%s: we count %d pages:\n%s", name, len(got), info)
			}
		}
	}
}

func TestLocksWhatOthersUnlock(t *testing.T) {
	need(t, "qpdf")
	for name, doc := range documents(t) {
		dir := t.TempDir()
		in, out := filepath.Join(dir, "in.pdf"), filepath.Join(dir, "out.pdf")
		if err := os.WriteFile(in, mustRun(t, "lock,secret=old", doc), 0o600); err != nil {
			t.Fatal(err)
		}
		command(t, "qpdf", "--password=pässword one", "--decrypt", in, out)
		b, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		if textOf(t, b, "") != textOf(t, doc, "") {
			t.Errorf("%s: the text is another", name)
		}
	}
}

func BenchmarkRender(b *testing.B) {
	doc := documentOf(paragraph())
	for _, format := range []string{"png", "jpg", "bmp"} {
		b.Run(format, func(b *testing.B) {
			mustRun(b, format, doc)
			b.ReportAllocs()
			for b.Loop() {
				mustRun(b, format, doc)
			}
		})
	}
}

func BenchmarkText(b *testing.B) {
	doc := bytes.Clone(numbered(100))
	mustRun(b, "txt", doc)
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		mustRun(b, "txt", doc)
	}
}

// BenchmarkManual draws 40 pages at 150 dpi, each in a run of its own.
func BenchmarkManual(b *testing.B) {
	doc, ok := manual()
	if !ok {
		b.Skip("bash-doc is not installed")
	}
	for _, format := range []string{"png", "bmp"} {
		b.Run(format, func(b *testing.B) {
			mustRun(b, format, doc)
			for b.Loop() {
				for i := range 40 {
					mustRun(b, fmt.Sprintf("%s,page=%d", format, i+1), doc)
				}
			}
		})
	}
}
