// Package content keeps the content files of a replica: one sparse file per content id, which of its bytes are here, and
// how much disk all of them take.
//
// It knows no names, versions or services. The index says what a content is (State, Flags), a Fetch brings missing bytes.
// The store never deletes what it was told is dirty or pinned, and never lets a byte be read that is not the content's.
//
// A content is
//
//	cold      nothing of it here             Cold, eviction
//	partial   some ranges here               Ensure, Read
//	complete  all here, for as long as open  Ensure, Create, WriteAt, Truncate
//
// and beside that clean or dirty (SetDirty), pinned or not (SetPinned, Pin), open or not (Open … Release).
//
// Invariants:
//
//	C1: no byte of a range is readable before it was fetched or written, and a fetch never overwrites a byte that is here.
//	C2: dirty, pinned and open content is never evicted.
//	C3: Config.Evict has made a content cold in the index before its first byte goes.
//	C4: what the store knows of a content counts more than a State read from the index earlier: an eviction between the
//	    reading of a State and Open leads to cold content, never to a hole taken for data.
//	C5: allocated bytes and those promised to growth under way are at most Config.MaxBytes together (growth through a
//	    descriptor of Fd, which the store does not see, apart), and Config.KeepFree of the disk stays free.
//	C6: a byte written into partial content is here after a kill at any instant, whatever the index had recorded.
//	C7: a range is fetched once however many wait for it; an error reaches each of them and is not remembered.
//
// Order of locks: File.mu, where two files by ascending id, then Store.mu. A file that nobody else can reach yet may be
// locked under Store.mu. No fetch and no callback runs under a lock.
//
// On disk: DIR/ab/ID, the name in hexadecimal, ab its low eight bits; beside dirty partial content ID.log (log.go).
package content
