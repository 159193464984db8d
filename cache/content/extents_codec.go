package content

import (
	"encoding/binary"
	"errors"
	"math"
)

// ErrEncoding is the answer of UnmarshalBinary for bytes that MarshalBinary never makes.
var ErrEncoding = errors.New("extents: not an encoding of a set")

// MarshalBinary gives the set as unsigned varints (encoding/binary): for each range the distance from the end of the one
// before, then its length. The empty set is no bytes. It never fails.
func (e Extents) MarshalBinary() ([]byte, error) {
	var out []byte
	var last int64
	for _, r := range e.runs {
		out = binary.AppendUvarint(out, uint64(r.Off-last))
		out = binary.AppendUvarint(out, uint64(r.Len()))
		last = r.End
	}
	return out, nil
}

// UnmarshalBinary reads what MarshalBinary wrote. It takes nothing else: each set has one encoding, and anything that is
// none is ErrEncoding and leaves e as it was. Memory is bounded by the length of data.
func (e *Extents) UnmarshalBinary(data []byte) error {
	var runs []Extent
	var last int64
	for first := true; len(data) > 0; first = false {
		gap, rest, ok := uvarint(data)
		if !ok || (gap == 0 && !first) {
			return ErrEncoding
		}
		n, rest, ok := uvarint(rest)
		if !ok || n == 0 || gap > math.MaxInt64-last || n > math.MaxInt64-last-gap {
			return ErrEncoding
		}
		runs = append(runs, Extent{last + gap, last + gap + n})
		last += gap + n
		data = rest
	}
	e.runs = runs
	return nil
}

// uvarint reads one varint of at most 63 bits in its shortest form.
func uvarint(data []byte) (int64, []byte, bool) {
	v, n := binary.Uvarint(data)
	if n <= 0 || v > math.MaxInt64 || (n > 1 && data[n-1] == 0) {
		return 0, nil, false
	}
	return int64(v), data[n:], true
}
