// Package vfs is the file system without FUSE: it puts the replicas of one or more accounts together as one tree and adds
// what the kernel, or any other front end, expects of a disk beyond what a replica keeps.
//
// It knows names (which are never sent, which are held back, which make a drop, which are refused), inode numbers that
// are distinct over all accounts, handles and directory streams, the virtual extended attributes, and the rules by which
// set-id bits fall. It must never import go-fuse and never choose an errno: a network share can stand on it as well.
//
// Invariants:
//
//	V1: an inode number of the tree belongs to one inode of one account; 1 is the root of the tree and nothing else.
//	V2: nothing moves between accounts: rename and link answer cache.ErrCrossDrop.
//	V3: what lies under the reserved name .dropfs at the top of a drop is neither seen nor made.
//	V4: a read-only file system calls no method of a replica that changes it.
//	V5: each handle is released once, by Release or by Close of the file system.
//	V6: a change made through one FS of a Feed is told to every other FS of it that shows the same account.
//	V7: a magic name (FILE@STEP) means something only where no real entry has it; it takes no change; and nothing is
//	    converted but by an open for reading, or by listing a directory that a step makes.
//
// Locks: FS.mu guards the open handles, Feed.mu the members, conjurer.mu what is behind magic names; none is held while a
// sink is called, nor while a replica or an engine is, but memberList.mu, which is there to wait for the first listing.
package vfs
