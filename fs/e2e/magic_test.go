//go:build linux

package e2e

import (
	"bytes"
	"fmt"
	"image/png"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// writePDF writes a PDF of Letter pages with a line of text on each.
func writePDF(t *testing.T, path string, pages ...string) {
	t.Helper()
	var b bytes.Buffer
	var at []int
	object := func(format string, args ...any) {
		at = append(at, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", len(at), fmt.Sprintf(format, args...))
	}
	b.WriteString("%PDF-1.4\n")
	var kids strings.Builder
	for i := range pages {
		fmt.Fprintf(&kids, "%d 0 R ", 4+2*i)
	}
	object("<< /Type /Catalog /Pages 2 0 R >>")
	object("<< /Type /Pages /Count %d /Kids [ %s] >>", len(pages), kids.String())
	object("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>")
	for i, text := range pages {
		object("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents %d 0 R /Resources << /Font << /F1 3 0 R >> >> >>", 5+2*i)
		stream := fmt.Sprintf("BT /F1 24 Tf 72 700 Td (%s) Tj ET", text)
		object("<< /Length %d >>\nstream\n%s\nendstream", len(stream), stream)
	}
	start := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(at)+1)
	for _, off := range at {
		fmt.Fprintf(&b, "%010d 00000 n \n", off)
	}
	fmt.Fprintf(&b, "trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(at)+1, start)
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

var converted = regexp.MustCompile(`(?m)^dropfs_conversions (\d+)`)

// conversions is how many conversions a daemon has begun.
func conversions(t *testing.T, addr string) int {
	t.Helper()
	m := converted.FindStringSubmatch(get(t, "http://"+addr+"/metrics"))
	if m == nil {
		t.Fatal("nothing is counted")
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestMagic reads conversions through the mount, with the tools people use, and counts what is converted: nothing but what
// is read, and that once.
func TestMagic(t *testing.T) {
	need(t, "rsync", "tar", "dd")
	m := newMachine(t)
	addr := freeAddress(t)
	mp := m.mount("mnt", "--http", addr)
	src := filepath.Join(m.dir, "doc.pdf")
	writePDF(t, src, "first page", "second page", "third page")
	m.sh(patience, mp, `mkdir -p d/e; for i in 1 2 3 4 5; do cp `+src+` d/e/doc$i.pdf; done; cp `+src+` doc.pdf; echo plain > 'icon@2x.png'`)

	// Whoever walks the disk starts nothing.
	m.sh(time.Minute, mp, `ls -lR >/dev/null; find . -size +1k >/dev/null; grep -rq nosuchtext . || true; du -sh . >/dev/null; rsync -a ./ ../copy/
		tar -cf /dev/null .; stat doc.pdf@png doc.pdf@pages >/dev/null; test -e doc.pdf@png; test -r doc.pdf@txt; ls -l doc.pdf@ >/dev/null
		for f in doc.pdf d/e/*; do getfattr -d "$f" 2>/dev/null || true; done; cat 'icon@2x.png' >/dev/null`)
	if n := conversions(t, addr); n != 0 {
		t.Fatalf("%d conversions, and nothing was read", n)
	}
	if got := m.sh(patience, mp, `diff -r d ../copy/d && stat -c '%s %A' doc.pdf@png; ls`); got != "4096 -r--r--r--\nd\ndoc.pdf\nicon@2x.png\n" {
		t.Errorf("before anything is made: %q", got)
	}

	// One read makes it; every tool gets the same bytes.
	sums := m.sh(time.Minute, mp, `f=doc.pdf@png,page=2,dpi=72.png
		cp "$f" ../cp.png
		for how in "cat $f" "dd if=$f bs=7k status=none" "cat ../cp.png" "head -c 100000000 $f"; do $how | sha256sum; done
		tar -cf - "$f" | tar -xOf - | sha256sum
		rsync "$f" ../rsync.png; sha256sum < ../rsync.png`)
	if lines := strings.Fields(strings.ReplaceAll(sums, "-", "")); len(lines) != 6 || strings.Count(sums, lines[0]) != 6 {
		t.Errorf("sums differ:\n%s", sums)
	}
	if n := conversions(t, addr); n != 1 {
		t.Errorf("%d conversions for one result", n)
	}
	f, err := os.Open(filepath.Join(m.dir, "cp.png"))
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(f)
	_ = f.Close()
	if err != nil || img.Bounds().Dx() != 612 || img.Bounds().Dy() != 792 {
		t.Errorf("the picture: %v", err)
	}
	if got := m.sh(patience, mp, `cat doc.pdf@txt,page=2; ls doc.pdf@pages; cat doc.pdf@pages/doc-003.png | head -c 4 | tail -c 3`); !strings.HasPrefix(got, "second page") || !strings.HasSuffix(got, "doc-001.png\ndoc-002.png\ndoc-003.png\nPNG") {
		t.Errorf("text and pages: %q", got)
	}

	if got := m.sh(patience, mp, `curl -sf "$(cat doc.pdf@link)" 2>/dev/null | cmp - doc.pdf && echo same || cat doc.pdf@link`); got != "same\n" && !strings.HasPrefix(got, "http") {
		t.Errorf("a link: %q", got)
	}

	// What cannot be made says why; nothing can be changed.
	m.sh(patience, mp, `echo 'no PDF at all' > bad.pdf`)
	if r := run(patience, mp, m.env, "", "cat", "bad.pdf@png"); r.code == 0 || !strings.Contains(r.err, "Input/output error") {
		t.Errorf("a broken source: %v", r)
	}
	if got := m.sh(patience, mp, `cat bad.pdf@info.json`); !strings.Contains(got, `"png": "pdfium: `) {
		t.Errorf("why: %s", got)
	}
	if got := m.must(patience, "status"); !strings.Contains(got, "not converted: bad.pdf@png: pdfium: ") {
		t.Errorf("status: %s", got)
	}
	for script, want := range map[string]string{
		"echo x > doc.pdf@png": "Read-only file system", "rm -f doc.pdf@png": "Read-only file system", "ln doc.pdf@png l": "Invalid cross-device link",
		"cat doc.pdf@mp3": "No such file", "cat doc.pdf@png,dpi=7": "No such file", "cat nosuch.pdf@png": "No such file",
	} {
		if r := run(patience, mp, m.env, "", "bash", "-c", script); r.code == 0 || !strings.Contains(r.err, want) {
			t.Errorf("%s: %v", script, r)
		}
	}

	// A thumbnailer gets nothing, and so nothing is made for it.
	before := conversions(t, addr)
	if r := run(patience, mp, m.env, "", "bash", "-c", `cp "$(command -v cat)" ../tumblerd && ../tumblerd doc.pdf@jpg`); r.code == 0 || !strings.Contains(r.err, "Permission denied") {
		t.Errorf("a thumbnailer: %v", r)
	}
	if n := conversions(t, addr); n != before {
		t.Errorf("%d conversions for a thumbnailer", n-before)
	}

	// A new version is another result, results outlive the daemon, and what was evicted is made again.
	second := filepath.Join(m.dir, "other.pdf")
	writePDF(t, second, "all is new")
	if got := m.sh(patience, mp, `cp `+second+` doc.pdf; cat doc.pdf@txt`); !strings.HasPrefix(got, "all is new") {
		t.Errorf("of the new version: %q", got)
	}
	m.unmount(mp)
	mp = m.mount("mnt", "--http", addr)
	if got := m.sh(patience, mp, `cat doc.pdf@txt`); !strings.HasPrefix(got, "all is new") || conversions(t, addr) != 0 {
		t.Errorf("after a remount: %q, %d conversions", got, conversions(t, addr))
	}
	m.must(patience, "cache", "prune", "--to", "0")
	if got := m.sh(patience, mp, `cat doc.pdf@txt`); !strings.HasPrefix(got, "all is new") {
		t.Errorf("after an eviction: %q", got)
	}
	m.unmount(mp)
	h := embeddedHub(m)
	if names := fmt.Sprint(h.assets(h.drop("home"))); strings.Contains(names, "@png") || strings.Contains(names, "@txt") {
		t.Errorf("the service has results: %s", names)
	}
}

// TestConversionService converts on a service, here a hub: what it made is cached, and where it is away this machine
// converts if that is wished, or the reader is told.
func TestConversionService(t *testing.T) {
	h := newHub(t)
	m := newMachine(t)
	login := []string{"login", "convert", "--service", "d3", "--url", h.url, "--key", "-"}
	if r := run(patience, m.dir, m.env, "no-key-of-it", binary, login...); r.code != 5 {
		t.Errorf("login with a wrong key: %v", r)
	}
	if r := run(patience, m.dir, m.env, h.key, binary, login...); r.code != 0 {
		t.Fatalf("login: %v", r)
	}
	mp := m.mount("mnt")
	src := filepath.Join(m.dir, "doc.pdf")
	writePDF(t, src, "made elsewhere", "page two")
	m.sh(patience, mp, `cp `+src+` doc.pdf; cp `+src+` other.pdf`)
	if got := m.sh(time.Minute, mp, `cat doc.pdf@txt; head -c 4 doc.pdf@png,page=2 | tail -c 3`); !strings.HasPrefix(got, "made elsewhere") || !strings.HasSuffix(got, "PNG") {
		t.Errorf("by the service: %q", got)
	}
	metrics := get(t, h.url+"/metrics")
	for _, want := range []string{`/do",status="200"} 2`, `/initiate-upload",status="200"} 1`} { // the source is sent once
		if !strings.Contains(metrics, want+"\n") {
			t.Errorf("the service was not asked for %s in %s", want, metrics)
		}
	}

	h.kill()
	for _, when := range []string{"the service is away", "and the disk mounted anew"} {
		if got := m.sh(patience, mp, `cat doc.pdf@txt`); !strings.HasPrefix(got, "made elsewhere") {
			t.Errorf("%s: %q", when, got)
		}
		if r := run(time.Minute, mp, m.env, "", "cat", "other.pdf@txt"); !strings.Contains(r.err, "Network is unreachable") {
			t.Errorf("%s, what it did not make: %v", when, r)
		}
		m.unmount(mp)
		mp = m.mount("mnt")
	}
	if got := m.sh(patience, mp, `cat other.pdf@txt,via=local`); !strings.HasPrefix(got, "made elsewhere") {
		t.Errorf("made here: %q", got)
	}
	m.unmount(mp)
	path := filepath.Join(m.home, ".config/dropfs/config.toml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	m.config(strings.Replace(string(text), "[convert]", "[convert]\nfallback = true", 1))
	mp = m.mount("mnt")
	if got := m.sh(time.Minute, mp, `cat other.pdf@txt,page=2`); !strings.HasPrefix(got, "page two") {
		t.Errorf("fallen back: %q", got)
	}
}

// TestBudgetOutlivesAKill: what a daemon has spent of the hour is spent for the next one, though it was killed.
func TestBudgetOutlivesAKill(t *testing.T) {
	h, m := newHub(t), newMachine(t)
	m.config(fmt.Sprintf("[convert]\nservice = \"d3\"\nurl = %q\napi_key = %q\nper_hour = 1\n", h.url, h.key))
	mp := m.mount("mnt")
	src := filepath.Join(m.dir, "doc.pdf")
	writePDF(t, src, "made elsewhere", "page two")
	if got := m.sh(time.Minute, mp, `cp `+src+` doc.pdf; cat doc.pdf@txt,via=remote`); !strings.HasPrefix(got, "made elsewhere") {
		t.Errorf("by the service: %q", got)
	}
	kill(m.daemon())
	m.detach()
	mp = m.mount("mnt")
	if r := run(time.Minute, mp, m.env, "", "cat", "doc.pdf@png,via=remote"); r.code == 0 || !strings.Contains(r.err, "quota exceeded") {
		t.Errorf("the second of an hour that has one: %v", r)
	}
}

// TestConvertCommand converts outside a mount.
func TestConvertCommand(t *testing.T) {
	m := newMachine(t)
	src := filepath.Join(m.dir, "doc.pdf")
	writePDF(t, src, "hello there", "page two")
	if got := m.must(time.Minute, "convert", src+"@txt", "-"); !strings.Contains(got, "hello there") {
		t.Errorf("to standard output: %q", got)
	}
	m.must(time.Minute, "convert", src+"@png,page=2", src+"@txt", m.dir)
	if got := m.sh(patience, m.dir, `head -c 4 doc.png | tail -c 3; grep -c 'page two' doc.txt`); got != "PNG1\n" {
		t.Errorf("into a directory: %q", got)
	}
	m.config("[convert]\nmax_input = 100\n")
	if r := m.dropfs(time.Minute, "convert", src+"@txt", "-"); r.code != 1 || !strings.Contains(r.err, "too large") {
		t.Errorf("beyond a limit: %v", r)
	}
	m.config("")
	for args, code := range map[string]int{
		src + "@mp3": 7, src + "@nosuch": 2, src: 7, "nosuch.pdf@png": 7, m.dir + "@zip": 1, src + "@docx": 7,
	} {
		if r := m.dropfs(time.Minute, "convert", args, "-"); r.code != code || strings.Count(r.err, "\n") > 2 {
			t.Errorf("convert %s: %v, want %d", args, r, code)
		}
	}
	if got := m.must(patience, "formats", "pdf"); !strings.Contains(got, "@png") || !strings.Contains(got, "@pages") {
		t.Errorf("formats: %s", got)
	}
}

// TestSecrets: a password that a name names is the present one. Without it the answer is EACCES, until it is set.
func TestSecrets(t *testing.T) {
	need(t, "qpdf")
	m := newMachine(t)
	mp := m.mount("mnt")
	src := filepath.Join(m.dir, "doc.pdf")
	writePDF(t, src, "sealed")
	m.sh(patience, mp, "cp "+src+" .")
	set := func(name, value string) {
		t.Helper()
		if r := run(patience, m.dir, m.env, value+"\n", binary, "secret", "set", name, "--key", "-"); r.code != 0 {
			t.Fatalf("secret set: %v", r)
		}
	}
	denied := func(name string) {
		t.Helper()
		if r := run(time.Minute, mp, m.env, "", "cat", name); r.code == 0 || !strings.Contains(r.err, "Permission denied") {
			t.Errorf("%s without its password: %v", name, r)
		}
	}
	locked := filepath.Join(m.dir, "locked.pdf")
	denied("doc.pdf@lock,secret=team")
	for _, password := range []string{"first", "second"} {
		set("team", password)
		m.sh(time.Minute, mp, "cat doc.pdf@lock,secret=team > "+locked)
		m.tool(patience, m.dir, "qpdf", "--password="+password, "--check", locked)
	}
	m.sh(patience, mp, "cp "+locked+" locked.pdf")
	denied("locked.pdf@txt")
	if got := m.sh(time.Minute, mp, "cat locked.pdf@txt,secret=team"); !strings.HasPrefix(got, "sealed") {
		t.Errorf("opened with its password: %q", got)
	}
	set("team", "wrong")
	denied("locked.pdf@txt,secret=team")
	m.tool(patience, m.dir, binary, "secret", "delete", "team")
	denied("locked.pdf@txt,secret=team")
	m.unmount(mp)
}
