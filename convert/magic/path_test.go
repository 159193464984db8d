package magic_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"dropfs/convert/magic"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		base, rest string
		key        string // "" not magic
		out        string // "/" a directory
	}{
		{"report.docx", "@pdf", "@pdf", "pdf"},
		{"report.docx", "@.pdf", "@pdf", "pdf"},
		{"report.docx", "@pdf.pdf", "@pdf", "pdf"},
		{"scan.pdf", "@png", "@png", "png"},
		{"scan.pdf", "@png,page=3,dpi=300.png", "@png,dpi=300,page=3", "png"},
		{"scan.pdf", "@png,p=3,dpi=150", "@png,page=3", "png"},
		{"scan.pdf", "@png,page=1", "@png", "png"},
		{"scan.pdf", "@txt,page=1", "@txt,page=1", "txt"},
		{"scan.pdf", "@pdf,page=2-", "@pdf,page=2-", "pdf"},
		{"scan.pdf", "@pdf,page=2-2", "@pdf,page=2", "pdf"},
		{"scan.pdf", "@pages", "@pages", "/"},
		{"scan.pdf", "@pages,format=jpg,dpi=96", "@pages,dpi=96,format=jpg", "/"},
		{"report.docx", "@pdf@png,width=800", "@pdf@png,width=800", "png"},
		{"big.pdf", "@compress,level=high.pdf", "@compress,level=high", "pdf"},
		{"big.pdf", "@compress,level=recommended", "@compress", "pdf"},
		{"book.xlsx", "@csv,sheet=iris", "@csv,sheet=iris", "csv"},
		{"clip.mp4", "@frames,format=jpg", "@frames,format=jpg", "/"},
		{"clip.mp4", "@jpg,t=00:01:05", "@jpg,time=65", "jpg"},
		{"clip.mp4", "@jpg,t=1%2E50", "@jpg,time=1%2E5", "jpg"},
		{"photo.jpg", "@webp,w=800,q=80,via=local", "@webp,quality=80,width=800", "webp"},
		{"photo.JPG", "@compress.jpeg", "@compress", "jpg"},
		{"photo", "@jpeg.jpg", "@jpg", "jpg"},
		{"scan.png", "@ocr.txt", "@ocr", "txt"},
		{"scan.png", "@ocr,format=pdf.pdf", "@ocr,format=pdf", "pdf"},
		{"album", "@zip", "@zip", "zip"},
		{"letters", "@merge.pdf", "@merge", "pdf"},
		{"album", "@merge,glob=*%2Ejpg.pdf", "@merge,glob=*%2Ejpg", "pdf"},
		{"x.pdf", "@lock,secret=team.pdf", "@lock,secret=team", "pdf"},
		{"x.pdf", "@reset_password,secret=OLD,new_secret=NEW", "@reset_password,new_secret=NEW,secret=OLD", "pdf"},
		{"a.mp4", "@thumb", "@thumb", "jpg"},

		{"x", "png", "", ""},
		{"x", "@PNG", "", ""},
		{"x", "@exe", "", ""},
		{"x", "@png.jpg", "", ""},
		{"x", "@pages.png", "", ""},
		{"x", "@pages@png", "", ""},
		{"x", "@png.png@jpg", "", ""},
		{"x", "@png,dpi=23", "", ""},
		{"x", "@png,dpi=601", "", ""},
		{"x", "@png,dpi=", "", ""},
		{"x", "@png,width=0", "", ""},
		{"x", "@png,width=-1", "", ""},
		{"x", "@png,w=1,width=1", "", ""},
		{"x", "@png,nosuch=1", "", ""},
		{"x", "@png,", "", ""},
		{"x", "@png,page=0", "", ""},
		{"x", "@png,page=5-2", "", ""},
		{"x", "@lock,password=geheim", "", ""},
		{"x", "@lock,secret=a b", "", ""},
		{"x", "@png@jpg@gif@bmp@tiff", "", ""},
		{"x", "@2x", "", ""},
		{"x", "@@png", "", ""},
		{"x", "@example", "", ""},
		{"x", "@example.com", "", ""},
	} {
		_, ext, _ := strings.Cut(c.base, ".")
		p, err := magic.Parse(c.rest, ext)
		if c.key == "" {
			if !errors.Is(err, magic.ErrNotMagic) {
				t.Errorf("%s%s is %+v, %v", c.base, c.rest, p, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s%s: %v", c.base, c.rest, err)
			continue
		}
		out := p.Output(ext)
		if p.IsDir() {
			out += "/"
		}
		if p.Key() != c.key || out != c.out {
			t.Errorf("%s%s: key %s makes %s, want %s, %s", c.base, c.rest, p.Key(), out, c.key, c.out)
		}
	}
}

func TestFacetsAndView(t *testing.T) {
	for rest, want := range map[string]magic.Path{
		"@":           {View: true},
		"@info.json":  {Facet: "info.json"},
		"@link":       {Facet: "link"},
		"@comments":   {Facet: "comments"},
		"@embed.html": {Facet: "embed.html"},
	} {
		p, err := magic.Parse(rest, "pdf")
		if err != nil || !reflect.DeepEqual(p, want) || p.String() != rest {
			t.Errorf("%s is %+v, %v", rest, p, err)
		}
		if dir := rest == "@" || rest == "@comments"; p.IsDir() != dir {
			t.Errorf("%s is a directory: %v", rest, p.IsDir())
		}
	}
}

func TestCuts(t *testing.T) {
	for name, want := range map[string][]magic.Cut{
		"plain":                nil,
		"@types":               nil,
		"icon@2x.png":          {{Base: "icon", Rest: "@2x.png"}},
		"a@b@png":              {{Base: "a@b", Rest: "@png"}, {Base: "a", Rest: "@b@png"}},
		"x@":                   {{Base: "x", Rest: "@"}},
		"@a@png":               {{Base: "@a", Rest: "@png"}},
		"getty@tty1.service@@": {{Base: "getty@tty1.service@", Rest: "@"}, {Base: "getty@tty1.service", Rest: "@@"}, {Base: "getty", Rest: "@tty1.service@@"}},
	} {
		if got := magic.Cuts(name); !reflect.DeepEqual(got, want) {
			t.Errorf("%q is cut to %q, want %q", name, got, want)
		}
	}
}

func TestPageRange(t *testing.T) {
	for v, want := range map[string][2]int{"": {0, 0}, "3": {3, 3}, "2-5": {2, 5}, "2-": {2, 0}} {
		o := magic.Options{}
		if v != "" {
			o["page"] = v
		}
		first, last, ok := o.PageRange()
		if first != want[0] || last != want[1] || ok != (v != "") {
			t.Errorf("%q is %d to %d, %v", v, first, last, ok)
		}
	}
}

func FuzzG2RoundTrip(f *testing.F) {
	for _, s := range []string{"@png", "@png,page=3,dpi=300.png", "@.pdf", "@", "@info.json", "@merge,glob=*%2Ejpg.pdf", "@pdf@png,w=8", "@csv,sheet=a%2Cb%25"} {
		f.Add(s, "pdf")
	}
	f.Fuzz(func(t *testing.T, rest, ext string) {
		p, err := magic.Parse(rest, ext)
		if err != nil {
			if !errors.Is(err, magic.ErrNotMagic) {
				t.Fatalf("%q: %v", rest, err)
			}
			return
		}
		again, err := magic.Parse(p.String(), ext)
		if err != nil && len(p.String()) <= 255 || err == nil && !reflect.DeepEqual(p, again) {
			t.Fatalf("%q is %+v, written as %q is %+v, %v", rest, p, p.String(), again, err)
		}
		if err == nil && again.Key() != p.Key() {
			t.Fatalf("%q has keys %q and %q", rest, p.Key(), again.Key())
		}
	})
}
