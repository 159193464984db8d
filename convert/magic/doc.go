// Package magic is the grammar of magic names: FILE@STEP is FILE converted.
//
// It is pure: it does no I/O, knows no engine, and does not say whether a base exists or a step can be done. It says how a
// name may be cut (Cuts), what the part behind the base means (Parse), and how it is written (Path.String, Path.Key).
//
//	magic   = base segment{1,4} | base "@" facet | base "@"
//	segment = "@" op *( "," key "=" value ) [ "." ext ]
//
// Invariants:
//
//	G1: Parse never panics, and answers the same for the same text.
//	G2: Parse(p.String()) is p, for every p that Parse answered.
//	G3: two spellings of one conversion have one Key, two conversions have two.
//	G4: what a step is, a file or a directory, follows from its text alone.
//	G5: nothing in a name is a password: secrets are named.
package magic
