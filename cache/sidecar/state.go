package sidecar

import (
	"cmp"
	"maps"
	"math/bits"
	"slices"

	"dropfs/remote"
)

// State is the merged content of segments: the record that holds for each key. Make it with State{}.
type State map[Key]Record

// Apply merges records into the state, and returns those that now hold and did not before, in the order of their keys.
func (s State) Apply(records []Record) []Record {
	changed := map[Key]Record{}
	for _, r := range records {
		if old, ok := s[r.Key]; !ok || Compare(old, r) < 0 {
			s[r.Key], changed[r.Key] = r, r
		}
	}
	return sorted(changed)
}

func sorted(m map[Key]Record) []Record {
	list := slices.Collect(maps.Values(m))
	slices.SortFunc(list, func(a, b Record) int { return cmp.Compare(a.Key, b.Key) })
	return list
}

// Compact merges the records of several segments into those of one, in the order of their keys. keep may leave out
// records that can do nothing any more (of assets that are gone); it must not leave out a Gone record while another
// segment may hold an older record of its key (S5). nil keeps all.
func Compact(segments [][]Record, keep func(Record) bool) []Record {
	s := State{}
	for _, records := range segments {
		s.Apply(records)
	}
	if keep != nil {
		maps.DeleteFunc(s, func(_ Key, r Record) bool { return !keep(r) })
	}
	return sorted(s)
}

// Info is one segment on the service.
type Info struct {
	ID   remote.AssetID
	Name string
	Size int64 // bytes
}

const (
	tierBase   = 4 << 10 // segments up to this size are of tier 0; each further tier is four times as large
	tierWidth  = 4       // so many segments of one tier are merged
	fullGrown  = 2 << 20 // larger segments wait for a merge of everything
	tierFactor = 2       // binary digits a tier
	staleSlack = 1024    // records that may be stale without a merge of everything
)

// Plan names the segments that are to be merged into one now; none: it is not worth while. live is how many records hold
// at present. Each byte is rewritten once a tier, so that a change costs bytes in proportion to itself and the number of
// small segments stays logarithmic; all are merged when less than half of the records in them hold. Assets that are no
// segments, and segments of forms not known, are never named.
func Plan(segments []Info, live int) []Info {
	tiers := map[int][]Info{}
	top, written := 0, 0
	var all []Info
	for _, s := range segments {
		name, ok := ParseName(s.Name)
		if !ok || s.Size < 0 || s.Size > MaxSegment {
			continue
		}
		all = append(all, s)
		written += min(max(name.N, 0), 1<<30)
		if s.Size > fullGrown {
			continue
		}
		t := tier(s.Size)
		tiers[t] = append(tiers[t], s)
		top = max(top, t)
	}
	if written > 2*live+staleSlack {
		sortInfos(all)
		return all
	}
	var merge []Info
	for t := 0; t <= top; t++ {
		// What the tiers below would become joins this tier.
		if len(merge) > 0 && len(tiers[t])+1 < tierWidth || len(merge) == 0 && len(tiers[t]) < tierWidth {
			if len(merge) > 0 {
				break
			}
			continue
		}
		for u := 0; u <= t; u++ {
			merge = append(merge, tiers[u]...)
			delete(tiers, u)
		}
	}
	sortInfos(merge)
	return merge
}

func sortInfos(list []Info) {
	slices.SortFunc(list, func(a, b Info) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
}

func tier(size int64) int {
	return (bits.Len64(uint64(max(size-1, 0)/tierBase)) + tierFactor - 1) / tierFactor
}
