// Package cache is the local replica of an account: a tree that answers every file operation from this machine, and a
// journal that brings the service in step with it.
//
// It holds the rules of the replica and none of the kernel's: permissions are checked by who asks. The tree and the
// journal are package index, the bytes package content, when something is sent package writeback, what a listing means
// package refresh, what services cannot hold package sidecar. What an op does to the service is decided here, when it
// runs, from the state as it then is: an op says only that something is not in step (ops.go).
//
// Invariants:
//
//	C1: what a method acknowledged survives a kill: the tree by a committed transaction, bytes by having been written to
//	    a content file that the index already calls dirty (arm, inode.go).
//	C2: dirty content is never evicted, and a content file goes only after the index has forgotten it.
//	C3: content belongs to an inode and a version, never to a path.
//	C4: the service's copy of a replaced version goes only after the new one is confirmed; of a deleted one after the
//	    window for undelete. A replica deletes only what it knew (its base).
//	C5: where two changes cannot both have a name, both are kept, one under a conflict name.
//	C6: nothing is created on the service twice: an upload's identity is recorded before its bytes are sent, and asked
//	    for again after a lost answer.
//	C7: a listing that is older than what is known here is never taken for the present one (listing.go).
//
// Locks, in the order in which they are taken: inode.mu (of one inode at a time), then the index (a transaction), then
// Replica.mu. No lock is held over a request to the service, but that of a drop's merge (recent.merging), which nothing but
// the next merge waits for.
package cache
