package pdf

import (
	"bytes"
	"io"

	"github.com/klauspost/compress/zlib"

	"dropfs/convert"
)

// maxInflated is the most bytes that one stream may have, for it to be packed again.
const maxInflated = 256 << 20

// compress writes the document again: without what is not used, packed as well as can be, and with pictures of the detail
// that the level asks for. Where that is not smaller, or would break a signature, it writes the source as it is (P6).
func (d *document) compress(w io.Writer, job convert.Job) error {
	if d.encrypted() {
		return d.g.fail(convert.ErrLocked, "it is to be unlocked first")
	}
	if d.g.call("FPDF_GetSignatureCount", uint64(d.ref)) > 0 {
		return copySource(w, job)
	}
	side, err := d.longestSide()
	if err != nil {
		return err
	}
	b, err := d.saved()
	if err != nil {
		return err
	}
	f, err := parse(b)
	if err != nil {
		return err
	}
	s := newShrinker(f, job.Step.Options.Get("level"), side, job.Limits)
	tell := d.progress(job)
	for i := range f.objects {
		if err := d.g.run.Err(); err != nil {
			return err
		}
		if o := &f.objects[i]; o.isStream {
			s.picture(o)
			repack(o)
		}
		tell(float64(i+1) / float64(len(f.objects)+1))
	}
	var out bytes.Buffer
	if err := pack(&out, f); err != nil {
		return err
	}
	if int64(out.Len()) >= job.Sources[0].Size {
		return copySource(w, job)
	}
	_, err = w.Write(out.Bytes())
	return err
}

// longestSide is that of the largest page, in inches. Nothing on a page is shown larger.
func (d *document) longestSide() (float64, error) {
	side := 0.0
	for page := range d.pages {
		w, h, err := d.size(page)
		if err != nil {
			return 0, err
		}
		side = max(side, w/72, h/72)
	}
	return side, nil
}

// repack deflates a stream again, or for the first time, where that makes it smaller.
func repack(o *object) {
	d, _ := dictOf(o.head)
	raw := o.stream
	switch filter := filterOf(d); {
	case filter == "FlateDecode":
		var ok bool
		if raw, ok = inflate(o.stream, maxInflated); !ok {
			return
		}
	case d.get("Filter") != nil:
		return
	}
	packed := deflate(raw)
	if len(packed) >= len(o.stream) {
		return
	}
	o.stream = packed
	o.head = d.set("Filter", "/FlateDecode").set("Length", itoa(len(packed))).bytes()
}

// filterOf is the name of the one filter of a stream; "" for none, and for several.
func filterOf(d dict) string {
	text := bytes.Trim(d.get("Filter"), "[] \r\n\t")
	if len(text) < 2 || text[0] != '/' || bytes.ContainsAny(text[1:], "/ \r\n\t") {
		return ""
	}
	return string(text[1:])
}

// inflate answers what a stream holds; ok is false where it is damaged or holds more than most bytes.
func inflate(b []byte, most int64) (raw []byte, ok bool) {
	r, err := zlib.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, false
	}
	defer r.Close()
	raw, err = io.ReadAll(io.LimitReader(r, most+1))
	return raw, err == nil && int64(len(raw)) <= most
}

func deflate(raw []byte) []byte {
	var b bytes.Buffer
	w, err := zlib.NewWriterLevel(&b, zlib.BestCompression)
	if err != nil {
		panic(err) // there is such a level
	}
	_, _ = w.Write(raw) // a buffer takes all
	_ = w.Close()
	return b.Bytes()
}
