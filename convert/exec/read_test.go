package exec_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	_ "image/gif"  // readers of results
	_ "image/jpeg" // readers of results
	_ "image/png"  // readers of results
	"io"
	"os"
	osexec "os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// tool runs a program that reads a result, without a sandbox, and answers what it says.
func tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	if _, err := osexec.LookPath(name); err != nil {
		t.Skipf("%s is not there to read the result", name)
	}
	cmd := osexec.CommandContext(t.Context(), name, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %q: %v: %s", name, args, err, errs.String())
	}
	return out.String()
}

var tag = regexp.MustCompile(`<[^>]*>`)

// words is the text of a document, its spaces and line ends as single spaces.
func words(t *testing.T, path string) string {
	t.Helper()
	var text string
	switch filepath.Ext(path) {
	case ".pdf":
		text = tool(t, "pdftotext", "-enc", "UTF-8", path, "-")
	case ".docx", ".odt", ".epub", ".xlsx", ".ods", ".pptx", ".odp":
		z, err := zip.OpenReader(path)
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		for _, f := range z.File {
			if ext := filepath.Ext(f.Name); ext == ".xml" || ext == ".xhtml" {
				r, err := f.Open()
				if err != nil {
					t.Fatal(err)
				}
				part, err := io.ReadAll(r)
				if err != nil {
					t.Fatal(err)
				}
				text += tag.ReplaceAllString(string(part), " ")
			}
		}
	default:
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text = string(b)
		if filepath.Ext(path) == ".html" {
			text = tag.ReplaceAllString(text, " ")
		}
	}
	return strings.Join(strings.Fields(text), " ")
}

// wantWords tells which words a result must hold.
func wantWords(t *testing.T, path string, want ...string) {
	t.Helper()
	got := words(t, path)
	for _, w := range want {
		if !strings.Contains(got, w) {
			t.Errorf("%s has no %q: %.300s", filepath.Base(path), w, got)
		}
	}
}

// pages counts those of a PDF.
func pages(t *testing.T, path string) string {
	t.Helper()
	for line := range strings.Lines(tool(t, "pdfinfo", path)) {
		if n, ok := strings.CutPrefix(line, "Pages:"); ok {
			return strings.TrimSpace(n)
		}
	}
	return ""
}

// picture opens a result.
func picture(t *testing.T, path string) image.Image {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, _, err := image.Decode(f)
	if err != nil {
		t.Fatalf("%s: %v", filepath.Base(path), err)
	}
	return m
}

// archive makes a zip of parts, in order.
func archive(t *testing.T, parts ...[2]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, p := range parts {
		w, err := z.CreateHeader(&zip.FileHeader{Name: p[0], Method: zip.Deflate})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, p[1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const rtf = `{\rtf1\ansi{\fonttbl{\f0 Times;}}\f0 The first page.\page The second page.\page The third page.\par}`

// workbook is an XLSX of two sheets.
func workbook(t *testing.T) []byte {
	t.Helper()
	const rels = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
	const main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
	const kind = "application/vnd.openxmlformats-officedocument.spreadsheetml."
	sheet := func(text string) string {
		return `<worksheet xmlns="` + main + `"><sheetData><row r="1"><c r="A1" t="inlineStr"><is><t>` + text +
			`</t></is></c><c r="B1"><v>42</v></c></row></sheetData></worksheet>`
	}
	return archive(t,
		[2]string{"[Content_Types].xml", `<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">` +
			`<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>` +
			`<Override PartName="/xl/workbook.xml" ContentType="` + kind + `sheet.main+xml"/>` +
			`<Override PartName="/xl/worksheets/sheet1.xml" ContentType="` + kind + `worksheet+xml"/>` +
			`<Override PartName="/xl/worksheets/sheet2.xml" ContentType="` + kind + `worksheet+xml"/></Types>`},
		[2]string{"_rels/.rels", `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">` +
			`<Relationship Id="r1" Type="` + rels + `/officeDocument" Target="xl/workbook.xml"/></Relationships>`},
		[2]string{"xl/workbook.xml", `<workbook xmlns="` + main + `" xmlns:r="` + rels + `"><sheets>` +
			`<sheet name="iris" sheetId="1" r:id="r1"/><sheet name="two words" sheetId="2" r:id="r2"/></sheets></workbook>`},
		[2]string{"xl/_rels/workbook.xml.rels", `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">` +
			`<Relationship Id="r1" Type="` + rels + `/worksheet" Target="worksheets/sheet1.xml"/>` +
			`<Relationship Id="r2" Type="` + rels + `/worksheet" Target="worksheets/sheet2.xml"/></Relationships>`},
		[2]string{"xl/worksheets/sheet1.xml", sheet("petals, long")},
		[2]string{"xl/worksheets/sheet2.xml", sheet("other")},
	)
}

// pictureDocument is a PDF of one page with a JPEG on it, or with nothing.
func pictureDocument(jpg []byte, w, h int) []byte {
	var b bytes.Buffer
	b.WriteString("%PDF-1.4\n")
	const draw = "q 500 0 0 500 50 50 cm /I Do Q"
	objects := []string{
		"<</Type/Catalog/Pages 2 0 R>>",
		"<</Type/Pages/Kids[3 0 R]/Count 1>>",
		"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 600]>>",
	}
	if jpg != nil {
		objects[2] = "<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 600]/Contents 4 0 R/Resources<</XObject<</I 5 0 R>>>>>>"
		objects = append(objects, fmt.Sprintf("<</Length %d>>\nstream\n%s\nendstream", len(draw), draw),
			fmt.Sprintf("<</Type/XObject/Subtype/Image/Width %d/Height %d/ColorSpace/DeviceRGB/BitsPerComponent 8/Filter/DCTDecode/Length %d>>\nstream\n%s\nendstream", w, h, len(jpg), jpg))
	}
	var at []int
	for i, o := range objects {
		at = append(at, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	start := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(at)+1)
	for _, offset := range at {
		fmt.Fprintf(&b, "%010d 00000 n \n", offset)
	}
	fmt.Fprintf(&b, "trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n", len(at)+1, start)
	return b.Bytes()
}

// fixChunk makes the checksum of a PNG's header right.
func fixChunk(b []byte) []byte {
	binary.BigEndian.PutUint32(b[29:], crc32.ChecksumIEEE(b[12:29]))
	return b
}

// hasPart tells whether an archive has a part with the content of a file.
func hasPart(t *testing.T, path, content string) bool {
	t.Helper()
	want, err := os.ReadFile(content)
	if err != nil {
		t.Fatal(err)
	}
	z, err := zip.OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		part, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(part, want) {
			return true
		}
	}
	return false
}
