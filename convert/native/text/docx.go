package text

import (
	"encoding/xml"
	"errors"
	"strconv"
	"strings"
)

const wordPart = "word/document.xml"

// docx reads a text in WordprocessingML (ECMA-376 part 1 §17).
func docx(p *parts, emit func(block) error) error {
	styles := &wordStyles{levels: map[string]int{}}
	if _, err := p.walk("word/styles.xml", styles); err != nil {
		return err
	}
	lists := &wordLists{of: map[string]string{}, ordered: map[string]bool{}}
	if _, err := p.walk("word/numbering.xml", lists); err != nil {
		return err
	}
	links, err := p.relations(wordPart)
	if err != nil {
		return err
	}
	w := &word{collector: collector{emit: emit}, styles: styles, lists: lists, links: links}
	ok, err := p.walk(wordPart, w)
	if err == nil && !ok {
		err = errors.New("no text in it")
	}
	return err
}

// word reads word/document.xml.
type word struct {
	collector
	styles *wordStyles
	lists  *wordLists
	links  map[string]string

	block  block
	run    bool // in w:r
	inText bool
}

func (w *word) start(name string, e xml.StartElement) bool {
	on := func() bool { v := value(e, "val"); return v != "0" && v != "false" && v != "none" }
	switch name {
	case "del", "moveFrom", "Fallback", "sectPr", "drawing", "pict", "object", "footnoteReference":
		return name == "drawing" || name == "pict" // which may hold a text box
	case "p":
		w.block = block{}
	case "pStyle":
		if level := w.styles.levels[value(e, "val")]; level > 0 {
			w.block.kind, w.block.level = heading, level
		}
	case "outlineLvl":
		if n, err := strconv.Atoi(value(e, "val")); err == nil && n >= 0 && n < 6 {
			w.block.kind, w.block.level = heading, n+1
		}
	case "ilvl":
		if w.block.kind != heading {
			w.block.level, _ = strconv.Atoi(value(e, "val")) // else the first level
		}
	case "numId":
		if id := value(e, "val"); id != "0" && w.block.kind != heading {
			w.block.kind = item
			w.block.ordered = w.lists.ordered[w.lists.of[id]+" "+strconv.Itoa(w.block.level)]
		}
	case "hyperlink":
		w.now.link = w.links[value(e, "id")]
	case "r":
		w.run, w.now.bold, w.now.italic = true, false, false
	case "b":
		w.now.bold = w.run && on()
	case "i":
		w.now.italic = w.run && on()
	case "t":
		w.inText = true
	case "tab":
		if w.run {
			w.add("\t")
		}
	case "br", "cr":
		w.add("\n")
	case "noBreakHyphen":
		w.add("-")
	case "tbl":
		w.startTable()
	case "tr":
		w.startRow()
	}
	return true
}

func (w *word) end(name string) error {
	switch name {
	case "p":
		b := w.block
		w.block = block{}
		return w.flush(b)
	case "r":
		w.run, w.now.bold, w.now.italic = false, false, false
	case "t":
		w.inText = false
	case "hyperlink":
		w.now.link = ""
	case "tc":
		return w.endCell(1)
	case "tbl":
		return w.endTable()
	}
	return nil
}

func (w *word) text(b []byte) {
	if w.inText {
		w.add(string(b))
	}
}

// wordStyles knows the styles of headings: by their names, which are English in every language, or their outline levels.
type wordStyles struct {
	levels map[string]int // by id
	id     string
}

func (s *wordStyles) start(name string, e xml.StartElement) bool {
	switch name {
	case "style":
		s.id = value(e, "styleId")
	case "name":
		switch v := strings.ToLower(value(e, "val")); {
		case v == "title":
			s.levels[s.id] = 1
		case strings.HasPrefix(v, "heading "):
			if n, err := strconv.Atoi(v[len("heading "):]); err == nil && n >= 1 {
				s.levels[s.id] = min(n, 6)
			}
		}
	case "outlineLvl":
		if n, err := strconv.Atoi(value(e, "val")); err == nil && n >= 0 && n < 6 && s.levels[s.id] == 0 {
			s.levels[s.id] = n + 1
		}
	}
	return true
}

func (s *wordStyles) end(string) error { return nil }
func (s *wordStyles) text([]byte)      {}

// wordLists knows which lists have numbers (§17.9).
type wordLists struct {
	of       map[string]string // abstract list by list
	ordered  map[string]bool   // by abstract list and level
	abstract string
	level    string
	list     string
}

func (l *wordLists) start(name string, e xml.StartElement) bool {
	switch name {
	case "abstractNum":
		l.abstract = value(e, "abstractNumId")
	case "lvl":
		l.level = value(e, "ilvl")
	case "numFmt":
		v := value(e, "val")
		l.ordered[l.abstract+" "+l.level] = v != "bullet" && v != "none"
	case "num":
		l.list = value(e, "numId")
	case "abstractNumId":
		l.of[l.list] = value(e, "val")
	}
	return true
}

func (l *wordLists) end(string) error { return nil }
func (l *wordLists) text([]byte)      {}
