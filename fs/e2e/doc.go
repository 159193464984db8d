// Package e2e proves the disk with the built program: real mounts, real tools, a real hub, kill -9. It holds tests only.
//
// Invariants of the tests themselves:
//
//	E1: everything that touches a mount runs in a process of its own, with a time-out, so that a disk that hangs fails a
//	    test and hangs none.
//	E2: each test has directories of its own for configuration, state, data, sockets and mounts; whatever the outcome,
//	    its mounts are detached and its processes ended, by their ids.
//	E3: when all is done nothing is left mounted, running or behind in the temporary directory; that is checked.
//	E4: what is random follows from a seed that is printed, with the command that runs it again.
//
// As root the tests run twice where it matters: as root, and as an ordinary user in a private mount namespace in which
// the FUSE device is open to users (TestAsUser).
package e2e
