package pdf

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"

	"dropfs/convert"
	"dropfs/convert/magic"
)

// maxPages is the most pages that a document may have.
const maxPages = 100_000

// What FPDF_GetLastError answers.
const (
	lastFormat   = 3
	lastPassword = 4
	lastSecurity = 5
)

// document is one that the guest has open. It is never closed: the instance goes as a whole.
type document struct {
	g     *guest
	ref   uint32
	data  uint32 // where the file is in the guest's memory
	pages int
}

// open reads a source and opens it. password is "" for none; ErrLocked where it needs one, or another.
func open(g *guest, s convert.Source, password string) (*document, error) {
	f, err := os.Open(s.Path)
	if err != nil {
		return nil, fmt.Errorf("source: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("source: %w", err)
	}
	if st.Size() > memoryPages*pageBytes/2 {
		return nil, g.fail(convert.ErrTooLarge, "%d bytes, at most %d", st.Size(), memoryPages*pageBytes/2)
	}
	d := &document{g: g, data: g.load(f, int(st.Size()))}
	secret := uint64(0)
	if password != "" {
		secret = uint64(g.text(password))
	}
	d.ref = g.call("FPDF_LoadMemDocument64", uint64(d.data), uint64(st.Size()), secret)
	if d.ref == 0 {
		return nil, d.whyNot()
	}
	d.pages = int(int32(g.call("FPDF_GetPageCount", uint64(d.ref))))
	switch {
	case g.err != nil:
		return nil, g.err
	case d.pages < 1:
		return nil, g.fail(convert.ErrBroken, "the document has no pages")
	case d.pages > maxPages:
		return nil, g.fail(convert.ErrTooLarge, "%d pages, at most %d", d.pages, maxPages)
	}
	return d, nil
}

// create makes an empty document.
func create(g *guest) (*document, error) {
	d := &document{g: g, ref: g.call("FPDF_CreateNewDocument")}
	if d.ref == 0 {
		return nil, g.fail(convert.ErrBroken, "pdfium made no document")
	}
	return d, nil
}

// close frees what a document takes, for one of many.
func (d *document) close() {
	d.g.call("FPDF_CloseDocument", uint64(d.ref))
	d.g.free(d.data)
}

func (d *document) whyNot() error {
	switch code := d.g.call("FPDF_GetLastError"); code {
	case lastFormat:
		return d.g.fail(convert.ErrBroken, "it is no PDF, or damaged")
	case lastPassword:
		return d.g.fail(convert.ErrLocked, "it needs a secret, or another one")
	case lastSecurity:
		return d.g.fail(convert.ErrUnsupported, "its kind of encryption is not known")
	default:
		return d.g.fail(convert.ErrBroken, "pdfium cannot read it (error %d)", code)
	}
}

// rangeOf answers the pages that a step is about as [first, end), from 0; all where it does not say.
func (d *document) rangeOf(o magic.Options) (first, end int, err error) {
	from, to, ok := o.PageRange()
	if !ok {
		return 0, d.pages, nil
	}
	if from < 1 || from > d.pages {
		return 0, 0, d.g.fail(convert.ErrUnsupported, "page %d of %d", from, d.pages)
	}
	if to == 0 || to > d.pages {
		to = d.pages
	}
	return from - 1, max(to, from), nil
}

// size is that of a page as it is shown, in points of 1/72 inch. It reads the page's entry, not what is on it.
func (d *document) size(page int) (width, height float64, err error) {
	at := d.g.alloc(8)
	ok := d.g.call("FPDF_GetPageSizeByIndexF", uint64(d.ref), uint64(page), uint64(at))
	if b := d.g.view(at, 8); b != nil {
		width = float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))
		height = float64(math.Float32frombits(binary.LittleEndian.Uint32(b[4:])))
	}
	d.g.free(at)
	if ok == 0 || !(width > 0) || !(height > 0) || math.IsInf(width*height, 0) {
		return 0, 0, d.g.fail(convert.ErrBroken, "page %d has no size", page+1)
	}
	return width, height, nil
}

// load reads what is on a page.
func (d *document) load(page int) (uint32, error) {
	ref := d.g.call("FPDF_LoadPage", uint64(d.ref), uint64(page))
	if ref == 0 {
		return 0, d.g.fail(convert.ErrBroken, "page %d cannot be read", page+1)
	}
	return ref, nil
}
