package exec_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"dropfs/convert"
	"dropfs/convert/exec"
)

const secretWord = "GEHEIMNIS"

// trap is what a hostile document tries to reach: a server that counts who comes, and files that are not its own.
type trap struct {
	url     string
	hits    atomic.Int64
	picture string // of 123 by 45 pixels
	text    string // a file that holds secretWord
}

func newTrap(t *testing.T) *trap {
	t.Helper()
	tr := &trap{picture: write(t, "picture.png", photo(t, 123, 45)), text: write(t, "secret.txt", []byte(secretWord))}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(photo(t, 123, 45)) }))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			tr.hits.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	tr.url = s.URL
	if tool(t, "curl", "--noproxy", "*", "-sS", "-o", "/dev/null", s.URL); tr.hits.Swap(0) != 1 {
		t.Fatal("the server counts nobody")
	}
	return tr
}

func odt(t *testing.T, body string) []byte {
	t.Helper()
	const ns = `xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" ` +
		`xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0" xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:svg="urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0"`
	return archive(t,
		[2]string{"mimetype", "application/vnd.oasis.opendocument.text"},
		[2]string{"META-INF/manifest.xml", `<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">` +
			`<manifest:file-entry manifest:full-path="/" manifest:media-type="application/vnd.oasis.opendocument.text"/>` +
			`<manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml"/></manifest:manifest>`},
		[2]string{"content.xml", `<office:document-content ` + ns + ` office:version="1.2"><office:body><office:text>` + body + `</office:text></office:body></office:document-content>`},
	)
}

func odtPicture(url string) string {
	return `<text:p>visible<draw:frame svg:width="5cm" svg:height="5cm" text:anchor-type="as-char"><draw:image xlink:href="` + url +
		`" xlink:type="simple" xlink:show="embed" xlink:actuate="onLoad"/></draw:frame></text:p>`
}

func odtSection(url string) string {
	return `<text:p>visible</text:p><text:section text:name="s"><text:section-source xlink:href="` + url + `" xlink:type="simple"/><text:p>inside</text:p></text:section>`
}

func docx(t *testing.T, url, document string) []byte {
	t.Helper()
	const rels = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
	return archive(t,
		[2]string{"[Content_Types].xml", `<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">` +
			`<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>` +
			`<Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>`},
		[2]string{"_rels/.rels", `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">` +
			`<Relationship Id="r1" Type="` + rels + `/officeDocument" Target="word/document.xml"/></Relationships>`},
		[2]string{"word/_rels/document.xml.rels", `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">` +
			`<Relationship Id="p1" Type="` + rels + `/image" TargetMode="External" Target="` + url + `"/>` +
			`<Relationship Id="t1" Type="` + rels + `/attachedTemplate" TargetMode="External" Target="` + url + `"/></Relationships>`},
		[2]string{"word/document.xml", document},
	)
}

func docxPicture(t *testing.T, url string) []byte {
	t.Helper()
	return docx(t, url, `<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships" `+
		`xmlns:wp="http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing" xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" xmlns:pic="http://schemas.openxmlformats.org/drawingml/2006/picture">`+
		`<w:body><w:p><w:r><w:t>visible</w:t></w:r><w:r><w:drawing><wp:inline><wp:extent cx="900000" cy="900000"/><wp:docPr id="1" name="p"/><a:graphic>`+
		`<a:graphicData uri="http://schemas.openxmlformats.org/drawingml/2006/picture"><pic:pic><pic:nvPicPr><pic:cNvPr id="1" name="p"/><pic:cNvPicPr/></pic:nvPicPr>`+
		`<pic:blipFill><a:blip r:link="p1"/><a:stretch/></pic:blipFill><pic:spPr><a:xfrm><a:off x="0" y="0"/><a:ext cx="900000" cy="900000"/></a:xfrm>`+
		`<a:prstGeom prst="rect"/></pic:spPr></pic:pic></a:graphicData></a:graphic></wp:inline></w:drawing></w:r></w:p></w:body></w:document>`)
}

// TestHostileLinks: whatever a document names, nothing is fetched, and no file but it is read.
func TestHostileLinks(t *testing.T) {
	tr := newTrap(t)
	file := "file://" + tr.picture
	for _, c := range []struct {
		engine, name, step string
		content            []byte
		fails              bool
	}{
		{"libreoffice", "a.odt", "@pdf", odt(t, odtPicture(tr.url+"/a.png")), false},
		{"libreoffice", "a.odt", "@pdf", odt(t, odtPicture(file)), false},
		{"libreoffice", "a.odt", "@docx", odt(t, odtPicture(file)), false},
		{"libreoffice", "a.odt", "@pdf", odt(t, odtSection(tr.url+"/a.odt")), false},
		{"libreoffice", "a.odt", "@txt", odt(t, odtSection("file://"+tr.text)), false},
		{"libreoffice", "a.docx", "@pdf", docxPicture(t, tr.url+"/a.png"), false},
		{"libreoffice", "a.docx", "@pdf", docxPicture(t, file), false},
		{"libreoffice", "a.rtf", "@pdf", []byte(`{\rtf1 visible {\field{\*\fldinst INCLUDEPICTURE "` + tr.url + `/a.png" \\d}}\par}`), false},
		{"libreoffice", "a.rtf", "@pdf", []byte(`{\rtf1 visible {\field{\*\fldinst INCLUDETEXT "` + tr.text + `"}}\par}`), false},
		{"libreoffice", "a.csv", "@pdf", []byte("visible,=WEBSERVICE(\"" + tr.url + "/\")\n"), false},
		{"libreoffice", "a.odt", "@pdf", []byte(`<?xml version="1.0"?><office:document office:mimetype="application/vnd.oasis.opendocument.text"/>`), true},
		{"pandoc", "a.md", "@docx", []byte("visible ![x](" + tr.picture + ") ![y](" + tr.url + "/a.png)\n"), false},
		{"pandoc", "a.md", "@epub", []byte("---\ncover-image: " + tr.picture + "\ncss: " + tr.text + "\ntitle: t\n---\nvisible ![x](" + tr.picture + ")\n"), false},
		{"pandoc", "a.md", "@odt", []byte("visible <img src='" + tr.url + "'> ![x](file://" + tr.picture + ")\n"), false},
		{"rsvg", "a.svg", "@pdf", []byte(`<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="99" height="99"><text y="50">visible</text>` +
			`<image xlink:href="` + tr.picture + `" width="99" height="99"/><image href="` + file + `" width="9" height="9"/><image href="` + tr.url + `" width="9" height="9"/></svg>`), false},
		{"rsvg", "a.svg", "@png", []byte(`<!DOCTYPE svg [<!ENTITY x SYSTEM "file://` + tr.text + `">]><svg xmlns="http://www.w3.org/2000/svg" width="99" height="99"><text y="50">&x;</text></svg>`), true},
		{"ffmpeg", "a.avi", "@mp3", []byte("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n" + tr.url + "/a.ts\n"), true},
		{"ffmpeg", "a.mp4", "@mp3", []byte("ffconcat version 1.0\nfile " + tr.picture + "\n"), true},
		{"ffmpeg", "a.mp3", "@wav", []byte("ID3\x03\x00\x00\x00\x00\x00\x00#EXTM3U\n#EXTINF:1,\n" + tr.url + "/a.ts\n"), true},
		{"ffmpeg", "a.wav", "@mp3", []byte("RIFF\x00\x00\x00\x00WAVE#EXTM3U\n" + tr.url + "/a.ts\n"), true},
		{"vips", "a.png", "@jpg", []byte(`<svg xmlns="http://www.w3.org/2000/svg"><image href="` + file + `"/></svg>`), true},
		{"ghostscript", "a.pdf", "@compress", []byte("%!PS\n(" + tr.text + ") (r) file 100 string readstring pop = showpage\n"), true},
		{"ghostscript", "a.pdf", "@compress", []byte("%PDF-1.4\n%!PS\n(" + tr.text + ") (r) file 100 string readstring pop = showpage\n"), true},
		{"tesseract", "a.png", "@ocr", []byte(tr.picture + "\n"), true},
	} {
		t.Run(c.engine+" "+c.name+c.step, func(t *testing.T) {
			e := engine(t, c.engine)
			j := job(t, e, write(t, c.name, c.content), c.step)
			err := e.Run(t.Context(), j)
			if c.fails != (err != nil) {
				t.Fatalf("the outcome is %v", err)
			}
			if c.fails {
				return
			}
			out := j.Out + "." + j.Step.Output(j.Sources[0].Ext)
			if err := os.Rename(j.Out, out); err != nil {
				t.Fatal(err)
			}
			wantWords(t, out, "visible")
			if strings.Contains(words(t, out), secretWord) {
				t.Error("the secret is in the result")
			}
			if filepath.Ext(out) == ".pdf" && strings.Contains(tool(t, "pdfimages", "-list", out), " 123 ") {
				t.Error("the picture is in the result")
			}
			if ext := filepath.Ext(out); ext != ".pdf" && ext != ".txt" && hasPart(t, out, tr.picture) {
				t.Error("the picture is in the result")
			}
		})
	}
	if n := tr.hits.Load(); n != 0 {
		t.Errorf("%d connections", n)
	}
}

func TestX4Archives(t *testing.T) {
	many := func(n int) []byte {
		parts := [][2]string{{"word/document.xml", "x"}}
		for i := range n {
			parts = append(parts, [2]string{fmt.Sprintf("part%d", i), ""})
		}
		return archive(t, parts...)
	}
	for _, c := range []struct {
		name    string
		content []byte
		kind    string
		want    error
	}{
		{"a few parts", many(100), "docx", nil},
		{"many parts", many(20_000), "", convert.ErrTooLarge},
		{"very many parts", many(150_000), "", convert.ErrTooLarge},
		{"dense, but small", docx(t, "x", strings.Repeat(" ", 10<<20)), "docx", nil},
		{"dense", docx(t, "x", strings.Repeat(" ", 50<<20)), "", convert.ErrTooLarge},
		{"no archive", []byte("PK\x03\x04 and more"), "", convert.ErrBroken},
		{"a mimetype that is none", archive(t, [2]string{"mimetype", strings.Repeat("x", 1<<20)}), "zip", nil},
	} {
		kind, err := exec.Sniff(write(t, "x", c.content), "docx")
		if kind != c.kind || !errors.Is(err, c.want) {
			t.Errorf("%s: it is %q, %v", c.name, kind, err)
		}
	}
}

// TestHostileSizes: what is larger than it looks ends at a limit.
func TestHostileSizes(t *testing.T) {
	zeros := strings.Repeat("<w:p/>", 50<<20/6)
	for _, c := range []struct {
		engine, name, step string
		content            []byte
		want               error // nil: there may be a result
	}{
		{"libreoffice", "bomb.docx", "@pdf", docx(t, "x", zeros), convert.ErrTooLarge},
		{"libreoffice", "entities.docx", "@pdf", docx(t, "x", `<!DOCTYPE x [<!ENTITY a "`+strings.Repeat("x", 1000)+`"><!ENTITY b "`+strings.Repeat("&a;", 1000)+
			`"><!ENTITY c "`+strings.Repeat("&b;", 1000)+`">]><w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body><w:p><w:r><w:t>&c;</w:t></w:r></w:p></w:body></w:document>`), convert.ErrBroken},
		{"poppler", "giant.pdf", "@svg", giantPage(), nil},
		{"ghostscript", "giant.pdf", "@compress", giantPage(), nil},
		{"rsvg", "giant.svg", "@png", []byte(`<svg xmlns="http://www.w3.org/2000/svg" width="100000" height="100000"><rect width="5" height="5"/></svg>`), convert.ErrBroken},
		{"rsvg", "large.svg", "@png", []byte(`<svg xmlns="http://www.w3.org/2000/svg" width="32000" height="32000"><rect width="5" height="5"/></svg>`), convert.ErrBroken},
		{"vips", "giant.png", "@jpg", giantPNG(t), convert.ErrTooLarge},
		{"ffmpeg", "cut.mp4", "@mp3", []byte("\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom\x7f\xff\xff\xffmoov"), convert.ErrBroken},
	} {
		t.Run(c.engine+" "+c.name, func(t *testing.T) {
			e := engine(t, c.engine)
			j := job(t, e, write(t, c.name, c.content), c.step)
			j.Limits.Time = 20 * time.Second
			err := e.Run(t.Context(), j)
			if c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			if c.want == nil && err != nil && !errors.Is(err, convert.ErrBroken) && !errors.Is(err, convert.ErrTooLarge) && !errors.Is(err, convert.ErrTimeout) {
				t.Errorf("%v", err)
			}
		})
	}
}

func giantPage() []byte {
	return []byte(strings.Replace(string(pictureDocument(nil, 1, 1)), "[0 0 600 600]", "[0 0 14400000 14400000]", 1))
}

// giantPNG says that it has 50,000 by 50,000 pixels.
func giantPNG(t *testing.T) []byte {
	t.Helper()
	b := photo(t, 4, 4)
	copy(b[16:], "\x00\x00\xc3\x50\x00\x00\xc3\x50")
	return fixChunk(b)
}

func TestLimits(t *testing.T) {
	ff := engine(t, "ffmpeg")
	film := clip(t, "film.mp4", "-pix_fmt", "yuv420p")
	for _, c := range []struct {
		name   string
		change func(*convert.Job)
		want   error
	}{
		{"input", func(j *convert.Job) { j.Limits.MaxInput = 100 }, convert.ErrTooLarge},
		{"time", func(j *convert.Job) { j.Limits.Time = time.Millisecond }, convert.ErrTimeout},
		{"two sources", func(j *convert.Job) { j.Sources = append(j.Sources, j.Sources[0]) }, convert.ErrUnsupported},
		{"no source", func(j *convert.Job) { j.Sources = nil }, convert.ErrUnsupported},
		{"a source that is not there", func(j *convert.Job) { j.Sources[0].Path += "x" }, convert.ErrBroken},
		{"a source that is a directory", func(j *convert.Job) { j.Sources[0].Path = "/tmp" }, convert.ErrBroken},
	} {
		j := job(t, ff, film, "@gif")
		c.change(&j)
		if err := ff.Run(t.Context(), j); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	j := job(t, ff, film, "@wav")
	j.Limits.MaxOutput = 1000
	if err := ff.Run(t.Context(), j); !errors.Is(err, convert.ErrTooLarge) {
		t.Errorf("a result larger than the limit: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := ff.Run(ctx, job(t, ff, film, "@gif")); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
}
