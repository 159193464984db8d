package sheet

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"

	"dropfs/convert"
	"dropfs/convert/native/internal/bounded"
)

// open opens a text, and reads it as UTF-8: UTF-16 where it says so, Windows-1252 where it is no UTF-8.
func open(ctx context.Context, path string) (*bufio.Reader, io.Closer, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("open the table: %w", err)
	}
	in := bounded.NewFile(ctx, f)
	fallback, err := isUTF8(in)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	otherwise := transform.Transformer(transform.Nop)
	if !fallback {
		otherwise = charmap.Windows1252.NewDecoder()
	}
	return bufio.NewReaderSize(transform.NewReader(in, unicode.BOMOverride(otherwise)), 1<<16), f, nil
}

// isUTF8 reads all of it.
func isUTF8(r io.Reader) (bool, error) {
	buf := make([]byte, 1<<16)
	kept := 0
	for {
		n, err := r.Read(buf[kept:])
		all := buf[:kept+n]
		for len(all) > 0 {
			c, size := utf8.DecodeRune(all)
			if c == utf8.RuneError && size == 1 {
				break
			}
			all = all[size:]
		}
		if len(all) >= utf8.UTFMax || len(all) > 0 && (errors.Is(err, io.EOF) || utf8.FullRune(all)) {
			return false, nil
		}
		kept = copy(buf, all)
		if errors.Is(err, io.EOF) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
	}
}

// separated is the table of a csv or tsv.
func separated(path, ext string) table {
	return func(ctx context.Context, row func([]string) error) error {
		in, c, err := open(ctx, path)
		if err != nil {
			return err
		}
		defer c.Close()
		r := csv.NewReader(in)
		r.FieldsPerRecord, r.LazyQuotes, r.ReuseRecord, r.Comma = -1, true, true, '\t'
		if ext == "csv" {
			head, _ := in.Peek(1 << 15) // less is all there is
			r.Comma = separator(head)
		}
		for {
			cells, err := r.Read()
			switch {
			case errors.Is(err, io.EOF):
				return nil
			case err != nil:
				return err
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := row(cells); err != nil {
				return err
			}
		}
	}
}

// separator finds what the first line of a csv has most of, outside quotes; a comma where it has none.
func separator(head []byte) rune {
	counts := map[byte]int{}
	quoted := false
	for _, c := range head {
		if c == '"' {
			quoted = !quoted
		}
		if quoted {
			continue
		}
		if c == '\n' || c == '\r' {
			break
		}
		counts[c]++
	}
	best := byte(',')
	for _, c := range []byte(";\t|") {
		if counts[c] > counts[best] {
			best = c
		}
	}
	return rune(best)
}

const maxColumns = 16384 // as many as a workbook may have

// objects is the table of a json: a list of objects, whose keys are the first row, a list of lists, a list of values, or one
// object.
func objects(path string) table {
	return func(ctx context.Context, row func([]string) error) error {
		keys := map[string]int{}
		var header []string
		lists := false
		err := elements(ctx, path, func(raw json.RawMessage) error { // for the keys
			if first(raw) != '{' {
				lists = true
				return nil
			}
			return fields(raw, func(key string, _ json.RawMessage) error {
				if _, ok := keys[key]; !ok {
					if len(header) == maxColumns {
						return fmt.Errorf("%w: more than %d keys", convert.ErrTooLarge, maxColumns)
					}
					keys[key] = len(header)
					header = append(header, key)
				}
				return nil
			})
		})
		switch {
		case err != nil:
			return err
		case lists && header != nil:
			return errors.New("objects and other values in one list")
		case header != nil:
			if err := row(header); err != nil {
				return err
			}
		}
		cells := make([]string, len(header))
		return elements(ctx, path, func(raw json.RawMessage) error {
			if first(raw) != '{' {
				list, err := list(raw)
				if err != nil {
					return err
				}
				return row(list)
			}
			clear(cells)
			if err := fields(raw, func(key string, v json.RawMessage) (err error) {
				cells[keys[key]], err = cell(v)
				return err
			}); err != nil {
				return err
			}
			return row(cells)
		})
	}
}

func first(raw json.RawMessage) byte {
	if len(raw) == 0 {
		return 0
	}
	return raw[0]
}

// elements goes through the list that a json is; what is none is a list of itself.
func elements(ctx context.Context, path string, f func(json.RawMessage) error) error {
	in, c, err := open(ctx, path)
	if err != nil {
		return err
	}
	defer c.Close()
	d := json.NewDecoder(in)
	var head byte
	for head == 0 || head == ' ' || head == '\n' || head == '\r' || head == '\t' {
		if head, err = in.ReadByte(); err != nil {
			return fmt.Errorf("no json: %w", err)
		}
	}
	if err := in.UnreadByte(); err != nil {
		return err
	}
	if head != '[' {
		return element(d, f)
	}
	if _, err := d.Token(); err != nil {
		return err
	}
	for d.More() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := element(d, f); err != nil {
			return err
		}
	}
	_, err = d.Token()
	return err
}

func element(d *json.Decoder, f func(json.RawMessage) error) error {
	var raw json.RawMessage
	if err := d.Decode(&raw); err != nil {
		return err
	}
	return f(raw)
}

// fields goes through an object in the order of its keys.
func fields(raw json.RawMessage, f func(string, json.RawMessage) error) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	if _, err := d.Token(); err != nil {
		return err
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		var v json.RawMessage
		if err := d.Decode(&v); err != nil {
			return err
		}
		name, _ := key.(string) // a key is one
		if err := f(name, v); err != nil {
			return err
		}
	}
	return nil
}

// list reads a row that is a list; another value is a row of one cell.
func list(raw json.RawMessage) ([]string, error) {
	if first(raw) != '[' {
		c, err := cell(raw)
		return []string{c}, err
	}
	var values []json.RawMessage
	if err := json.Unmarshal(raw, &values); err != nil {
		return nil, err
	}
	out := make([]string, len(values))
	for i, v := range values {
		c, err := cell(v)
		if err != nil {
			return nil, err
		}
		out[i] = c
	}
	return out, nil
}

// cell is the text of a value: a list or an object stays json.
func cell(raw json.RawMessage) (string, error) {
	switch first(raw) {
	case '"':
		var s string
		err := json.Unmarshal(raw, &s)
		return s, err
	case 'n':
		return "", nil
	case '[', '{':
		var b strings.Builder
		var c bytes.Buffer
		if err := json.Compact(&c, raw); err != nil {
			return "", err
		}
		b.Write(c.Bytes())
		return b.String(), nil
	}
	return string(raw), nil
}
