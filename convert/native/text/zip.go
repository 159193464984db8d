package text

import (
	"archive/zip"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"golang.org/x/net/html/charset"

	"dropfs/convert"
	"dropfs/convert/native/internal/bounded"
)

const (
	maxParts     = 10000     // files in a document
	maxDirectory = 4 << 20   // bytes of the list of them
	maxUnpacked  = 256 << 20 // bytes of those that are read
	ratio        = 200       // unpacked to packed bytes
	free         = 64 << 20  // bytes that may be unpacked whatever the ratio
)

// parts are the files of a document that is a zip.
type parts struct {
	ctx   context.Context
	files map[string]*zip.File
	left  int64 // bytes that may still be unpacked (T2)
	f     *os.File
}

func (p *parts) close() { p.f.Close() }

// openParts opens a document. One in the older container has a password, or is of another kind: [MS-OFFCRYPTO] §2.3.
func openParts(ctx context.Context, name string) (*parts, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open the document: %w", err)
	}
	p := &parts{ctx: ctx, files: map[string]*zip.File{}, f: f}
	if err := p.look(); err != nil {
		f.Close()
		return nil, bounded.Broken(ctx, err)
	}
	return p, nil
}

func (p *parts) look() error {
	st, err := p.f.Stat()
	if err != nil {
		return err
	}
	in := bounded.NewFile(p.ctx, p.f)
	head := make([]byte, 4)
	if _, err := in.ReadAt(head, 0); err == nil && string(head) == "\xd0\xcf\x11\xe0" {
		return fmt.Errorf("%w: it has a password, or is of an older kind", convert.ErrLocked)
	}
	m := bounded.NewDirectory(in, maxDirectory, "document")
	z, err := zip.NewReader(m, st.Size())
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return err
	}
	m.Done()
	if len(z.File) > maxParts {
		return fmt.Errorf("%w: a document of %d parts", convert.ErrTooLarge, len(z.File))
	}
	for _, f := range z.File {
		if _, twice := p.files[f.Name]; !twice {
			p.files[f.Name] = f
		}
	}
	p.left = min(maxUnpacked, max(free, ratio*min(st.Size(), maxUnpacked)))
	return nil
}

// open opens a part; ok is false where there is none.
func (p *parts) open(name string) (r io.ReadCloser, ok bool, err error) {
	f, ok := p.files[strings.TrimPrefix(path.Clean(name), "/")]
	if !ok {
		return nil, false, nil
	}
	c, err := f.Open()
	if err != nil {
		return nil, true, err
	}
	return &part{p, c}, true, nil
}

// part reads one file as far as the budget of all goes.
type part struct {
	p *parts
	io.ReadCloser
}

func (r *part) Read(b []byte) (int, error) {
	if err := r.p.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := r.ReadCloser.Read(b)
	if r.p.left -= int64(n); r.p.left < 0 {
		return 0, fmt.Errorf("%w: the document unpacks to too much", convert.ErrTooLarge)
	}
	return n, err
}

// walk goes through the XML of a part. start and text may be nil; end is told each name that was started. ok is false where
// there is no such part.
func (p *parts) walk(name string, h handler) (ok bool, err error) {
	r, ok, err := p.open(name)
	if !ok || err != nil {
		return ok, err
	}
	defer r.Close()
	d := xml.NewDecoder(r)
	d.CharsetReader = charset.NewReaderLabel
	skip := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return true, nil
		}
		if err != nil {
			return true, err
		}
		switch t := token.(type) {
		case xml.StartElement:
			if skip > 0 || !h.start(t.Name.Local, t) {
				skip++
				continue
			}
		case xml.EndElement:
			if skip > 0 {
				skip--
				continue
			}
			if err := h.end(t.Name.Local); err != nil {
				return true, err
			}
		case xml.CharData:
			if skip == 0 {
				h.text(t)
			}
		}
	}
}

// handler is told what an XML holds.
type handler interface {
	// start answers whether what is in the element is wanted; where not, neither that nor its end is told.
	start(name string, e xml.StartElement) bool
	end(name string) error
	text(b []byte)
}

// value is an attribute by its local name.
func value(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// relations reads which part a relation of a part names: ECMA-376 part 2 §9. Those outside the document keep their URL.
func (p *parts) relations(of string) (map[string]string, error) {
	r := &relations{dir: path.Dir(of), to: map[string]string{}}
	_, err := p.walk(path.Join(path.Dir(of), "_rels", path.Base(of)+".rels"), r)
	return r.to, err
}

type relations struct {
	dir string
	to  map[string]string
}

func (r *relations) start(name string, e xml.StartElement) bool {
	if name == "Relationship" {
		target := value(e, "Target")
		if value(e, "TargetMode") != "External" {
			if !strings.HasPrefix(target, "/") {
				target = path.Join(r.dir, target)
			}
		}
		r.to[value(e, "Id")] = target
	}
	return true
}

func (r *relations) end(string) error { return nil }
func (r *relations) text([]byte)      {}
