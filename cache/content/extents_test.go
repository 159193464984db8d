package content_test

import (
	"bytes"
	"slices"
	"testing"

	"dropfs/cache/content"

	"pgregory.net/rapid"
)

const modelSize = 200

// model is the set as one flag a byte.
type model [modelSize]bool

func (m *model) set(off, end int64, v bool) {
	for i := max(off, 0); i < min(end, modelSize); i++ {
		m[i] = v
	}
}

func (m *model) runs(off, end int64, v bool) []content.Extent {
	var out []content.Extent
	for i := off; i < end; i++ {
		if m[i] != v {
			continue
		}
		if n := len(out); n > 0 && out[n-1].End == i {
			out[n-1].End++
		} else {
			out = append(out, content.Extent{Off: i, End: i + 1})
		}
	}
	return out
}

func TestExtentsAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var e content.Extents
		var m model
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			off := rapid.Int64Range(0, modelSize).Draw(t, "off")
			end := rapid.Int64Range(0, modelSize).Draw(t, "end")
			if rapid.Bool().Draw(t, "add") {
				e.Add(off, end)
				m.set(off, end, true)
			} else {
				e.Remove(off, end)
				m.set(off, end, false)
			}
			checkModel(t, &e, &m, off, end)
		}
	})
}

func checkModel(t *rapid.T, e *content.Extents, m *model, off, end int64) {
	all := m.runs(0, modelSize, true)
	if got := e.Runs(); !slices.Equal(got, all) {
		t.Fatalf("runs %v, want %v", got, all)
	}
	var n int64
	for _, r := range all {
		n += r.Len()
	}
	if e.Len() != n || e.Empty() != (n == 0) {
		t.Fatalf("len %d, want %d; empty %v", e.Len(), n, e.Empty())
	}
	missing := m.runs(off, end, false)
	if got := e.Missing(off, end); !slices.Equal(got, missing) {
		t.Fatalf("missing in [%d,%d) %v, want %v", off, end, got, missing)
	}
	if got := e.Intersect(off, end); !slices.Equal(got, m.runs(off, end, true)) {
		t.Fatalf("intersect with [%d,%d) %v", off, end, got)
	}
	if e.Covers(off, end) != (len(missing) == 0) {
		t.Fatalf("covers [%d,%d) %v", off, end, e.Covers(off, end))
	}
	first, ok := e.FirstMissing(off, end)
	if ok != (len(missing) > 0) || (ok && first != missing[0]) {
		t.Fatalf("first missing in [%d,%d) %v %v, want of %v", off, end, first, ok, missing)
	}
	data, err := e.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	var back content.Extents
	if err := back.UnmarshalBinary(data); err != nil || !slices.Equal(back.Runs(), all) {
		t.Fatalf("round trip %v %v", back.Runs(), err)
	}
}

func TestExtentsDecodeRefuses(t *testing.T) {
	huge := []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}
	for name, data := range map[string][]byte{
		"half a range":       {1},
		"empty range":        {1, 0},
		"touching ranges":    {1, 2, 0, 2},
		"longer form":        {0x81, 0x00, 1},
		"cut varint":         {0x80},
		"over 63 bits":       {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1},
		"end over the limit": append(slices.Clone(huge), 1),
		"second over":        append([]byte{0}, append(slices.Clone(huge), 1, 1)...),
	} {
		e := content.Whole(5)
		if err := e.UnmarshalBinary(data); err == nil {
			t.Errorf("%s: taken as %v", name, e.Runs())
		}
		if !e.Covers(0, 5) || e.Len() != 5 {
			t.Errorf("%s: set changed by a refused encoding", name)
		}
	}
}

func FuzzExtentsDecode(f *testing.F) {
	f.Add([]byte{0, 5, 3, 2})
	f.Add([]byte{})
	f.Add([]byte{0x80, 0x80, 4, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		var e content.Extents
		if e.UnmarshalBinary(data) != nil {
			return
		}
		back, err := e.MarshalBinary()
		if err != nil || !bytes.Equal(back, data) {
			t.Fatalf("%x reads as %v, which is written as %x", data, e.Runs(), back)
		}
		last := int64(-1)
		for _, r := range e.Runs() {
			if r.Off <= last || r.End <= r.Off {
				t.Fatalf("%x: runs out of order: %v", data, e.Runs())
			}
			last = r.End
		}
	})
}
