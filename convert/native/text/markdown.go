package text

import (
	"bytes"
	"context"
	"fmt"
	"html"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"

	"dropfs/convert"
	"dropfs/convert/native/internal/bounded"
)

const (
	maxMarkdown = 4 << 20 // bytes
	maxQuotes   = 200     // marks of nesting at the beginning of a line
)

// fromMarkdown makes a page, or the text of it, of Markdown with the extensions of GitHub. HTML in it is dropped (T1).
func fromMarkdown(ctx context.Context, path, to string, o *bounded.Output) error {
	src, err := readAll(ctx, path, maxMarkdown)
	if err != nil {
		return err
	}
	src = utf8Text(src)
	if err := checkNesting(src); err != nil {
		return err
	}
	if err := checkParagraphs(src); err != nil {
		return err
	}
	body, err := bounded.Await(ctx, func() ([]byte, error) {
		var b bytes.Buffer
		err := goldmark.New(goldmark.WithExtensions(extension.GFM, extension.Footnote)).Convert(src, &b)
		return b.Bytes(), err
	})
	if err != nil {
		return err
	}
	if to == "txt" {
		return plainHTML(ctx, bytes.NewReader(body), o)
	}
	_, err = fmt.Fprintf(o, "<!DOCTYPE html>\n<html>\n<head><meta charset=\"utf-8\"><title>%s</title>\n<style>%s</style></head>\n<body>\n%s</body>\n</html>\n",
		html.EscapeString(title(src)), sheetStyle, body)
	return err
}

// sheetStyle makes a page readable.
const sheetStyle = "body{max-width:45em;margin:2em auto;padding:0 1em;font-family:sans-serif;line-height:1.5}" +
	"pre,code{font-family:monospace;background:#f4f4f4}pre{padding:.7em;overflow:auto}" +
	"table{border-collapse:collapse}th,td{border:1px solid #bbb;padding:.2em .6em}img{max-width:100%}" +
	"blockquote{margin-left:0;padding-left:1em;border-left:3px solid #bbb}"

// checkNesting refuses lines that open more blocks within each other than a person writes (T4): quotes, and marks of lists
// with a space behind them.
func checkNesting(src []byte) error {
	for line := range bytes.Lines(src) {
		marks := 0
		for i, c := range line {
			switch {
			case c == '>':
				marks++
			case strings.IndexByte("-+*.)", c) >= 0:
				if i+1 < len(line) && (line[i+1] == ' ' || line[i+1] == '\t') {
					marks++
				}
			case c != ' ' && c != '\t' && (c < '0' || c > '9'):
				i = len(line)
			}
			if marks > maxQuotes {
				return fmt.Errorf("%w: blocks nested more than %d deep", convert.ErrBroken, maxQuotes)
			}
			if i == len(line) {
				break
			}
		}
	}
	return nil
}

const (
	maxLinks = 5000    // in one paragraph
	maxRefs  = 20000   // lines of a paragraph that may define links
	maxTable = 1 << 20 // cells of all tables
)

// checkParagraphs refuses paragraphs of so many links that the library, which looks for the end of each through all that
// follows, would take minutes, and tables of a few wide lines and many short ones, which it fills up (T4).
func checkParagraphs(src []byte) error {
	links, refs, columns, cells := 0, 0, 0, 0
	for line := range bytes.Lines(src) {
		if len(bytes.TrimSpace(line)) == 0 {
			links, refs, columns = 0, 0, 0
			continue
		}
		if bytes.IndexByte(line, '[') >= 0 {
			refs++
		}
		links += bytes.Count(line, []byte("]("))
		if bytes.ContainsRune(line, '-') && len(bytes.Trim(line, "|-: \t\r\n>")) == 0 { // below the head of a table
			columns = max(columns, bytes.Count(line, []byte("|"))+1)
		}
		cells += columns
		if links > maxLinks || refs > maxRefs || cells > maxTable {
			return fmt.Errorf("%w: a paragraph of %d links and a table of %d cells", convert.ErrTooLarge, max(links, refs), cells)
		}
	}
	return nil
}

// title is the text of the first line that is a heading.
func title(src []byte) string {
	for line := range bytes.Lines(src) {
		if rest, ok := bytes.CutPrefix(line, []byte("#")); ok {
			return strings.Trim(string(rest), "# \t\r\n")
		}
	}
	return ""
}
