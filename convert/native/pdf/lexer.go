package pdf

import (
	"bytes"
	"strconv"
)

// kind is what a value of PDF is.
type kind uint8

const (
	other   kind = iota // a number, a keyword, a reference
	name                // /Name
	literal             // (text)
	hex                 // <48>
	group               // << >> or [ ]
)

const maxDepth = 100 // of dictionaries and arrays in each other

// lexer walks over the text of PDF objects. It never goes beyond b.
type lexer struct {
	b []byte
	i int
	// onString is told of every string, where it is wanted: b[from:i].
	onString func(k kind, from int)
}

func isSpace(c byte) bool {
	return c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == '\f' || c == 0
}

func isDelimiter(c byte) bool { return bytes.IndexByte([]byte("()<>[]{}/%"), c) >= 0 }

// space goes over white space and comments.
func (l *lexer) space() {
	for l.i < len(l.b) {
		switch c := l.b[l.i]; {
		case isSpace(c):
			l.i++
		case c == '%':
			for l.i < len(l.b) && l.b[l.i] != '\n' && l.b[l.i] != '\r' {
				l.i++
			}
		default:
			return
		}
	}
}

// word takes what stands up to the next space or delimiter; "" where there is nothing of the sort.
func (l *lexer) word() string {
	l.space()
	from := l.i
	l.run()
	return string(l.b[from:l.i])
}

// run goes over what is neither space nor delimiter.
func (l *lexer) run() {
	for l.i < len(l.b) && !isSpace(l.b[l.i]) && !isDelimiter(l.b[l.i]) {
		l.i++
	}
}

// number takes a number that is not negative.
func (l *lexer) number() (int, bool) {
	n, err := strconv.ParseUint(l.word(), 10, 40)
	return int(n), err == nil
}

// value takes a whole value. ok is false where there is none, or only a part of one.
func (l *lexer) value() (kind, bool) { return l.nested(0) }

func (l *lexer) nested(depth int) (kind, bool) {
	l.space()
	if l.i >= len(l.b) || depth > maxDepth {
		return other, false
	}
	rest := l.b[l.i:]
	switch {
	case rest[0] == '/':
		l.i++
		l.run()
		return name, true
	case rest[0] == '(':
		return literal, l.literal()
	case bytes.HasPrefix(rest, []byte("<<")):
		l.i += 2
		return group, l.until(">>", depth)
	case rest[0] == '<':
		return hex, l.hex()
	case rest[0] == '[':
		l.i++
		return group, l.until("]", depth)
	}
	return other, l.atom()
}

func (l *lexer) until(end string, depth int) bool {
	for {
		l.space()
		if bytes.HasPrefix(l.b[l.i:], []byte(end)) {
			l.i += len(end)
			return true
		}
		if _, ok := l.nested(depth + 1); !ok {
			return false
		}
	}
}

// atom takes a number or a keyword, and a reference, 3 0 R, as one.
func (l *lexer) atom() bool {
	if isDelimiter(l.b[l.i]) {
		return false
	}
	_, isNumber := l.number()
	end := l.i
	if isNumber {
		if _, ok := l.number(); ok && l.word() == "R" {
			return true
		}
	}
	l.i = end
	return true
}

func (l *lexer) literal() bool {
	from, open := l.i, 0
	for ; l.i < len(l.b); l.i++ {
		switch l.b[l.i] {
		case '\\':
			l.i++
		case '(':
			open++
		case ')':
			if open--; open == 0 {
				l.i++
				l.tell(literal, from)
				return true
			}
		}
	}
	return false
}

func (l *lexer) hex() bool {
	from := l.i
	n := bytes.IndexByte(l.b[l.i:], '>')
	if n < 0 {
		return false
	}
	l.i += n + 1
	l.tell(hex, from)
	return true
}

func (l *lexer) tell(k kind, from int) {
	if l.onString != nil {
		l.onString(k, from)
	}
}

// unquote answers the bytes that a string stands for.
func unquote(k kind, b []byte) []byte {
	if len(b) < 2 {
		return nil
	}
	b = b[1 : len(b)-1]
	if k == hex {
		return unhex(b)
	}
	var out []byte
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case c == '\r': // a line's end is \n however it is written
			out = append(out, '\n')
			if i+1 < len(b) && b[i+1] == '\n' {
				i++
			}
		case c != '\\' || i+1 == len(b):
			out = append(out, c)
		default:
			var n int
			out, n = escaped(out, b[i+1:])
			i += n
		}
	}
	return out
}

// escaped appends what stands behind a backslash and tells how many bytes that is.
func escaped(out, b []byte) ([]byte, int) {
	if at := bytes.IndexByte([]byte("nrtbf"), b[0]); at >= 0 {
		return append(out, "\n\r\t\b\f"[at]), 1
	}
	if b[0] == '\r' && len(b) > 1 && b[1] == '\n' {
		return out, 2
	}
	if b[0] == '\r' || b[0] == '\n' {
		return out, 1
	}
	v, n := 0, 0
	for n < 3 && n < len(b) && b[n] >= '0' && b[n] <= '7' {
		v = v<<3 | int(b[n]-'0')
		n++
	}
	if n > 0 {
		return append(out, byte(v)), n
	}
	return append(out, b[0]), 1
}

func unhex(b []byte) []byte {
	var digits []byte
	for _, c := range b {
		switch {
		case c >= '0' && c <= '9':
			digits = append(digits, c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			digits = append(digits, c|0x20-'a'+10)
		}
	}
	if len(digits)%2 == 1 {
		digits = append(digits, 0)
	}
	out := make([]byte, len(digits)/2)
	for i := range out {
		out[i] = digits[2*i]<<4 | digits[2*i+1]
	}
	return out
}
