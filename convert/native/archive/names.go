package archive

import (
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

const (
	maxName = 4096 // bytes
	maxPart = 255  // bytes between slashes
	maxDeep = 64   // directories above a file
)

// member answers the name of a member as it is listed; ok is false for one that is not safe (A1). Archives of Windows may
// have backslashes for slashes; names that are no UTF-8 are those of DOS.
func member(name string) (string, bool) {
	if len(name) > maxName || strings.HasPrefix(name, "/") || strings.HasPrefix(name, `\`) {
		return "", false
	}
	if !utf8.ValidString(name) {
		said, err := charmap.CodePage437.NewDecoder().String(name)
		if err != nil {
			return "", false
		}
		name = said
	}
	name = path.Clean(strings.ReplaceAll(name, `\`, "/"))
	if name == "." || !filepath.IsLocal(filepath.FromSlash(name)) || len(name) > maxName {
		return "", false
	}
	if strings.Count(name, "/") > maxDeep {
		return "", false
	}
	for part := range strings.SplitSeq(name, "/") {
		if len(part) > maxPart || part == ".." || drive(part) || strings.ContainsFunc(part, control) {
			return "", false
		}
	}
	return name, true
}

func control(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xa0 }

// drive tells whether a name begins like a path of Windows.
func drive(name string) bool {
	return len(name) >= 2 && name[1] == ':' && (name[0]|0x20) >= 'a' && (name[0]|0x20) <= 'z'
}

// safe makes a name of a source one that every program unpacks below where it is told to (A1).
func safe(name string) string {
	var parts []string
	for part := range strings.SplitSeq(name, "/") {
		part = strings.Map(func(r rune) rune {
			if control(r) || r == '\\' {
				return '_'
			}
			return r
		}, part)
		switch {
		case part == "" || part == ".":
			continue
		case part == "..":
			part = "__"
		case drive(part):
			part = part[:1] + "_" + part[2:]
		}
		parts = append(parts, shorten(part))
	}
	parts = parts[max(0, len(parts)-maxName/(maxPart+1)):] // so that it is no longer than maxName
	if len(parts) == 0 {
		return "file"
	}
	return strings.Join(parts, "/")
}

// shorten cuts a name to maxPart bytes, before its extension.
func shorten(part string) string {
	if len(part) <= maxPart {
		return part
	}
	ext := path.Ext(part)
	if len(ext) > 16 {
		ext = ""
	}
	return strings.ToValidUTF8(part[:maxPart-len(ext)], "") + ext
}

// tree knows the names that an archive has so far (A2).
type tree struct{ files, dirs map[string]bool }

func newTree() tree { return tree{map[string]bool{}, map[string]bool{}} }

// add takes a name; false where it, or a directory of its name, is there, or a file where it needs a directory.
func (t tree) add(name string) bool {
	if t.files[name] || t.dirs[name] {
		return false
	}
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if t.files[dir] {
			return false
		}
	}
	t.files[name] = true
	for dir := path.Dir(name); dir != "." && !t.dirs[dir]; dir = path.Dir(dir) {
		t.dirs[dir] = true
	}
	return true
}

// unique adds a name, with a number where it is taken.
func (t tree) unique(name string) string {
	ext := path.Ext(path.Base(name))
	stem := strings.TrimSuffix(name, ext)
	for n := 2; !t.add(name); n++ {
		if t.below(name) { // the file is in the way of the directory
			name = strings.ReplaceAll(name, "/", "_")
			stem = strings.TrimSuffix(name, ext)
			continue
		}
		name = stem + " (" + strconv.Itoa(n) + ")" + ext
	}
	return name
}

// below tells whether a file stands where the name needs a directory.
func (t tree) below(name string) bool {
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if t.files[dir] {
			return true
		}
	}
	return false
}
