// Package sidecar holds what a service cannot: modes, times in nanoseconds, symlinks, empty directories, hard links and
// extended attributes. Each replica writes what it changes as segments, small assets below .dropfs/ of the drop; every
// replica reads all of them and keeps, entry by entry, what was written last.
//
// The package is a codec, a merge and a plan; it does no I/O and starts nothing. What it reads was written by anybody
// who may add to the drop: it is checked before it is believed.
//
// Invariants:
//
//	S1: merging is commutative, associative and idempotent: replicas that have read the same segments, in any order and
//	    any number of times, hold the same records.
//	S2: decoding never panics, and takes memory within the limits below whatever the input.
//	S3: a decoded record carries no set-id bits, no owner, no device, no attribute outside user.*, and no name that
//	    a path may not have.
//	S4: a segment of an unknown version is left alone: ErrVersion.
//	S5: compacting any segments, by any replica and by several at a time, changes no replica's records.
//
// A segment is 13 bytes of header (8 of magic, 1 of version, 4 of CRC-32C of what follows decompressed, big-endian) and
// one zstd frame; in it each record is a uvarint length and so many bytes of JSON.
package sidecar
