package d3

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode"

	"dropfs/remote"
)

// object is a JSON object by its names without case and underscores, so that snake_case and camelCase are one (wire/d3.md
// §3). Nulls are left out. Where both spellings are there the one with underscores counts.
type object map[string]json.RawMessage

// parseObject reads one object; ok is false for anything else.
func parseObject(b []byte) (o object, ok bool) {
	var raw map[string]json.RawMessage
	if json.Unmarshal(b, &raw) != nil || raw == nil {
		return nil, false
	}
	o = object{}
	for _, name := range slices.Sorted(maps.Keys(raw)) { // upper case before the underscore
		if v := bytes.TrimSpace(raw[name]); !bytes.Equal(v, []byte("null")) {
			o[squeeze(name)] = v
		}
	}
	return o, true
}

func squeeze(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || r == '-' {
			return -1
		}
		return unicode.ToLower(r)
	}, name)
}

// text reads a string, or a number as one; "" where it is neither.
func (o object) text(name string) string { return textOf(o[name]) }

func textOf(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	var n json.Number
	if json.Unmarshal(raw, &n) == nil {
		return n.String()
	}
	return ""
}

// flag reads a boolean, also one written as a string; ok is false where there is none.
func (o object) flag(name string) (v, ok bool) {
	if json.Unmarshal(o[name], &v) == nil {
		return v, true
	}
	switch strings.ToLower(o.text(name)) {
	case "true", "yes", "1":
		return true, true
	case "false", "no", "0":
		return false, true
	}
	return false, false
}

// list reads an array, or an object's values in order of their names; nil where it is neither.
func (o object) list(name string) []json.RawMessage {
	var l []json.RawMessage
	if json.Unmarshal(o[name], &l) == nil {
		return l
	}
	if in, ok := parseObject(o[name]); ok {
		for _, k := range slices.Sorted(maps.Keys(in)) {
			l = append(l, in[k])
		}
	}
	return l
}

// object reads an inner object; empty where there is none.
func (o object) object(name string) object {
	in, _ := parseObject(o[name])
	return in
}

var errNoObject = errors.New("no object in the answer")

// decoded returns a decode function that hands the answer to read: what is under "data" where that is an object, else the
// body itself (wire/d3.md §3). An answer that calls itself an error, or whose read fails, is an error with its words (B3).
func decoded(read func(o object) error) func(io.Reader) error {
	return func(r io.Reader) error {
		body, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		o, ok := parseObject(body)
		if !ok {
			return notAnObject(body)
		}
		if err := refused(o); err != nil {
			return err
		}
		in, ok := parseObject(o["data"])
		if !ok {
			in = o
		}
		if err := read(in); err != nil {
			if message := messageOf(o); message != "" {
				return &remote.Error{Kind: remote.ErrProtocol, Message: err.Error() + ": " + message}
			}
			return err
		}
		return nil
	}
}

// refused is the error of an answer that was sent as a success and says that it is none.
func refused(o object) error {
	if ok, said := o.flag("success"); ok || !said {
		return nil
	}
	kind := kindOfCode(codeOf(o))
	if kind == "" {
		kind = remote.ErrInvalid
	}
	return &remote.Error{Kind: kind, Message: messageOf(o)}
}

// acknowledged is a decode function for answers that say nothing but that it was done: an object, or no body.
func acknowledged(r io.Reader) error {
	body, err := io.ReadAll(r)
	if err != nil || len(bytes.TrimSpace(body)) == 0 {
		return err
	}
	o, ok := parseObject(body)
	if !ok {
		return notAnObject(body)
	}
	return refused(o)
}

// notAnObject makes a text that was cut short recognisable.
func notAnObject(body []byte) error {
	var v any
	var se *json.SyntaxError
	if err := json.Unmarshal(body, &v); errors.As(err, &se) && strings.Contains(se.Error(), "unexpected end") {
		return io.ErrUnexpectedEOF
	}
	return errNoObject
}

// words collects the strings of a value: of a list, of an object's values, of objects that describe one value each. They
// come in lower case, without a dot in front, each once.
func words(raw json.RawMessage) []string {
	c := collector{left: maxValues}
	c.collect(raw, 0)
	return c.out
}

const (
	maxValues = 10_000 // looked at
	maxWords  = 2000
	maxWord   = 64 // bytes
	maxDepth  = 5
)

// collector gathers words, looking at a bounded number of values.
type collector struct {
	left int
	out  []string
}

func (c *collector) collect(raw json.RawMessage, depth int) {
	if c.left--; len(raw) == 0 || depth > maxDepth || c.left < 0 {
		return
	}
	switch raw[0] {
	case '"':
		c.add(textOf(raw))
	case '[':
		var l []json.RawMessage
		_ = json.Unmarshal(raw, &l) // it begins as a list and was part of a whole answer
		for _, v := range l[:min(len(l), maxValues)] {
			c.collect(bytes.TrimSpace(v), depth+1)
		}
	case '{':
		o, _ := parseObject(raw)
		for _, name := range []string{"value", "extension", "ext", "format", "key", "name"} {
			if s := o.text(name); s != "" {
				c.add(s)
				return
			}
		}
		for _, k := range slices.Sorted(maps.Keys(o)) {
			if on, ok := o.flag(k); ok && on {
				c.add(k)
				continue
			}
			c.collect(o[k], depth+1)
		}
	}
}

func (c *collector) add(s string) {
	s = strings.TrimPrefix(strings.ToLower(strings.TrimSpace(s)), ".")
	if s != "" && len(s) <= maxWord && len(c.out) < maxWords && !slices.Contains(c.out, s) {
		c.out = append(c.out, s)
	}
}
