package refresh

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode/utf8"
)

const (
	// escape marks a byte that a wire name cannot hold: it is followed by two upper-case hex digits.
	escape = "\u241b" // SYMBOL FOR ESCAPE
	// maxComponent is the longest name of a directory entry, in bytes.
	maxComponent = 255
	upperHex     = "0123456789ABCDEF"
)

// EncodePath gives the wire name of a local path below its drop. Components are any bytes but "/" and NUL; those that
// a wire name cannot hold (invalid UTF-8, control characters, the escape itself) are escaped bytewise (M6).
func EncodePath(components []string) string {
	parts := make([]string, len(components))
	for i, c := range components {
		parts[i] = encodeComponent(c)
	}
	return strings.Join(parts, "/")
}

// DecodeName gives the local path under which an asset's name is shown. It inverts EncodePath on its image; every other
// name is shown under a stable, safe one: at least one component, each 1 to 255 bytes, none of them "." or "..", none
// with "/" or NUL.
func DecodeName(wire string) []string {
	parts := strings.Split(wire, "/")
	for i, p := range parts {
		parts[i] = decodeComponent(p)
	}
	return parts
}

// Canonical is the wire name of the local path under which wire is shown: wire itself, unless the service has a name
// that no local path maps to. Names are compared in this form.
func Canonical(wire string) string {
	if plain(wire) {
		return wire
	}
	return EncodePath(DecodeName(wire))
}

// plain tells whether wire surely is its own canonical form: a quick look that most names pass.
func plain(wire string) bool {
	start := 0
	for i := 0; i <= len(wire); i++ {
		if i < len(wire) && wire[i] != '/' {
			if c := wire[i]; c < 0x20 || c >= 0x7f {
				return false
			}
			continue
		}
		if c := wire[start:i]; c == "" || c == "." || c == ".." || len(c) > maxComponent {
			return false
		}
		start = i + 1
	}
	return true
}

func encodeComponent(c string) string {
	var b strings.Builder
	for i := 0; i < len(c); {
		r, n := utf8.DecodeRuneInString(c[i:])
		if r == utf8.RuneError && n == 1 || r < 0x20 || r == 0x7f || c[i:i+n] == escape {
			for _, x := range []byte(c[i : i+n]) {
				writeEscaped(&b, x)
			}
		} else {
			b.WriteString(c[i : i+n])
		}
		i += n
	}
	return b.String()
}

func writeEscaped(b *strings.Builder, x byte) {
	b.WriteString(escape)
	b.WriteByte(upperHex[x>>4])
	b.WriteByte(upperHex[x&15])
}

func decodeComponent(p string) string {
	if c := unescape(p); len(c) <= maxComponent && legal(c) && encodeComponent(c) == p {
		return c
	}
	return showForeign(p)
}

// legal tells whether a directory entry may be called c.
func legal(c string) bool {
	return c != "" && c != "." && c != ".." && !strings.ContainsAny(c, "/\x00")
}

// unescape replaces every escaped byte by itself and leaves everything else as it is.
func unescape(p string) string {
	var b strings.Builder
	for {
		i := strings.Index(p, escape)
		if i < 0 {
			b.WriteString(p)
			return b.String()
		}
		b.WriteString(p[:i])
		p = p[i+len(escape):]
		if len(p) >= 2 {
			hi, lo := strings.IndexByte(upperHex, p[0]), strings.IndexByte(upperHex, p[1])
			if hi >= 0 && lo >= 0 {
				b.WriteByte(byte(hi<<4 | lo))
				p = p[2:]
				continue
			}
		}
		b.WriteString(escape)
	}
}

// showForeign makes a legal name of a component that no local name maps to: escapes appear as written, what cannot be
// shown appears as an escape, and what is too long ends in a hash of the whole.
func showForeign(p string) string {
	var b strings.Builder
	switch p {
	case "":
		return escape
	case ".", "..":
		for range p {
			writeEscaped(&b, '.')
		}
		return b.String()
	}
	for i := 0; i < len(p); {
		r, n := utf8.DecodeRuneInString(p[i:])
		if r == utf8.RuneError && n == 1 || r < 0x20 || r == 0x7f {
			writeEscaped(&b, p[i])
		} else {
			b.WriteString(p[i : i+n])
		}
		i += n
	}
	if b.Len() <= maxComponent {
		return b.String()
	}
	sum := sha256.Sum256([]byte(p))
	end := escape + "~" + hex.EncodeToString(sum[:4])
	return cutAtRune(b.String(), maxComponent-len(end)) + end
}

// cutAtRune shortens s to at most n bytes without cutting a rune in two.
func cutAtRune(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:max(n, 0)]
}
