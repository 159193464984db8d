// Command bench measures dropfs beside its peers in one run: the same work on each side in turn, several times, and the
// medians of the figures and of their ratios. scripts/bench builds and calls it.
//
// What is measured on a side is done by another process of this program (work.go), so that a hang can be killed and the
// memory of one measurement does not slow the next.
//
// Invariants:
//   - B1: whatever happens, the servers and daemons that were started are ended and nothing is left mounted. Files are
//     removed only when nothing is mounted among them.
//   - B2: everything that waits has a time-out; what runs out of it leaves a gap in the table and the run goes on.
//   - B3: before anything is measured, what the sides were still sending is sent, and the disk below has written what it
//     was given.
//   - B4: files are deleted only where deleting is what is measured, and that comes last: ext4 creates files up to ten
//     times slower for half a minute after many were deleted.
//   - B5: each round has directories, servers and caches of its own, and begins with another side.
//   - B6: servers listen on 127.0.0.1 only.
package main
