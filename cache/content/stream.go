package content

const (
	firstChunk   = 128 << 10 // bytes of the first chunk of a sequential reader: small, for latency
	largestChunk = 8 << 20   // what chunks grow to
	pageSize     = 4 << 10   // random reads are fetched in whole pages
	wholeFile    = 256 << 10 // a file up to this size is fetched in one chunk
	maxStreams   = 8         // sequential readers told apart in one file
	aheadChunks  = 4         // chunks of the present size that may be ahead of a sequential reader
	streamProof  = 2         // reads in a row that make a reader sequential which began inside the file
)

// stream is what is known of one sequential reader.
type stream struct {
	next  int64 // where its last read ended
	hits  int   // reads that followed on each other
	chunk int64 // bytes of the next chunk; 0: not yet proven sequential
	ahead int64 // where what was planned for it ends
	used  int64 // for choosing which one to forget
}

// streams tells sequential readers of one file from random ones. It is pure: no locks, no clock.
type streams struct {
	all  []stream
	tick int64
}

// note takes the read of [off, end) down and returns the stream it belongs to, valid until the next call; nil for a read
// that continues nothing yet.
//
// Several reads of one reader may arrive out of order, for the kernel sends them from several threads: a read
// within twice its own length of the expected place continues the stream.
func (s *streams) note(off, end int64) *stream {
	s.tick++
	slack := 2 * (end - off)
	for i := range s.all {
		st := &s.all[i]
		near := off >= st.next-slack && off <= st.next+slack
		if !near && (st.chunk == 0 || off < st.next || off >= st.ahead) {
			continue
		}
		st.used = s.tick
		if near {
			st.hits++
		}
		st.next = max(st.next, end)
		if st.chunk == 0 && st.hits >= streamProof {
			st.chunk = firstChunk
		}
		st.ahead = max(st.ahead, st.next)
		if st.chunk == 0 {
			return nil
		}
		return st
	}
	st := stream{next: end, ahead: end, used: s.tick}
	if off == 0 { // who begins at the beginning is taken for a sequential reader, with a small first chunk
		st.chunk, st.ahead = firstChunk, max(end, firstChunk)
	}
	s.put(st)
	return nil
}

func (s *streams) put(st stream) {
	if len(s.all) < maxStreams {
		s.all = append(s.all, st)
		return
	}
	oldest := 0
	for i := range s.all {
		if s.all[i].used < s.all[oldest].used {
			oldest = i
		}
	}
	s.all[oldest] = st
}

// limit is how far ahead of its reader chunks may be planned now.
func (st *stream) limit() int64 { return st.next + aheadChunks*st.chunk }

// grow doubles the chunk.
func (st *stream) grow() { st.chunk = min(2*st.chunk, largestChunk) }

// began tells whether the last read noted was the first one of a reader that begins at the beginning.
func (s *streams) began(off int64) bool {
	for i := range s.all {
		if st := &s.all[i]; st.used == s.tick {
			return st.hits == 0 && st.chunk > 0 && off < st.ahead
		}
	}
	return false
}
