package pdf

import (
	"errors"
	"maps"
	"path/filepath"
	"strings"
	"testing"

	"dropfs/convert"
	"dropfs/convert/magic"
)

func list(t testing.TB, step, name string, doc []byte) ([]convert.Member, error) {
	t.Helper()
	s := sourcesIn(t, t.TempDir(), doc)
	s[0].Name = name
	return shared.List(t.Context(), convert.Job{Step: stepOf(t, step), Sources: s, Secret: secrets})
}

func TestListsPages(t *testing.T) {
	doc := numbered(11)
	for _, c := range []struct {
		step, name, first, last string
		options                 magic.Options
		op                      string
	}{
		{"pages", "scan.pdf", "scan-001.png", "scan-011.png", nil, "png"},
		{"pages,format=jpeg,dpi=96,quality=50", "scan.pdf", "scan-001.jpg", "scan-011.jpg", magic.Options{"dpi": "96", "quality": "50"}, "jpg"},
		{"pages,width=80,height=90", "no extension", "no extension-001.png", "no extension-011.png", magic.Options{"width": "80", "height": "90"}, "png"},
		{"pages,format=txt", "a.b.pdf", "a.b-001.txt", "a.b-011.txt", nil, "txt"},
		{"pages,format=pdf", "../../etc/passwd", "passwd-001.pdf", "passwd-011.pdf", nil, "pdf"},
		{"pages", ".pdf", "page-001.png", "page-011.png", nil, "png"},
		{"pages", "", "page-001.png", "page-011.png", nil, "png"},
	} {
		t.Run(c.step+" "+c.name, func(t *testing.T) {
			got, err := list(t, c.step, c.name, doc)
			if err != nil || len(got) != 11 {
				t.Fatalf("%d, %v", len(got), err)
			}
			if got[0].Name != c.first || got[10].Name != c.last {
				t.Errorf("%q to %q", got[0].Name, got[10].Name)
			}
			want := magic.Options{"page": "11"}
			maps.Copy(want, c.options)
			if got[10].Step.Op != c.op || !maps.Equal(got[10].Step.Options, want) || got[10].Size != -1 {
				t.Errorf("%v", got[10])
			}
			for _, m := range got {
				if !filepath.IsLocal(m.Name) {
					t.Errorf("%q", m.Name)
				}
				if _, err := convert.NewRegistry(shared).Plan(m.Step, "pdf", false); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestMembersAreWhatTheySay(t *testing.T) {
	doc := numbered(3)
	for _, format := range []string{"txt", "pdf"} {
		got, err := list(t, "pages,format="+format, "x.pdf", doc)
		if err != nil {
			t.Fatal(err)
		}
		out, err := runJob(t.Context(), t, convert.Job{Step: got[1].Step}, doc)
		if err != nil {
			t.Fatal(err)
		}
		text := string(out)
		if format == "pdf" {
			text = textOf(t, out, "")
		}
		if text != "Page number 2\n" {
			t.Errorf("%s: %q", format, text)
		}
	}
}

func TestNamesOfPagesFit(t *testing.T) {
	for _, count := range []int{1, 999, 1000, 12345} {
		got := members(strings.Repeat("ä", 200)+".pdf", magic.Step{Op: "png", Options: magic.Options{}}, count)
		last := got[count-1].Name
		if len(last) > maxName || len(last) < maxName-1 || !strings.HasPrefix(last, "ää") || strings.ContainsRune(last, '�') {
			t.Errorf("%d: %d bytes, %q", count, len(last), last)
		}
	}
}

func TestListRefuses(t *testing.T) {
	doc := numbered(2)
	for step, kind := range map[string]convert.Kind{
		"pages,format=webp": convert.ErrUnsupported, "pages,quality=3": convert.ErrUnsupported, "sheets": convert.ErrUnsupported,
		"pages,format=txt,dpi=96": convert.ErrUnsupported, "pages,secret=none": convert.ErrLocked,
	} {
		if _, err := list(t, step, "x.pdf", doc); !errors.Is(err, kind) {
			t.Errorf("%s: %v", step, err)
		}
	}
	locked := mustRun(t, "lock,secret=old", doc)
	if _, err := list(t, "pages", "x.pdf", locked); !errors.Is(err, convert.ErrLocked) {
		t.Errorf("locked: %v", err)
	}
	if got, err := list(t, "pages,secret=old", "x.pdf", locked); err != nil || len(got) != 2 || got[0].Step.Options["secret"] != "old" {
		t.Errorf("locked, with its secret: %v, %v", got, err)
	}
	if _, err := list(t, "pages", "x.pdf", []byte("no")); !errors.Is(err, convert.ErrBroken) {
		t.Errorf("broken: %v", err)
	}
}
