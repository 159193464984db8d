package sidecar

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// dirName is the hidden directory of a drop in which the segments lie.
const dirName = ".dropfs"

// Name is what a segment's name tells: `.dropfs/REPLICA-FIRST-LAST-N.seg`, stamps as 16 hexadecimal digits.
type Name struct {
	Replica     string // who wrote it: 1 to 32 of a-z and 0-9
	First, Last int64  // the oldest and newest stamp in it
	N           int    // records in it
}

// NameOf is the name of the segment that replica writes with these records.
func NameOf(replica string, records []Record) Name {
	n := Name{Replica: replica, N: len(records)}
	for i, r := range records {
		if i == 0 || r.Stamp < n.First {
			n.First = r.Stamp
		}
		n.Last = max(n.Last, r.Stamp)
	}
	return n
}

// String is the asset's name.
func (n Name) String() string {
	return fmt.Sprintf("%s/%s-%016x-%016x-%d.seg", dirName, n.Replica, n.First, n.Last, n.N)
}

// ParseName reads an asset's name; false: it is no segment of a form that is known.
func ParseName(asset string) (Name, bool) {
	base, ok := strings.CutPrefix(asset, dirName+"/")
	if !ok {
		return Name{}, false
	}
	base, ok = strings.CutSuffix(base, ".seg")
	parts := strings.Split(base, "-")
	if !ok || len(parts) != 4 || !validReplica(parts[0]) {
		return Name{}, false
	}
	first, err1 := strconv.ParseInt(parts[1], 16, 64)
	last, err2 := strconv.ParseInt(parts[2], 16, 64)
	count, err3 := strconv.Atoi(parts[3])
	n := Name{Replica: parts[0], First: first, Last: last, N: count}
	if err1 != nil || err2 != nil || err3 != nil || n.String() != asset {
		return Name{}, false
	}
	return n, true
}

func validReplica(s string) bool {
	for _, c := range s {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return s != "" && len(s) <= 32
}

// Clock is a hybrid clock: its stamps follow the wall clock, never repeat, and are later than every stamp observed. The
// zero value is ready; it is not safe for use by several goroutines at a time.
type Clock struct{ last int64 }

// Next gives a stamp for a change made at now.
func (c *Clock) Next(now time.Time) int64 {
	c.last = max(c.last+1, now.UnixNano())
	return c.last
}

// Observe takes notice of a stamp read from a segment that was decoded with a maxStamp, or from the own index.
func (c *Clock) Observe(stamp int64) { c.last = max(c.last, stamp) }
