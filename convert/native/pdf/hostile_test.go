package pdf

import (
	"bytes"
	"context"
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"dropfs/convert"
)

func TestP2BrokenSources(t *testing.T) {
	good := numbered(3)
	none := &maker{}
	none.add("<< /Type /Catalog /Pages 2 0 R >>")
	none.add("<< /Type /Pages /Count 0 /Kids [] >>")
	for name, doc := range map[string][]byte{
		"empty": {}, "one byte": {'%'}, "text": []byte("hello, world"), "only a header": []byte("%PDF-1.7\n"),
		"the beginning": good[:40],
		"zip":           []byte("PK\x03\x04 and so on"),
		"no pages":      none.bytes(),
		"zeros":         make([]byte, 1<<16),
	} {
		for _, step := range []string{"png", "txt", "pdf,page=1", "lock,secret=old", "unlock", "merge", "compress"} {
			out, err := run(t, step, doc)
			if !errors.Is(err, convert.ErrBroken) {
				t.Errorf("%s of %s: %d bytes, %v", step, name, len(out), err)
			} else if strings.ContainsAny(err.Error(), "\n") {
				t.Errorf("%s of %s: %q", step, name, err)
			}
		}
	}
}

// A page tree that goes round, and says that it has a milliard of pages.
func TestP2PagesInALoop(t *testing.T) {
	loop := &maker{}
	loop.add("<< /Type /Catalog /Pages 2 0 R >>")
	loop.add("<< /Type /Pages /Count 1000000000 /Kids [2 0 R 3 0 R] >>")
	loop.add("<< /Type /Pages /Count 2 /Parent 2 0 R /Kids [2 0 R 3 0 R] >>")
	for _, step := range []string{"png", "txt", "pdf,page=1", "lock,secret=old", "unlock", "merge", "compress"} {
		out, err := run(t, step, loop.bytes())
		if err != nil && convert.KindOf(err) == "" || err == nil && len(out) == 0 && step != "txt" {
			t.Errorf("%s: %d bytes, %v", step, len(out), err)
		}
	}
	if got, err := list(t, "pages", "x.pdf", loop.bytes()); err == nil && len(got) > 10 {
		t.Errorf("%d pages", len(got))
	}
}

// However it is cut or changed, there is a result or an error.
func TestP2DamagedSources(t *testing.T) {
	good := documentOf(saying("one"), page{letter, "q 100 0 0 100 0 0 cm BI /W 2 /H 2 /BPC 8 /CS /G ID abcd EI Q"}, saying("three"))
	seen := map[bool]int{}
	for n := 0; n < len(good); n += 97 {
		changed := bytes.Clone(good)
		changed[n] ^= 0x15
		for _, doc := range [][]byte{good[:n], changed} {
			for _, step := range []string{"png,dpi=24", "txt", "pdf,page=1"} {
				_, err := run(t, step, doc)
				if err != nil && convert.KindOf(err) == "" {
					t.Errorf("%s: %v", step, err)
				}
				seen[err == nil]++
			}
		}
	}
	if seen[true] == 0 || seen[false] == 0 {
		t.Errorf("%v", seen)
	}
}

func TestP3GiantPages(t *testing.T) {
	doc := documentOf(page{"0 0 14400000 14400000", "0 g 0 0 14400000 7200000 re f"}, saying("small"))
	for _, step := range []string{"png", "jpg,dpi=24", "bmp,dpi=600"} {
		if _, err := run(t, step, doc); !errors.Is(err, convert.ErrTooLarge) {
			t.Errorf("%s: %v", step, err)
		}
	}
	m, _ := decoded(t, mustRun(t, "png,width=100", doc))
	if m.Bounds().Dx() != 100 || m.Bounds().Dy() != 100 {
		t.Errorf("%v", m.Bounds())
	}
	if got := textOf(t, doc, ",page=2"); got != "small\n" {
		t.Errorf("%q", got)
	}
	job := convert.Job{Step: stepOf(t, "png,page=2"), Limits: convert.Limits{MaxPixels: 1e6}}
	if _, err := runJob(t.Context(), t, job, doc); !errors.Is(err, convert.ErrTooLarge) {
		t.Errorf("over the limit of the job: %v", err)
	}
}

func TestResultsOverTheLimit(t *testing.T) {
	doc := numbered(50)
	for _, step := range []string{"bmp", "png", "txt", "pdf,page=1-40", "merge", "lock,secret=old", "unlock"} {
		job := convert.Job{Step: stepOf(t, step), Limits: convert.Limits{MaxOutput: 500}}
		if _, err := runJob(t.Context(), t, job, doc); !errors.Is(err, convert.ErrTooLarge) {
			t.Errorf("%s: %v", step, err)
		}
	}
}

// A stream that says it is small and is not.
func TestP2MemoryIsBounded(t *testing.T) {
	m := &maker{}
	m.add("<< /Type /Catalog /Pages 2 0 R >>")
	m.add("<< /Type /Pages /Count 1 /Kids [3 0 R] >>")
	m.add("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 100 100] /Contents 4 0 R /Resources << /XObject << /X 5 0 R >> >> >>")
	m.stream("", "100 0 0 100 0 0 cm /X Do")
	m.stream("/Type /XObject /Subtype /Image /Width 60000 /Height 60000 /BitsPerComponent 8 /ColorSpace /DeviceRGB /Filter /RunLengthDecode",
		strings.Repeat("\x81a", 50000))
	for _, step := range []string{"png", "compress"} {
		if _, err := run(t, step, m.bytes()); err != nil && convert.KindOf(err) == "" {
			t.Error(err)
		}
	}
}

// These keep the guest busy for many seconds, one with calls of the host and one without any. A run that is left by then
// returns at once, and the guest ends soon.
func TestP4RunawayEnds(t *testing.T) {
	forms := &maker{}
	forms.add("<< /Type /Catalog /Pages 2 0 R >>")
	forms.add("<< /Type /Pages /Count 1 /Kids [3 0 R] >>")
	forms.add("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 100 100] /Contents 4 0 R /Resources << /XObject << /X 5 0 R >> >> >>")
	forms.stream("", "/X Do")
	forms.stream("/Type /XObject /Subtype /Form /BBox [0 0 100 100] /Resources << /XObject << /X 6 0 R >> >>", "/X Do /X Do")
	forms.stream("/Type /XObject /Subtype /Form /BBox [0 0 100 100] /Resources << /XObject << /X 5 0 R >> >>", "/X Do 0 0 50 50 re f")
	tiles := &maker{}
	tiles.add("<< /Type /Catalog /Pages 2 0 R >>")
	tiles.add("<< /Type /Pages /Count 1 /Kids [3 0 R] >>")
	tiles.add("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R /Resources << /Pattern << /P 5 0 R >> >> >>")
	tiles.stream("", "/Pattern cs /P scn 0 0 600 800 re f")
	tiles.stream("/Type /Pattern /PatternType 1 /PaintType 1 /TilingType 1 /BBox [0 0 1 1] /XStep 0.001 /YStep 0.001 /Resources << >>",
		"1 0 0 rg 0 0 0.5 0.5 re f")
	mustRun(t, "txt", numbered(1)) // the module is compiled
	for name, doc := range map[string]*maker{"forms in forms": forms, "tiny tiles": tiles} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			begin := time.Now()
			_, err := runJob(ctx, t, convert.Job{Step: stepOf(t, "png")}, doc.bytes())
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(err)
			}
			if late := time.Since(begin); late > time.Second {
				t.Errorf("it returned after %v", late)
			}
			for len(shared.pool.abandoned)+len(shared.pool.slots) > 0 {
				if time.Since(begin) > 5*time.Second {
					t.Fatal("the guest goes on")
				}
				runtime.Gosched()
			}
		})
	}
}

func FuzzP2AnyBytes(f *testing.F) {
	f.Add(numbered(2))
	f.Add([]byte("%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 1 0 R>>endobj trailer<</Root 1 0 R>>"))
	f.Fuzz(func(t *testing.T, doc []byte) {
		for _, step := range []string{"png,width=50", "txt", "pdf,page=1", "lock,secret=old", "compress"} {
			if out, err := run(t, step, doc); err != nil && convert.KindOf(err) == "" || err == nil && len(out) == 0 && step != "txt" {
				t.Errorf("%s: %d bytes, %v", step, len(out), err)
			}
		}
	})
}

// What the guest hands out is not to be trusted either.
func FuzzP2SavedDocuments(f *testing.F) {
	f.Add(numbered(2))
	f.Add([]byte("%PDF-1.7\n1 0 obj\n(a\\)\\053) endobj xref\n1 1\n0000000009 00000 n \ntrailer<</a[<1>]>>startxref 31 "))
	f.Add([]byte("%PDF-1.7\nxref 0 0 trailer << /A <</B(>>)>>>> startxref 9\n"))
	f.Fuzz(func(t *testing.T, doc []byte) {
		saved, err := parse(doc)
		if err != nil {
			if !errors.Is(err, convert.ErrBroken) {
				t.Error(err)
			}
			return
		}
		var b bytes.Buffer
		if err := lock(&b, doc, "secret"); err != nil {
			return
		}
		again, err := parse(b.Bytes())
		if err != nil {
			t.Fatalf("%v\n%s", err, b.Bytes())
		}
		numbers := map[int]bool{}
		for _, o := range saved.objects {
			numbers[o.num] = true
		}
		if len(again.objects) != len(numbers)+1 {
			t.Errorf("%d objects of %d", len(again.objects), len(numbers))
		}
	})
}

func TestStringsAreReadAsTheyAreMeant(t *testing.T) {
	for text, want := range map[string]string{
		`(plain)`: "plain", `(a(b)c)`: "a(b)c", `(\(\)\\)`: `()\`, `(\n\r\t\b\f)`: "\n\r\t\b\f", `(\101\60\0060)`: "A0\x060",
		"(a\\\nb\\\r\nc)": "abc", "(a\r\nb\rc)": "a\nb\nc", `(\q)`: "q", `<48 65 6c6C6f>`: "Hello", `<4>`: "@", `<>`: "", `()`: "",
	} {
		var got []string
		l := lexer{b: []byte(text)}
		l.onString = func(k kind, from int) { got = append(got, string(unquote(k, l.b[from:l.i]))) }
		if _, ok := l.value(); !ok || l.i != len(text) || len(got) != 1 || got[0] != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	for _, text := range []string{"", "(", "(a\\", "<48", "<<", "<< /A", "<< /A >", "[1 2", ")", ">>", "]", strings.Repeat("[", 1000)} {
		l := lexer{b: []byte(text)}
		if _, ok := l.value(); ok {
			t.Errorf("%q is taken for a value", text)
		}
	}
}

func TestMissingSource(t *testing.T) {
	job := convert.Job{Step: stepOf(t, "txt"), Out: t.TempDir() + "/out", Sources: []convert.Source{{Path: t.TempDir() + "/no", Ext: "pdf"}}}
	if err := shared.Run(t.Context(), job); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	for _, n := range []int{0, 2} {
		job.Sources = make([]convert.Source, n)
		if err := shared.Run(t.Context(), job); !errors.Is(err, convert.ErrUnsupported) {
			t.Errorf("%d sources: %v", n, err)
		}
	}
}
