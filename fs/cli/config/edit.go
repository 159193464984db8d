package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Setting is one line of a section to write.
type Setting struct {
	Key   string
	Value any // string, bool, int or float64
}

// SetSection gives a section of the file at path the settings, keeping all other lines (G4). A section that is there
// keeps its other keys.
func SetSection(path string, section []string, settings []Setting) error {
	return edit(path, func(lines []string) []string { return setSection(lines, section, settings) })
}

// RemoveSection takes a section and all below it out of the file at path.
func RemoveSection(path string, section []string) error {
	return edit(path, func(lines []string) []string { return removeSection(lines, section) })
}

// RemoveKey takes one key out of a section of the file at path.
func RemoveKey(path string, section []string, key string) error {
	return edit(path, func(lines []string) []string {
		from, to := findSection(lines, section)
		out := lines
		for i := to - 1; i > from && from >= 0; i-- {
			if setsKey(lines[i], key) {
				out = append(append([]string{}, out[:i]...), out[i+1:]...)
			}
		}
		return out
	})
}

// errByHand is a file written in a way that line editing does not understand.
var errByHand = errors.New("the file is written in a form that cannot be changed automatically: edit it by hand")

// edit changes the lines of the file and writes it in one step, if it still is a valid configuration.
func edit(path string, change func([]string) []string) error {
	mode := fs.FileMode(0o600)
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	text := strings.TrimRight(string(old), "\n")
	var lines []string
	if text != "" {
		lines = strings.Split(text, "\n")
	}
	changed := change(slices.Clone(lines))
	if slices.Equal(changed, lines) {
		return nil
	}
	out := []byte(strings.Join(changed, "\n") + "\n")
	if _, err := Parse(out); err != nil {
		if _, was := Parse(old); was != nil {
			return fmt.Errorf("%s:%w", path, was)
		}
		return fmt.Errorf("%s: %w (%w)", path, errByHand, err)
	}
	return WriteFile(path, out, mode)
}

// WriteFile replaces the file at path, or what a symbolic link there leads to, in one step that survives a power loss.
// Missing directories are made for the user alone.
func WriteFile(path string, data []byte, mode fs.FileMode) error {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	_, err = tmp.Write(data)
	err = errors.Join(err, tmp.Chmod(mode), tmp.Sync(), tmp.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// header matches the line that opens a section; comments may follow.
var header = regexp.MustCompile(`^\s*\[([^\[\]]+)\]\s*(#.*)?$`)

// sectionOf returns the parts of the name that a line opens; nil for any other line.
func sectionOf(line string) []string {
	m := header.FindStringSubmatch(line)
	if m == nil {
		return nil
	}
	var parts []string
	for rest := strings.TrimSpace(m[1]); rest != ""; {
		var part string
		switch rest[0] {
		case '"', '\'':
			end := strings.IndexByte(rest[1:], rest[0])
			if end < 0 {
				return nil
			}
			part, rest = rest[1:1+end], rest[end+2:]
		default:
			end := strings.IndexAny(rest, ". \t")
			if end < 0 {
				end = len(rest)
			}
			part, rest = rest[:end], rest[end:]
		}
		parts = append(parts, part)
		rest = strings.TrimLeft(rest, ". \t")
	}
	return parts
}

// hasPrefix tells whether a section is below another, or is it.
func hasPrefix(section, prefix []string) bool {
	if len(section) < len(prefix) {
		return false
	}
	for i := range prefix {
		if section[i] != prefix[i] {
			return false
		}
	}
	return true
}

// findSection returns the header's line and the line behind the section's last; -1 where it is not there.
func findSection(lines, section []string) (from, to int) {
	for i, l := range lines {
		if s := sectionOf(l); s == nil || len(s) != len(section) || !hasPrefix(s, section) {
			continue
		}
		for to = i + 1; to < len(lines) && !isHeader(lines[to]); to++ {
		}
		return i, to
	}
	return -1, -1
}

// isHeader tells whether a line opens a section or an element of an array of them.
func isHeader(line string) bool {
	return strings.HasPrefix(strings.TrimSpace(line), "[")
}

// setsKey tells whether a line sets a key, in any of the ways to write one.
func setsKey(line, key string) bool {
	line = strings.TrimSpace(line)
	for _, form := range []string{quoteKey(key), quoteText(key), "'" + key + "'"} {
		if rest, ok := strings.CutPrefix(line, form); ok && strings.HasPrefix(strings.TrimLeft(rest, " \t"), "=") {
			return true
		}
	}
	return false
}

// setSection is SetSection on lines.
func setSection(lines, section []string, settings []Setting) []string {
	from, to := findSection(lines, section)
	if from < 0 {
		if len(lines) > 0 {
			lines = append(lines, "")
		}
		lines = append(lines, "["+dotted(section)+"]")
		from, to = len(lines)-1, len(lines)
	}
	for l := ""; to > from+1; to-- { // what leads up to the next section stays with that
		if l = strings.TrimSpace(lines[to-1]); l != "" && l[0] != '#' {
			break
		}
	}
	out := append([]string{}, lines[:to]...)
	rest := lines[to:]
	for _, s := range settings {
		text := quoteKey(s.Key) + " = " + quoteValue(s.Value)
		found := false
		for i := from + 1; i < len(out); i++ {
			if setsKey(out[i], s.Key) {
				out[i], found = text, true
			}
		}
		if !found {
			out = append(out, text)
		}
	}
	return append(out, rest...)
}

// removeSection is RemoveSection on lines.
func removeSection(lines, section []string) []string {
	var out []string
	drop := false
	for _, l := range lines {
		if isHeader(l) {
			drop = hasPrefix(sectionOf(l), section)
		}
		if !drop {
			out = append(out, l)
		}
	}
	return out
}

// bare matches keys that TOML takes without quotes.
var bare = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// quoteKey writes a key.
func quoteKey(k string) string {
	if bare.MatchString(k) {
		return k
	}
	return quoteText(k)
}

// dotted writes the name of a section.
func dotted(section []string) string {
	parts := make([]string, len(section))
	for i, p := range section {
		parts[i] = quoteKey(p)
	}
	return strings.Join(parts, ".")
}

// quoteValue writes a value.
func quoteValue(v any) string {
	switch v := v.(type) {
	case string:
		return quoteText(v)
	case float64:
		s := strconv.FormatFloat(v, 'f', -1, 64)
		if !strings.Contains(s, ".") {
			s += ".0"
		}
		return s
	default:
		return fmt.Sprint(v)
	}
}

// quoteText writes a basic string of TOML.
func quoteText(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < 0x20 || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
