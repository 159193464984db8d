// Package corpus proves the conversions on real documents: those that Debian packages ship, of every family. It holds
// tests only.
//
// A document is fetched when the tests run, out of the package that ships it; nothing is installed. Every edge that an
// engine of this machine has for it is run, and the result is opened by a program that did not make it and compared with
// what another program finds in the source: words, rows, pages, pixels, loudness, members.
//
//	document ─ engine ─▶ result ─ a second program ─▶ what it holds ┐
//	    └──────────────────────── a second program ─▶ what it holds ┴ compared
//
// Invariants of the tests themselves:
//
//	C1: no edge passes unchecked: a format of result for which there is no check fails the test.
//	C2: what reads a result shares no code with the engine that made it, where Debian has such a program; looks_test.go and
//	    sounds_test.go say where it has none.
//	C3: every kind of check is itself fed with something wrong, and must find it (TestChecksFind).
//	C4: what a source holds is asked of a program, or stands in the table of documents; never of an engine.
//	C5: nothing is left behind, and nothing is fetched but the packages of the table, each once.
//
// The normal run takes the documents marked so and the engines that need seconds; DROPFS_TEST_LONG=1 takes all of both.
package corpus
