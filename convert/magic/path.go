package magic

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// ErrNotMagic is what Parse answers for a text that is no magic name: the name then is an ordinary one that is not there.
var ErrNotMagic = errors.New("not a magic name")

const (
	maxSteps = 4
	maxName  = 255 // bytes of a whole component
)

// Step is one conversion.
type Step struct {
	Op      string // a format, an action or a dirop
	Options Options
}

// Kind tells what the step makes.
func (s Step) Kind() Kind {
	k, _ := kindOf(s.Op)
	return k
}

// Path is what stands behind the base of a magic name. One of the three is set.
type Path struct {
	Steps []Step
	Alias string // the extension that the last step was given so that programs find it; "" none
	Facet string
	View  bool // FILE@: the directory of all that can be had
}

// Cut is one way to take a name for a magic one.
type Cut struct{ Base, Rest string }

// Cuts lists the ways to cut a component, from the last @ to the first: the first whose base is a real entry decides. A
// name that begins with its only @ has none.
func Cuts(component string) []Cut {
	var out []Cut
	for i := strings.LastIndexByte(component, '@'); i > 0; i = strings.LastIndexByte(component[:i], '@') {
		out = append(out, Cut{component[:i], component[i:]})
	}
	return out
}

// Parse reads what stands behind a base, beginning with @. baseExt is the base's extension, "" where it has none or is a
// directory: steps such as compress keep it.
func Parse(rest, baseExt string) (Path, error) {
	if !strings.HasPrefix(rest, "@") || len(rest) > maxName || strings.ContainsAny(rest, "/\x00") {
		return Path{}, ErrNotMagic
	}
	if rest == "@" {
		return Path{View: true}, nil
	}
	if slices.Contains(facets, rest[1:]) {
		return Path{Facet: rest[1:]}, nil
	}
	segments := strings.Split(rest[1:], "@")
	if len(segments) > maxSteps {
		return Path{}, fmt.Errorf("%w: more than %d steps", ErrNotMagic, maxSteps)
	}
	var p Path
	ext := Ext(baseExt)
	for i, text := range segments {
		last := i == len(segments)-1
		s, alias, err := parseSegment(text, last)
		if err != nil {
			return Path{}, err
		}
		if s.Kind() == Dirop && !last {
			return Path{}, fmt.Errorf("%w: nothing can follow %s", ErrNotMagic, s.Op)
		}
		ext = s.Output(ext)
		if alias != "" && (s.Kind() == Dirop || Ext(alias) != ext) {
			return Path{}, fmt.Errorf("%w: %s does not make .%s", ErrNotMagic, s.Op, alias)
		}
		p.Steps, p.Alias = append(p.Steps, s), alias
	}
	return p, nil
}

// parseSegment reads op,key=value,….ext
func parseSegment(text string, last bool) (s Step, alias string, err error) {
	if i := strings.IndexByte(text, '.'); i >= 0 {
		if alias = text[i+1:]; !last || !word(Ext(alias)) {
			return s, "", ErrNotMagic
		}
		text = text[:i]
	}
	parts := strings.Split(text, ",")
	s.Op = Ext(parts[0])
	if parts[0] == "" {
		s.Op = Ext(alias)
	} else if !word(parts[0]) {
		return s, "", ErrNotMagic
	}
	if _, ok := kindOf(s.Op); !ok {
		return s, "", fmt.Errorf("%w: no op %q", ErrNotMagic, s.Op)
	}
	for _, part := range parts[1:] {
		key, value, ok := strings.Cut(part, "=")
		long, known := longName(key)
		if !ok || !known {
			return s, "", fmt.Errorf("%w: no option %q", ErrNotMagic, key)
		}
		if _, twice := s.Options[long]; twice {
			return s, "", fmt.Errorf("%w: %s twice", ErrNotMagic, long)
		}
		value, ok = options[long].check(unescape(value))
		if !ok || strings.ContainsRune(value, 0) {
			return s, "", fmt.Errorf("%w: %s is no value of %s", ErrNotMagic, part, long)
		}
		if s.Options == nil {
			s.Options = Options{}
		}
		s.Options[long] = value
	}
	return s, alias, nil
}

// word tells whether s is an op or an extension: a lower-case letter, then letters, digits and underscores.
func word(s string) bool {
	for i, c := range []byte(s) {
		letter := c >= 'a' && c <= 'z'
		if !letter && (i == 0 || !(c >= '0' && c <= '9' || c == '_')) {
			return false
		}
	}
	return s != ""
}

// Output is the extension of what the step makes of a source with extension ext; "" for a directory.
func (s Step) Output(ext string) string {
	switch s.Op {
	case Compress, Lock, Unlock, ResetPassword:
		return ext
	case Merge:
		return s.formatOr("pdf")
	case OCR:
		return s.formatOr("txt")
	case Thumb:
		return s.formatOr("jpg")
	}
	if s.Kind() == Dirop {
		return ""
	}
	return s.Op
}

func (s Step) formatOr(plain string) string {
	if f := s.Options["format"]; f != "" {
		return f
	}
	return plain
}

// Output is the extension of what the whole path makes of a source with extension ext.
func (p Path) Output(ext string) string {
	ext = Ext(ext)
	for _, s := range p.Steps {
		ext = s.Output(ext)
	}
	return ext
}

// IsDir tells whether the path is a directory (G4).
func (p Path) IsDir() bool {
	return p.View || p.Facet == "comments" || len(p.Steps) > 0 && p.Steps[len(p.Steps)-1].Kind() == Dirop
}

// String writes the path as it stands behind a base (G2).
func (p Path) String() string {
	switch {
	case p.View:
		return "@"
	case p.Facet != "":
		return "@" + p.Facet
	}
	var b strings.Builder
	for _, s := range p.Steps {
		s.write(&b, func(string, string) bool { return true })
	}
	if p.Alias != "" {
		b.WriteString("." + p.Alias)
	}
	return b.String()
}

// Key is the one spelling of a step, without what need not be said (G3). Where it is done (via) is no part of it.
func (s Step) Key() string {
	var b strings.Builder
	s.write(&b, func(key, value string) bool {
		first := key == "page" && value == "1" && slices.Contains(images, s.Op)
		return key != "via" && value != options[key].plain && !first
	})
	return b.String()
}

// Key is the one spelling of all steps.
func (p Path) Key() string {
	var b strings.Builder
	for _, s := range p.Steps {
		b.WriteString(s.Key())
	}
	return b.String()
}

func (s Step) write(b *strings.Builder, keep func(key, value string) bool) {
	b.WriteString("@" + s.Op)
	for _, key := range slices.Sorted(maps.Keys(s.Options)) {
		if value := s.Options[key]; keep(key, value) {
			b.WriteString("," + key + "=" + escape(value))
		}
	}
}

const escaped = "%/,@."

func escape(v string) string {
	var b strings.Builder
	for _, c := range []byte(v) {
		if strings.IndexByte(escaped, c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// unescape replaces the escapes that escape makes; another % stands for itself.
func unescape(v string) string {
	var b strings.Builder
	for i := 0; i < len(v); i++ {
		if v[i] == '%' && i+2 < len(v) {
			if c, ok := hexByte(v[i+1], v[i+2]); ok && strings.IndexByte(escaped, c) >= 0 {
				b.WriteByte(c)
				i += 2
				continue
			}
		}
		b.WriteByte(v[i])
	}
	return b.String()
}

func hexByte(hi, lo byte) (byte, bool) {
	digit := func(c byte) (byte, bool) {
		switch {
		case c >= '0' && c <= '9':
			return c - '0', true
		case c >= 'a' && c <= 'f':
			return c - 'a' + 10, true
		case c >= 'A' && c <= 'F':
			return c - 'A' + 10, true
		}
		return 0, false
	}
	h, ok1 := digit(hi)
	l, ok2 := digit(lo)
	return h<<4 | l, ok1 && ok2
}
