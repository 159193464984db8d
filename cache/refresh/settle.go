package refresh

import (
	"maps"
	"slices"
	"time"

	"dropfs/remote"
)

// settleVacant gives an entry whose asset went the new asset of its name, else takes the entry away.
func (m *merger) settleVacant() {
	for _, e := range m.vacant {
		if first := m.firstOf(e.Wire); e.base.Shown == "" && first != nil && first.ent == nil && first.vac == nil {
			first.vac = e
			continue
		}
		m.emit(phaseRemove, Remove{Entry: e.Entry, ID: e.base.Asset.ID})
	}
}

// settleClaims keeps every unsent entry, under its name or, where that belongs to another, under a conflict name.
func (m *merger) settleClaims() {
	taken := map[string]bool{}
	for _, e := range m.claims {
		first := m.firstOf(e.Wire)
		switch {
		case first == nil && !m.dirs[e.Wire] && !taken[e.Wire]:
			taken[e.Wire] = true
		case first == nil:
			m.conflict(e, e.Wire, "")
		case m.sameBytes(e, first.asset) && m.takeOver(e, first):
		default:
			m.conflict(e, e.Wire, first.asset.ID)
		}
	}
}

// conflict moves e to a conflict name of wire.
func (m *merger) conflict(e *entry, wire string, winner remote.AssetID) {
	m.emit(phaseMove, Conflict{Entry: e.Entry, Wire: m.conflictName(wire, m.in.Host, m.in.Now), Winner: winner})
}

// conflictName makes a conflict name that nothing has, and takes it.
func (m *merger) conflictName(wire, host string, at time.Time) string {
	if m.used == nil {
		m.used = maps.Clone(m.dirs)
		for _, e := range m.ents {
			m.used[e.Wire] = true
		}
		for _, a := range m.here {
			m.used[Canonical(a.Name)] = true
		}
	}
	to := ConflictName(wire, host, at, func(s string) bool { return m.used[s] })
	m.used[to] = true
	return to
}

// sameBytes tells whether what e holds surely is what a holds.
func (m *merger) sameBytes(e *entry, a remote.Asset) bool {
	if e.Size != a.Size {
		return false
	}
	if e.Size == 0 {
		return true
	}
	md5 := e.MD5
	if md5 == "" && !e.changed() {
		md5 = e.base.now.MD5
	}
	return md5 != "" && md5 == a.MD5
}

// takeOver binds c's asset to e, which has the same bytes. It refuses where another entry with a change shows it.
func (m *merger) takeOver(e *entry, c *contender) bool {
	switch {
	case c.ent != nil && (c.ent.changed() || c.ent.base.Mine):
		return false
	case c.ent != nil:
		m.emit(phaseRemove, Remove{Entry: c.ent.Entry, ID: c.asset.ID})
	case c.vac != nil:
		m.emit(phaseRemove, Remove{Entry: c.vac.Entry, ID: c.vac.base.Asset.ID})
	}
	m.emit(phaseOwn, Own{Entry: e.Entry, Asset: c.asset, Equal: true})
	if name := Canonical(c.asset.Name); e.Wire != name {
		m.emit(phaseMove, Rename{Entry: e.Entry, Asset: c.asset})
	}
	c.ent, c.vac = &entry{Local: e.Local, base: &row{Base: Base{Asset: c.asset, Bound: e.Entry, Chg: e.Chg, Mine: true}, now: c.asset, live: true}}, nil
	c.ent.Wire = Canonical(c.asset.Name)
	c.ent.Dirty = false
	return true
}

// settleName shows the assets of one name: the first under it, the others beside it.
func (m *merger) settleName(name string) {
	first := m.firstOf(name)
	g := m.groups[name]
	for i := range g {
		c := &g[i]
		if c == first {
			continue
		}
		if e := c.ent; e != nil && first != nil && e.base.Mine {
			m.update(e.base)
			// The later one is ours. Equal bytes are no conflict: the other's copy serves, ours goes.
			if !e.changed() && m.sameBytes(e, first.asset) && m.takeOver(e, first) {
				continue
			}
			m.conflict(e, name, first.asset.ID)
			continue
		}
		m.shadow(c, name)
	}
	if first != nil {
		m.showFirst(first, name)
	}
}

func (m *merger) showFirst(c *contender, name string) {
	switch {
	case c.vac != nil:
		m.emit(phaseAdd, Replace{Entry: c.vac.Entry, Old: c.vac.base.Asset.ID, Asset: c.asset, NewInode: c.vac.Open})
	case c.ent == nil:
		m.emit(phaseAdd, Adopt{Asset: c.asset})
	case c.ent.Wire != name || c.ent.base.Shown != "":
		m.emit(phaseMove, Rename{Entry: c.ent.Entry, Asset: c.asset})
	default:
		m.update(c.ent.base)
	}
}

// shadow shows c under a name made from its own; one that it has already stays while it fits.
func (m *merger) shadow(c *contender, name string) {
	if e := c.ent; e != nil && e.base.Shown != "" && Canonical(e.base.Asset.Name) == name && m.freeFor(e) {
		m.update(e.base)
		return
	}
	to := m.conflictName(name, "", c.asset.Created.UTC())
	if c.ent == nil {
		m.emit(phaseAdd, Shadow{Asset: c.asset, Wire: to})
		return
	}
	m.emit(phaseMove, Shadow{Entry: c.ent.Entry, Asset: c.asset, Wire: to})
}

// freeFor tells whether the name under which e is shown is still nobody else's.
func (m *merger) freeFor(e *entry) bool {
	if m.dirs[e.Wire] || len(m.groups[e.Wire]) > 0 {
		return false
	}
	return !slices.ContainsFunc(m.claims, func(o *entry) bool { return o != e && o.Wire == e.Wire })
}
