// Package exec has the engines that are programs of this machine: LibreOffice, ffmpeg, vips and others, each run in a
// sandbox (package sandbox) on a copy of its source under a name of ours.
//
// New finds nothing; Set.Probe looks for the programs, tries each on a small sample, and from then on its engine offers
// edges. A program that is missing or fails its sample offers none and is listed by Missing.
//
// Invariants:
//
//	X1: an engine offers edges only after its program, as it stands on the disk now, converted a sample right.
//	X2: no program gets a name, a path or a word of a user's: sources are in.EXT, results out.EXT, options are checked.
//	X3: no shell runs; an argument vector is a table's, with checked values put in.
//	X4: a source is what its extension says, by its content, before a program sees it; unpacked, it is bounded.
//	X5: a result counts only when the program answered 0, and the result is a regular file of the right kind, within the
//	    limits, and not empty but for a text.
//	X6: what compress makes is never larger than its source.
package exec
