package sheet

import (
	"strconv"
	"strings"
)

const maxName = 200 // bytes of the name of a member, before its number and its extension

// fileName makes a file name of that of a sheet (S4).
func fileName(sheet string) string {
	name := strings.Map(func(r rune) rune {
		if r < 0x20 || r >= 0x7f && r < 0xa0 || strings.ContainsRune(`/\:*?"<>|`, r) {
			return '_'
		}
		return r
	}, strings.ToValidUTF8(sheet, "_"))
	if len(name) > maxName {
		name = strings.ToValidUTF8(name[:maxName], "")
	}
	if name = strings.TrimSpace(name); strings.Trim(name, ".") == "" || strings.HasPrefix(name, ".") {
		name = "_" + strings.TrimLeft(name, ".")
	}
	return name
}

// unique answers a name that is not taken yet, in whatever case, and takes it.
func unique(taken map[string]bool, name string) string {
	out := name
	for n := 2; taken[strings.ToLower(out)]; n++ {
		out = name + " (" + strconv.Itoa(n) + ")"
	}
	taken[strings.ToLower(out)] = true
	return out
}
