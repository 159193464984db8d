package refresh

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"dropfs/remote"
)

// drawInput makes any input, sensible or not: rows of unknown entries, several rows of one entry, names of all kinds.
func drawInput(rt *rapid.T) Input {
	names := rapid.SampledFrom([]string{"a", "a/b", "a/b/c", "b.txt", "", "/", "..", "a\x00", ".dropfs/s1.seg", ".dropfs", "b (conflict box 2026-11-22 14.03.22).txt"})
	ids := rapid.SampledFrom([]string{"1", "2", "3", "4", "5", "6"})
	entries := rapid.Int64Range(0, 4)
	drawAsset := rapid.Custom(func(rt *rapid.T) remote.Asset {
		return hashed(asset(ids.Draw(rt, "id"), names.Draw(rt, "name"), rapid.Int64Range(0, 3).Draw(rt, "seq")),
			rapid.SampledFrom([]string{"", "m"}).Draw(rt, "md5"))
	})
	byID := func(a remote.Asset) remote.AssetID { return a.ID }
	return Input{
		Complete: true, Host: "box", Now: noon,
		Assets: rapid.SliceOfNDistinct(drawAsset, 0, 5, byID).Draw(rt, "assets"),
		Dirs:   rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b.txt", "x/y"}), 0, 2).Draw(rt, "dirs"),
		Bases: rapid.SliceOfNDistinct(rapid.Custom(func(rt *rapid.T) Base {
			return Base{
				Asset: drawAsset.Draw(rt, "asset"), Bound: entries.Draw(rt, "bound"), Chg: rapid.Int64Range(0, 1).Draw(rt, "chg"),
				Old: rapid.Bool().Draw(rt, "old"), Mine: rapid.Bool().Draw(rt, "mine"), Fresh: rapid.Bool().Draw(rt, "fresh"),
				Shown: rapid.SampledFrom([]string{"", "", "a", "c"}).Draw(rt, "shown"),
			}
		}), 0, 5, func(b Base) remote.AssetID { return b.Asset.ID }).Draw(rt, "bases"),
		Locals: rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) Local {
			return Local{
				Entry: entries.Draw(rt, "entry"), Wire: Canonical(names.Draw(rt, "wire")), Chg: rapid.Int64Range(0, 1).Draw(rt, "chg"),
				Held: rapid.Bool().Draw(rt, "held"), Upload: remote.AssetID(rapid.SampledFrom([]string{"", "1", "9"}).Draw(rt, "upload")),
				Size: 3, MD5: rapid.SampledFrom([]string{"", "m"}).Draw(rt, "md5"), Dirty: rapid.Bool().Draw(rt, "dirty"),
			}
		}), 0, 5).Draw(rt, "locals"),
		Segments: []remote.AssetID{"1", "7"},
	}
}

// entryOf is the entry that an action is about; 0: none.
func entryOf(a Action) int64 {
	if f := reflect.ValueOf(a).FieldByName("Entry"); f.IsValid() {
		return f.Int()
	}
	return 0
}

// TestTotal gives Merge any input: it answers, twice the same, and only about what was in the input; what changed tells it
// as much as a whole listing.
func TestTotal(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		in := drawInput(rt)
		acts := Merge(in)
		if again := Merge(in); !reflect.DeepEqual(acts, again) {
			rt.Fatalf("%s\nand then%s", show(acts), show(again))
		}
		wires := map[string]bool{}
		for _, a := range acts {
			e := entryOf(a)
			if e != 0 && !slices.ContainsFunc(in.Locals, func(l Local) bool { return l.Entry == e }) {
				rt.Fatalf("%T%+v is about no entry", a, a)
			}
			wire, foreign := "", true
			switch a := a.(type) {
			case Conflict:
				wire, foreign = a.Wire, false
			case Shadow:
				wire = a.Wire
			case Adopt:
				wire = Canonical(a.Asset.Name)
			}
			if foreign && isSidecar(wire) || wire != Canonical(wire) && wire != "" || wires[wire] {
				rt.Fatalf("%T%+v: no proper name, or one given twice:%s", a, a, show(acts))
			}
			wires[wire] = wire != ""
		}
		delta := in
		delta.Complete = false
		here := map[remote.AssetID]bool{}
		for _, a := range in.Assets {
			here[a.ID] = true
		}
		for _, b := range in.Bases {
			if !here[b.Asset.ID] {
				delta.Gone = append(delta.Gone, b.Asset.ID)
			}
		}
		for _, id := range in.Segments {
			if !here[id] {
				delta.Gone = append(delta.Gone, id)
			}
		}
		if got := Merge(delta); fmt.Sprint(got) != fmt.Sprint(acts) {
			rt.Fatalf("as a delta%s\nas a listing%s", show(got), show(acts))
		}
	})
}
