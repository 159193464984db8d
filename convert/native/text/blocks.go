package text

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"strings"

	"dropfs/convert"
	"dropfs/convert/native/internal/bounded"
)

// span is a run of text in one manner.
type span struct {
	text         string
	bold, italic bool
	link         string
}

type blockKind uint8

const (
	paragraph blockKind = iota
	heading             // level 1 to 6
	item                // of a list; level from 0
	rows                // a table
)

// block is a piece of a document.
type block struct {
	kind    blockKind
	level   int
	ordered bool
	spans   []span
	rows    [][]string
}

// reader reads a document and gives its blocks, in order.
type reader func(p *parts, emit func(block) error) error

const (
	maxCells   = 1 << 20 // of one table
	maxColumns = 1024
	maxSpans   = 1 << 16 // of one paragraph
)

// fromOffice writes the blocks of a document as Markdown or as text.
func fromOffice(ctx context.Context, path string, read reader, to string, o *bounded.Output) error {
	p, err := openParts(ctx, path)
	if err != nil {
		return err
	}
	defer p.close()
	w := blockWriter{ctx: ctx, o: o, markdown: to == "md"}
	return read(p, w.block)
}

type blockWriter struct {
	ctx      context.Context
	o        io.Writer
	markdown bool
	last     blockKind
	started  bool
}

func (w *blockWriter) block(b block) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	text := strings.TrimRight(w.line(b.spans), " \t\n")
	if strings.TrimSpace(text) == "" && b.kind != rows || b.kind == rows && len(b.rows) == 0 {
		return nil
	}
	gap := ""
	if w.started {
		gap = "\n"
		if b.kind == item && w.last == item {
			gap = ""
		}
	}
	w.started, w.last = true, b.kind
	switch b.kind {
	case heading:
		if w.markdown {
			text = strings.Repeat("#", min(max(b.level, 1), 6)) + " " + strings.ReplaceAll(text, "\n", " ")
		}
	case item:
		mark := "- "
		if b.ordered {
			mark = "1. "
		}
		indent := strings.Repeat(strings.Repeat(" ", len(mark)), min(max(b.level, 0), 8))
		text = indent + mark + strings.ReplaceAll(text, "\n", "\n"+indent+strings.Repeat(" ", len(mark)))
	case rows:
		return w.table(gap, b.rows)
	case paragraph:
		if w.markdown {
			text = strings.TrimLeft(text, " \t")
		}
	}
	_, err := io.WriteString(w.o, gap+text+"\n")
	return err
}

// line joins spans.
func (w *blockWriter) line(spans []span) string {
	var b strings.Builder
	for i := 0; i < len(spans); i++ {
		s := spans[i]
		for i+1 < len(spans) && same(s, spans[i+1]) { // the programs cut runs where they like
			i++
			s.text += spans[i].text
		}
		if w.markdown {
			b.WriteString(s.markdown())
		} else {
			b.WriteString(s.text)
		}
	}
	if w.markdown {
		return atStart(b.String())
	}
	return b.String()
}

func same(a, b span) bool { return a.bold == b.bold && a.italic == b.italic && a.link == b.link }

// markdown writes a span, with the marks at its words and not at its spaces.
func (s span) markdown() string {
	inner := strings.TrimSpace(s.text)
	if inner == "" {
		return strings.ReplaceAll(s.text, "\t", " ")
	}
	before, after, _ := strings.Cut(s.text, inner)
	mark := map[bool]string{true: "**"}[s.bold] + map[bool]string{true: "*"}[s.italic]
	out := mark + strings.ReplaceAll(literal(inner), "\n", "\\\n") + mark
	if url := safeURL(s.link); url != "" {
		out = "[" + out + "](" + url + ")"
	}
	return before + out + after
}

// literal escapes what Markdown would take for marks (T3).
func literal(s string) string {
	var b strings.Builder
	for _, c := range s {
		if strings.ContainsRune("\\`*_[]<>~|&", c) {
			b.WriteByte('\\')
		}
		b.WriteRune(c)
	}
	return b.String()
}

// starts is what makes more than a paragraph of a line.
var starts = regexp.MustCompile(`(?m)^(\s*)([-+#=]|\d{1,9}[.)])`)

// atStart escapes marks at the beginnings of lines.
func atStart(s string) string {
	return starts.ReplaceAllStringFunc(s, func(m string) string { return m[:len(m)-1] + "\\" + m[len(m)-1:] })
}

// safeURL is a link of a scheme that does nothing, escaped.
func safeURL(u string) string {
	lower := strings.ToLower(u)
	for _, scheme := range []string{"http://", "https://", "mailto:", "ftp://"} {
		if strings.HasPrefix(lower, scheme) {
			return strings.NewReplacer(" ", "%20", "(", "%28", ")", "%29", "<", "%3C", ">", "%3E", "\n", "", "\r", "", "\\", "%5C").Replace(u)
		}
	}
	return ""
}

func (w *blockWriter) table(gap string, table [][]string) error {
	width, cells := 0, 0
	for _, r := range table {
		width = max(width, len(r))
		cells += len(r)
	}
	if width > maxColumns || cells > maxCells {
		return fmt.Errorf("%w: a table of %d cells", convert.ErrTooLarge, cells)
	}
	var b strings.Builder
	b.WriteString(gap)
	for i, r := range table {
		if !w.markdown {
			b.WriteString(strings.ReplaceAll(strings.Join(r, "\t"), "\n", " ") + "\n")
			continue
		}
		for c := range width {
			b.WriteString("| ")
			if c < len(r) {
				b.WriteString(strings.ReplaceAll(literal(strings.TrimSpace(r[c])), "\n", "<br>") + " ")
			}
		}
		b.WriteString("|\n")
		if i == 0 {
			b.WriteString(strings.Repeat("| --- ", width) + "|\n")
		}
	}
	_, err := io.WriteString(w.o, b.String())
	return err
}

// collector gathers the spans of blocks and the cells of tables, as the handlers of the formats tell it. A table in a cell
// is text of the cell.
type collector struct {
	emit  func(block) error
	spans []span
	now   span // the manner of what comes
	depth int  // of tables
	table [][]string
	cell  []string // the paragraphs of the cell
	cells int
	err   error
}

func (c *collector) add(text string) {
	if len(c.spans) == maxSpans {
		c.err = fmt.Errorf("%w: a paragraph of more than %d pieces", convert.ErrTooLarge, maxSpans)
		return
	}
	if text != "" {
		s := c.now
		s.text = text
		c.spans = append(c.spans, s)
	}
}

// flush ends a block with what was gathered.
func (c *collector) flush(b block) error {
	if c.err != nil {
		return c.err
	}
	spans := c.spans
	c.spans = nil
	if c.depth > 0 {
		var text strings.Builder
		for _, s := range spans {
			text.WriteString(s.text)
		}
		c.cell = append(c.cell, text.String())
		return nil
	}
	b.spans = spans
	return c.emit(b)
}

func (c *collector) startTable() { c.depth++ }

func (c *collector) startRow() {
	if c.depth != 1 {
		return
	}
	if len(c.table) == maxCells {
		c.err = fmt.Errorf("%w: a table of more than %d rows", convert.ErrTooLarge, maxCells)
		return
	}
	c.table = append(c.table, nil)
}

// endCell ends a cell that stands for n.
func (c *collector) endCell(n int) error {
	if c.err != nil || c.depth != 1 || len(c.table) == 0 {
		return c.err
	}
	last := len(c.table) - 1
	text := strings.Join(c.cell, "\n")
	c.cell = nil
	if text == "" && n > 1 { // the empty rest of a sheet
		n = 1
	}
	if c.cells += n; n > maxColumns || c.cells > maxCells {
		return fmt.Errorf("%w: a table of more than %d cells", convert.ErrTooLarge, maxCells)
	}
	for range n {
		c.table[last] = append(c.table[last], text)
	}
	return nil
}

func (c *collector) endTable() error {
	if c.depth--; c.depth > 0 {
		return nil
	}
	b := block{kind: rows, rows: c.table}
	c.depth, c.table, c.cell, c.cells = 0, nil, nil, 0
	return c.emit(b)
}
