// Package d3test is a stand-in for the DragDropDo Business API, for tests: real HTTP on this machine that plays each oddity
// of the documents (wire/d3.md) when it is told to. It is imported by tests only.
//
// Invariants:
//
//	T1: a request to the API without the key, and one to the store or to a download elsewhere with it, is reported.
//	T2: what an operation makes follows from its inputs and parameters alone.
package d3test
