package pdf

import (
	"bytes"
	"fmt"
	"strings"
)

// maker writes a PDF by hand: objects in order of their numbers, from 1.
type maker struct{ objects []string }

func (m *maker) add(format string, args ...any) int {
	m.objects = append(m.objects, fmt.Sprintf(format, args...))
	return len(m.objects)
}

func (m *maker) stream(dict, data string) int {
	return m.add("<< %s /Length %d >>\nstream\n%s\nendstream", dict, len(data), data)
}

// bytes is the file; the first object is the catalog.
func (m *maker) bytes() []byte {
	var b bytes.Buffer
	b.WriteString("%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
	var offsets []int
	for i, o := range m.objects {
		offsets = append(offsets, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	start := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(offsets)+1)
	for _, at := range offsets {
		fmt.Fprintf(&b, "%010d 00000 n \n", at)
	}
	fmt.Fprintf(&b, "trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(offsets)+1, start)
	return b.Bytes()
}

// page is one page to be written: its MediaBox, and what is drawn on it.
type page struct {
	box  string
	draw string
}

const letter = "0 0 612 792"

// saying is a letter page with lines of text.
func saying(lines ...string) page {
	draw := "BT /F1 24 Tf 72 700 Td 30 TL "
	for _, l := range lines {
		draw += "(" + strings.NewReplacer("(", `\(`, ")", `\)`).Replace(l) + ") Tj T* "
	}
	return page{letter, draw + "ET"}
}

// document writes pages, with Helvetica as F1.
func documentOf(pages ...page) []byte {
	m := &maker{}
	m.add("<< /Type /Catalog /Pages 2 0 R >>")
	var kids []string
	for i := range pages {
		kids = append(kids, fmt.Sprintf("%d 0 R", 4+2*i))
	}
	m.add("<< /Type /Pages /Count %d /Kids [%s] >>", len(pages), strings.Join(kids, " "))
	m.add("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>")
	for i, p := range pages {
		m.add("<< /Type /Page /Parent 2 0 R /MediaBox [%s] /Contents %d 0 R /Resources << /Font << /F1 3 0 R >> >> >>", p.box, 5+2*i)
		m.stream("", p.draw)
	}
	return m.bytes()
}

// numbered writes n pages that say which they are.
func numbered(n int) []byte {
	var pages []page
	for i := range n {
		pages = append(pages, saying(fmt.Sprintf("Page number %d", i+1)))
	}
	return documentOf(pages...)
}
