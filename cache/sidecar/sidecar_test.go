package sidecar

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"

	"dropfs/remote"
)

var update = flag.Bool("update", false, "write the golden file")

func sample() []Record {
	return []Record{
		{Key: AssetKey("64f0c0ffee"), Kind: File, Mode: 0o755, Mtime: 1795356202123456789, Stamp: 1795356202123456790, Replica: "box1"},
		{
			Key: AssetKey("64f0c0fff0"), Kind: File, Mode: 0o644, Mtime: -1, Link: "g1", Stamp: 5, Replica: "box1",
			Xattrs: map[string]string{"user.a": "\x00\xff", "user.\xfe": "", "user.b": "text"},
		},
		{Key: PathKey("empty dir/ä"), Kind: Dir, Mode: 0o1777, Mtime: 1, Stamp: 6, Replica: "lap"},
		{Key: PathKey("link␛0A"), Kind: Symlink, Mode: 0o777, Target: "../\xff/etc/passwd", Stamp: 7, Replica: "lap"},
		{Key: PathKey("old"), Kind: Dir, Gone: true, Stamp: 8, Replica: "lap"},
	}
}

func TestRoundTrip(t *testing.T) {
	segments, err := Encode(sample())
	if err != nil || len(segments) != 1 {
		t.Fatalf("%d segments, %v", len(segments), err)
	}
	got, bad, err := Decode(segments[0], 0)
	if err != nil || bad != 0 || !reflect.DeepEqual(got, sample()) {
		t.Errorf("got %+v, %d bad, %v", got, bad, err)
	}
	if none, err := Encode(nil); len(none) != 0 || err != nil {
		t.Errorf("no records made %d segments, %v", len(none), err)
	}
}

// TestS4Golden holds version 1 as it was first written: every later dropfs must read it.
func TestS4Golden(t *testing.T) {
	path := filepath.Join("testdata", "v1.seg")
	if *update {
		segments, err := Encode(sample())
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, segments[0], 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, bad, err := Decode(b, 0); err != nil || bad != 0 || !reflect.DeepEqual(got, sample()) {
		t.Errorf("got %+v, %d bad, %v", got, bad, err)
	}
	b[len(magic)] = version + 1
	if _, _, err := Decode(b, 0); !errors.Is(err, ErrVersion) {
		t.Errorf("a later version: %v", err)
	}
}

// raw makes a well-formed segment of whatever is given as JSON.
func raw(t testing.TB, records ...string) []byte {
	var body []byte
	for _, r := range records {
		body = binary.AppendUvarint(body, uint64(len(r)))
		body = append(body, r...)
	}
	return pack(t, body)
}

func pack(t testing.TB, body []byte) []byte {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = enc.Close() }()
	return enc.EncodeAll(body, header(body))
}

func TestS3Hostile(t *testing.T) {
	const ok = `"s":5,"r":"x"`
	big := strings.Repeat("A", 65536)
	for _, c := range []struct {
		name, json string
		want       *Record // nil: left out
	}{
		{"set-id bits", `{"k":"a:1","t":"f","m":3565,` + ok + `}`, &Record{Key: "a:1", Kind: File, Mode: 0o755, Stamp: 5, Replica: "x"}},
		{"set-user-id", `{"k":"a:1","t":"f","m":2541,` + ok + `}`, &Record{Key: "a:1", Kind: File, Mode: 0o755, Stamp: 5, Replica: "x"}},
		{"device", `{"k":"p:x","t":"c",` + ok + `}`, nil},
		{"device bits in the mode", `{"k":"a:1","t":"f","m":8612,` + ok + `}`, &Record{Key: "a:1", Kind: File, Mode: 0o644, Stamp: 5, Replica: "x"}},
		{"owner and unknown fields", `{"k":"a:1","t":"f","uid":0,"z":[1],` + ok + `}`, &Record{Key: "a:1", Kind: File, Stamp: 5, Replica: "x"}},
		{"security attribute", `{"k":"a:1","t":"f","x":[{"n":"c2VjdXJpdHkuY2FwYWJpbGl0eQ==","v":"AA=="}],` + ok + `}`, &Record{Key: "a:1", Kind: File, Stamp: 5, Replica: "x"}},
		{"attributes too large", `{"k":"a:1","t":"f","x":[{"n":"dXNlci5h","v":"` + big + `"},{"n":"dXNlci5i","v":"` + big + `"},{"n":"dXNlci5j","v":"` + big + `"}],` + ok + `}`, nil},
		{"target with NUL", `{"k":"p:x","t":"l","l":"AGE=",` + ok + `}`, nil},
		{"target too long", `{"k":"p:x","t":"l","l":"` + big + `",` + ok + `}`, nil},
		{"symlink without target", `{"k":"p:x","t":"l",` + ok + `}`, nil},
		{"directory with target", `{"k":"p:x","t":"d","l":"YQ==",` + ok + `}`, nil},
		{"file by path", `{"k":"p:x","t":"f",` + ok + `}`, nil},
		{"directory by asset", `{"k":"a:x","t":"d",` + ok + `}`, nil},
		{"key of no kind", `{"k":"x","t":"f",` + ok + `}`, nil},
		{"empty key", `{"k":"p:","t":"d",` + ok + `}`, nil},
		{"key too long", `{"k":"p:` + big + `","t":"d",` + ok + `}`, nil},
		{"key with NUL", `{"k":"p:a\u0000","t":"d",` + ok + `}`, nil},
		{"about sidecars", `{"k":"p:.dropfs/x","t":"d",` + ok + `}`, nil},
		{"no stamp", `{"k":"p:x","t":"d","r":"x"}`, nil},
		{"negative stamp", `{"k":"p:x","t":"d","s":-1,"r":"x"}`, nil},
		{"stamp of the far future", `{"k":"p:x","t":"d","s":1001,"r":"x"}`, nil},
		{"replica that is a path", `{"k":"p:x","t":"d","s":5,"r":"../x"}`, nil},
		{"gone, with leftovers", `{"k":"p:x","t":"l","g":true,"m":511,"l":"YQ==",` + ok + `}`, &Record{Key: "p:x", Kind: Symlink, Gone: true, Stamp: 5, Replica: "x"}},
		{"not JSON", `{"k":`, nil},
		{"JSON of another shape", `[1]`, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			good := sample()[4]
			got, bad, err := Decode(raw(t, c.json, string(good.Encode())), 1000)
			if err != nil {
				t.Fatal(err)
			}
			if c.want == nil && (bad != 1 || !reflect.DeepEqual(got, []Record{good})) {
				t.Errorf("got %+v, %d bad; want only the good one", got, bad)
			}
			if c.want != nil && (bad != 0 || !reflect.DeepEqual(got, []Record{*c.want, good})) {
				t.Errorf("got %+v, %d bad; want %+v", got, bad, *c.want)
			}
		})
	}
}

func TestS2Damage(t *testing.T) {
	segments, err := Encode(sample())
	if err != nil {
		t.Fatal(err)
	}
	whole := segments[0]
	for i := range whole {
		if i == len(magic) {
			continue // the version
		}
		b := bytes.Clone(whole)
		b[i] ^= 0x10
		if got, _, err := Decode(b, 0); !errors.Is(err, ErrDamaged) && !reflect.DeepEqual(got, sample()) {
			t.Errorf("byte %d changed: %+v, %v", i, got, err)
		}
		if _, _, err := Decode(whole[:i], 0); !errors.Is(err, ErrDamaged) {
			t.Errorf("cut to %d bytes: %v", i, err)
		}
	}
	for name, b := range map[string][]byte{
		"bomb":                  pack(t, make([]byte, MaxSegment+1)),
		"length beyond the end": pack(t, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, '{'}),
		"length without end":    pack(t, bytes.Repeat([]byte{0xff}, 20)),
	} {
		if _, _, err := Decode(b, 0); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCheck(t *testing.T) {
	good := sample()[0]
	for name, edit := range map[string]func(*Record){
		"set-id bits":         func(r *Record) { r.Mode |= 0o4000 },
		"system attribute":    func(r *Record) { r.Xattrs = map[string]string{"security.x": ""} },
		"a name not in UTF-8": func(r *Record) { r.Key = "a:\xff" },
		"no stamp":            func(r *Record) { r.Stamp = 0 },
		"gone with a mode":    func(r *Record) { r.Gone = true },
	} {
		r := good
		edit(&r)
		if _, err := Encode([]Record{r}); err == nil {
			t.Errorf("%s: written all the same", name)
		}
	}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
}

func TestEncodeSplits(t *testing.T) {
	var many []Record
	for i := range 100 {
		many = append(many, Record{
			Key: AssetKey(remote.AssetID(fmt.Sprint(i))), Kind: File, Stamp: 1, Replica: "x",
			Xattrs: map[string]string{"user.big": strings.Repeat("x", 60<<10)},
		})
	}
	segments, err := Encode(many)
	if err != nil || len(segments) < 2 {
		t.Fatalf("%d segments, %v", len(segments), err)
	}
	var got []Record
	for _, s := range segments {
		rs, bad, err := Decode(s, 0)
		if err != nil || bad != 0 {
			t.Fatal(bad, err)
		}
		got = append(got, rs...)
	}
	if !reflect.DeepEqual(got, many) {
		t.Error("split segments do not give back what went in")
	}
}

func FuzzDecode(f *testing.F) {
	segments, err := Encode(sample())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(segments[0], true)
	f.Add(sample()[1].Encode(), false)
	f.Add([]byte(`{"k":"a:1","t":"f","s":5,"r":"x"}`), false)
	f.Fuzz(func(t *testing.T, b []byte, whole bool) {
		if !whole {
			b = raw(t, string(b))
		}
		got, _, err := Decode(b, 1<<62)
		if err != nil {
			return
		}
		for _, r := range got {
			if err := r.Check(); err != nil || r.Mode&^permBits != 0 || r.Stamp > 1<<62 {
				t.Fatalf("%+v was let in: %v", r, err)
			}
		}
	})
}

func drawRecords(rt *rapid.T, label string) []Record {
	return rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) Record {
		return Record{
			Key: PathKey(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "path")), Kind: Dir,
			Mode: uint32(rapid.IntRange(0, 2).Draw(rt, "mode")), Stamp: rapid.Int64Range(1, 4).Draw(rt, "stamp"),
			Replica: rapid.SampledFrom([]string{"x", "y"}).Draw(rt, "replica"),
		}
	}), 0, 8).Draw(rt, label)
}

func TestS1MergeLaws(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		a, b, c := drawRecords(rt, "a"), drawRecords(rt, "b"), drawRecords(rt, "c")
		want := State{}
		for _, rs := range [][]Record{a, b, c} {
			before := maps.Clone(want)
			for _, r := range want.Apply(rs) {
				if old, ok := before[r.Key]; ok && Compare(old, r) >= 0 || !reflect.DeepEqual(want[r.Key], r) {
					rt.Fatalf("%+v is said to be new, %+v was there", r, old)
				}
			}
		}
		other := State{}
		for _, rs := range [][]Record{c, b, a, b, c} {
			other.Apply(rs)
		}
		if !reflect.DeepEqual(want, other) {
			rt.Fatalf("the order matters: %+v and %+v", want, other)
		}
		compacted := State{}
		compacted.Apply(Compact([][]Record{a, c}, nil)) // by one replica
		compacted.Apply(Compact([][]Record{c, b}, nil)) // and by another at the same time
		if !reflect.DeepEqual(want, compacted) {
			rt.Fatalf("S5: compacting matters: %+v and %+v", want, compacted)
		}
		if again := want.Apply(append(a, b...)); len(again) != 0 {
			rt.Fatalf("nothing new, yet %+v", again)
		}
	})
}

func TestCompactKeep(t *testing.T) {
	got := Compact([][]Record{sample()}, func(r Record) bool { return !r.Gone })
	if len(got) != 4 {
		t.Errorf("%d records kept of four", len(got))
	}
}

// TestPlanCost writes many small segments, as a replica does, and follows the plan.
func TestPlanCost(t *testing.T) {
	const writes, size, records = 4000, 1000, 10
	var have []Info
	rewritten, peak, id := int64(0), 0, 0
	for i := range writes {
		id++
		have = append(have, Info{ID: remote.AssetID(fmt.Sprint(id)), Name: Name{"x", int64(i), int64(i), records}.String(), Size: size})
		for {
			merge := Plan(have, records*(i+1))
			if len(merge) == 0 {
				break
			}
			gone := map[remote.AssetID]bool{}
			var sum int64
			n := 0
			for _, m := range merge {
				gone[m.ID] = true
				sum += m.Size
				name, _ := ParseName(m.Name)
				n += name.N
			}
			if len(merge) < 2 || len(gone) != len(merge) {
				t.Fatalf("merging %+v brings nothing", merge)
			}
			kept := have[:0]
			for _, h := range have {
				if !gone[h.ID] {
					kept = append(kept, h)
				}
			}
			id++
			have = append(kept, Info{ID: remote.AssetID(fmt.Sprint(id)), Name: Name{"x", 0, int64(i), n}.String(), Size: sum})
			rewritten += sum
		}
		peak = max(peak, len(have))
	}
	if factor := float64(rewritten) / (writes * size); factor > 8 {
		t.Errorf("each byte was rewritten %.1f times", factor)
	}
	if peak > 30 {
		t.Errorf("%d segments at a time", peak)
	}
}

func TestPlan(t *testing.T) {
	seg := func(id string, size int64, n int) Info {
		return Info{remote.AssetID(id), Name{"x", 1, 2, n}.String(), size}
	}
	odd := Info{"o", ".dropfs/v9.seg2", 10}
	for _, c := range []struct {
		name string
		in   []Info
		live int
		want int
	}{
		{"nothing", nil, 0, 0},
		{"three small ones", []Info{seg("1", 9, 1), seg("2", 9, 1), seg("3", 9, 1)}, 3, 0},
		{"four small ones", []Info{seg("1", 9, 1), seg("2", 9, 1), seg("3", 9, 1), seg("4", 9, 1), seg("5", 1<<20, 9)}, 13, 4},
		{"what is not known stays", []Info{odd, odd, odd, odd}, 0, 0},
		{"mostly stale", []Info{seg("1", 3<<20, 90000), seg("2", 3<<20, 90000), seg("3", 9, 1), odd}, 50000, 3},
		{"large ones that hold", []Info{seg("1", 3<<20, 90000), seg("2", 3<<20, 90000), seg("3", 3<<20, 9), seg("4", 3<<20, 9)}, 180000, 0},
	} {
		if got := Plan(c.in, c.live); len(got) != c.want {
			t.Errorf("%s: %d to merge, want %d", c.name, len(got), c.want)
		}
	}
}

func TestNames(t *testing.T) {
	n := NameOf("box1", sample())
	if n.First != 5 || n.Last != 1795356202123456790 || n.N != 5 {
		t.Errorf("%+v", n)
	}
	if back, ok := ParseName(n.String()); !ok || back != n {
		t.Errorf("%q came back as %+v", n, back)
	}
	for _, bad := range []string{
		"", ".dropfs/", "x.seg", ".dropfs/a-1-2-3.seg", ".dropfs/a-0000000000000001-0000000000000002-3", ".dropfs/A-0000000000000001-0000000000000002-3.seg",
		".dropfs/a-0000000000000001-0000000000000002-03.seg", ".dropfs/a/0000000000000001-0000000000000002-3.seg",
	} {
		if _, ok := ParseName(bad); ok {
			t.Errorf("%q is taken for a segment", bad)
		}
	}
}

func TestClock(t *testing.T) {
	var c Clock
	now := time.Unix(100, 0)
	a, b := c.Next(now), c.Next(now.Add(-time.Hour))
	c.Observe(now.Add(time.Minute).UnixNano())
	d := c.Next(now)
	if a != now.UnixNano() || b != a+1 || d != now.Add(time.Minute).UnixNano()+1 {
		t.Errorf("stamps %d %d %d", a, b, d)
	}
}
