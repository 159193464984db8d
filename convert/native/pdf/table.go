package pdf

import (
	"bufio"
	"fmt"
	"io"
)

// table writes a PDF with a plain cross-reference table. The first error stays.
type table struct {
	w       *bufio.Writer
	at      int64
	places  []place // by number; a gap is free
	failure error
}

type place struct {
	at   int64
	gen  int
	used bool
}

func newTable(w io.Writer, header string) *table {
	t := &table{w: bufio.NewWriter(w), places: make([]place, 1)}
	t.printf("%s\n%%\xe2\xe3\xcf\xd3\n", header)
	return t
}

func (t *table) printf(format string, args ...any) {
	n, err := fmt.Fprintf(t.w, format, args...)
	t.add(n, err)
}

func (t *table) write(b []byte) { t.add(t.w.Write(b)) }

func (t *table) add(n int, err error) {
	t.at += int64(n)
	if t.failure == nil {
		t.failure = err
	}
}

// next is a number that no object has yet.
func (t *table) next() int { return len(t.places) }

func (t *table) object(o object) {
	for o.num >= len(t.places) {
		t.places = append(t.places, place{})
	}
	t.places[o.num] = place{t.at, o.gen, true}
	t.printf("%d %d obj\n", o.num, o.gen)
	t.write(o.head)
	if o.isStream {
		t.printf("\nstream\n")
		t.write(o.stream)
		t.printf("\nendstream")
	}
	t.printf("\nendobj\n")
}

// finish writes the table and the trailer.
func (t *table) finish(trailer dict) error {
	start := t.at
	t.printf("xref\n0 %d\n", len(t.places))
	for i, p := range t.places {
		switch {
		case p.used:
			t.printf("%010d %05d n \n", p.at, p.gen)
		case i == 0:
			t.printf("0000000000 65535 f \n")
		default:
			t.printf("0000000000 00000 f \n")
		}
	}
	t.printf("trailer\n%s\nstartxref\n%d\n%%%%EOF\n", trailer.set("Size", fmt.Sprint(len(t.places))).bytes(), start)
	if t.failure == nil {
		t.failure = t.w.Flush()
	}
	return t.failure
}
