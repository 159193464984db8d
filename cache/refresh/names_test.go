package refresh

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestNames(t *testing.T) {
	long := strings.Repeat("x", 300)
	for _, c := range []struct {
		name  string
		wire  string
		shown []string
		image bool // some local path maps to wire
	}{
		{"plain", "a/b c.txt", []string{"a", "b c.txt"}, true},
		{"unicode", "Grüße/日本", []string{"Grüße", "日本"}, true},
		{"newline", "a␛0Ab", []string{"a\nb"}, true},
		{"invalid UTF-8", "a␛FF", []string{"a\xff"}, true},
		{"the escape itself", "␛E2␛90␛9B", []string{"␛"}, true},
		{"raw control", "a\nb", []string{"a␛0Ab"}, false},
		{"raw invalid UTF-8", "\xff", []string{"␛FF"}, false},
		{"NUL", "a\x00", []string{"a␛00"}, false},
		{"escaped NUL", "a␛00", []string{"a␛00"}, false},
		{"escaped slash", "..␛2F..␛2Fetc", []string{"..␛2F..␛2Fetc"}, false},
		{"escaped letter", "␛41", []string{"␛41"}, false},
		{"lower-case hex", "␛0a", []string{"␛0a"}, false},
		{"lone escape", "a␛", []string{"a␛"}, false},
		{"escaped escape, half", "␛E2␛90", []string{"\xe2\x90"}, true},
		{"escaped good rune", "␛C3␛A4", []string{"␛C3␛A4"}, false},
		{"dot", "a/./b", []string{"a", "␛2E", "b"}, false},
		{"climbing", "../../etc/passwd", []string{"␛2E␛2E", "␛2E␛2E", "etc", "passwd"}, false},
		{"absolute", "/etc", []string{"␛", "etc"}, false},
		{"trailing slash", "a/", []string{"a", "␛"}, false},
		{"double slash", "a//b", []string{"a", "␛", "b"}, false},
		{"empty", "", []string{"␛"}, false},
		{"too long", long, []string{long[:243] + "␛~" + "9fb5c3ac"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := DecodeName(c.wire)
			if c.name == "too long" { // the hash is checked for its presence, not its value
				if len(got) != 1 || len(got[0]) != 255 || !strings.HasPrefix(got[0], long[:243]+"␛~") {
					t.Fatalf("shown as %q", got)
				}
			} else if !slices.Equal(got, c.shown) {
				t.Fatalf("shown as %q, want %q", got, c.shown)
			}
			if back := EncodePath(got); (back == c.wire) != c.image {
				t.Errorf("maps back to %q; an image: %v", back, c.image)
			}
		})
	}
}

func FuzzM6LocalToWire(f *testing.F) {
	f.Add("a/b", "a\nb")
	f.Add("␛", "␛0A")
	f.Add("\xe2\x90", "\x9b")
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, path := range [][]string{{a}, {b}, {a, b}, {a + b}} {
			if slices.ContainsFunc(path, func(c string) bool { return !legal(c) || len(c) > maxComponent }) {
				continue
			}
			wire := EncodePath(path)
			if !utf8.ValidString(wire) || strings.ContainsFunc(wire, func(r rune) bool { return r < 0x20 || r == 0x7f }) {
				t.Fatalf("%q is sent as %q", path, wire)
			}
			if back := DecodeName(wire); !slices.Equal(back, path) {
				t.Fatalf("%q is sent as %q and comes back as %q", path, wire, back)
			}
			if Canonical(wire) != wire {
				t.Fatalf("%q is not canonical but %q", wire, Canonical(wire))
			}
		}
	})
}

func FuzzM5WireToLocal(f *testing.F) {
	for _, s := range []string{"", "/", "..", "a/../b", "␛2F", "␛~", "\x00", "a\xffb", strings.Repeat("ä", 200), "␛E2␛90␛9B"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, wire string) {
		shown := DecodeName(wire)
		if len(shown) == 0 {
			t.Fatal("no component")
		}
		for _, c := range shown {
			if !legal(c) || len(c) > maxComponent {
				t.Fatalf("%q is shown as %q", wire, shown)
			}
		}
		canon := Canonical(wire)
		if again := DecodeName(canon); !slices.Equal(again, shown) {
			t.Fatalf("%q is shown as %q, its canonical form %q as %q", wire, shown, canon, again)
		}
		if Canonical(canon) != canon {
			t.Fatalf("canonical form %q of %q has another one, %q", canon, wire, Canonical(canon))
		}
	})
}

var noon = time.Date(2026, 11, 22, 14, 3, 22, 0, time.UTC)

func TestConflictName(t *testing.T) {
	const mark = " (conflict box 2026-11-22 14.03.22)"
	long := strings.Repeat("ä", 130)
	for _, c := range []struct{ name, in, host, want string }{
		{"suffix", "a.txt", "box", "a" + mark + ".txt"},
		{"double suffix", "dir.d/a.tar.gz", "box", "dir.d/a" + mark + ".tar.gz"},
		{"many dots", "v1.2.txt", "box", "v1.2" + mark + ".txt"},
		{"no suffix", "dir.x/Makefile", "box", "dir.x/Makefile" + mark},
		{"dotfile", ".bashrc", "box", ".bashrc" + mark},
		{"dotfile with suffix", ".a.json", "box", ".a" + mark + ".json"},
		{"only dots", "...x", "box", "...x" + mark},
		{"ends in a dot", "a.", "box", "a." + mark},
		{"no host", "a.txt", "", "a (conflict 2026-11-22 14.03.22).txt"},
		{"odd host", "a.txt", " b/o\x00x ", "a" + mark + ".txt"},
		{"taken", "taken.txt", "box", "taken (conflict box 2026-11-22 14.03.22 3).txt"},
		{"long", long + ".txt", "box", long[:216] + mark + ".txt"},
	} {
		t.Run(c.name, func(t *testing.T) {
			taken := func(s string) bool {
				return s == "taken"+mark+".txt" || s == "taken (conflict box 2026-11-22 14.03.22 2).txt"
			}
			if got := ConflictName(c.in, c.host, noon, taken); got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

func FuzzConflictName(f *testing.F) {
	f.Add("a.tar.gz", "box")
	f.Add(strings.Repeat("\n", 250)+"."+strings.Repeat("\xe2\x90", 60), "h")
	f.Add("x."+strings.Repeat("e", 252), strings.Repeat("ö", 99))
	f.Fuzz(func(t *testing.T, name, host string) {
		name = Canonical(name)
		got := ConflictName(name, host, noon, func(string) bool { return false })
		if got == name || Canonical(got) != got {
			t.Fatalf("%q became %q, canonical %q", name, got, Canonical(got))
		}
		if strings.Count(got, "/") != strings.Count(name, "/") {
			t.Fatalf("%q left its directory: %q", name, got)
		}
		if base := got[strings.LastIndexByte(got, '/')+1:]; len(base) > maxComponent || !utf8.ValidString(base) {
			t.Fatalf("%q became %q, %d bytes", name, base, len(base))
		}
	})
}
