// Package fs is the FUSE adapter: it answers the kernel's requests out of a vfs.FS through go-fuse.
//
// It translates and nothing else. What a disk does is decided in vfs and cache; here a request becomes a call, an answer
// becomes a reply with the time that the kernel may keep it, and an error becomes an errno.
//
// Invariants:
//
//	F1: an errno is chosen in errno.go and nowhere else; an error that it does not know is EIO.
//	F2: the kernel keeps what it was told for an hour, attributes of a file with a writer not at all; what changes without
//	    the kernel asking is told to it (notify.go), never from a goroutine that answers a request.
//	F3: no reply waits for another: a notification may wait for the kernel, a request never waits for a notification.
//	F4: only what may wait (reading, listing, opening, writing into a full cache, syncing) ends with the request's context.
//	    Any signal ends that context, and a rename that fails because a timer fired is not what a disk does.
//	F5: after the mount is gone no handle is open (vfs V5).
//	F6: every node of a mount is a *node.
//
// go-fuse's node ids are our inode numbers (Options.ExternalNodeID), so that a notification needs no table of nodes. A
// raw wrapper (raw.go) passes on what go-fuse's node API leaves out: whether a write takes set-id bits away.
package fs
