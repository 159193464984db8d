package refresh

import (
	"strconv"
	"strings"
	"time"
)

// doubleSuffixes are first halves of suffixes that belong together: "x.tar.gz" is x and ".tar.gz".
var doubleSuffixes = map[string]bool{".tar": true, ".cpio": true, ".user": true, ".min": true, ".d": true}

// ConflictName is the name that a conflicting version of the wire name moves to: "NAME (conflict HOST 2026-11-22
// 14.03.22).EXT", in the same directory. The instant is shown in t's own zone; host "" is left out. Where taken says
// that a name is in use a counter follows. The last component is at most 255 bytes, shortened before the addition.
func ConflictName(name, host string, t time.Time, taken func(string) bool) string {
	dir, base := "", name
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		dir, base = name[:i+1], name[i+1:]
	}
	stem, ext := splitSuffix(base)
	mark := t.Format("2006-01-02 15.04.05")
	if host = cleanHost(host); host != "" {
		mark = host + " " + mark
	}
	for n := 1; ; n++ {
		add := " (conflict " + mark + ")"
		if n > 1 {
			add = " (conflict " + mark + " " + strconv.Itoa(n) + ")"
		}
		ext := cutName(ext, maxComponent-len(add)-1)
		if got := dir + cutName(stem, maxComponent-len(add)-len(ext)) + add + ext; !taken(got) {
			return got
		}
	}
}

// splitSuffix cuts a name before its suffix; a leading dot begins no suffix.
func splitSuffix(base string) (stem, ext string) {
	i := strings.LastIndexByte(base, '.')
	if i <= 0 || i == len(base)-1 || strings.Trim(base[:i], ".") == "" {
		return base, ""
	}
	if j := strings.LastIndexByte(base[:i], '.'); j > 0 && doubleSuffixes[strings.ToLower(base[j:i])] {
		i = j
	}
	return base[:i], base[i:]
}

// cleanHost keeps of a host's name what is harmless in a file's name, at most 40 bytes.
func cleanHost(host string) string {
	host = strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f || r == '/' || r == '\uFFFD' || string(r) == escape {
			return -1
		}
		return r
	}, host)
	return cutAtRune(strings.TrimSpace(host), 40)
}

// cutName shortens a wire component to n bytes, cutting neither a rune nor an escaped byte or run of them in two.
func cutName(s string, n int) string {
	if len(s) <= n {
		return s
	}
	s = cutAtRune(s, n)
	const unit = len(escape) + 2
	if i := strings.LastIndex(s, escape); i >= 0 && len(s)-i < unit {
		s = s[:i]
	}
	for strings.Contains(s, escape) && Canonical(s) != s && s != "" { // an escaped rune cut in two
		s = s[:strings.LastIndex(s, escape)]
	}
	return s
}
