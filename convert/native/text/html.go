package text

import (
	"bytes"
	"context"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/JohannesKaufmann/html-to-markdown/v2/converter"
	"github.com/JohannesKaufmann/html-to-markdown/v2/plugin/base"
	"github.com/JohannesKaufmann/html-to-markdown/v2/plugin/commonmark"
	"github.com/JohannesKaufmann/html-to-markdown/v2/plugin/strikethrough"
	"github.com/JohannesKaufmann/html-to-markdown/v2/plugin/table"
	"golang.org/x/net/html"
	"golang.org/x/net/html/charset"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"

	"dropfs/convert/native/internal/bounded"
)

// utf8Text reads a text as UTF-8: UTF-16 where it says so, Windows-1252 where it is no UTF-8.
func utf8Text(b []byte) []byte {
	otherwise := transform.Transformer(transform.Nop)
	if !utf8.Valid(b) {
		otherwise = charmap.Windows1252.NewDecoder()
	}
	out, _, err := transform.Bytes(unicode.BOMOverride(otherwise), b)
	if err != nil {
		return bytes.ToValidUTF8(b, []byte("\ufffd"))
	}
	return out
}

// fromHTML makes Markdown or text of a page, in whatever encoding it says that it has.
func fromHTML(ctx context.Context, path, to string, o *bounded.Output) error {
	src, err := readAll(ctx, path, maxText)
	if err != nil {
		return err
	}
	if len(src) == 0 {
		return nil
	}
	r, err := charset.NewReader(bytes.NewReader(src), "")
	if err != nil {
		return err
	}
	if to == "txt" {
		return plainHTML(ctx, r, o)
	}
	return markdownOf(ctx, r, o)
}

// markdownOf writes a page as Markdown.
func markdownOf(ctx context.Context, r io.Reader, o *bounded.Output) error {
	b, err := bounded.Await(ctx, func() ([]byte, error) {
		c := converter.NewConverter(converter.WithPlugins(
			base.NewBasePlugin(), commonmark.NewCommonmarkPlugin(), table.NewTablePlugin(), strikethrough.NewStrikethroughPlugin()))
		return c.ConvertReader(r)
	})
	if err != nil {
		return err
	}
	if len(b) > 0 {
		b = append(b, '\n')
	}
	_, err = o.Write(b)
	return err
}

// plainHTML writes the text of a page.
func plainHTML(ctx context.Context, r io.Reader, o *bounded.Output) error {
	root, err := bounded.Await(ctx, func() (*html.Node, error) { return html.Parse(r) }) // refuses what nests deeper than 512 (T4)
	if err != nil {
		return err
	}
	p := plain{ctx: ctx, o: o}
	p.node(root)
	if p.err == nil && p.started {
		_, p.err = io.WriteString(o, "\n")
	}
	return p.err
}

// plain writes text with its white space as a page shows it: spaces run together, blocks on lines of their own.
type plain struct {
	ctx     context.Context
	o       *bounded.Output
	err     error
	started bool
	space   bool  // one is due before the next word
	lines   int   // ends of lines that are due
	pre     int   // how many pre it is in
	lists   []int // of those it is in, the next number; -1 not numbered
}

func (p *plain) put(s string) {
	if p.err != nil || s == "" {
		return
	}
	before := ""
	switch {
	case !p.started:
	case p.lines > 0:
		before = strings.Repeat("\n", p.lines)
	case p.space:
		before = " "
	}
	p.started, p.space, p.lines = true, false, 0
	_, p.err = io.WriteString(p.o, before+s)
}

// text puts a text: as it is in a pre, else its words.
func (p *plain) text(s string) {
	if p.pre > 0 {
		for i, line := range strings.Split(s, "\n") {
			if i > 0 {
				p.lines++
			}
			p.put(line)
		}
		return
	}
	for i, word := range strings.FieldsFunc(s, blank) {
		p.space = p.space || i > 0 || blank(rune(s[0]))
		p.put(word)
	}
	if s != "" && blank(rune(s[len(s)-1])) {
		p.space = true
	}
}

func blank(r rune) bool { return r == ' ' || r == '\t' || r == '\n' || r == '\r' || r == '\f' }

// end asks for n ends of line before the next text.
func (p *plain) end(n int) { p.lines, p.space = max(p.lines, n), false }

func (p *plain) children(n *html.Node) {
	for c := n.FirstChild; c != nil && p.err == nil; c = c.NextSibling {
		p.node(c)
	}
}

func (p *plain) node(n *html.Node) {
	if p.err = p.ctx.Err(); p.err != nil {
		return
	}
	if n.Type == html.TextNode {
		p.text(n.Data)
		return
	}
	if n.Type != html.ElementNode {
		p.children(n)
		return
	}
	switch n.Data {
	case "head", "script", "style", "template", "noscript", "svg", "iframe", "object":
	case "br":
		p.lines++
		p.space = false
	case "hr":
		p.end(2)
		p.put("----")
		p.end(2)
	case "img":
		p.text(attr(n, "alt"))
	case "pre":
		p.end(2)
		p.pre++
		p.children(n)
		p.pre--
		p.end(2)
	case "ul", "ol":
		p.list(n)
	case "li":
		p.item(n)
	case "td", "th":
		if p.space = false; n.PrevSibling != nil && p.lines == 0 {
			p.put("\t")
		}
		p.children(n)
	default:
		p.block(n)
	}
}

// block puts an element with the distance that it has from what is around it.
func (p *plain) block(n *html.Node) {
	gap := 0
	switch n.Data {
	case "p", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "table", "figure", "dl":
		gap = 2
	case "div", "section", "article", "header", "footer", "main", "nav", "aside", "address", "form", "fieldset", "tr", "dt", "dd", "caption", "figcaption", "option":
		gap = 1
	}
	if gap > 0 && len(p.lists) > 0 {
		gap = 1
	}
	if gap > 0 {
		p.end(gap)
	}
	p.children(n)
	if gap > 0 {
		p.end(gap)
	}
}

func (p *plain) list(n *html.Node) {
	gap := 2
	if len(p.lists) > 0 {
		gap = 1
	}
	first := -1
	if n.Data == "ol" {
		first = 1
		if s, err := strconv.Atoi(attr(n, "start")); err == nil {
			first = max(s, 0)
		}
	}
	p.end(gap)
	p.lists = append(p.lists, first)
	p.children(n)
	p.lists = p.lists[:len(p.lists)-1]
	p.end(gap)
}

func (p *plain) item(n *html.Node) {
	p.end(1)
	mark := "-"
	if last := len(p.lists) - 1; last >= 0 && p.lists[last] >= 0 {
		mark = strconv.Itoa(p.lists[last]) + "."
		p.lists[last]++
	}
	p.put(strings.Repeat("  ", max(len(p.lists)-1, 0)) + mark)
	p.space = true
	for c := n.FirstChild; c != nil && p.err == nil; c = c.NextSibling {
		if c.Data == "p" && c.Type == html.ElementNode { // its text follows the mark
			p.children(c)
			p.end(1)
			continue
		}
		p.node(c)
	}
	p.end(1)
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}
