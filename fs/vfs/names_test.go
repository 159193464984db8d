package vfs

import (
	"math"
	"strings"
	"testing"

	"dropfs/cache"
)

func TestClassify(t *testing.T) {
	for _, c := range []struct {
		name string
		want cache.Class
	}{
		{".DS_Store", cache.Local},
		{"._photo.jpg", cache.Local},
		{"._", cache.Local},
		{"Thumbs.db", cache.Local},
		{".~lock.text.odt#", cache.Local},
		{".~lock.text.odt", cache.Ordinary},
		{".main.go.swp", cache.Local},
		{".main.go.swx", cache.Local},
		{".main.go.sw", cache.Ordinary},
		{"main.go.swp", cache.Ordinary},
		{".x.swap", cache.Ordinary},
		{"4913", cache.Local},
		{"49130", cache.Ordinary},
		{".nfs000000000000002a00000001", cache.Local},
		{".fuse_hidden0000000300000001", cache.Local},
		{".syncthing.report.pdf.tmp", cache.Held},
		{".syncthing.tmp", cache.Ordinary},
		{"film.mkv.part", cache.Held},
		{".part", cache.Held},
		{"setup.crdownload", cache.Held},
		{".goutputstream-1XYZ42", cache.Held},
		{".file.txt.aB3xY9", cache.Held},
		{".f.abcdef", cache.Held},
		{"..abcdef", cache.Ordinary},
		{".file.txt.aB3xY", cache.Ordinary},
		{".file.txt.aB3xY_", cache.Ordinary},
		{"file.txt.aB3xY9", cache.Ordinary},
		{".git", cache.Ordinary},
		{".bashrc", cache.Ordinary},
		{"a@png", cache.Ordinary},
		{"", cache.Ordinary},
		{"a\nb.part", cache.Held},
		{"\xff\xfe", cache.Ordinary},
	} {
		if got := Classify(c.name); got != c.want {
			t.Errorf("Classify(%q) = %d, want %d", c.name, got, c.want)
		}
	}
}

func TestClassifyDrop(t *testing.T) {
	for name, want := range map[string]cache.Class{
		".Trash": cache.Local, ".Trash-1000": cache.Local, ".xdg-volume-info": cache.Local, ".hidden": cache.Local,
		".DS_Store": cache.Local, "Thumbs.db": cache.Local, ".": cache.Local, "4913": cache.Local, "film.part": cache.Local,
		"home": cache.Ordinary, "a.b": cache.Ordinary, "photos@2gb": cache.Ordinary,
	} {
		if got := ClassifyDrop(name); got != want {
			t.Errorf("ClassifyDrop(%q) = %d, want %d", name, got, want)
		}
	}
}

func TestParseDrop(t *testing.T) {
	for _, c := range []struct {
		in   string
		name string
		gb   float64
		days int
		ok   bool
	}{
		{"photos", "photos", 0, 0, false},
		{"photos@2gb,90d", "photos", 2, 90, true},
		{"photos@90d,2GB", "photos", 2, 90, true},
		{"photos@2g", "photos", 2, 0, true},
		{"photos@7d", "photos", 0, 7, true},
		{"photos@0.5g", "photos", 0.5, 0, true},
		{"photos@500M", "photos", 0.5, 0, true},
		{"photos@1Ti", "photos", 1099.511627776, 0, true},
		{"photos@1GiB", "photos", 1.073741824, 0, true},
		{"a@b@1t", "a@b", 1000, 0, true},
		{"photos@", "photos@", 0, 0, false},
		{"@2gb", "@2gb", 0, 0, false},
		{"photos@2gb,", "photos@2gb,", 0, 0, false},
		{"photos@2gb,3gb", "photos@2gb,3gb", 0, 0, false},
		{"photos@2d,3d", "photos@2d,3d", 0, 0, false},
		{"photos@0d", "photos@0d", 0, 0, false},
		{"photos@-1d", "photos@-1d", 0, 0, false},
		{"photos@0g", "photos@0g", 0, 0, false},
		{"photos@2", "photos@2", 0, 0, false},
		{"photos@g", "photos@g", 0, 0, false},
		{"photos@0x1g", "photos@0x1g", 0, 0, false},
		{"photos@1e3g", "photos", 1000, 0, true},
		{"photos@1e999g", "photos@1e999g", 0, 0, false},
		{"max@example.org", "max@example.org", 0, 0, false},
		{"file.pdf@png", "file.pdf@png", 0, 0, false},
	} {
		spec, ok := ParseDrop(c.in)
		if ok != c.ok || spec.Name != c.name || math.Abs(spec.GB-c.gb) > 1e-9 || spec.Days != c.days {
			t.Errorf("ParseDrop(%q) = %q %v GB %d days %v, want %q %v %d %v",
				c.in, spec.Name, spec.GB, spec.Days, ok, c.name, c.gb, c.days, c.ok)
		}
	}
}

func FuzzParseDrop(f *testing.F) {
	for _, s := range []string{"photos@2gb,90d", "@", "a@b@1k,1d", "x@1.5Gi", "x@NaNg", "x@+Infg"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		spec, ok := ParseDrop(in)
		switch {
		case !ok && (spec.Name != in || spec.GB != 0 || spec.Days != 0):
			t.Errorf("%q: refused but %+v", in, spec)
		case ok && (spec.Name == "" || !strings.HasPrefix(in, spec.Name+"@")):
			t.Errorf("%q: name %q is not its begin", in, spec.Name)
		case ok && spec.GB == 0 && spec.Days == 0:
			t.Errorf("%q: taken without size or days", in)
		case spec.GB < 0 || math.IsNaN(spec.GB) || math.IsInf(spec.GB, 0) || spec.Days < 0:
			t.Errorf("%q: %+v", in, spec)
		}
	})
}

func FuzzClassify(f *testing.F) {
	f.Add(".a.swp")
	f.Add("[")
	f.Fuzz(func(t *testing.T, name string) {
		if c := Classify(name); c != cache.Ordinary && c != cache.Local && c != cache.Held {
			t.Errorf("Classify(%q) = %d", name, c)
		}
		if strings.HasSuffix(name, ".part") && !strings.Contains(name, "/") && Classify(name) == cache.Ordinary {
			t.Errorf("Classify(%q) is ordinary", name)
		}
	})
}
