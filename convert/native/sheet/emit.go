package sheet

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"strconv"
	"strings"

	"github.com/xuri/excelize/v2"

	"dropfs/convert"
	"dropfs/convert/native/internal/bounded"
)

// emit writes a table in the format of the edge.
func emit(ctx context.Context, job convert.Job, t table, o *bounded.Output) error {
	switch to := job.Edge.To; to {
	case "csv", "tsv":
		return emitSeparated(ctx, t, o, to, job.Step.Options.Get("safe") == "yes")
	case "json":
		return emitJSON(ctx, t, o)
	case "md":
		return emitMarkdown(ctx, t, o)
	case "html":
		return emitHTML(ctx, t, o)
	case "xlsx":
		return emitBook(ctx, job, t, o)
	}
	return fmt.Errorf("%w: a table as %s", convert.ErrUnsupported, job.Edge.To)
}

func emitSeparated(ctx context.Context, t table, o io.Writer, to string, safe bool) error {
	w := csv.NewWriter(o)
	if to == "tsv" {
		w.Comma = '\t'
	}
	err := t(ctx, func(cells []string) error {
		if len(cells) == 0 || len(cells) == 1 && cells[0] == "" { // not an empty line, which is no row
			w.Flush()
			_, err := io.WriteString(o, "\"\"\n")
			return err
		}
		if safe {
			for i := range cells {
				cells[i] = harmless(cells[i])
			}
		}
		return w.Write(cells)
	})
	if err != nil {
		return err
	}
	w.Flush()
	return w.Error()
}

// keys names the columns by a header: an empty or repeated name gets that of its column.
func keys(header []string) []string {
	out := make([]string, len(header))
	taken := map[string]bool{}
	for i, name := range header {
		if name == "" || taken[name] {
			name = strings.TrimSpace(name + " " + column(i))
		}
		for taken[name] {
			name += "_"
		}
		taken[name], out[i] = true, name
	}
	return out
}

func emitJSON(ctx context.Context, t table, o *bounded.Output) error {
	var names []string
	rows := 0
	err := t(ctx, func(cells []string) error {
		if names == nil {
			names = keys(cells)
			return nil
		}
		for len(names) < len(cells) {
			names = keys(append(names, ""))
		}
		var b strings.Builder
		b.WriteString(map[bool]string{true: "[\n{", false: ",\n{"}[rows == 0])
		for i, name := range names[:len(cells)] {
			if i > 0 {
				b.WriteString(", ")
			}
			writeString(&b, name)
			b.WriteString(": ")
			if isNumber(cells[i]) {
				b.WriteString(cells[i])
			} else {
				writeString(&b, cells[i])
			}
		}
		b.WriteString("}")
		rows++
		_, err := io.WriteString(o, b.String())
		return err
	})
	if err != nil {
		return err
	}
	end := "\n]\n"
	if rows == 0 {
		end = "[]\n"
	}
	_, err = io.WriteString(o, end)
	return err
}

// writeString writes a text as JSON, with the characters of HTML as they are.
func writeString(b *strings.Builder, s string) {
	var out strings.Builder
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic("sheet: a text is always JSON: " + err.Error())
	}
	b.WriteString(strings.TrimSuffix(out.String(), "\n"))
}

func emitMarkdown(ctx context.Context, t table, o *bounded.Output) error {
	width := 0
	if err := t(ctx, func(cells []string) error {
		if width = max(width, len(cells)); width > maxColumns {
			return fmt.Errorf("%w: more than %d columns", convert.ErrTooLarge, maxColumns)
		}
		return nil
	}); err != nil {
		return err
	}
	if width == 0 {
		return nil
	}
	plain := strings.NewReplacer(`\`, `\\`, "|", `\|`, "\r\n", "<br>", "\n", "<br>", "\r", "<br>", "<", "&lt;", "&", "&amp;", "*", `\*`, "_", `\_`, "`", "\\`")
	head := true
	return t(ctx, func(cells []string) error {
		var b strings.Builder
		for i := range width {
			b.WriteString("| ")
			if i < len(cells) {
				b.WriteString(plain.Replace(cells[i]) + " ")
			}
		}
		b.WriteString("|\n")
		if head {
			b.WriteString(strings.Repeat("| --- ", width) + "|\n")
			head = false
		}
		_, err := io.WriteString(o, b.String())
		return err
	})
}

func emitHTML(ctx context.Context, t table, o *bounded.Output) error {
	if _, err := io.WriteString(o, "<!DOCTYPE html>\n<html>\n<head><meta charset=\"utf-8\"><title>table</title></head>\n<body>\n<table>\n"); err != nil {
		return err
	}
	tag := "th"
	err := t(ctx, func(cells []string) error {
		var b strings.Builder
		b.WriteString("<tr>")
		for _, c := range cells {
			b.WriteString("<" + tag + ">" + strings.ReplaceAll(html.EscapeString(c), "\n", "<br>") + "</" + tag + ">")
		}
		b.WriteString("</tr>\n")
		tag = "td"
		_, err := io.WriteString(o, b.String())
		return err
	})
	if err != nil {
		return err
	}
	_, err = io.WriteString(o, "</table>\n</body>\n</html>\n")
	return err
}

// emitBook writes a workbook of one sheet (S1).
func emitBook(ctx context.Context, job convert.Job, t table, o *bounded.Output) (err error) {
	const maxRows, maxCell = excelize.TotalRows, excelize.TotalCellChars
	f := excelize.NewFile(excelize.Options{TmpDir: job.Dir})
	defer func() { err = errors.Join(err, f.Close()) }()
	w, err := f.NewStreamWriter("Sheet1")
	if err != nil {
		return err
	}
	n := 0
	err = t(ctx, func(cells []string) error {
		if n++; n > maxRows || len(cells) > maxColumns {
			return fmt.Errorf("%w: a workbook of more than %d rows of %d cells", convert.ErrTooLarge, maxRows, maxColumns)
		}
		values := make([]any, len(cells))
		for i, c := range cells {
			if len(c) > maxCell {
				return fmt.Errorf("%w: a cell of %d bytes, at most %d", convert.ErrTooLarge, len(c), maxCell)
			}
			values[i] = value(c)
		}
		return w.SetRow("A"+strconv.Itoa(n), values)
	})
	if err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Write(o)
}

// value is the cell of a workbook for a text.
func value(c string) any {
	if c == "" {
		return nil
	}
	if isNumber(c) {
		if x, err := strconv.ParseFloat(c, 64); err == nil {
			return x
		}
	}
	return c
}
