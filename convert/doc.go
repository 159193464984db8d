// Package convert makes one file of another: what an engine is, which engine does a step, and running it once however many
// wait for it.
//
// An Engine does single steps (Edge). The Registry knows the engines of this machine and plans a step as at most three
// edges. The Broker runs plans: one run for a key, bounded in number, time and size, its result handed to a Store of the
// caller's. The grammar of names is package magic; the engines are packages native, exec and cloud.
//
// Invariants:
//
//	V1: an engine takes a step only with options that it honours; no option is ignored.
//	V2: a source is never changed, and an engine sees no file but its sources and its own directory.
//	V3: of one key there is one run at a time, whoever waits; one that nobody waits for any more ends.
//	V4: a result is complete or it is none: what an engine left behind when it failed is never seen.
//	V5: a failure is remembered for the version that failed, a passing one for half a minute.
//	V6: a result is of the values that its secrets have, not of their names: another value makes another, and without
//	    it there is none.
package convert
