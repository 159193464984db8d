package pdf

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"

	"dropfs/convert"
)

// file is a PDF as PDFium saves it, taken apart: plain objects, one cross-reference table, no object streams. It is not a
// reader of PDF at large, and what is not as expected is ErrBroken.
type file struct {
	header  []byte // %PDF-1.7
	objects []object
	trailer []byte // the dictionary
}

// object is one indirect object. Its slices are pieces of the file.
type object struct {
	num, gen int
	head     []byte // what stands before the stream, or all of it
	stream   []byte
	isStream bool
}

func odd(format string, args ...any) error {
	return fmt.Errorf("%w: the saved document is odd: "+format, append([]any{convert.ErrBroken}, args...)...)
}

// parse takes a saved document apart.
func parse(b []byte) (*file, error) {
	end := bytes.IndexAny(b, "\r\n")
	if !bytes.HasPrefix(b, []byte("%PDF-")) || end < 0 {
		return nil, odd("no header")
	}
	f := &file{header: b[:end]}
	tail := bytes.LastIndex(b, []byte("startxref"))
	if tail < 0 {
		return nil, odd("no startxref")
	}
	l := lexer{b: b[tail+len("startxref"):]}
	at, ok := l.number()
	if !ok || at >= tail {
		return nil, odd("no place of the table")
	}
	l = lexer{b: b[:tail], i: at}
	if l.word() != "xref" {
		return nil, odd("no table")
	}
	for {
		word := l.word()
		if word == "trailer" {
			break
		}
		first, err := strconv.Atoi(word)
		count, ok := l.number()
		if err != nil || first < 0 || !ok || count > len(b)/20 {
			return nil, odd("a section %q of the table", word)
		}
		for i := range count {
			at, ok1 := l.number()
			gen, ok2 := l.number()
			kind := l.word()
			if !ok1 || !ok2 || kind != "n" && kind != "f" {
				return nil, odd("an entry of the table")
			}
			if kind == "f" {
				continue
			}
			o, err := objectAt(b[:tail], at, first+i, gen)
			if err != nil {
				return nil, err
			}
			f.objects = append(f.objects, o)
		}
	}
	l.space()
	from := l.i
	if _, ok := l.value(); !ok || !bytes.HasPrefix(l.b[from:], []byte("<<")) {
		return nil, odd("no trailer")
	}
	f.trailer = l.b[from:l.i]
	return f, nil
}

func objectAt(b []byte, at, num, gen int) (object, error) {
	o := object{num: num, gen: gen}
	if at < 0 || at >= len(b) {
		return o, odd("object %d is nowhere", num)
	}
	l := lexer{b: b, i: at}
	n, ok1 := l.number()
	g, ok2 := l.number()
	if !ok1 || !ok2 || n != num || g != gen || l.word() != "obj" {
		return o, odd("object %d is not where it should be", num)
	}
	l.space()
	from := l.i
	if _, ok := l.value(); !ok {
		return o, odd("object %d is cut", num)
	}
	o.head = b[from:l.i]
	switch word := l.word(); word {
	case "endobj":
		return o, nil
	case "stream":
	default:
		return o, odd("object %d goes on with %.20q", num, word)
	}
	d, ok := dictOf(o.head)
	length, err := strconv.Atoi(string(d.get("Length")))
	if !ok || err != nil {
		return o, odd("stream %d has no length", num)
	}
	if bytes.HasPrefix(b[l.i:], []byte("\r\n")) {
		l.i += 2
	} else {
		l.i++
	}
	if length < 0 || length > len(b)-l.i {
		return o, odd("stream %d is cut", num)
	}
	o.stream, o.isStream = b[l.i:][:length], true
	l.i += length
	if l.word() != "endstream" {
		return o, odd("stream %d has no end", num)
	}
	return o, nil
}

// dict is the text of a dictionary, cut into its entries in order.
type dict []entry

type entry struct {
	key   string // without the slash
	value []byte
}

// dictOf reads a dictionary; ok is false for what is none.
func dictOf(b []byte) (d dict, ok bool) {
	if !bytes.HasPrefix(b, []byte("<<")) {
		return nil, false
	}
	l := lexer{b: b, i: 2}
	for {
		l.space()
		if bytes.HasPrefix(l.b[l.i:], []byte(">>")) {
			return d, true
		}
		from := l.i
		if kind, ok := l.value(); !ok || kind != name {
			return nil, false
		}
		key := string(l.b[from+1 : l.i])
		l.space()
		from = l.i
		if _, ok := l.value(); !ok {
			return nil, false
		}
		d = append(d, entry{key, l.b[from:l.i]})
	}
}

// get answers the text of a value, nil where there is none.
func (d dict) get(key string) []byte {
	for _, e := range d {
		if e.key == key {
			return e.value
		}
	}
	return nil
}

// int answers a value that is a number, -1 for any other.
func (d dict) int(key string) int {
	n, err := strconv.Atoi(string(d.get(key)))
	if err != nil {
		return -1
	}
	return n
}

// set is the dictionary with another value, "" without the entry.
func (d dict) set(key, value string) dict {
	out := slices.DeleteFunc(slices.Clone(d), func(e entry) bool { return e.key == key })
	if value != "" {
		out = append(out, entry{key, []byte(value)})
	}
	return out
}

func (d dict) bytes() []byte {
	out := []byte("<<")
	for _, e := range d {
		out = append(append(append(out, '/'), e.key...), ' ')
		out = append(out, e.value...)
	}
	return append(out, ">>"...)
}
