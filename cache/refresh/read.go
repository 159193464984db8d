package refresh

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"dropfs/remote"
)

// readService works out what the service has now, and sorts out the sidecars.
func (m *merger) readService() {
	deleted := map[remote.AssetID]bool{}
	for _, id := range m.in.Deleted {
		deleted[id] = true
	}
	m.here = map[remote.AssetID]remote.Asset{}
	if !m.in.Complete {
		for _, b := range m.in.Bases {
			m.here[b.Asset.ID] = b.Asset
		}
	}
	var segments []remote.Asset
	for _, a := range m.in.Assets {
		switch {
		case deleted[a.ID]:
		case isSidecar(a.Name):
			segments = append(segments, a)
			delete(m.here, a.ID)
		default:
			m.here[a.ID] = a
		}
	}
	if !m.in.Complete {
		for _, id := range m.in.Gone {
			delete(m.here, id)
		}
	}
	for id := range deleted {
		delete(m.here, id)
	}
	for _, b := range m.in.Bases {
		if b.Fresh && !deleted[b.Asset.ID] {
			m.here[b.Asset.ID] = b.Asset
		}
	}
	m.readSegments(segments, deleted)
}

func isSidecar(name string) bool {
	return name == sidecarDir || strings.HasPrefix(name, sidecarDir+"/")
}

func (m *merger) readSegments(have []remote.Asset, deleted map[remote.AssetID]bool) {
	present, gone := map[remote.AssetID]bool{}, maps.Clone(deleted)
	for _, a := range m.in.Assets { // one that was moved away is none any more
		gone[a.ID] = gone[a.ID] || !isSidecar(a.Name)
	}
	if !m.in.Complete {
		for _, id := range m.in.Gone {
			gone[id] = true
		}
	}
	for _, a := range have {
		present[a.ID] = !gone[a.ID]
	}
	var s Sidecar
	known := map[remote.AssetID]bool{}
	for _, id := range m.in.Segments {
		if !known[id] && (gone[id] || m.in.Complete && !present[id]) {
			s.Gone = append(s.Gone, id)
		}
		known[id] = true
	}
	for _, a := range have {
		if present[a.ID] && !known[a.ID] {
			s.Added = append(s.Added, a)
			known[a.ID] = true
		}
	}
	sortAssets(s.Added)
	slices.Sort(s.Gone)
	if len(s.Added)+len(s.Gone) > 0 {
		m.emit(phaseSidecar, s)
	}
}

// readEntries gives each entry its present asset, and finds the assets that have no row.
func (m *merger) readEntries() {
	byID := map[int64]*entry{}
	for _, l := range m.in.Locals {
		if byID[l.Entry] == nil && l.Entry != 0 {
			byID[l.Entry] = &entry{Local: l}
			m.ents = append(m.ents, byID[l.Entry])
		}
	}
	slices.SortFunc(m.ents, func(a, b *entry) int { return cmp.Compare(a.Entry, b.Entry) })
	for _, b := range m.in.Bases {
		r := &row{Base: b, now: b.Asset}
		if a, ok := m.here[b.Asset.ID]; ok {
			r.now, r.live = fillIn(a, b.Asset), true
		}
		if byID[r.Bound] == nil {
			r.Bound = 0
		}
		m.rows[b.Asset.ID] = r
	}
	m.sorted = slices.SortedFunc(maps.Values(m.rows), func(a, b *row) int { return cmp.Compare(a.Asset.ID, b.Asset.ID) })
	for _, r := range m.sorted {
		e := byID[r.Bound]
		if e == nil || r.Old {
			continue
		}
		if e.base != nil {
			if e.base.live && !r.live {
				r.Old = true
				continue
			}
			e.base.Old = true
		}
		e.base = r
	}
	for id, a := range m.here {
		if m.rows[id] == nil {
			m.fresh = append(m.fresh, a)
		}
	}
	sortAssets(m.fresh)
}

// fillIn keeps what is known of an asset where the service says less than it once did; its bytes are the same (R1).
func fillIn(a, known remote.Asset) remote.Asset {
	a.ETag = cmp.Or(a.ETag, known.ETag)
	a.MD5 = cmp.Or(a.MD5, known.MD5)
	a.Type = cmp.Or(a.Type, known.Type)
	a.Seq = cmp.Or(a.Seq, known.Seq)
	if a.Created.IsZero() {
		a.Created = known.Created
	}
	return a
}
