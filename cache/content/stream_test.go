package content

import "testing"

func TestStreams(t *testing.T) {
	type read struct {
		off, n int64
		want   bool // taken for sequential
	}
	const k = 1 << 10
	for name, reads := range map[string][]read{
		"from the beginning":       {{0, 4 * k, false}, {4 * k, 4 * k, true}, {8 * k, 4 * k, true}},
		"from the middle":          {{900 * k, 4 * k, false}, {904 * k, 4 * k, false}, {908 * k, 4 * k, true}},
		"random":                   {{900 * k, 4 * k, false}, {100 * k, 4 * k, false}, {500 * k, 4 * k, false}, {104 * k, 4 * k, false}},
		"out of order":             {{0, 128 * k, false}, {256 * k, 128 * k, true}, {128 * k, 128 * k, true}, {384 * k, 128 * k, true}},
		"two readers":              {{0, 4 * k, false}, {900 * k, 4 * k, false}, {4 * k, 4 * k, true}, {904 * k, 4 * k, false}, {8 * k, 4 * k, true}, {908 * k, 4 * k, true}},
		"backwards is none":        {{900 * k, 4 * k, false}, {800 * k, 4 * k, false}, {700 * k, 4 * k, false}},
		"jump within what is read": {{0, 4 * k, false}, {64 * k, 4 * k, true}},
	} {
		var s streams
		for i, r := range reads {
			if got := s.note(r.off, r.off+r.n) != nil; got != r.want {
				t.Errorf("%s: read %d at %d: sequential %v, want %v", name, i, r.off, got, r.want)
			}
		}
	}
}

func TestStreamsForgetTheOldest(t *testing.T) {
	var s streams
	const far = 1 << 30
	for i := range int64(maxStreams) {
		s.note(i*far+1, i*far+4097)
	}
	s.note(4097, 8193) // the first one goes on
	s.note(100*far, 100*far+4096)
	if s.note(8193, 12289) == nil {
		t.Error("a reader in use was forgotten")
	}
	if len(s.all) != maxStreams {
		t.Errorf("%d streams kept", len(s.all))
	}
}

func TestStreamGrowth(t *testing.T) {
	st := stream{chunk: firstChunk}
	for range 20 {
		st.grow()
	}
	if st.chunk != largestChunk {
		t.Errorf("chunk grew to %d", st.chunk)
	}
}
