package pdf

import (
	"encoding/binary"
	"io"
	"unicode/utf16"
	"unicode/utf8"

	"dropfs/convert"
	"dropfs/convert/magic"
)

// PDFium's mark for a hyphen at the end of a line, after which it leaves the line's end out.
const (
	softHyphen    = 0x02
	softHyphenOld = 0xfffe
)

// write writes the text of the pages that the options name, pages apart by form feeds, lines ended by \n.
func (d *document) write(w io.Writer, o magic.Options, progress func(float64)) error {
	first, end, err := d.rangeOf(o)
	if err != nil {
		return err
	}
	for page := first; page < end; page++ {
		text, err := d.text(page)
		if err != nil {
			return err
		}
		if page > first {
			text = append([]byte{'\f'}, text...)
		}
		if _, err := w.Write(text); err != nil {
			return err
		}
		progress(float64(page-first+1) / float64(end-first))
	}
	return nil
}

// text is that of one page.
func (d *document) text(page int) ([]byte, error) {
	ref, err := d.load(page)
	if err != nil {
		return nil, err
	}
	g := d.g
	text := g.call("FPDFText_LoadPage", uint64(ref))
	if text == 0 {
		return nil, g.fail(convert.ErrBroken, "the text of page %d cannot be read", page+1)
	}
	chars := int(int32(g.call("FPDFText_CountChars", uint64(text))))
	var out []byte
	if chars > 0 {
		size := 2 * (chars + 1)
		at := g.alloc(size)
		n := int(int32(g.call("FPDFText_GetText", uint64(text), 0, uint64(chars), uint64(at))))
		if n > 0 && n <= chars+1 {
			out = plain(g.view(at, 2*n))
		}
		g.free(at)
	}
	g.call("FPDFText_ClosePage", uint64(text))
	g.call("FPDF_ClosePage", uint64(ref))
	return out, g.err
}

// plain makes UTF-8 of the UTF-16LE that PDFium writes. The text ends with a newline where there is any.
func plain(wide []byte) []byte {
	units := make([]uint16, 0, len(wide)/2)
	for ; len(wide) >= 2; wide = wide[2:] {
		units = append(units, binary.LittleEndian.Uint16(wide))
	}
	out := make([]byte, 0, len(units)+1)
	for _, r := range utf16.Decode(units) {
		switch r {
		case 0, '\r', '\f':
		case softHyphen, softHyphenOld:
			out = append(out, '-', '\n')
		default:
			out = utf8.AppendRune(out, r)
		}
	}
	if n := len(out); n > 0 && out[n-1] != '\n' {
		out = append(out, '\n')
	}
	return out
}
