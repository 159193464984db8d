package pdf

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strconv"
)

const perStream = 200 // objects in one object stream

func itoa(n int) string { return strconv.Itoa(n) }

// row is an entry of a cross-reference stream (ISO 32000-1 §7.5.8): a kind and two fields.
type row struct {
	kind byte // 0 free, 1 in the file, 2 in an object stream
	a    uint32
	b    uint16
}

// pack writes a file with its objects in object streams, as PDF has it from 1.5 on.
func pack(w io.Writer, f *file) error {
	trailer, ok := dictOf(f.trailer)
	if !ok {
		return odd("the trailer")
	}
	p := packer{rows: []row{{b: 65535}}}
	header := string(f.header)
	if header < "%PDF-1.5" {
		header = "%PDF-1.5"
	}
	fmt.Fprintf(&p.out, "%s\n%%\xe2\xe3\xcf\xd3\n", header)
	var loose []object
	for _, o := range f.objects {
		if o.num >= len(p.rows) {
			p.rows = append(p.rows, make([]row, o.num+1-len(p.rows))...)
		}
		if o.isStream || o.gen != 0 {
			p.object(o)
		} else {
			loose = append(loose, o)
		}
	}
	for group := range slices.Chunk(loose, perStream) {
		p.group(group)
	}
	p.finish(trailer)
	_, err := w.Write(p.out.Bytes())
	return err
}

// packer puts a file together in memory.
type packer struct {
	out  bytes.Buffer
	rows []row
}

func (p *packer) object(o object) {
	p.rows[o.num] = row{1, uint32(p.out.Len()), uint16(o.gen)}
	fmt.Fprintf(&p.out, "%d %d obj\n", o.num, o.gen)
	p.out.Write(o.head)
	if o.isStream {
		p.out.WriteString("\nstream\n")
		p.out.Write(o.stream)
		p.out.WriteString("\nendstream")
	}
	p.out.WriteString("\nendobj\n")
}

// group writes an object stream.
func (p *packer) group(objects []object) {
	num := len(p.rows)
	p.rows = append(p.rows, row{})
	var index, body bytes.Buffer
	for i, o := range objects {
		fmt.Fprintf(&index, "%d %d ", o.num, body.Len())
		body.Write(o.head)
		body.WriteByte('\n')
		p.rows[o.num] = row{2, uint32(num), uint16(i)}
	}
	data := deflate(append(index.Bytes(), body.Bytes()...))
	head := fmt.Sprintf("<</Type/ObjStm/N %d/First %d/Filter/FlateDecode/Length %d>>", len(objects), index.Len(), len(data))
	p.object(object{num: num, head: []byte(head), stream: data, isStream: true})
}

// finish writes the cross-reference stream, each row as the difference to the one above it.
func (p *packer) finish(trailer dict) {
	start, num := p.out.Len(), len(p.rows)
	p.rows = append(p.rows, row{kind: 1, a: uint32(start)})
	var table []byte
	last := make([]byte, 7)
	for _, r := range p.rows {
		line := binary.BigEndian.AppendUint32([]byte{r.kind}, r.a)
		line = binary.BigEndian.AppendUint16(line, r.b)
		table = append(table, 2) // of the PNG filters: up
		for i, c := range line {
			table = append(table, c-last[i])
		}
		last = line
	}
	data := deflate(table)
	d := trailer.set("Prev", "").set("XRefStm", "").set("Size", itoa(len(p.rows)))
	for key, value := range map[string]string{
		"Type": "/XRef", "W": "[1 4 2]", "Filter": "/FlateDecode", "DecodeParms": "<</Predictor 12/Columns 7>>",
		"Length": itoa(len(data)),
	} {
		d = d.set(key, value)
	}
	slices.SortStableFunc(d, func(a, b entry) int { return bytes.Compare([]byte(a.key), []byte(b.key)) })
	fmt.Fprintf(&p.out, "%d 0 obj\n%s\nstream\n%s\nendstream\nendobj\nstartxref\n%d\n%%%%EOF\n", num, d.bytes(), data, start)
}
