package vfs

import (
	"fmt"
	"math"
	"path"
	"strconv"
	"strings"
	"unicode/utf8"

	"dropfs/cache"
	"dropfs/remote"
)

// sidecarDir is the directory at the top of a drop that holds what the service has no place for; it is never shown (V3).
const sidecarDir = ".dropfs"

// localNames and localPatterns are what is usable but never sent (DESIGN.md "Local-only"). Patterns are those of
// path.Match and are matched against names without a slash.
var localNames = map[string]bool{
	".DS_Store": true,
	"Thumbs.db": true,
	"4913":      true, // vim probes whether a directory can be written with it
}

var localPatterns = []string{
	"._*",
	".~lock.*#",
	".*.sw?",
	".nfs*",
	".fuse_hidden*",
}

// heldPatterns are unfinished files of sync tools and browsers: sent, but held while they still change.
var heldPatterns = []string{
	".syncthing.*.tmp",
	"*.part",
	"*.crdownload",
	".goutputstream-*",
}

// Classify tells what becomes of a file or directory of that name anywhere below the top of a drop. It is pure and total.
func Classify(name string) cache.Class {
	if localNames[name] || matchAny(localPatterns, name) {
		return cache.Local
	}
	if matchAny(heldPatterns, name) || isRsyncTemp(name) {
		return cache.Held
	}
	return cache.Ordinary
}

// ClassifyDrop tells what a directory of that name at an account's root is: cache.Local is a directory of this machine
// only, everything else a drop. Names that begin with a dot are never drops.
func ClassifyDrop(name string) cache.Class {
	if strings.HasPrefix(name, ".") || Classify(name) != cache.Ordinary {
		return cache.Local
	}
	return cache.Ordinary
}

// desktopNames are what desktops make at the top of a disk without a dot in front. They make no drop and are refused.
var desktopNames = map[string]bool{
	"autorun.inf":               true,
	"desktop.ini":               true,
	"Desktop.ini":               true,
	"lost+found":                true,
	"$RECYCLE.BIN":              true,
	"System Volume Information": true,
	"Network Trash Folder":      true,
	"Temporary Items":           true,
	"TheVolumeSettingsFolder":   true,
}

// reservedNames mean something else on the hub's pages; no drop can have one.
var reservedNames = map[string]bool{
	"drops": true, "upload": true, "api": true, "v1": true, "cdn": true, "jobs": true, "accounts": true,
	"hidden": true, "metrics": true, "healthz": true, "mcp": true, "javascripts": true,
}

func matchAny(patterns []string, name string) bool {
	for _, p := range patterns {
		if ok, err := path.Match(p, name); ok && err == nil {
			return true
		}
	}
	return false
}

// isRsyncTemp recognises .NAME.XXXXXX, where NAME is not empty and the X are letters and digits as mkstemp(3) draws them.
// A name like .config.backup has that form too, and is then sent a little later than it could be.
func isRsyncTemp(name string) bool {
	if len(name) < len(".x.XXXXXX") || name[0] != '.' || name[len(name)-7] != '.' {
		return false
	}
	for _, c := range []byte(name[len(name)-6:]) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		default:
			return false
		}
	}
	return true
}

// ParseDrop takes the name given to mkdir at an account's root apart: NAME, or NAME@SIZE,DAYS such as NAME@2gb,90d, each
// part after the @ optional and in any order. SIZE is a number and k, M, G, T (10³) or Ki, Mi, Gi, Ti (2¹⁰), with or without
// a final B, in either case; DAYS is a whole number and d. A zero field of the answer is the default. What follows the
// last @ and is no such list is part of the name: ok is false and the name is whole.
func ParseDrop(name string) (spec remote.DropSpec, ok bool) {
	at := strings.LastIndexByte(name, '@')
	if at <= 0 || at == len(name)-1 {
		return remote.DropSpec{Name: name}, false
	}
	spec.Name = name[:at]
	for part := range strings.SplitSeq(name[at+1:], ",") {
		if days, isDays := parseDays(part); isDays && spec.Days == 0 {
			spec.Days = days
			continue
		}
		gb, err := parseGB(part)
		if err != nil || spec.GB != 0 {
			return remote.DropSpec{Name: name}, false
		}
		spec.GB = gb
	}
	return spec, true
}

func parseDays(s string) (int, bool) {
	num, ok := strings.CutSuffix(strings.ToLower(s), "d")
	if !ok || num == "" || num[0] < '0' || num[0] > '9' {
		return 0, false
	}
	n, err := strconv.Atoi(num)
	return n, err == nil && n > 0 && n <= 36500
}

// parseGB reads a size as units of 10⁹ bytes.
func parseGB(s string) (float64, error) {
	i := strings.LastIndexAny(s, "0123456789") + 1
	if i == 0 || s[0] < '0' || s[0] > '9' {
		return 0, fmt.Errorf("size %q: %w", s, cache.ErrInvalid)
	}
	n, err := strconv.ParseFloat(s[:i], 64)
	if err != nil || n <= 0 || math.IsInf(n, 0) || strings.ContainsAny(s[:i], "xXpP_") {
		return 0, fmt.Errorf("size %q: %w", s, cache.ErrInvalid)
	}
	scale, ok := unitGB[strings.TrimSuffix(strings.ToLower(s[i:]), "b")]
	if !ok {
		return 0, fmt.Errorf("size %q: %w", s, cache.ErrInvalid)
	}
	return n * scale, nil
}

var unitGB = map[string]float64{
	"k": 1e-6, "m": 1e-3, "g": 1, "t": 1e3,
	"ki": 1024.0 / 1e9, "mi": 1048576.0 / 1e9, "gi": 1073741824.0 / 1e9, "ti": 1099511627776.0 / 1e9,
}

// checkDropName refuses what no drop can be called.
func (f *FS) checkDropName(op, name string) error {
	switch {
	case reservedNames[name]:
		return f.refuse(op, name, "the name has a meaning of its own on the service")
	case desktopNames[name]:
		return f.refuse(op, name, "desktops make a directory of that name on every disk; it makes no drop")
	case !utf8.ValidString(name):
		return f.refuse(op, name, "the name of a drop must be UTF-8")
	}
	return nil
}
