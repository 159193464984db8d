package content

import (
	"slices"
	"sort"
)

// Extent is the half-open byte range [Off, End).
type Extent struct{ Off, End int64 }

// Len is the number of bytes.
func (e Extent) Len() int64 { return e.End - e.Off }

// Extents is a set of bytes, kept as ranges in order that neither overlap nor touch. The zero value is the empty set.
// It is a plain value: not safe for use by several goroutines while one changes it.
type Extents struct{ runs []Extent }

// Whole is the set [0, size).
func Whole(size int64) Extents {
	var e Extents
	e.Add(0, size)
	return e
}

// Empty tells whether no byte is in the set.
func (e *Extents) Empty() bool { return len(e.runs) == 0 }

// Runs are the ranges, in order; a copy.
func (e *Extents) Runs() []Extent { return slices.Clone(e.runs) }

// Clone is a copy that shares nothing.
func (e *Extents) Clone() Extents { return Extents{runs: slices.Clone(e.runs)} }

// Len is the number of bytes in the set.
func (e *Extents) Len() int64 {
	var n int64
	for _, r := range e.runs {
		n += r.Len()
	}
	return n
}

// behind is the index of the first run that ends behind off.
func (e *Extents) behind(off int64) int {
	return sort.Search(len(e.runs), func(i int) bool { return e.runs[i].End > off })
}

// Add puts [off, end) into the set. An empty or negative range changes nothing.
func (e *Extents) Add(off, end int64) {
	if off < 0 || end <= off {
		return
	}
	i := sort.Search(len(e.runs), func(i int) bool { return e.runs[i].End >= off }) // touching counts
	j := i
	for j < len(e.runs) && e.runs[j].Off <= end {
		off, end = min(off, e.runs[j].Off), max(end, e.runs[j].End)
		j++
	}
	if j == i+1 {
		e.runs[i] = Extent{off, end}
		return
	}
	e.runs = slices.Replace(e.runs, i, j, Extent{off, end})
}

// Remove takes [off, end) out of the set.
func (e *Extents) Remove(off, end int64) {
	if end <= off {
		return
	}
	i := e.behind(off)
	j := i
	var keep []Extent
	for j < len(e.runs) && e.runs[j].Off < end {
		r := e.runs[j]
		if r.Off < off {
			keep = append(keep, Extent{r.Off, off})
		}
		if r.End > end {
			keep = append(keep, Extent{end, r.End})
		}
		j++
	}
	if j > i {
		e.runs = slices.Replace(e.runs, i, j, keep...)
	}
}

// Covers tells whether every byte of [off, end) is in the set; an empty range always is.
func (e *Extents) Covers(off, end int64) bool {
	if end <= off {
		return true
	}
	i := e.behind(off)
	return i < len(e.runs) && e.runs[i].Off <= off && e.runs[i].End >= end
}

// Intersect is the part of [off, end) that is in the set, in order.
func (e *Extents) Intersect(off, end int64) []Extent {
	var out []Extent
	for i := e.behind(off); off < end && i < len(e.runs) && e.runs[i].Off < end; i++ {
		out = append(out, Extent{max(off, e.runs[i].Off), min(end, e.runs[i].End)})
	}
	return out
}

// Missing is the part of [off, end) that is not in the set, in order.
func (e *Extents) Missing(off, end int64) []Extent {
	var out []Extent
	for i := e.behind(off); off < end; i++ {
		if i == len(e.runs) || e.runs[i].Off >= end {
			return append(out, Extent{off, end})
		}
		if off < e.runs[i].Off {
			out = append(out, Extent{off, e.runs[i].Off})
		}
		off = e.runs[i].End
	}
	return out
}

// FirstMissing is the first range of [off, end) that is not in the set; false where there is none.
func (e *Extents) FirstMissing(off, end int64) (Extent, bool) {
	if end <= off {
		return Extent{}, false
	}
	i := e.behind(off)
	if i < len(e.runs) && e.runs[i].Off <= off {
		off = e.runs[i].End
		i++
	}
	if off >= end {
		return Extent{}, false
	}
	if i < len(e.runs) {
		end = min(end, e.runs[i].Off)
	}
	return Extent{off, end}, true
}
