package pdf

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"

	"dropfs/convert"
)

const plainSave = 3 // all objects that are in use, in one piece, without encryption

// saved answers the document as a file, in the guest's memory: it is good until the next call.
func (d *document) saved() ([]byte, error) {
	g := d.g
	w := g.call("PDFiumExt_OpenFileWriter")
	ok := g.call("FPDF_SaveAsCopy", uint64(d.ref), uint64(w), plainSave)
	size := int(int32(g.call("PDFiumExt_GetFileWriterSize", uint64(w))))
	if ok == 0 || size <= 0 {
		return nil, g.fail(convert.ErrBroken, "pdfium cannot save it")
	}
	at := g.alloc(size)
	g.call("PDFiumExt_GetFileWriterData", uint64(w), uint64(at), uint64(size))
	return g.view(at, size), g.err
}

func (d *document) save(w io.Writer) error {
	b, err := d.saved()
	if err == nil {
		_, err = w.Write(b)
	}
	return err
}

// take appends pages of another document, as a range from 1 ("" for all), and answers how many there are now.
func (d *document) take(from *document, pages string, at int) (int, error) {
	g := d.g
	list := uint64(0)
	if pages != "" {
		list = uint64(g.text(pages))
	}
	if g.call("FPDF_ImportPages", uint64(d.ref), uint64(from.ref), list, uint64(at)) == 0 {
		return 0, g.fail(convert.ErrBroken, "its pages cannot be copied")
	}
	return int(g.call("FPDF_GetPageCount", uint64(d.ref))), g.err
}

// describe copies what a document says of itself.
func (d *document) describe(from *document) {
	g := d.g
	for _, key := range []string{"Title", "Author", "Subject", "Keywords"} {
		tag := uint64(g.text(key))
		n := g.call("FPDF_GetMetaText", uint64(from.ref), tag, 0, 0)
		if n <= 2 || n > 1<<16 {
			continue
		}
		at := g.alloc(int(n))
		g.call("FPDF_GetMetaText", uint64(from.ref), tag, uint64(at), uint64(n))
		if b := g.view(at, int(n)); b != nil {
			binary.LittleEndian.PutUint16(b[n-2:], 0)
		}
		g.call("EPDF_SetMetaText", uint64(d.ref), tag, uint64(at))
	}
}

// pick writes a document of the pages that the step names; without any the source as it is.
func (d *document) pick(w io.Writer, job convert.Job) error {
	first, end, err := d.rangeOf(job.Step.Options)
	if err != nil {
		return err
	}
	if job.Step.Options["page"] == "" {
		return copySource(w, job)
	}
	out, err := create(d.g)
	if err != nil {
		return err
	}
	if _, err := out.take(d, fmt.Sprintf("%d-%d", first+1, end), 0); err != nil {
		return err
	}
	out.describe(d)
	return out.save(w)
}

// merge writes all pages of all sources, in order.
func merge(g *guest, w io.Writer, job convert.Job, password string) error {
	out, err := create(g)
	if err != nil {
		return err
	}
	pages := 0
	for i, s := range job.Sources {
		d, err := openAny(g, s, password)
		if err != nil {
			return fmt.Errorf("source %d: %w", i+1, err)
		}
		if pages, err = out.take(d, "", pages); err != nil {
			return fmt.Errorf("source %d: %w", i+1, err)
		}
		if i == 0 {
			out.describe(d)
		}
		if pages > maxPages {
			return g.fail(convert.ErrTooLarge, "over %d pages", maxPages)
		}
		d.progress(job)(float64(i+1) / float64(len(job.Sources)+1))
		d.close()
	}
	return out.save(w)
}

// openAny opens a source that may be locked with the password, or not at all.
func openAny(g *guest, s convert.Source, password string) (*document, error) {
	d, err := open(g, s, "")
	if password == "" || err == nil || convert.KindOf(err) != convert.ErrLocked {
		return d, err
	}
	g.err = nil
	return open(g, s, password)
}

// copySource writes the bytes of the source.
func copySource(w io.Writer, job convert.Job) error {
	f, err := os.Open(job.Sources[0].Path)
	if err != nil {
		return fmt.Errorf("source: %w", err)
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}
