package text

import (
	"encoding/xml"
	"errors"
	"strconv"
)

const (
	showPart  = "ppt/presentation.xml"
	maxSlides = 2000
)

// pptx reads slides in PresentationML (ECMA-376 part 1 §19), in the order in which they are shown.
func pptx(p *parts, emit func(block) error) error {
	show := &slideOrder{}
	ok, err := p.walk(showPart, show)
	if err == nil && !ok {
		err = errors.New("no slides in it")
	}
	if err != nil {
		return err
	}
	names, err := p.relations(showPart)
	if err != nil {
		return err
	}
	for i, id := range show.ids {
		if i == maxSlides {
			return errors.New("too many slides")
		}
		if _, err := p.walk(names[id], &slide{collector: collector{emit: emit}}); err != nil {
			return err
		}
	}
	return nil
}

type slideOrder struct{ ids []string }

func (s *slideOrder) start(name string, e xml.StartElement) bool {
	if name == "sldId" {
		for _, a := range e.Attr { // it has an id of its own beside that of its relation
			if a.Name.Local == "id" && a.Name.Space != "" {
				s.ids = append(s.ids, a.Value)
			}
		}
	}
	return true
}

func (s *slideOrder) end(string) error { return nil }
func (s *slideOrder) text([]byte)      {}

// slide reads ppt/slides/slideN.xml.
type slide struct {
	collector
	holder string // the kind of placeholder that the shape is
	block  block
	inText bool
}

func (s *slide) start(name string, e xml.StartElement) bool {
	switch name {
	case "Fallback":
		return false
	case "sp":
		s.holder = "other"
	case "ph":
		if s.holder = value(e, "type"); s.holder == "" {
			s.holder = "body"
		}
	case "p":
		switch s.holder {
		case "title", "ctrTitle":
			s.block = block{kind: heading, level: 2}
		case "body", "obj":
			s.block = block{kind: item}
		default:
			s.block = block{}
		}
	case "pPr":
		if n, err := strconv.Atoi(value(e, "lvl")); err == nil && s.block.kind == item {
			s.block.level = n
		}
	case "buNone":
		if s.block.kind == item {
			s.block = block{}
		}
	case "buAutoNum":
		s.block.ordered = s.block.kind == item
	case "rPr":
		s.now.bold, s.now.italic = value(e, "b") == "1", value(e, "i") == "1"
	case "r":
		s.now = span{}
	case "t":
		s.inText = true
	case "br":
		s.add("\n")
	case "tbl":
		s.startTable()
	case "tr":
		s.startRow()
	}
	return true
}

func (s *slide) end(name string) error {
	switch name {
	case "p":
		return s.flush(s.block)
	case "t":
		s.inText = false
	case "sp":
		s.holder = ""
	case "tc":
		return s.endCell(1)
	case "tbl":
		return s.endTable()
	}
	return nil
}

func (s *slide) text(b []byte) {
	if s.inText {
		s.add(string(b))
	}
}
