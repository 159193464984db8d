package refresh

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"dropfs/remote"
)

// sidecarDir holds the sidecars; it is never shown.
const sidecarDir = ".dropfs"

// entry is a Local with what the merge finds out about it.
type entry struct {
	Local
	base *row // its present asset; nil: never sent, or gone
}

// row is a Base with what the service has of it now.
type row struct {
	Base
	now  remote.Asset
	live bool
}

// contender is an asset that would be shown under its own name.
type contender struct {
	asset remote.Asset
	ent   *entry // that shows it; nil: none yet
	vac   *entry // without changes, whose asset gave way to this one
}

// merger is one run of Merge.
type merger struct {
	in     Input
	ents   []*entry
	rows   map[remote.AssetID]*row
	sorted []*row                          // rows by id
	here   map[remote.AssetID]remote.Asset // what the service has, without sidecars
	fresh  []remote.Asset                  // of those, the ones without a row, in order
	groups map[string][]contender          // by canonical name
	claims []*entry                        // entries whose name or content the service has not seen
	vacant []*entry                        // entries to go, unless another asset has their name now
	dirs   map[string]bool
	used   map[string]bool // names that no conflict name may take; made when the first is needed

	out [phases][]Action
}

// The order in which the actions come.
const (
	phaseForget = iota
	phaseUpdate
	phaseRemove
	phaseUnbind
	phaseOwn
	phaseMove
	phaseAdd
	phaseSidecar
	phases
)

// Merge tells what must change here after the service was asked what it has. It is total and deterministic.
func Merge(in Input) []Action {
	m := &merger{
		in: in, rows: map[remote.AssetID]*row{}, groups: map[string][]contender{}, dirs: map[string]bool{},
	}
	m.readService()
	m.readEntries()
	m.bindUploads()
	m.judgeEntries()
	m.judgeRows()
	m.collectDirs()
	m.settleVacant()
	m.settleClaims()
	for _, name := range slices.Sorted(maps.Keys(m.groups)) {
		m.settleName(name)
	}
	return slices.Concat(m.out[:]...)
}

func (m *merger) emit(phase int, a Action) { m.out[phase] = append(m.out[phase], a) }

// bindUploads finds the assets that are our own uploads, of which the answer was lost.
func (m *merger) bindUploads() {
	for _, e := range m.ents {
		if e.Upload == "" {
			continue
		}
		i := slices.IndexFunc(m.fresh, func(a remote.Asset) bool { return a.ID == e.Upload })
		if i < 0 {
			continue
		}
		a := m.fresh[i]
		m.fresh = slices.Delete(m.fresh, i, i+1)
		m.emit(phaseOwn, Own{Entry: e.Entry, Asset: a})
		if e.base != nil {
			e.base.Old = true
		}
		e.base = &row{Base: Base{Asset: a, Bound: e.Entry, Chg: e.Chg, Mine: true}, now: a, live: true}
	}
}

// judgeEntries tells for each entry whether it stands for its asset, has something unsent, or goes.
func (m *merger) judgeEntries() {
	for _, e := range m.ents {
		r := e.base
		if r == nil {
			m.claims = append(m.claims, e)
			continue
		}
		inPlace := e.Wire == Canonical(r.shown())
		switch {
		case r.live && inPlace:
			m.contend(contender{asset: r.now, ent: e})
		case r.live: // moved here, not yet there: a later move elsewhere does not matter
			m.claims = append(m.claims, e)
			m.update(r)
		case e.changed() || !inPlace && e.Held: // edit beats delete (M1)
			m.emit(phaseUnbind, Unbind{Entry: e.Entry, ID: r.Asset.ID})
			e.base = nil
			m.claims = append(m.claims, e)
		default:
			m.vacant = append(m.vacant, e)
		}
	}
	for _, a := range m.fresh {
		m.contend(contender{asset: a})
	}
}

// shown is the wire name under which the asset was shown last.
func (r *row) shown() string { return cmp.Or(r.Shown, r.Asset.Name) }

// changed tells whether e has content that its asset has not.
func (e *entry) changed() bool { return e.Dirty || e.base == nil || e.Chg != e.base.Chg }

func (m *merger) contend(c contender) {
	name := Canonical(c.asset.Name)
	m.groups[name] = append(m.groups[name], c)
}

func (m *merger) update(r *row) {
	if !sameAsset(r.Asset, r.now) {
		m.emit(phaseUpdate, Update{Asset: r.now})
	}
}

func sameAsset(a, b remote.Asset) bool {
	sameTime := a.Created.Equal(b.Created)
	a.Created = b.Created
	return sameTime && a == b
}

// judgeRows forgets what nothing shows any more.
func (m *merger) judgeRows() {
	for _, r := range m.sorted {
		switch {
		case r.Bound != 0 && !r.Old:
		case r.live:
			m.update(r)
		default:
			m.emit(phaseForget, Forget{ID: r.Asset.ID})
		}
	}
}

// collectDirs finds the directories.
func (m *merger) collectDirs() {
	parents := func(wire string) {
		for i := strings.LastIndexByte(wire, '/'); i > 0; i = strings.LastIndexByte(wire[:i], '/') {
			m.dirs[wire[:i]] = true
		}
	}
	for _, d := range m.in.Dirs {
		m.dirs[d] = true
		parents(d)
	}
	for name := range m.groups {
		parents(name)
	}
	for _, e := range m.claims {
		parents(e.Wire)
	}
}

// firstOf sorts the contenders of a name and returns the one that has it; nil: none, or it is a directory's (M4).
func (m *merger) firstOf(name string) *contender {
	g := m.groups[name]
	if len(g) == 0 {
		return nil
	}
	bySeq := !slices.ContainsFunc(g, func(c contender) bool { return c.asset.Seq == 0 })
	slices.SortStableFunc(g, func(a, b contender) int { return compareAssets(a.asset, b.asset, bySeq) })
	if m.dirs[name] {
		return nil
	}
	return &g[0]
}

func compareAssets(a, b remote.Asset, bySeq bool) int {
	if bySeq && a.Seq != b.Seq {
		return cmp.Compare(a.Seq, b.Seq)
	}
	return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID))
}

func sortAssets(as []remote.Asset) {
	slices.SortFunc(as, func(a, b remote.Asset) int { return compareAssets(a, b, false) })
}
