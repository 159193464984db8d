package corpus

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"dropfs/convert"
	"dropfs/convert/magic"
)

// result is what an engine made of a source.
type result struct {
	from   convert.Source
	path   string
	ext    string
	engine string
	step   magic.Step
}

// The kinds of content by extension.
var (
	texts    = []string{"pdf", "docx", "odt", "doc", "rtf", "epub", "html", "txt", "md", "pptx", "odp", "ppt"}
	tables   = []string{"xlsx", "ods", "xls", "csv", "tsv", "json", "md", "html"}
	pictures = []string{"png", "jpg", "gif", "bmp", "tiff", "webp", "avif", "jxl"}
	sounds   = []string{"mp3", "opus", "ogg", "flac", "wav", "m4a", "aac"}
	films    = []string{"mp4", "webm", "mkv", "mov", "avi"}
	notes    = []string{"json", "yaml", "toml"}
	archives = []string{"zip", "tar", "tgz", "tzst", "gz", "zst"}
)

// check opens a result and compares it with its source (C1).
func check(r reader, d document, m result) error {
	from, to := m.from.Ext, m.ext
	is := func(list []string, ext string) bool { return slices.Contains(list, ext) }
	switch {
	case m.step.Op == magic.Compress && size(r.t, m.path) > m.from.Size:
		return fmt.Errorf("it has %d bytes, its source %d", size(r.t, m.path), m.from.Size)
	case is(archives, to):
		return checkArchive(r, m)
	case d.family == "data" && is(notes, to):
		return checkData(r, m)
	case d.family == "sheet" && to == "pdf":
		return checkPrinted(r, m)
	case (d.family == "sheet" || d.family == "data") && is(tables, to):
		return checkTable(r, m)
	case from == "gif" && is(films, to):
		return checkAnimation(r, m)
	case d.family == "film" && is(films, to):
		return checkFilm(r, m)
	case d.family == "film" && is(pictures, to):
		return checkFrame(r, m)
	case (d.family == "film" || d.family == "sound") && is(sounds, to):
		return checkSound(r, m)
	case from == "pdf" && is(pictures, to), from == "pdf" && to == "svg":
		return checkPage(r, m)
	case d.family == "vector" && to == "pdf", d.family == "vector" && is(pictures, to):
		return checkDrawing(r, d, m)
	case d.family == "picture" && is(pictures, to):
		return checkPicture(r, d, m)
	case is(texts, from) && is(texts, to):
		return checkText(r, d, m)
	}
	return fmt.Errorf("no check for %s of %s (C1)", to, from)
}

func size(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// textSlack is how much of the words of a source a result may lack, or have more: what is said only by layout, and what
// layout adds, such as the numbers of pages and lists.
func textSlack(to string) float64 {
	if to == "pdf" || to == "md" {
		return 0.05
	}
	return 0.03
}

func checkText(r reader, d document, m result) error {
	want, err := r.text(m.from.Path, m.from.Ext, "")
	if err != nil {
		return fmt.Errorf("the source: %w", err)
	}
	got, err := r.text(m.path, m.ext, m.engine)
	if err != nil {
		return err
	}
	if m.ext == "pdf" {
		if err := checkForm(r, m.path); err != nil {
			return err
		}
	}
	if m.ext == "pdf" && m.from.Ext == "pdf" {
		if err := checkPages(r, m); err != nil {
			return err
		}
	}
	if len(words(want, m.from.Ext)) == 0 && len(d.words) == 0 { // a drawing
		if w := words(got, m.ext); len(w) > 0 {
			return fmt.Errorf("there is text now: %q", w)
		}
		return nil
	}
	for _, w := range d.words {
		if !strings.Contains(got, w) {
			return fmt.Errorf("it has no %q: %.300q", w, got)
		}
	}
	a, b := words(want, m.from.Ext), words(got, m.ext)
	if d.narrow && m.ext == "pdf" { // words are broken in its cells: what is left are the letters
		a, b = strings.Split(strings.Join(a, ""), ""), strings.Split(strings.Join(b, ""), "")
	}
	return sameWords(a, b, textSlack(m.ext), d.more && (m.ext == "pdf" || m.ext == "doc"))
}

// checkPages compares the first and the last page of two PDFs, and how many they have.
func checkPages(r reader, m result) error {
	want, err := r.pages(m.from.Path)
	if err != nil {
		return fmt.Errorf("the source: %w", err)
	}
	got, err := r.pages(m.path)
	if err != nil {
		return err
	}
	if want == 0 || want != got {
		return fmt.Errorf("it has %d pages, want %d", got, want)
	}
	for _, page := range []int{1, want} {
		if err := r.samePage(m.from.Path, page, m.path, page); err != nil {
			return fmt.Errorf("page %d: %w", page, err)
		}
	}
	return nil
}

// pages counts those of a PDF.
func (r reader) pages(path string) (int, error) {
	out, err := r.run("pdfinfo", path)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(out) {
		if n, ok := strings.CutPrefix(line, "Pages:"); ok {
			return strconv.Atoi(strings.TrimSpace(n))
		}
	}
	return 0, fmt.Errorf("pdfinfo says %q", out)
}

// samePage compares a page with one of another document.
func (r reader) samePage(path string, page int, other string, its int) error {
	want, err := r.drawn(path, page, "-r", "72")
	if err != nil {
		return err
	}
	got, err := r.drawn(other, its, "-r", "72")
	if err != nil {
		return err
	}
	return errors.Join(sameSize(got, want.width, want.height, 1), sameLook(want, got, drawings))
}

// checkForm has qpdf look at a PDF: its tables and every stream.
func checkForm(r reader, path string) error {
	out, err := r.run("qpdf", "--check", path)
	if err != nil || !strings.Contains(out, "No syntax or stream encoding errors") {
		return fmt.Errorf("qpdf: %s: %w", out, err)
	}
	return nil
}

func checkTable(r reader, m result) error {
	want, err := r.rows(m.from.Path, m.from.Ext)
	if err != nil {
		return fmt.Errorf("the source: %w", err)
	}
	got, err := r.rows(m.path, m.ext)
	if err != nil {
		return err
	}
	if m.ext == "json" && len(want) == 1 { // its keys are the first row, and there is no other
		if len(got) > 0 {
			return fmt.Errorf("it has rows: %q", got)
		}
		return nil
	}
	return sameRows(want, got)
}

// checkPrinted looks for every cell of the first sheet of a table on its pages. Columns touch, so that spaces tell nothing.
// Zeros are not looked for: LibreOffice prints none of a document that has no settings. Nor is what is written from right
// to left or with marks above and below, which pages hold as it is drawn.
func checkPrinted(r reader, m result) error {
	rows, err := r.rows(m.from.Path, m.from.Ext)
	if err != nil {
		return fmt.Errorf("the source: %w", err)
	}
	text, err := r.text(m.path, m.ext, m.engine)
	if err != nil {
		return err
	}
	squeeze := func(s string) string { return strings.Join(strings.Fields(norm.NFKC.String(s)), "") }
	drawn := func(s string) bool {
		return strings.ContainsFunc(s, func(c rune) bool { return unicode.In(c, unicode.Arabic, unicode.Devanagari, unicode.Thai) })
	}
	text = squeeze(text)
	letters := 0
	for i, row := range rows {
		for _, cell := range row {
			if cell = squeeze(cell); cell == "" || cell == "0" || drawn(cell) {
				continue
			}
			if x, err := strconv.ParseFloat(cell, 64); err == nil && !strings.Contains(text, cell) {
				cell = strconv.FormatFloat(x, 'g', 9, 64) // as many digits as are shown
			} else if err != nil {
				runes := []rune(cell)
				cell = string(runes[:(len(runes)+1)/2]) // the next cell may cover the rest
			}
			if letters += len(cell); !strings.Contains(text, cell) {
				return fmt.Errorf("the cell %q of row %d is not on its pages: %.300q", cell, i, text)
			}
		}
	}
	if letters == 0 || len(text) < letters {
		return fmt.Errorf("%d letters on its pages, %d in its cells", len(text), letters)
	}
	return checkForm(r, m.path)
}

func checkData(r reader, m result) error {
	want, err := r.look("data", m.from.Path, m.from.Ext)
	if err != nil {
		return fmt.Errorf("the source: %w", err)
	}
	got, err := r.look("data", m.path, m.ext)
	if err != nil {
		return err
	}
	if len(want) < 10 || want != got {
		return fmt.Errorf("it says %s, want %s", got, want)
	}
	return nil
}

func checkArchive(r reader, m result) error {
	got, err := r.members(m.path, m.ext)
	if err != nil {
		return err
	}
	var want []string
	if slices.Contains(archives, m.from.Ext) && m.step.Op != magic.Merge {
		if want, err = r.members(m.from.Path, m.from.Ext); err != nil {
			return fmt.Errorf("the source: %w", err)
		}
	} else {
		want = []string{checksum(r.t, m.from.Path) + " " + m.from.Name}
	}
	if !slices.Equal(want, got) {
		return fmt.Errorf("it holds %q, want %q", got, want)
	}
	return nil
}

// likenesses is how far a picture may be from its source: formats of few colours or of less precision further.
func alike(exts ...string) likeness {
	l := likeness{mean: 1, worst: 8}
	for _, ext := range exts {
		switch ext {
		case "gif":
			l = likeness{mean: 6, worst: 90} // of few colours, dithered
		case "jpg", "webp", "avif", "jxl":
			l.mean, l.worst = max(l.mean, 3), max(l.worst, 40)
		}
	}
	return l
}

func checkPicture(r reader, d document, m result) error {
	source, ext := m.from.Path, m.from.Ext
	if d.like != "" {
		source = filepath.Join(shelf.root(r.t, d.pkg), d.like)
	}
	want, err := r.picture(source, ext, m.engine)
	if err != nil {
		return fmt.Errorf("the source: %w", err)
	}
	got, err := r.picture(m.path, m.ext, m.engine)
	if err != nil {
		return err
	}
	w, h, look := want.width, want.height, alike(ext, m.ext)
	if m.step.Op == magic.Thumb {
		w, h = fitted(w, h, 256)
		look = likeness{mean: 6, worst: 40}
	}
	return errors.Join(sameSize(got, w, h, 0), sameLook(want, got, look), checkUpright(r, m))
}

// checkUpright: nothing says that the picture is to be turned, for it was.
func checkUpright(r reader, m result) error {
	if m.ext != "jpg" && m.ext != "tiff" && m.ext != "webp" {
		return nil
	}
	out, err := r.run("vipsheader", "-a", m.path)
	if err != nil {
		return err
	}
	for line := range strings.Lines(out) {
		if v, ok := strings.CutPrefix(line, "orientation: "); ok && strings.TrimSpace(v) != "1" {
			return fmt.Errorf("it is to be turned: %s", v)
		}
	}
	return nil
}

// drawn is a page of a PDF as poppler draws it, in the size that arguments of pdftoppm tell.
func (r reader) drawn(path string, page int, size ...string) (picture, error) {
	root := filepath.Join(r.dir, "page")
	at := strconv.Itoa(page)
	if _, err := r.run("pdftoppm", append(size, "-singlefile", "-f", at, "-l", at, path, root)...); err != nil {
		return picture{}, err
	}
	return byPPM(root + ".ppm")
}

// rendered is an SVG as librsvg draws it.
func (r reader) rendered(path string) (picture, error) {
	out := filepath.Join(r.dir, "drawing.png")
	if _, err := r.run("rsvg-convert", "--background-color", "white", "-o", out, path); err != nil {
		return picture{}, err
	}
	return byGo(out)
}

// drawings is how far two programs' pictures of the same shapes may be from each other.
var drawings = likeness{mean: 3, worst: 40}

func checkPage(r reader, m result) error {
	page := max(1, m.step.Options.Int("page"))
	dpi := m.step.Options.Int("dpi")
	if dpi == 0 {
		dpi = 150
	}
	if m.ext == "svg" {
		got, err := r.rendered(m.path)
		if err != nil {
			return err
		}
		return r.likePage(m.from.Path, page, got)
	}
	want, err := r.drawn(m.from.Path, page, "-r", strconv.Itoa(dpi))
	if err != nil {
		return fmt.Errorf("the source: %w", err)
	}
	got, err := r.picture(m.path, m.ext, m.engine)
	if err != nil {
		return err
	}
	look := drawings
	if m.ext == "gif" {
		look = likeness{mean: 6, worst: 40}
	}
	return errors.Join(sameSize(got, want.width, want.height, 1), sameLook(want, got, look))
}

// likePage compares a picture with a page, whatever its scale.
func (r reader) likePage(path string, page int, got picture) error {
	own, err := r.drawn(path, page, "-r", "72")
	if err != nil {
		return err
	}
	if a, b := float64(own.width)/float64(own.height), float64(got.width)/float64(got.height); math.Abs(a/b-1) > 0.03 {
		return fmt.Errorf("it is %d x %d, its like %d x %d", got.width, got.height, own.width, own.height)
	}
	want, err := r.drawn(path, page, "-scale-to-x", strconv.Itoa(got.width), "-scale-to-y", strconv.Itoa(got.height))
	if err != nil {
		return err
	}
	return sameLook(want, got, drawings)
}

// checkDrawing compares what was made of an SVG with what its author drew in another format.
func checkDrawing(r reader, d document, m result) error {
	like := filepath.Join(shelf.root(r.t, d.pkg), d.like)
	if m.ext == "pdf" {
		return errors.Join(checkForm(r, m.path), r.samePage(like, 1, m.path, 1))
	}
	got, err := r.picture(m.path, m.ext, m.engine)
	if err != nil {
		return err
	}
	return r.likePage(like, 1, got)
}
