// Package daemon is a running disk: the accounts it holds, the mounts it serves, the hub inside it, and what it answers
// on its control socket.
//
// A daemon is started by `dropfs mount` and ends with its last mount or with its context. One daemon serves an account:
// the account's state directory is locked by its replica.
//
//	          Open             Mount               last mount gone, or ctx ended       Close
//	(nothing) ----> [accounts] ----> [mounted, Run] ----------------------------------> [closing] ----> (nothing)
//
// Invariants:
//
//	D1: an account is open at most once in a daemon, and a mount point is used at most once.
//	D2: when Close has returned, each account's lock is free; the control socket ends after that, so that who waits for
//	    its end may take the lock.
//	D3: an account keeps its slot, so that inode numbers stay over remounts.
//	D4: the embedded hub is reached through no port, and its key is known to this user alone.
//	D5: a webhook that no secret has signed does nothing; one that has ends a wait or hastens a question, and nothing is
//	    kept of it: a daemon that dies forgets the runs that waited, and the next one takes the webhooks for nothing.
//
// Locks: Disk.mu guards the accounts and mounts; nothing waits while it is held.
package daemon
