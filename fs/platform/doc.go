// Package platform is what differs between the systems that dropfs runs on. Only here do file names end in _linux or
// _darwin; both sides export the same names with the same meaning, which a test compares.
//
// Invariants:
//
//	P1: the exported set of both systems is equal.
//	P2: no function touches a path below a mount point that it asks about, so that none hangs on a dead mount.
package platform

import (
	"errors"
	"fmt"
)

// What can be missing for a mount.
var (
	ErrNoDevice = errors.New("the FUSE device cannot be opened")
	ErrNoHelper = errors.New("the FUSE mount helper is not installed")
	ErrBusy     = errors.New("in use")
	ErrNotMount = errors.New("not a mount point")
)

// Mount is one line of the mount table.
type Mount struct {
	Path   string // where
	Source string // what; of ours the account or drop, or "dropfs"
	Type   string // "fuse.dropfs" for ours, "ext4"
	// ReadOnly: the file system takes no changes, whatever the mount point allows; false where the system does not tell.
	ReadOnly bool
	Dev      uint64 // major in the bits from 20, minor below; 0 where the system does not tell
}

// Process is a process that has something open below a path.
type Process struct {
	PID  int
	Name string // of the program
	Path string // what it has open there, one of possibly many
}

// String is how messages name a process.
func (p Process) String() string { return fmt.Sprintf("%s (%d)", p.Name, p.PID) }
