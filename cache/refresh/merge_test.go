package refresh

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"dropfs/remote"
)

func asset(id, name string, seq int64) remote.Asset {
	return remote.Asset{ID: remote.AssetID(id), Name: name, Size: 3, Seq: seq, Created: noon.Add(time.Duration(seq) * time.Second)}
}

func hashed(a remote.Asset, md5 string) remote.Asset { a.MD5 = md5; return a }

func with[T any](x T, edit func(*T)) T { edit(&x); return x }

// TestMerge has one row for each rule. Entry 1 is "f.txt", its asset is "a".
func TestMerge(t *testing.T) {
	a := asset("a", "f.txt", 5)
	base := Base{Asset: a, Bound: 1, Chg: 7}
	mine := with(base, func(b *Base) { b.Mine = true })
	clean := Local{Entry: 1, Wire: "f.txt", Chg: 7, Held: true, Size: 3}
	dirty := with(clean, func(l *Local) { l.Chg = 8; l.Size = 4 })
	moved := with(clean, func(l *Local) { l.Wire = "g.txt" })
	unsent := Local{Entry: 2, Wire: "f.txt", Chg: 1, Held: true, Size: 4, MD5: "m2"}
	foreign := asset("b", "f.txt", 9)
	renamed := with(a, func(x *remote.Asset) { x.Name = "h.txt" })
	const here, there = "f (conflict box 2026-11-22 14.03.22).txt", "f (conflict 2026-11-22 14.03.31).txt"

	for _, c := range []struct {
		name   string
		bases  []Base
		locals []Local
		assets []remote.Asset
		edit   func(*Input)
		want   []Action
	}{
		{name: "nothing new", bases: []Base{base}, locals: []Local{clean}, assets: []remote.Asset{a}},
		{name: "new elsewhere", assets: []remote.Asset{a}, want: []Action{Adopt{a}}},
		{
			name: "replaced elsewhere", bases: []Base{base}, locals: []Local{clean}, assets: []remote.Asset{foreign},
			want: []Action{Replace{Entry: 1, Old: "a", Asset: foreign}},
		},
		{
			name: "replaced while open", bases: []Base{base}, assets: []remote.Asset{foreign},
			locals: []Local{with(clean, func(l *Local) { l.Open = true })},
			want:   []Action{Replace{Entry: 1, Old: "a", Asset: foreign, NewInode: true}},
		},
		{
			name: "renamed elsewhere", bases: []Base{base}, locals: []Local{clean}, assets: []remote.Asset{renamed},
			want: []Action{Rename{1, renamed}},
		},
		{
			name: "renamed elsewhere, edited here", bases: []Base{base}, locals: []Local{dirty}, assets: []remote.Asset{renamed},
			want: []Action{Rename{1, renamed}},
		},
		{
			name: "renamed on both sides", bases: []Base{base}, locals: []Local{moved}, assets: []remote.Asset{renamed},
			want: []Action{Update{renamed}},
		},
		{name: "deleted elsewhere", bases: []Base{base}, locals: []Local{clean}, want: []Action{Remove{1, "a"}}},
		{name: "deleted elsewhere, edited here", bases: []Base{base}, locals: []Local{dirty}, want: []Action{Unbind{1, "a"}}},
		{name: "deleted elsewhere, renamed here", bases: []Base{base}, locals: []Local{moved}, want: []Action{Unbind{1, "a"}}},
		{
			name: "deleted elsewhere, renamed here, bytes not here", bases: []Base{base},
			locals: []Local{with(moved, func(l *Local) { l.Held = false })}, want: []Action{Remove{1, "a"}},
		},
		{
			name: "edited on both sides", bases: []Base{base}, locals: []Local{dirty}, assets: []remote.Asset{foreign},
			want: []Action{Unbind{1, "a"}, Conflict{1, here, "b"}, Adopt{foreign}},
		},
		{
			name: "edited elsewhere, renamed here", bases: []Base{base}, locals: []Local{moved}, assets: []remote.Asset{foreign},
			want: []Action{Unbind{1, "a"}, Adopt{foreign}},
		},
		{
			name: "edited on both sides to the same bytes", bases: []Base{base}, assets: []remote.Asset{hashed(with(foreign, func(x *remote.Asset) { x.Size = 4 }), "m")},
			locals: []Local{with(dirty, func(l *Local) { l.MD5 = "m" })},
			want:   []Action{Unbind{1, "a"}, Own{1, hashed(with(foreign, func(x *remote.Asset) { x.Size = 4 }), "m"), true}},
		},
		{
			name: "made on both sides", locals: []Local{unsent}, assets: []remote.Asset{foreign},
			want: []Action{Conflict{2, here, "b"}, Adopt{foreign}},
		},
		{name: "deleted here", bases: []Base{with(base, func(b *Base) { b.Bound = 0 })}, assets: []remote.Asset{a}},
		{name: "deleted here, and done", bases: []Base{with(base, func(b *Base) { b.Bound = 0 })}, want: []Action{Forget{"a"}}},
		{
			name: "deleted here, edited elsewhere", bases: []Base{with(base, func(b *Base) { b.Bound = 0 })}, assets: []remote.Asset{foreign},
			want: []Action{Forget{"a"}, Adopt{foreign}},
		},
		{
			name: "a second one elsewhere, later", bases: []Base{base}, locals: []Local{clean}, assets: []remote.Asset{a, foreign},
			want: []Action{Shadow{0, foreign, there}},
		},
		{
			name: "a second one elsewhere, later than mine", bases: []Base{mine}, locals: []Local{clean}, assets: []remote.Asset{foreign, a},
			want: []Action{Shadow{0, foreign, there}},
		},
		{
			name: "a second one elsewhere, before mine", bases: []Base{mine}, locals: []Local{clean},
			assets: []remote.Asset{a, asset("b", "f.txt", 2)},
			want:   []Action{Conflict{1, here, "b"}, Adopt{asset("b", "f.txt", 2)}},
		},
		{
			name: "a second one elsewhere, before another's", bases: []Base{base}, locals: []Local{clean},
			assets: []remote.Asset{a, asset("b", "f.txt", 2)},
			want:   []Action{Shadow{1, a, "f (conflict 2026-11-22 14.03.27).txt"}, Adopt{asset("b", "f.txt", 2)}},
		},
		{
			name: "the same bytes elsewhere, before mine", locals: []Local{clean},
			bases:  []Base{with(mine, func(b *Base) { b.Asset.MD5 = "m" })},
			assets: []remote.Asset{hashed(a, "m"), hashed(asset("b", "f.txt", 2), "m")},
			want:   []Action{Own{1, hashed(asset("b", "f.txt", 2), "m"), true}},
		},
		{
			name: "my upload, its answer lost", locals: []Local{with(unsent, func(l *Local) { l.Upload = "b" })}, assets: []remote.Asset{foreign},
			want: []Action{Own{2, foreign, false}},
		},
		{
			name: "my upload, its answer lost, behind another", locals: []Local{with(unsent, func(l *Local) { l.Upload = "b" })},
			assets: []remote.Asset{foreign, a},
			want:   []Action{Own{2, foreign, false}, Conflict{2, here, "a"}, Adopt{a}},
		},
		{
			name: "a shadow comes into its own", locals: []Local{with(clean, func(l *Local) { l.Wire = there })},
			bases: []Base{{Asset: foreign, Bound: 1, Chg: 7, Shown: there}}, assets: []remote.Asset{foreign},
			want: []Action{Rename{1, foreign}},
		},
		{
			name: "a directory of that name", bases: []Base{base}, locals: []Local{clean}, assets: []remote.Asset{a, asset("d", "f.txt/x", 6)},
			want: []Action{Shadow{1, a, "f (conflict 2026-11-22 14.03.27).txt"}, Adopt{asset("d", "f.txt/x", 6)}},
		},
		{
			name: "a directory of an unsent file's name", locals: []Local{unsent}, assets: []remote.Asset{asset("d", "f.txt/x", 6)},
			want: []Action{Conflict{2, here, ""}, Adopt{asset("d", "f.txt/x", 6)}},
		},
		{
			name: "a file of a directory's name", edit: func(in *Input) { in.Dirs = []string{"f.txt/sub"} }, assets: []remote.Asset{foreign},
			want: []Action{Shadow{0, foreign, there}},
		},
		{
			name: "an old one goes", bases: []Base{with(base, func(b *Base) { b.Old = true }), {Asset: foreign, Bound: 1, Chg: 7, Mine: true}},
			locals: []Local{clean}, assets: []remote.Asset{foreign}, want: []Action{Forget{"a"}},
		},
		{name: "confirmed since the listing began", bases: []Base{with(base, func(b *Base) { b.Fresh = true })}, locals: []Local{clean}},
		{name: "deleted since the listing began", edit: func(in *Input) { in.Deleted = []remote.AssetID{"b"} }, assets: []remote.Asset{foreign}},
		{
			name: "a delta says nothing of the rest", edit: func(in *Input) { in.Complete = false },
			bases: []Base{base}, locals: []Local{clean}, assets: []remote.Asset{asset("n", "n", 6)}, want: []Action{Adopt{asset("n", "n", 6)}},
		},
		{
			name: "a delta of a replacement", edit: func(in *Input) { in.Complete, in.Gone = false, []remote.AssetID{"a"} },
			bases: []Base{base}, locals: []Local{clean}, assets: []remote.Asset{foreign},
			want: []Action{Replace{Entry: 1, Old: "a", Asset: foreign}},
		},
		{name: "metadata", bases: []Base{base}, locals: []Local{clean}, assets: []remote.Asset{hashed(a, "m")}, want: []Action{Update{hashed(a, "m")}}},
		{
			name: "less is said than is known", locals: []Local{clean}, assets: []remote.Asset{a},
			bases: []Base{with(base, func(b *Base) { b.Asset.MD5, b.Asset.ETag = "m", "e" })},
		},
		{
			name: "sidecars", edit: func(in *Input) { in.Segments = []remote.AssetID{"s1", "s2"} },
			assets: []remote.Asset{asset("s1", ".dropfs/1.seg", 1), asset("s3", ".dropfs/3.seg", 3)},
			want:   []Action{Sidecar{[]remote.Asset{asset("s3", ".dropfs/3.seg", 3)}, []remote.AssetID{"s2"}}},
		},
		{
			name: "names exchanged", bases: []Base{base, {Asset: asset("b", "g.txt", 6), Bound: 2, Chg: 7}},
			locals: []Local{clean, with(moved, func(l *Local) { l.Entry = 2 })},
			assets: []remote.Asset{with(a, func(x *remote.Asset) { x.Name = "g.txt" }), with(asset("b", "f.txt", 6), func(*remote.Asset) {})},
			want:   []Action{Rename{2, asset("b", "f.txt", 6)}, Rename{1, with(a, func(x *remote.Asset) { x.Name = "g.txt" })}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := Input{Bases: c.bases, Locals: c.locals, Assets: c.assets, Complete: true, Host: "box", Now: noon}
			if c.edit != nil {
				c.edit(&in)
			}
			if got := Merge(in); len(got)+len(c.want) > 0 && !reflect.DeepEqual(got, c.want) {
				t.Errorf("got  %s\nwant %s", show(got), show(c.want))
			}
		})
	}
}

func show(as []Action) string {
	s := ""
	for _, a := range as {
		s += fmt.Sprintf("\n  %T%+v", a, a)
	}
	return s
}
