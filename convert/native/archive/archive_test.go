package archive_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"dropfs/convert"
	"dropfs/convert/magic"
)

func TestPack(t *testing.T) {
	files := []named{{"b.txt", "second"}, {"a.txt", strings.Repeat("first ", 1000)}, {"dir/sub/c.bin", "\x00\x01"}, {"empty", ""}, {"naïve ☂.txt", "u"}}
	for _, ext := range []string{"zip", "tar", "tgz", "tzst"} {
		b, err := runTask(t.Context(), t, task(t, magic.Step{Op: ext}, convert.Limits{}, "txt", files...), "txt")
		if err != nil {
			t.Fatalf("%s: %v", ext, err)
		}
		g := read(t, ext, b)
		for i, f := range files {
			if g.names[i] != f.name || g.text[f.name] != f.text || !g.mod[f.name].Equal(when) || g.mode[f.name].Perm() != 0o644 {
				t.Errorf("%s: %q is %d bytes of %v, %v", ext, g.names[i], len(g.text[f.name]), g.mod[f.name], g.mode[f.name])
			}
		}
		if len(g.names) != len(files) || ext != "tar" && len(b) > 3000 {
			t.Errorf("%s: %q in %d bytes", ext, g.names, len(b))
		}
	}
}

func TestPackOne(t *testing.T) {
	b, err := runTask(t.Context(), t, task(t, magic.Step{Op: "zip"}, convert.Limits{}, "pdf", named{"x.pdf", "pdf"}), "pdf")
	if err != nil || read(t, "zip", b).text["x.pdf"] != "pdf" {
		t.Errorf("%v", err)
	}
	b, err = runTask(t.Context(), t, task(t, magic.Step{Op: "zip"}, convert.Limits{}, "zip", named{"x.zip", "not opened"}), "zip")
	if err != nil || read(t, "zip", b).text["x.zip"] != "not opened" {
		t.Errorf("zip of a zip: %v", err)
	}
}

func TestGlob(t *testing.T) {
	step := magic.Step{Op: "tar", Options: magic.Options{"glob": "*.jpg"}}
	files := []named{{"a.jpg", "1"}, {"b.png", "2"}, {"d/c.jpg", "3"}}
	b, err := runTask(t.Context(), t, task(t, step, convert.Limits{}, "", files...), "")
	if err != nil || !slices.Equal(read(t, "tar", b).names, []string{"a.jpg", "d/c.jpg"}) {
		t.Errorf("%v", err)
	}
	step.Options = magic.Options{"glob": "["}
	if _, err := runTask(t.Context(), t, task(t, step, convert.Limits{}, "", files...), ""); !errors.Is(err, convert.ErrUnsupported) {
		t.Errorf("no pattern: %v", err)
	}
}

func TestA1A2NamesOfSourcesAreMadeSafe(t *testing.T) {
	for _, c := range []struct{ in, want []string }{
		{[]string{"../../evil"}, []string{"__/__/evil"}},
		{[]string{"/etc/passwd"}, []string{"etc/passwd"}},
		{[]string{"a//./b"}, []string{"a/b"}},
		{[]string{""}, []string{"file"}},
		{[]string{`a\b`}, []string{"a_b"}},
		{[]string{"C:/x"}, []string{"C_/x"}},
		{[]string{"a\nb\x1b"}, []string{"a_b_"}},
		{[]string{"a.txt", "a.txt", "a.txt"}, []string{"a.txt", "a (2).txt", "a (3).txt"}},
		{[]string{"a", "a/b"}, []string{"a", "a_b"}},
		{[]string{"a/b", "a"}, []string{"a/b", "a (2)"}},
		{[]string{strings.Repeat("x", 300) + ".txt"}, []string{strings.Repeat("x", 251) + ".txt"}},
	} {
		var files []named
		for _, n := range c.in {
			files = append(files, named{n, n})
		}
		for _, ext := range []string{"zip", "tar"} {
			b, err := runTask(t.Context(), t, task(t, magic.Step{Op: ext}, convert.Limits{}, "", files...), "")
			if err != nil {
				t.Errorf("%q: %v", c.in, err)
				continue
			}
			if g := read(t, ext, b); !slices.Equal(g.names, c.want) {
				t.Errorf("%q is %q", c.in, g.names)
			}
		}
	}
}

func TestA5Repack(t *testing.T) {
	items := []item{{name: "a.txt", text: strings.Repeat("abc", 5000)}, {name: "d/e/ü.bin", text: "\x00\xff"}, {name: "d/empty"}}
	for _, from := range []string{"zip", "tar", "tgz", "tzst", "gz", "zst"} {
		for _, to := range []string{"zip", "tar", "tgz", "tzst"} {
			if from == to {
				continue
			}
			src := archiveOf(t, from, items...)
			b, err := runTask(t.Context(), t, task(t, magic.Step{Op: to}, convert.Limits{}, from, named{"x." + from, string(src)}), from)
			if err != nil {
				t.Errorf("%s to %s: %v", from, to, err)
				continue
			}
			g := read(t, to, b)
			for _, i := range items {
				if g.text[i.name] != i.text || !g.mod[i.name].Equal(when) {
					t.Errorf("%s to %s: %s is %d bytes of %v", from, to, i.name, len(g.text[i.name]), g.mod[i.name])
				}
			}
			if len(g.names) != 3 {
				t.Errorf("%s to %s: %q", from, to, g.names)
			}
		}
	}
}

func TestMembers(t *testing.T) {
	items := []item{{name: "b.txt", text: "bb"}, {name: "./a.txt", text: "a"}, {name: "d/c", text: "ccc"}}
	for _, ext := range []string{"zip", "tar", "tgz", "tzst", "gz", "zst"} {
		src := archiveOf(t, ext, items...)
		m, err := list(t, ext, src, convert.Limits{})
		if err != nil || len(m) != 3 {
			t.Fatalf("%s: %+v, %v", ext, m, err)
		}
		for i, want := range []string{"b.txt", "a.txt", "d/c"} {
			if m[i].Name != want || m[i].Part != want || m[i].Step.Op != magic.Members || m[i].Size != int64(len(items[i].text)) {
				t.Errorf("%s: member %+v", ext, m[i])
			}
			b, err := extract(t, ext, src, m[i].Part, convert.Limits{})
			if err != nil || string(b) != items[i].text {
				t.Errorf("%s: %s is %q, %v", ext, want, b, err)
			}
		}
		for _, part := range []string{"nothing", "d", "../b.txt", "/etc/passwd"} {
			if _, err := extract(t, ext, src, part, convert.Limits{}); !errors.Is(err, convert.ErrBroken) {
				t.Errorf("%s: %q: %v", ext, part, err)
			}
		}
	}
	if _, err := extract(t, "zip", zipOf(t), "", convert.Limits{}); !errors.Is(err, convert.ErrUnsupported) {
		t.Errorf("no part: %v", err)
	}
}

func TestOneFileInAStream(t *testing.T) {
	src := gz(t, []byte("a log, no tar"))
	m, err := list(t, "gz", src, convert.Limits{})
	if err != nil || len(m) != 1 || m[0].Name != "x" || m[0].Size != -1 {
		t.Fatalf("%+v, %v", m, err)
	}
	b, err := extract(t, "gz", src, "x", convert.Limits{})
	if err != nil || string(b) != "a log, no tar" {
		t.Errorf("%q, %v", b, err)
	}
	b, err = runTask(t.Context(), t, task(t, magic.Step{Op: "tar"}, convert.Limits{}, "gz", named{"my.log.gz", string(src)}), "gz")
	if err != nil || read(t, "tar", b).text["my.log"] != "a log, no tar" {
		t.Errorf("%v", err)
	}
	if _, err := list(t, "tgz", src, convert.Limits{}); !errors.Is(err, convert.ErrBroken) {
		t.Errorf("as tgz: %v", err)
	}
}

func TestA1A2HostileNames(t *testing.T) {
	bad := []item{
		{name: "../../evil", text: "x"},
		{name: "/abs", text: "x"},
		{name: "a/../../b", text: "x"},
		{name: `..\..\win`, text: "x"},
		{name: `\abs`, text: "x"},
		{name: "C:/x", text: "x"},
		{name: "nl\nname", text: "x"},
		{name: "..", text: "x"},
		{name: strings.Repeat("a/", 100) + "deep", text: "x"},
		{name: strings.Repeat("n", 300), text: "x"},
		{name: "link", text: "/etc/passwd", kind: tar.TypeSymlink},
		{name: "ok", text: "first"},
		{name: "ok", text: "second"},
		{name: "./ok", text: "third"},
		{name: "ok/below", text: "x"},
		{name: `win\dir`, text: "w"},
		{name: "win", text: "is a directory"},
	}
	tarOnly := []item{
		{name: "hard", text: "ok", kind: tar.TypeLink}, {name: "dev", kind: tar.TypeChar}, {name: "fifo", kind: tar.TypeFifo}, {name: "dir/", kind: tar.TypeDir},
	}
	for ext, items := range map[string][]item{"zip": append(bad, item{name: "dir/"}), "tar": append(bad, tarOnly...), "tgz": append(bad, tarOnly...)} {
		src := archiveOf(t, ext, items...)
		m, err := list(t, ext, src, convert.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, x := range m {
			names = append(names, x.Name)
			if !filepath.IsLocal(x.Name) {
				t.Errorf("%s: %q", ext, x.Name)
			}
		}
		if !slices.Equal(names, []string{"ok", "win/dir"}) {
			t.Errorf("%s: %q", ext, names)
		}
		if b, err := extract(t, ext, src, "ok", convert.Limits{}); err != nil || string(b) != "first" {
			t.Errorf("%s: %q, %v", ext, b, err)
		}
	}
}

func TestNamesOfDOS(t *testing.T) {
	m, err := list(t, "zip", zipOf(t, item{name: "M\x81ller.txt", text: "x"}), convert.Limits{})
	if err != nil || len(m) != 1 || m[0].Name != "Müller.txt" {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestA3Bombs(t *testing.T) {
	zeros := item{name: "zeros", text: strings.Repeat("\x00", 80<<20)}
	small := item{name: "small", text: "s"}
	for _, ext := range []string{"zip", "tgz", "tzst"} {
		src := archiveOf(t, ext, small, zeros)
		if _, err := extract(t, ext, src, "zeros", convert.Limits{}); !errors.Is(err, convert.ErrTooLarge) {
			t.Errorf("%s: %d bytes unpack: %v", ext, len(src), err)
		}
		if b, err := extract(t, ext, src, "small", convert.Limits{}); err != nil || string(b) != "s" {
			t.Errorf("%s: what lies before the bomb: %v", ext, err)
		}
		to := "tar"
		if _, err := runTask(t.Context(), t, task(t, magic.Step{Op: to}, convert.Limits{}, ext, named{"x", string(src)}), ext); !errors.Is(err, convert.ErrTooLarge) {
			t.Errorf("%s repacked: %v", ext, err)
		}
	}
	src := zipOf(t, item{name: "x", text: strings.Repeat("0123456789", 1000)})
	if _, err := extract(t, "zip", src, "x", convert.Limits{MaxOutput: 9999}); !errors.Is(err, convert.ErrTooLarge) {
		t.Errorf("10000 bytes, 9999 allowed: %v", err)
	}
	if _, err := runTask(t.Context(), t, task(t, magic.Step{Op: "zip"}, convert.Limits{MaxOutput: 100}, "", named{"x", "abc"}), ""); !errors.Is(err, convert.ErrTooLarge) {
		t.Errorf("packed beyond the limit: %v", err)
	}
}

func TestA4Entries(t *testing.T) {
	var items []item
	for i := range 50001 {
		items = append(items, item{name: fmt.Sprint(i)})
	}
	for _, ext := range []string{"zip", "tgz"} {
		if m, err := list(t, ext, archiveOf(t, ext, items[1:]...), convert.Limits{}); err != nil || len(m) != 50000 {
			t.Errorf("%s: %d, %v", ext, len(m), err)
		}
		if _, err := list(t, ext, archiveOf(t, ext, items...), convert.Limits{}); !errors.Is(err, convert.ErrTooLarge) {
			t.Errorf("%s: one more: %v", ext, err)
		}
	}
}

// A directory that lies: the same few bytes of a local file, named a million times.
func TestA4LargeDirectory(t *testing.T) {
	var dir bytes.Buffer
	one := make([]byte, 46+1)
	binary.LittleEndian.PutUint32(one, 0x02014b50)
	binary.LittleEndian.PutUint16(one[28:], 1)
	one[46] = 'x'
	for range 400000 {
		dir.Write(one)
	}
	end := make([]byte, 22)
	binary.LittleEndian.PutUint32(end, 0x06054b50)
	binary.LittleEndian.PutUint16(end[10:], uint16(400000&0xffff))
	binary.LittleEndian.PutUint32(end[12:], uint32(dir.Len()))
	dir.Write(end)
	if _, err := list(t, "zip", dir.Bytes(), convert.Limits{}); !errors.Is(err, convert.ErrTooLarge) {
		t.Errorf("%v", err)
	}
}

func TestBroken(t *testing.T) {
	text := item{name: "a", text: strings.Repeat("text that is long enough", 100)}
	locked := zipOf(t, text)
	at := bytes.Index(locked, []byte("PK\x01\x02"))
	locked[at+8] |= 1
	if _, err := extract(t, "zip", locked, "a", convert.Limits{}); !errors.Is(err, convert.ErrLocked) {
		t.Errorf("locked: %v", err)
	}
	damaged := zipOf(t, text)
	damaged[60] ^= 0xff
	if _, err := extract(t, "zip", damaged, "a", convert.Limits{}); !errors.Is(err, convert.ErrBroken) {
		t.Errorf("damaged: %v", err)
	}
	for _, ext := range []string{"zip", "tar", "tgz", "tzst"} {
		whole := archiveOf(t, ext, text)
		for name, b := range map[string][]byte{"empty": nil, "cut": whole[:len(whole)/3], "text": []byte(strings.Repeat("no archive ", 100))} {
			_, err := extract(t, ext, b, "a", convert.Limits{})
			if !errors.Is(err, convert.ErrBroken) {
				t.Errorf("%s, %s: %v", ext, name, err)
			}
		}
	}
	if m, err := list(t, "zip", gz(t, tarOf(t, text)), convert.Limits{}); err != nil || len(m) != 1 {
		t.Errorf("a tgz named zip: %+v, %v", m, err)
	}
}

func TestA6Cancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	src := zipOf(t, item{name: "a", text: "b"})
	for _, step := range []string{"tar", "zip"} {
		k := task(t, magic.Step{Op: step}, convert.Limits{}, "zip", named{"x.zip", string(src)})
		if _, err := runTask(ctx, t, k, "zip"); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", step, err)
		}
	}
}

// Whatever bytes an archive has, its members have safe names and each can be made or fails as one of a kind.
func FuzzList(f *testing.F) {
	for _, ext := range []string{"zip", "tar", "tgz", "tzst"} {
		f.Add(ext, archiveOf(f, ext, item{name: "a/b", text: "x"}, item{name: "../c", text: "y"}))
	}
	f.Fuzz(func(t *testing.T, ext string, b []byte) {
		if !slices.Contains([]string{"zip", "tar", "tgz", "tzst", "gz", "zst"}, ext) {
			return
		}
		members, err := list(t, ext, b, convert.Limits{MaxOutput: 1 << 20})
		if k := convert.KindOf(err); err != nil && k != convert.ErrBroken && k != convert.ErrTooLarge && k != convert.ErrLocked {
			t.Errorf("%v", err)
		}
		seen := map[string]bool{}
		for _, m := range members {
			if !filepath.IsLocal(m.Name) || seen[m.Name] || strings.ContainsAny(m.Name, "\x00\n\\") {
				t.Errorf("%q", m.Name)
			}
			seen[m.Name] = true
		}
	})
}
