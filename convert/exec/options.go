package exec

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
)

// sortedKeys lists the keys of a map in order.
func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// size is the box that a picture is to fit in: 0 as it is.
func (t *task) size() (width, height int) {
	return t.step.Options.Int("width"), t.step.Options.Int("height")
}

// quality is the option of that name, or what is taken without it.
func (t *task) quality(plain int) int {
	if q := t.step.Options.Int("quality"); q > 0 {
		return q
	}
	return plain
}

// scaled maps a quality from 1 to 100 to a number between two.
func scaled(quality int, worst, best float64) string {
	v := worst + (best-worst)*float64(quality-1)/99
	return strconv.FormatFloat(v, 'f', 0, 64)
}

// strips tells whether what a file says of itself is to be left out.
func (t *task) strips() bool { return t.step.Options.Get("strip") == "yes" }
