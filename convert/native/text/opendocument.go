package text

import (
	"encoding/xml"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"dropfs/convert"
)

// opendocument reads a text or slides in OpenDocument (OASIS ODF 1.3 part 3).
func opendocument(p *parts, emit func(block) error) error {
	locked := &odLock{}
	if _, err := p.walk("META-INF/manifest.xml", locked); err != nil {
		return err
	}
	if locked.is {
		return fmt.Errorf("%w: it has a password", convert.ErrLocked)
	}
	w := &od{collector: collector{emit: emit}, styles: map[string]span{}, lists: map[string]bool{}}
	ok, err := p.walk("content.xml", w)
	if err == nil && !ok {
		err = errors.New("no text in it")
	}
	return err
}

// odLock looks whether a part is encrypted.
type odLock struct{ is bool }

func (l *odLock) start(name string, _ xml.StartElement) bool {
	l.is = l.is || name == "encryption-data"
	return true
}

func (l *odLock) end(string) error { return nil }
func (l *odLock) text([]byte)      {}

// od reads content.xml.
type od struct {
	collector
	styles map[string]span // bold and italic by the name of a style
	lists  map[string]bool // whether the first level has numbers, by the name of a style
	style  string

	block   block
	inside  int // text:p or text:h
	spans   []span
	list    []bool // of the lists it is in: whether they have numbers
	isTitle []bool // of the frames it is in
	slide   int
	repeat  []int
}

func (w *od) start(name string, e xml.StartElement) bool {
	switch name {
	case "tracked-changes", "annotation", "note", "notes", "forms", "desc", "title", "table-of-content-source":
		return false
	case "style", "list-style":
		w.style = value(e, "name")
	case "text-properties":
		w.styles[w.style] = span{bold: value(e, "font-weight") == "bold", italic: value(e, "font-style") == "italic"}
	case "list-level-style-number":
		if value(e, "level") == "1" {
			w.lists[w.style] = true
		}
	case "page":
		w.slide++
	case "frame":
		w.isTitle = append(w.isTitle, value(e, "class") == "title")
	case "list":
		numbered := w.lists[value(e, "style-name")]
		if n := len(w.list); n > 0 && value(e, "style-name") == "" {
			numbered = w.list[n-1]
		}
		w.list = append(w.list, numbered)
	case "table":
		w.startTable()
	case "table-row":
		w.startRow()
	case "table-cell", "covered-table-cell":
		n, err := strconv.Atoi(value(e, "number-columns-repeated"))
		if err != nil || n < 1 {
			n = 1
		}
		w.repeat = append(w.repeat, n)
	default:
		w.startText(name, e)
	}
	return true
}

// startText is start for what stands in a paragraph.
func (w *od) startText(name string, e xml.StartElement) {
	switch name {
	case "p", "h":
		if w.inside++; w.inside > 1 {
			return
		}
		w.block = block{}
		if name == "h" || len(w.isTitle) > 0 && w.isTitle[len(w.isTitle)-1] {
			level, err := strconv.Atoi(value(e, "outline-level"))
			if err != nil {
				level = 2
			}
			w.block = block{kind: heading, level: level}
		} else if n := len(w.list); n > 0 {
			w.block = block{kind: item, level: n - 1, ordered: w.list[n-1]}
		}
	case "span":
		w.spans = append(w.spans, w.now)
		s := w.styles[value(e, "style-name")]
		w.now.bold, w.now.italic = w.now.bold || s.bold, w.now.italic || s.italic
	case "a":
		w.spans = append(w.spans, w.now)
		w.now.link = value(e, "href")
	case "s":
		n, err := strconv.Atoi(value(e, "c"))
		if err != nil {
			n = 1
		}
		w.add(strings.Repeat(" ", min(max(n, 1), 100)))
	case "tab":
		w.add("\t")
	case "line-break":
		w.add("\n")
	}
}

func (w *od) end(name string) error {
	pop := func(n int) int { return max(n-1, 0) }
	switch name {
	case "p", "h":
		if w.inside--; w.inside == 0 {
			return w.flush(w.block)
		}
	case "span", "a":
		if n := len(w.spans); n > 0 {
			w.now, w.spans = w.spans[n-1], w.spans[:n-1]
		}
	case "list":
		w.list = w.list[:pop(len(w.list))]
	case "frame":
		w.isTitle = w.isTitle[:pop(len(w.isTitle))]
	case "table-cell", "covered-table-cell":
		n := 1
		if last := len(w.repeat) - 1; last >= 0 {
			n, w.repeat = w.repeat[last], w.repeat[:last]
		}
		return w.endCell(n)
	case "table":
		return w.endTable()
	}
	return nil
}

func (w *od) text(b []byte) {
	if w.inside > 0 {
		w.add(collapse(string(b)))
	}
}

// collapse makes one space of white space, as ODF 1.3 part 3 §6.1.2 has it.
func collapse(s string) string {
	if !strings.ContainsAny(s, "\t\r\n") && !strings.Contains(s, "  ") {
		return s
	}
	out := strings.Join(strings.FieldsFunc(s, blank), " ")
	if out == "" {
		return " "
	}
	if blank(rune(s[0])) {
		out = " " + out
	}
	if blank(rune(s[len(s)-1])) {
		out += " "
	}
	return out
}
