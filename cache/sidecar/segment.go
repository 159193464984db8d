package sidecar

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/klauspost/compress/zstd"
)

const (
	magic      = "dropfs\x00s"
	version    = 1
	headerSize = len(magic) + 1 + 4

	// MaxSegment is the largest segment in bytes, both as it is stored and decompressed.
	MaxSegment = 16 << 20
	// splitAt is where Encode begins another segment, in decompressed bytes.
	splitAt = 4 << 20
)

// ErrVersion is a segment of a version that is not known: it is for others, and left alone (S4).
var ErrVersion = errors.New("sidecar segment of another version")

// ErrDamaged is a segment that is none, was cut or changed, or breaks a limit.
var ErrDamaged = errors.New("sidecar segment damaged")

// Encode gives the records as segments, one unless there are many; none without records. A record that breaks a rule
// (Check) is an error.
func Encode(records []Record) ([][]byte, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("sidecar: %w", err)
	}
	defer func() { _ = enc.Close() }() // nothing was streamed
	var out [][]byte
	var body []byte
	flush := func() {
		if len(body) > 0 {
			out = append(out, enc.EncodeAll(body, header(body)))
			body = nil
		}
	}
	for _, r := range records {
		if err := r.Check(); err != nil {
			return nil, err
		}
		b := r.Encode()
		body = binary.AppendUvarint(body, uint64(len(b)))
		body = append(body, b...)
		if len(body) >= splitAt {
			flush()
		}
	}
	flush()
	return out, nil
}

func header(body []byte) []byte {
	h := append([]byte(magic), version)
	return binary.BigEndian.AppendUint32(h, checksum(body))
}

func checksum(body []byte) uint32 { return crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)) }

// Decode reads a segment. Records that break a rule, or whose stamp lies beyond maxStamp (0: no bound) and would hold
// forever, are left out; bad tells how many. A day or two past the present is a good maxStamp.
func Decode(b []byte, maxStamp int64) (records []Record, bad int, err error) {
	switch {
	case len(b) < headerSize || string(b[:len(magic)]) != magic:
		return nil, 0, fmt.Errorf("%w: no header", ErrDamaged)
	case b[len(magic)] != version:
		return nil, 0, fmt.Errorf("%w: %d", ErrVersion, b[len(magic)])
	case len(b) > MaxSegment:
		return nil, 0, fmt.Errorf("%w: %d bytes", ErrDamaged, len(b))
	}
	body, err := decompress(b[headerSize:])
	if err != nil {
		return nil, 0, err
	}
	if checksum(body) != binary.BigEndian.Uint32(b[len(magic)+1:]) {
		return nil, 0, fmt.Errorf("%w: checksum", ErrDamaged)
	}
	for len(body) > 0 {
		n, width := binary.Uvarint(body)
		if width <= 0 || n > uint64(len(body)-width) {
			return nil, 0, fmt.Errorf("%w: a record is cut", ErrDamaged)
		}
		r, err := DecodeRecord(body[width : width+int(n)])
		body = body[width+int(n):]
		if err != nil || maxStamp > 0 && r.Stamp > maxStamp {
			bad++
			continue
		}
		records = append(records, r)
	}
	return records, bad, nil
}

// decompress is bounded in what it allocates, whatever the frame announces (S2).
func decompress(frame []byte) ([]byte, error) {
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(MaxSegment), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, fmt.Errorf("sidecar: %w", err)
	}
	defer dec.Close()
	body, err := dec.DecodeAll(frame, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return body, nil
}
