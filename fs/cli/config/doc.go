// Package config is what a person has told dropfs: the configuration file, DROPFS_ variables, flags and mount options,
// and the keys of accounts.
//
// It does no network I/O and starts nothing.
//
// Invariants:
//
//	G1: a flag or -o option wins over the environment, and that over the file (CLI.md).
//	G2: a file that holds keys is refused while others may read it.
//	G3: an unknown key of the file is an error that names its line; nothing is ignored in silence.
//	G4: writing the file keeps what it does not change, comments included, and never leaves half a file.
//	G5: a key never stands in an error, a log or an argument list.
package config
