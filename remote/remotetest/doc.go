// Package remotetest proves services: Run is the contract that every remote.Service must pass, and Fake is a Service in
// memory with the switches a test of the disk needs (offline, slow, failing, a foreign writer).
//
// Invariants:
//
//	T1: Fake passes Run in every set of abilities, so that what is proven on Fake holds for a real service.
//	T2: a fault of Fake strikes at the border only: a refused call changed nothing, a call whose answer is lost did all.
//	T3: Fake never blocks on anything but the caller's context, its latency, its hook and, in Changes, the next event.
//
// Locks: Fake.mu guards all of Fake's state; callbacks (record, progress, fn, hook) run without it.
package remotetest
