package refresh

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"dropfs/remote"
)

// service is a toy drop: assets whose bytes are a word.
type service struct {
	assets map[remote.AssetID]remote.Asset
	bytes  map[remote.AssetID]string
	seq    int64
	numbed bool // tells no sequence numbers and no hashes, as a plain service
}

func newService(numbed bool) *service {
	return &service{assets: map[remote.AssetID]remote.Asset{}, bytes: map[remote.AssetID]string{}, numbed: numbed}
}

func (s *service) confirm(name, bytes string) remote.Asset {
	s.seq++
	a := remote.Asset{
		ID: remote.AssetID(fmt.Sprintf("%04d", s.seq)), Name: name, Size: int64(len(bytes)), MD5: "md5 of " + bytes,
		Seq: s.seq, Created: noon.Add(time.Duration(s.seq) * time.Second),
	}
	if s.numbed {
		a.Seq, a.MD5 = 0, ""
	}
	s.assets[a.ID], s.bytes[a.ID] = a, bytes
	return a
}

func (s *service) list() []remote.Asset {
	return slices.SortedFunc(maps.Values(s.assets), func(a, b remote.Asset) int { return cmp.Compare(b.ID, a.ID) })
}

// replica applies actions to rows and entries as package cache does, as plainly as can be.
type replica struct {
	host   string
	svc    *service
	bases  map[remote.AssetID]Base
	locals map[int64]Local
	bytes  map[int64]string
	last   int64
	faults []string

	listing []remote.Asset          // asked for, not merged yet; nil: none
	fresh   map[remote.AssetID]bool // confirmed since then
	deleted map[remote.AssetID]bool // deleted from here since then
}

func newReplica(host string, svc *service) *replica {
	return &replica{host: host, svc: svc, bases: map[remote.AssetID]Base{}, locals: map[int64]Local{}, bytes: map[int64]string{}}
}

func (r *replica) faultf(format string, args ...any) {
	r.faults = append(r.faults, r.host+": "+fmt.Sprintf(format, args...))
}

func (r *replica) input(assets []remote.Asset) Input {
	in := Input{Complete: true, Assets: assets, Host: r.host, Now: noon}
	for _, id := range slices.Sorted(maps.Keys(r.bases)) {
		b := r.bases[id]
		b.Fresh = r.fresh[id]
		in.Bases = append(in.Bases, b)
	}
	in.Deleted = slices.Sorted(maps.Keys(r.deleted))
	for _, e := range slices.Sorted(maps.Keys(r.locals)) {
		in.Locals = append(in.Locals, r.locals[e])
	}
	return in
}

// ask takes a listing that is merged later, when the drop has changed.
func (r *replica) ask() {
	r.listing, r.fresh, r.deleted = r.svc.list(), map[remote.AssetID]bool{}, map[remote.AssetID]bool{}
}

// refresh merges the listing that was asked for, or the present one; a second merge must find nothing (M2), nor may an unsent byte be lost (M1).
func (r *replica) refresh() (changed bool) {
	unsent := map[int64]string{}
	for e, l := range r.locals {
		if b, ok := r.present(e); !ok || b.Chg != l.Chg {
			unsent[e] = r.bytes[e]
		}
	}
	stale := r.listing != nil
	if !stale {
		r.ask()
	}
	in := r.input(r.listing)
	acts := Merge(in)
	slices.Reverse(in.Bases)
	slices.Reverse(in.Locals)
	slices.Reverse(in.Assets)
	if again := Merge(in); !reflect.DeepEqual(acts, again) {
		r.faultf("not deterministic:%s\nand%s", show(acts), show(again))
	}
	for _, a := range acts {
		r.apply(a)
	}
	for e, bytes := range unsent {
		if _, ok := r.locals[e]; !ok || r.bytes[e] != bytes {
			r.faultf("M1: unsent %q lost:%s", bytes, show(acts))
		}
	}
	in = r.input(r.listing)
	if more := Merge(in); len(more) > 0 {
		r.faultf("M2: after%s\nyet%s", show(acts), show(more))
	}
	for id := range r.fresh {
		if b, ok := r.bases[id]; !ok || b.Bound != 0 && r.locals[b.Bound].Entry == 0 {
			r.faultf("confirmed after the listing, yet lost: %s%s", id, show(acts))
		}
	}
	for id := range r.deleted {
		if _, ok := r.bases[id]; ok {
			r.faultf("deleted after the listing, yet back: %s%s", id, show(acts))
		}
	}
	r.check(acts, !stale)
	r.listing, r.fresh, r.deleted = nil, nil, nil
	return len(acts) > 0 || stale
}

// check holds the tree against M5 and, where the listing was the present one, M3.
func (r *replica) check(acts []Action, present bool) {
	at := map[string]int64{}
	for e, l := range r.locals {
		if o, twice := at[l.Wire]; twice {
			r.faultf("M5: entries %d and %d are both %q:%s", e, o, l.Wire, show(acts))
		}
		at[l.Wire] = e
	}
	for wire := range at {
		for dir := wire; strings.Contains(dir, "/"); {
			dir = dir[:strings.LastIndexByte(dir, '/')]
			if _, file := at[dir]; file {
				r.faultf("M5: %q is a file and a directory:%s", dir, show(acts))
			}
		}
	}
	if !present {
		return
	}
	for id, a := range r.svc.assets {
		b, ok := r.bases[id]
		if !ok {
			r.faultf("M3: %q is not known:%s", a.Name, show(acts))
			continue
		}
		if b.Bound == 0 || b.Old {
			continue
		}
		if _, ok := r.locals[b.Bound]; !ok {
			r.faultf("M3: %q is not shown:%s", a.Name, show(acts))
		}
	}
}

func (r *replica) present(e int64) (Base, bool) {
	for _, b := range r.bases {
		if b.Bound == e && !b.Old {
			return b, true
		}
	}
	return Base{}, false
}

func (r *replica) add(wire, bytes string) int64 {
	r.last++
	r.locals[r.last] = Local{Entry: r.last, Wire: wire, Chg: 1, Held: true}
	r.write(r.last, bytes)
	return r.last
}

// write gives an entry new bytes without counting a change.
func (r *replica) write(e int64, bytes string) {
	l := r.locals[e]
	l.Size, l.MD5 = int64(len(bytes)), "md5 of "+bytes
	r.locals[e], r.bytes[e] = l, bytes
}

func (r *replica) move(e int64, wire string) {
	l := r.locals[e]
	l.Wire = wire
	r.locals[e] = l
}

func (r *replica) bind(a remote.Asset, e int64, mine bool, shown string) {
	for id, b := range r.bases {
		if b.Bound == e && id != a.ID {
			b.Old = true
			r.bases[id] = b
		}
	}
	l := r.locals[e]
	l.Upload = ""
	r.locals[e] = l
	r.bases[a.ID] = Base{Asset: a, Bound: e, Chg: l.Chg, Mine: mine, Shown: shown}
}

func (r *replica) apply(a Action) {
	switch a := a.(type) {
	case Forget:
		delete(r.bases, a.ID)
	case Update:
		b := r.bases[a.Asset.ID]
		b.Asset = a.Asset
		r.bases[a.Asset.ID] = b
	case Remove:
		delete(r.bases, a.ID)
		delete(r.locals, a.Entry)
		delete(r.bytes, a.Entry)
	case Unbind:
		delete(r.bases, a.ID)
	case Own:
		l := r.locals[a.Entry]
		sent := r.svc.bytes[a.Asset.ID]
		if a.Equal && sent != r.bytes[a.Entry] {
			r.faultf("taken for equal: %q and %q", sent, r.bytes[a.Entry])
		}
		r.bind(a.Asset, a.Entry, true, "")
		if sent != r.bytes[a.Entry] { // written to since that upload began
			b := r.bases[a.Asset.ID]
			b.Chg = l.Chg - 1
			r.bases[a.Asset.ID] = b
		}
	case Replace:
		delete(r.bases, a.Old)
		r.write(a.Entry, r.svc.bytes[a.Asset.ID])
		r.bind(a.Asset, a.Entry, false, "")
	case Conflict:
		r.move(a.Entry, a.Wire)
	case Rename:
		r.reshow(a.Entry, a.Asset, "", Canonical(a.Asset.Name))
	case Shadow:
		if a.Entry == 0 {
			r.bind(a.Asset, r.add(a.Wire, r.svc.bytes[a.Asset.ID]), false, a.Wire)
			return
		}
		r.reshow(a.Entry, a.Asset, a.Wire, a.Wire)
	case Adopt:
		r.bind(a.Asset, r.add(Canonical(a.Asset.Name), r.svc.bytes[a.Asset.ID]), false, "")
	case Sidecar:
		r.faultf("a sidecar")
	}
}

func (r *replica) reshow(e int64, a remote.Asset, shown, wire string) {
	r.move(e, wire)
	b := r.bases[a.ID]
	b.Asset, b.Shown = a, shown
	r.bases[a.ID] = b
}

// push brings the service in step with one entry, or does one queued deletion. lost: the answer to the confirm is.
func (r *replica) push(lost bool) (did bool) {
	for _, id := range slices.Sorted(maps.Keys(r.bases)) {
		if b := r.bases[id]; b.Bound == 0 || b.Old {
			delete(r.svc.assets, id) // gone already is no error
			delete(r.bases, id)
			delete(r.fresh, id)
			if r.deleted != nil {
				r.deleted[id] = true
			}
			return true
		}
	}
	for _, e := range slices.Sorted(maps.Keys(r.locals)) {
		l := r.locals[e]
		b, ok := r.present(e)
		if ok && b.Chg == l.Chg && l.Wire == Canonical(cmp.Or(b.Shown, b.Asset.Name)) {
			continue
		}
		if a, ok := r.svc.assets[l.Upload]; ok { // a confirm repeated answers the same asset
			r.apply(Own{Entry: e, Asset: a})
			r.confirmed(a.ID)
			return true
		}
		a := r.svc.confirm(l.Wire, r.bytes[e])
		if lost {
			l.Upload = a.ID
			r.locals[e] = l
			return true
		}
		r.bind(a, e, true, "")
		r.confirmed(a.ID)
		return true
	}
	return false
}

func (r *replica) confirmed(id remote.AssetID) {
	if r.fresh != nil {
		r.fresh[id] = true
	}
}

// edit is one change made by the user of the replica.
func (r *replica) edit(what, wire, bytes string) {
	var e int64
	for _, l := range r.locals {
		if l.Wire == wire || strings.HasPrefix(l.Wire, wire+"/") || strings.HasPrefix(wire, l.Wire+"/") {
			e = l.Entry
			if l.Wire != wire {
				return // a directory, or below a file
			}
		}
	}
	switch {
	case what == "write" && e == 0:
		r.add(wire, bytes)
	case what == "write":
		l := r.locals[e]
		l.Chg++
		r.locals[e] = l
		r.write(e, bytes)
	case what == "delete" && e != 0:
		for id, b := range r.bases {
			if b.Bound == e {
				b.Bound = 0
				r.bases[id] = b
			}
		}
		delete(r.locals, e)
		delete(r.bytes, e)
	case strings.HasPrefix(what, "move to ") && e != 0:
		to := strings.TrimPrefix(what, "move to ")
		for _, l := range r.locals {
			if l.Wire == to || strings.HasPrefix(l.Wire, to+"/") || strings.HasPrefix(to, l.Wire+"/") {
				return
			}
		}
		r.move(e, to)
	}
}

// contents are the versions that the replica shows, sorted.
func (r *replica) contents() []string { return slices.Sorted(maps.Values(r.bytes)) }

func (s *service) contents() []string {
	var all []string
	for id := range s.assets {
		all = append(all, s.bytes[id])
	}
	slices.Sort(all)
	return all
}

// TestM1Convergence lets two replicas and a stranger work on one drop, in any order and with lost answers. At each
// merge M1, M2, M3 and M5 hold; in the end all three see the same versions.
func TestM1Convergence(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		svc := newService(rapid.Bool().Draw(rt, "plain service"))
		rs := []*replica{newReplica("box", svc), newReplica("lap", svc)}
		names := rapid.SampledFrom([]string{"a.txt", "b", "b/c", "b/c/d", "e//f", "e/␛/f", "a\n", "␛"})
		word := rapid.SampledFrom([]string{"", "x", "y", "zz", "ww"})
		fail := func() {
			for _, r := range rs {
				if len(r.faults) > 0 {
					rt.Fatalf("%s", strings.Join(r.faults, "\n"))
				}
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"edit": func(rt *rapid.T) {
				what := rapid.SampledFrom([]string{"write", "write", "delete", "move to ", "move to "}).Draw(rt, "what")
				if what == "move to " {
					what += Canonical(names.Draw(rt, "to"))
				}
				r := rapid.SampledFrom(rs).Draw(rt, "replica")
				name := Canonical(names.Draw(rt, "name"))
				if have := slices.Sorted(maps.Keys(r.locals)); len(have) > 0 && rapid.Bool().Draw(rt, "one that is here") {
					name = r.locals[rapid.SampledFrom(have).Draw(rt, "entry")].Wire
				}
				r.edit(what, name, word.Draw(rt, "bytes"))
			},
			"push": func(rt *rapid.T) {
				rapid.SampledFrom(rs).Draw(rt, "replica").push(rapid.IntRange(0, 3).Draw(rt, "answer lost if 0") == 0)
			},
			"refresh": func(rt *rapid.T) { rapid.SampledFrom(rs).Draw(rt, "replica").refresh(); fail() },
			"ask":     func(rt *rapid.T) { rapid.SampledFrom(rs).Draw(rt, "replica").ask() },
			"stranger": func(rt *rapid.T) {
				ids := slices.Sorted(maps.Keys(svc.assets))
				what := rapid.IntRange(0, 3).Draw(rt, "what")
				if what < 2 || len(ids) == 0 {
					svc.confirm(names.Draw(rt, "name"), word.Draw(rt, "bytes"))
					return
				}
				id := rapid.SampledFrom(ids).Draw(rt, "asset")
				if what == 2 {
					delete(svc.assets, id)
					return
				}
				a := svc.assets[id]
				a.Name = names.Draw(rt, "name")
				svc.assets[id] = a
			},
		})
		settle(rt, rs, fail)
		for _, r := range rs {
			if got, want := r.contents(), svc.contents(); !slices.Equal(got, want) {
				rt.Fatalf("%s shows %q, the service has %q", r.host, got, want)
			}
		}
	})
}

// settle refreshes and pushes until nothing happens any more.
func settle(rt *rapid.T, rs []*replica, fail func()) {
	for range 100 {
		busy := false
		for _, r := range rs {
			busy = r.refresh() || busy
			for r.push(false) {
				busy = true
			}
			fail()
		}
		if !busy {
			return
		}
	}
	rt.Fatalf("no end: %+v", rs[0].svc.assets)
}
