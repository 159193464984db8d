package corpus

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"dropfs/convert"
	"dropfs/convert/magic"
)

// planned is how the engines of this run do a step, by whichever is best.
func planned(t *testing.T, text, ext string, many bool) (convert.Plan, magic.Step) {
	t.Helper()
	p, err := magic.Parse(text, ext)
	if err != nil || len(p.Steps) != 1 {
		t.Fatalf("%s: %v", text, err)
	}
	plan, err := convert.NewRegistry(all()...).Plan(p.Steps[0], ext, many)
	if err != nil {
		t.Skipf("%s: %v", text, err)
	}
	return plan, p.Steps[0]
}

// made does a step on a source by the best plan.
func made(t *testing.T, text string, source convert.Source, more ...convert.Source) result {
	t.Helper()
	plan, step := planned(t, text, source.Ext, len(more) > 0)
	return do(t, plan, source, step, more...)
}

// again makes a source of a result.
func again(t *testing.T, m result) convert.Source {
	t.Helper()
	return sourceOf(t, m.path, filepath.Base(m.path))
}

// TestSteps asks for what options are for.
func TestSteps(t *testing.T) {
	size := func(want string) func(r reader, m result) error {
		return func(r reader, m result) error {
			p, err := r.picture(m.path, m.ext, m.engine)
			if got := fmt.Sprintf("%dx%d", p.width, p.height); err == nil && got != want {
				err = fmt.Errorf("it is %s, want %s", got, want)
			}
			return err
		}
	}
	says := func(want, not string) func(r reader, m result) error {
		return func(r reader, m result) error {
			got, err := r.text(m.path, m.ext, m.engine)
			if err == nil && (!strings.Contains(got, want) || strings.Contains(got, not)) {
				err = fmt.Errorf("%.300q, want %q and not %q", got, want, not)
			}
			return err
		}
	}
	pages := func(want int, of ...int) func(r reader, m result) error {
		return func(r reader, m result) error {
			n, err := r.pages(m.path)
			if err != nil || n != want {
				return fmt.Errorf("it has %d pages, want %d, %w", n, want, err)
			}
			for i, page := range of {
				if err := r.samePage(m.from.Path, page, m.path, i+1); err != nil {
					return fmt.Errorf("page %d: %w", i+1, err)
				}
			}
			return checkForm(r, m.path)
		}
	}
	for _, c := range []struct {
		of, step string
		check    func(r reader, m result) error
	}{
		{"testpage.pdf", "@png,dpi=50", checkPage},
		{"testpage.pdf", "@jpg,width=300", size("300x425")},
		{"manual.pdf", "@png,page=7,dpi=60", checkPage},
		{"manual.pdf", "@pdf,page=3-5", pages(3, 3, 4, 5)},
		{"manual.pdf", "@txt,page=9", func(r reader, m result) error {
			want, err := r.run("pdftotext", "-f", "9", "-l", "9", m.from.Path, "-")
			if err != nil {
				return err
			}
			got, err := r.text(m.path, "txt", m.engine)
			return errors.Join(err, sameWords(words(want, "txt"), words(got, "txt"), 0.02, false))
		}},
		{"manual.pdf", "@svg,page=4", func(r reader, m result) error {
			got, err := r.rendered(m.path)
			if err != nil {
				return err
			}
			return r.likePage(m.from.Path, 4, got)
		}},
		{"datasets.xlsx", "@csv,sheet=mtcars", says("mpg", "Sepal")},
		{"datasets.xlsx", "@md,sheet=quakes", says("stations", "Sepal")},
		{"photo.png", "@jpg,width=60", size("60x41")},
		{"photo.png", "@png,width=5000", size("150x103")},
		{"gopher.jpg", "@webp,height=90,quality=50", size("70x90")},
		{"turned.jpg", "@png,width=20", size("20x40")},
		{"logo.svg", "@png,width=300", size("300x300")},
		{"sample.mp4", "@png,time=2%2E5", checkFrame},
		{"hello.avi", "@jpg,time=3,width=512", size("512x288")},
		{"sample.webm", "@mp4,width=280", func(r reader, m result) error {
			got, err := r.media(m.path)
			if err == nil && (got.width != 280 || got.height != 160 || got.video != "AVC" || math.Abs(got.seconds-5.57) > 0.2) {
				err = fmt.Errorf("it is %+v", got)
			}
			return err
		}},
		{"manual.odt", "@pdf,page=2-3", pages(2)},
		{"example.pptx", "@png", size("1500x1125")},
		{"letter.docx", "@png,dpi=100", func(r reader, m result) error {
			page := made(r.t, "@pdf", m.from) // that is looked at elsewhere
			want, err := r.drawn(page.path, 1, "-r", "100")
			if err != nil {
				return err
			}
			got, err := r.picture(m.path, m.ext, m.engine)
			return errors.Join(err, sameSize(got, want.width, want.height, 1), sameLook(want, got, drawings))
		}},
	} {
		if of(t, c.of).left() {
			continue
		}
		t.Run(c.of+c.step, func(t *testing.T) {
			t.Parallel()
			report(t, c.check(newReader(t), made(t, c.step, of(t, c.of).source(t))))
		})
	}
}

// TestDirops lists what lies in documents, and makes some of it.
func TestDirops(t *testing.T) {
	for _, c := range []struct {
		of, step string
		count    func(r reader, path string) (int, error) // how many there are
	}{
		{"testpage.pdf", "@pages,dpi=50", reader.pages},
		{"manual.pdf", "@pages,dpi=50", reader.pages},
		{"datasets.xlsx", "@sheets", func(r reader, path string) (int, error) {
			out, err := r.run("python3", "-c", "import sys, zipfile; print(sum(n.startswith('xl/worksheets/sheet') for n in zipfile.ZipFile(sys.argv[1]).namelist()))", path)
			n, _ := strconv.Atoi(strings.TrimSpace(out))
			return n, err
		}},
		{"many.zip", "@members", func(r reader, path string) (int, error) {
			lines, err := r.members(path, "zip")
			return len(lines), err
		}},
		{"bashcc.tgz", "@members", func(r reader, path string) (int, error) {
			lines, err := r.members(path, "tgz")
			return len(lines), err
		}},
		{"sample.mp4", "@frames,format=jpg", func(reader, string) (int, error) { return 6, nil }}, // one a second
		{"report.odp", "@slides,dpi=50", func(r reader, path string) (int, error) {
			out, err := r.run("python3", "-c", "import sys, zipfile; print(zipfile.ZipFile(sys.argv[1]).read('content.xml').count(b'<draw:page '))", path)
			n, _ := strconv.Atoi(strings.TrimSpace(out))
			return n, err
		}},
	} {
		if of(t, c.of).left() {
			continue
		}
		t.Run(c.of+c.step, func(t *testing.T) {
			t.Parallel()
			d := of(t, c.of)
			source, r := d.source(t), newReader(t)
			plan, step := planned(t, c.step, source.Ext, false)
			members, from, err := plan.List(t.Context(), convert.Task{Step: step, Sources: []convert.Source{source}, Limits: limits}, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			want, err := c.count(r, source.Path)
			if err != nil || want < 1 || len(members) != want {
				t.Fatalf("%d members, want %d, %v", len(members), want, err)
			}
			for _, i := range slices.Compact([]int{0, len(members) - 1}) {
				report(t, checkMember(r, members[i], from, plan[len(plan)-1].Engine))
			}
		})
	}
}

func checkMember(r reader, member convert.Member, from convert.Source, e convert.Engine) error {
	if !filepath.IsLocal(member.Name) {
		return fmt.Errorf("the name %q", member.Name)
	}
	task := convert.Task{Step: member.Step, Part: member.Part, Sources: []convert.Source{from}, Limits: limits}
	var plan convert.Plan
	for _, edge := range e.Edges() {
		if edge.Op == member.Step.Op && edge.From == from.Ext {
			plan = convert.Plan{{Engine: e, Edge: edge, Step: member.Step, To: member.Step.Output(from.Ext)}}
		}
	}
	out, err := plan.Run(r.t.Context(), task, r.t.TempDir())
	if err != nil {
		return err
	}
	m := result{from: from, path: out, ext: member.Step.Output(from.Ext), engine: e.Name(), step: member.Step}
	switch {
	case member.Part != "": // of an archive
		want, err := r.members(from.Path, from.Ext)
		if err != nil {
			return err
		}
		if line := checksum(r.t, out) + " " + member.Part; !slices.Contains(want, line) {
			return fmt.Errorf("%s is not among %q", line, want)
		}
		return nil
	case from.Ext == "pdf":
		return checkPage(r, m)
	case slices.Contains(films, from.Ext):
		return checkFrame(r, m)
	}
	rows, err := r.rows(out, m.ext)
	if err == nil && len(rows) < 2 {
		err = fmt.Errorf("%s has the rows %q", member.Name, rows)
	}
	return err
}

// TestPDFs merges, locks, unlocks and compresses documents, and has qpdf and poppler look at them.
func TestPDFs(t *testing.T) {
	first, second := of(t, "testpage.pdf"), of(t, "logo.pdf")
	r := newReader(t)
	t.Run("merge", func(t *testing.T) {
		a, b := first.source(t), second.source(t)
		m := made(t, "@merge", a, b, a)
		n, err := r.pages(m.path)
		if err != nil || n != 3 {
			t.Fatalf("%d pages, %v", n, err)
		}
		for i, s := range []convert.Source{a, b, a} {
			report(t, r.samePage(s.Path, 1, m.path, i+1))
		}
		report(t, checkForm(r, m.path))
		got, err := r.text(m.path, "pdf", "")
		if err != nil || strings.Count(got, "Printer test page") != 2 {
			t.Errorf("its text is %q, %v", got, err)
		}
	})
	t.Run("lock", func(t *testing.T) {
		source := first.source(t)
		locked := made(t, "@lock,secret=team", source)
		mustFail(t, r, "pdfinfo", locked.path)
		mustFail(t, r, "pdfinfo", "-upw", "wrong", locked.path)
		got, err := r.run("pdftotext", "-upw", secrets["team"], locked.path, "-")
		if err != nil || !strings.Contains(got, "Printer test page") {
			t.Errorf("with its password it says %q, %v", got, err)
		}
		how, err := r.run("qpdf", "--show-encryption", "--password="+secrets["team"], locked.path)
		if err != nil || !strings.Contains(how, "file encryption method: AESv3") {
			t.Errorf("it is locked so: %s, %v", how, err)
		}
		if _, err := r.run("qpdf", "--check", "--password="+secrets["team"], locked.path); err != nil {
			t.Error(err)
		}
		open := made(t, "@unlock,secret=team", again(t, locked))
		open.from = source
		report(t, check(r, first, open))
		other := made(t, "@reset_password,secret=team,new_secret=new", again(t, locked))
		mustFail(t, r, "pdfinfo", "-upw", secrets["team"], other.path)
		if got, err = r.run("pdftotext", "-upw", secrets["new"], other.path, "-"); err != nil || !strings.Contains(got, "Printer test page") {
			t.Errorf("with its new password it says %q, %v", got, err)
		}
		plan, step := planned(t, "@unlock,secret=other", "pdf", false)
		if _, err := try(t, plan, again(t, locked), step); !errors.Is(err, convert.ErrLocked) {
			t.Errorf("with a wrong password: %v", err)
		}
	})
	t.Run("locked by others", func(t *testing.T) {
		plainly, theirs := of(t, "letter.pdf"), document{name: "locked.pdf", pkg: tracers, path: traces + "text1/a-text-pass-peanuts.pdf"}
		open := made(t, "@unlock,secret=peanuts", theirs.source(t))
		open.from = plainly.source(t)
		report(t, check(r, plainly, open))
		plan, step := planned(t, "@txt", "pdf", false)
		if _, err := try(t, plan, theirs.source(t), step); !errors.Is(err, convert.ErrLocked) {
			t.Errorf("without a password: %v", err)
		}
	})
	t.Run("compress", func(t *testing.T) {
		for _, level := range []string{"low", "high"} {
			m := made(t, "@compress,level="+level, first.source(t))
			report(t, check(r, first, m))
		}
	})
}

func mustFail(t *testing.T, r reader, name string, args ...string) {
	t.Helper()
	if out, err := r.run(name, args...); err == nil {
		t.Errorf("%s %q says %q", name, args, out)
	} else {
		report(t, onlyMissing(err))
	}
}

func onlyMissing(err error) error {
	if missing(err) {
		return err
	}
	return nil
}

// TestDirectory makes archives of many documents, as a directory is made one, and a document of many pages.
func TestDirectory(t *testing.T) {
	names := []string{"testpage.pdf", "photo.png", "chapter.html", "stocks.csv", "rose.webp"}
	var sources []convert.Source
	var want []string
	for _, name := range names {
		s := of(t, name).source(t)
		s.Name = "album/" + s.Name
		sources = append(sources, s)
		want = append(want, checksum(t, s.Path)+" "+s.Name)
	}
	slices.Sort(want)
	for _, ext := range []string{"zip", "tar", "tgz", "tzst"} {
		t.Run(ext, func(t *testing.T) {
			m := made(t, "@"+ext, sources[0], sources[1:]...)
			got, err := newReader(t).members(m.path, ext)
			report(t, err)
			if err == nil && !slices.Equal(got, want) {
				t.Errorf("it holds %q, want %q", got, want)
			}
		})
	}
}

// TestReadPicture reads a page as a scanner would have taken it.
func TestReadPicture(t *testing.T) {
	engine(t, "tesseract")
	if !long {
		t.Skip("with DROPFS_TEST_LONG=1")
	}
	r, letter := newReader(t), of(t, "letter.pdf")
	want, err := r.run("pdftotext", "-l", "1", letter.file(t), "-")
	if err != nil {
		t.Fatal(err)
	}
	for _, ext := range []string{"png", "jpg", "tiff"} {
		root := filepath.Join(t.TempDir(), "scan")
		kind := map[string]string{"png": "-png", "jpg": "-jpeg", "tiff": "-tiff"}[ext]
		if _, err := r.run("pdftoppm", kind, "-gray", "-singlefile", "-r", "200", letter.file(t), root); err != nil {
			t.Fatal(err)
		}
		found, err := filepath.Glob(root + ".*")
		if err != nil || len(found) != 1 {
			t.Fatal(found, err)
		}
		scan := sourceOf(t, found[0], "scan."+ext)
		for _, step := range []string{"@ocr", "@ocr,format=pdf"} {
			t.Run(ext+step, func(t *testing.T) {
				m := made(t, step, scan)
				got, err := r.text(m.path, m.ext, m.engine)
				report(t, err)
				report(t, sameWords(words(want, "txt"), words(got, "txt"), 0.1, false))
				if m.ext == "pdf" {
					page, err := r.drawn(m.path, 1, "-r", "50")
					report(t, err)
					before, err := r.drawn(letter.file(t), 1, "-r", "50")
					report(t, err)
					report(t, errors.Join(sameSize(page, before.width, before.height, 2), sameLook(before, page, drawings)))
				}
			})
		}
	}
}

func checksum(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// TestOneMeaning: a quality and a level mean the same whichever engine does it.
func TestOneMeaning(t *testing.T) {
	tables := func(engineName, text, ext string, from convert.Source) string {
		p, err := magic.Parse(text, ext)
		if err != nil {
			t.Fatal(err)
		}
		e, step := engine(t, engineName), p.Steps[0]
		i := slices.IndexFunc(e.Edges(), func(x convert.Edge) bool { return x.Op == step.Op && x.From == ext })
		if i < 0 {
			t.Fatalf("%s does no %s of %s", engineName, text, ext)
		}
		edge := e.Edges()[i]
		made := do(t, convert.Plan{{Engine: e, Edge: edge, Step: step, To: step.Output(ext)}}, from, step)
		b, err := os.ReadFile(made.path)
		if err != nil {
			t.Fatal(err)
		}
		return quantizers(t, b)
	}
	big := of(t, "photo.png").source(t)
	whole := made(t, "@jpg,quality=98", big)
	for _, c := range []struct {
		text, ext string
		from      convert.Source
	}{
		{"@jpg", "png", big},
		{"@jpg,quality=50", "png", big},
		{"@compress,level=low", "jpg", again(t, whole)},
		{"@compress", "jpg", again(t, whole)},
		{"@compress,level=high", "jpg", again(t, whole)},
	} {
		if a, b := tables("images", c.text, c.ext, c.from), tables("vips", c.text, c.ext, c.from); a != b {
			t.Errorf("%s: the program quantizes by %s, vips by %s", c.text, a, b)
		}
	}
}

// quantizers are the quantization tables of a JPEG (ITU-T T.81 §B.2.4.1), which its quality is.
func quantizers(t *testing.T, b []byte) string {
	t.Helper()
	out := ""
	for at := 2; at+4 <= len(b) && b[at] == 0xff && b[at+1] != 0xda; {
		n := int(b[at+2])<<8 | int(b[at+3])
		if b[at+1] == 0xdb {
			out += hex.EncodeToString(b[at+4 : at+2+n])
		}
		at += 2 + n
	}
	if out == "" {
		t.Fatal("no quantization tables")
	}
	return out
}
