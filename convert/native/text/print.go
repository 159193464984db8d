package text

import (
	"bytes"
	"context"
	"fmt"
	"html"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"codeberg.org/go-pdf/fpdf"
	"golang.org/x/image/font/gofont/gomono"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/text/unicode/norm"

	"dropfs/convert"
	"dropfs/convert/native/internal/bounded"
)

// The page of a printed text: A4, in a font whose characters are all as wide.
const (
	pageMargin   = 15.0 // mm
	fontSize     = 10.0 // points
	lineHeight   = 4.6  // mm
	pageColumns  = 85
	pageLines    = 58
	tabWidth     = 8
	maxPages     = 20_000
	standIn      = '□' // for a character that the font does not have
	flushedLines = 1000
)

// fromText writes plain text in another form.
func fromText(ctx context.Context, path, to string, o *bounded.Output) error {
	b, err := readAll(ctx, path, maxText)
	if err != nil {
		return err
	}
	b = bytes.TrimPrefix(b, []byte("\ufeff"))
	if bytes.IndexByte(b, 0) >= 0 {
		return fmt.Errorf("%w: it is no text", convert.ErrBroken)
	}
	text := norm.NFC.String(strings.ToValidUTF8(string(b), "\ufffd"))
	if to == "pdf" {
		return printText(ctx, text, o)
	}
	_, err = fmt.Fprintf(o, "<!DOCTYPE html>\n<html>\n<head><meta charset=\"utf-8\"></head>\n<body>\n<pre>%s</pre>\n</body>\n</html>\n", html.EscapeString(text))
	return err
}

// printText writes text as a PDF, as wide as the page: a longer line goes on in the next.
func printText(ctx context.Context, text string, o *bounded.Output) error {
	p := fpdf.New("P", "mm", "A4", "")
	p.SetCreationDate(time.Unix(0, 0).UTC())
	p.SetModificationDate(time.Unix(0, 0).UTC())
	p.SetCatalogSort(true)
	p.SetMargins(pageMargin, pageMargin, pageMargin)
	p.SetAutoPageBreak(false, pageMargin)
	p.AddUTF8FontFromBytes("mono", "", gomono.TTF)
	p.SetFont("mono", "", fontSize)
	has, err := glyphs()
	if err != nil {
		return err
	}
	pages, row := 0, pageLines
	for n, line := range printedLines(text, has) {
		if n%flushedLines == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if line == "\f" {
			row = pageLines
			continue
		}
		if row == pageLines {
			if pages++; pages > maxPages {
				return fmt.Errorf("%w: more than %d pages", convert.ErrTooLarge, maxPages)
			}
			p.AddPage()
			row = 0
		}
		row++
		p.CellFormat(0, lineHeight, line, "", 1, "L", false, 0, "")
	}
	if pages == 0 {
		p.AddPage()
	}
	_, err = bounded.Await(ctx, func() (struct{}, error) { return struct{}{}, p.Output(o) })
	return err
}

// glyphs answers which characters the font has.
func glyphs() (func(r rune) bool, error) {
	font, err := sfnt.Parse(gomono.TTF)
	if err != nil {
		return nil, err
	}
	var b sfnt.Buffer
	return func(r rune) bool {
		i, err := font.GlyphIndex(&b, r)
		return err == nil && i != 0
	}, nil
}

// printedLines cuts text into the lines of pages; "\f" is the end of one.
func printedLines(text string, has func(rune) bool) (lines []string) {
	text = strings.TrimSuffix(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text), "\n")
	for long := range strings.SplitSeq(text, "\n") {
		for i, part := range strings.Split(long, "\f") {
			if i > 0 {
				lines = append(lines, "\f")
			}
			lines = append(lines, wrapped(printable(part, has))...)
		}
	}
	return lines
}

// printable expands tabs and puts the stand-in for what cannot be shown.
func printable(line string, has func(rune) bool) string {
	var b strings.Builder
	column := 0
	for _, r := range line {
		switch {
		case r == '\t':
			n := tabWidth - column%tabWidth
			b.WriteString(strings.Repeat(" ", n))
			column += n
			continue
		case unicode.Is(unicode.Mn, r), unicode.Is(unicode.Cf, r), unicode.IsControl(r):
			continue // it has no width of its own
		case !has(r):
			r = stand(r)
		}
		b.WriteRune(r)
		column++
	}
	return b.String()
}

func stand(r rune) rune {
	if unicode.IsSpace(r) {
		return ' '
	}
	return standIn
}

// wrapped cuts a line that is wider than a page, between words where there are any.
func wrapped(line string) (out []string) {
	for utf8.RuneCountInString(line) > pageColumns {
		cut, column := 0, 0
		for i := range line {
			if column == pageColumns {
				cut = i
				break
			}
			column++
		}
		if at := strings.LastIndexByte(line[:cut], ' '); at > cut/2 {
			cut = at + 1
		}
		out = append(out, line[:cut])
		line = line[cut:]
	}
	return append(out, line)
}
