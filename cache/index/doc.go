// Package index is the durable memory of a replica: the tree, its attributes, what the service is known to hold, the
// journal of ops and their sagas, in one SQLite file. It holds the only SQL on this side, and no rule: what a change
// means is decided in package cache, which composes the methods of a Tx into one transaction.
//
// The file is in WAL mode with synchronous=NORMAL: a commit survives a kill of the process at any instant, and becomes
// durable against power loss with the next Flush.
//
// Invariants:
//
//	I1: every change of the tree and the op that follows from it are one transaction (Write), so a kill leaves both or neither.
//	I2: an inode number, an entry id and a content id are never used twice, not even after a restart.
//	I3: an entry has an id that survives renames; what the service holds for it is bound to that id, not to its path.
//	I4: Flush returns only after everything committed before it was called is on the disk; many callers share one sync.
//
// Locks: DB.writeMu, then DB.mu, which guards the one connection that reads and writes; nothing else is taken under them.
// A function given to Read or Write must not wait for anything.
package index
