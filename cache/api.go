package cache

import (
	"time"

	"github.com/sirupsen/logrus"

	"dropfs/remote"
)

// Ino is an inode number of one replica: stable over remounts, never used twice. The account's root is RootIno; its
// entries are the drops.
type Ino uint64

// RootIno is the directory that holds the account's drops.
const RootIno Ino = 1

// Class tells what becomes of an entry of a given name.
type Class uint8

// The classes of names.
const (
	Ordinary Class = iota // sent to the service
	Local                 // usable, never sent, outside the quota (DESIGN.md "Local-only")
	Held                  // sent, but held up to an hour while it still changes
)

// Config is what a Replica needs. Zero values are the defaults where one is named.
type Config struct {
	Account string
	Dir     string // the account's state directory; made with mode 0700
	Service remote.Service
	Host    string // names this machine in conflict names; "" is the host's name

	MaxBytes       int64         // of the content cache; 0: a fifth of the disk, 50 GB at most
	WriteDelay     time.Duration // quiet time before an upload; 0: 1 s
	Poll           time.Duration // listing interval in use; 0: 10 s
	UndeleteWindow time.Duration // 0: 10 s; negative: none
	RemoteDurable  bool          // close waits until the content is on the service
	ReadOnly       bool          // no change is taken and nothing is sent

	DropGB   float64                  // of a drop made by Mkdir; 0: 1
	DropDays int                      // 0: 30
	Drops    map[string]remote.DropID // drops made elsewhere, by the name to show

	UID, GID uint32 // who owns what came from elsewhere
	// Classify tells the class of a name; nil: all are Ordinary. It must be pure.
	Classify func(name string) Class
	Log      *logrus.Entry // nil: discarded
	Now      func() time.Time

	fault func(point string) // set by tests alone: called at the points named by Replica.at
}

// Attr is what stat tells.
type Attr struct {
	Ino                        Ino
	Mode                       uint32 // type and permission bits, as in st_mode
	Nlink                      uint32
	UID, GID                   uint32
	Rdev                       uint32
	Size                       int64 // bytes
	Blocks                     int64 // of 512 bytes, held locally; of a cold file: as if it were all here
	Atime, Mtime, Ctime, Btime time.Time
	// Unsettled is set while a writer has it open or mapped, so that the kernel must not keep size and times.
	Unsettled bool
}

// SetAttr changes what is not nil.
type SetAttr struct {
	Mode     *uint32 // permission bits
	UID, GID *uint32
	Size     *int64
	Atime    *time.Time
	Mtime    *time.Time
	// KillPriv clears set-user-id, and set-group-id where group may execute, as a write by an ordinary user does.
	KillPriv bool
}

// Caller is who makes a new node.
type Caller struct {
	UID, GID uint32
}

// DirEntry is one name of a directory.
type DirEntry struct {
	Name   string
	Cookie uint64 // goes on behind this entry; grows; stable while the entry lives
	Attr   Attr
}

// RenameFlags are those of renameat2(2).
type RenameFlags uint32

// The flags that Rename knows.
const (
	RenameNoReplace RenameFlags = 1
	RenameExchange  RenameFlags = 2
)

// XattrFlags are those of setxattr(2).
type XattrFlags uint32

// The flags that SetXattr knows.
const (
	XattrCreate  XattrFlags = 1
	XattrReplace XattrFlags = 2
)

// OpenFlags tell what a handle is for.
type OpenFlags uint32

// The flags of Open and Create.
const (
	OpenRead OpenFlags = 1 << iota
	OpenWrite
	OpenAppend // writes go to the end, whatever offset they name
	OpenTrunc
	OpenSync  // O_SYNC: each write is as durable as fsync
	OpenDsync // O_DSYNC
)

// StatFS is what statfs tells of a drop, or of all drops of the account at the root.
type StatFS struct {
	Total, Free int64 // bytes; quota less what is not yet sent
	Files       int64 // known
}

// Notify is told what changed without the kernel asking: by another machine or by the daemon itself. It is called
// without locks held and must return soon. Nil functions are skipped.
type Notify struct {
	Entry func(parent Ino, name string)            // the name is now something else, or new
	Gone  func(parent Ino, name string, child Ino) // the name is no more
	Inode func(ino Ino)                            // attributes and content changed
}

// FileState is the word for an inode that user.dropfs.state shows.
type FileState string

// The states of a file. Uploading is followed by " N%", Failed by ": WHY".
const (
	StateClean     FileState = "clean"
	StateDirty     FileState = "dirty"
	StateUploading FileState = "uploading"
	StateFailed    FileState = "error"
	StateLocal     FileState = "local"
	StateCold      FileState = "cold"
)

// FileInfo is everything known of one inode beside its attributes.
type FileInfo struct {
	State   FileState
	Percent int          // StateUploading
	Err     string       // StateFailed: the reason
	Asset   remote.Asset // zero when never sent
	Drop    remote.Drop  // zero at the root and in local-only directories
	Pinned  bool
	Cached  int64 // bytes held
}

// Status is what `dropfs status` shows of one account.
type Status struct {
	Account     string           `json:"account"`
	Online      bool             `json:"online"`
	OfflineWhy  string           `json:"offline_why,omitempty"`
	UnsentFiles int              `json:"unsent_files"` // ops queued: uploads, moves, deletes, drops, sidecars
	UnsentBytes int64            `json:"unsent_bytes"`
	Transfers   []Transfer       `json:"transfers"`
	Errors      []OpError        `json:"errors"`
	Conflicts   []string         `json:"conflicts"` // paths below the account's root
	Drops       []DropStatus     `json:"drops"`
	Cache       CacheUsage       `json:"cache"`
	Requests    map[string]int64 `json:"requests,omitempty"` // to the service, by kind
}

// Transfer is an upload or download under way.
type Transfer struct {
	Path  string  `json:"path"`
	Up    bool    `json:"up"`
	Done  int64   `json:"done"`  // bytes
	Total int64   `json:"total"` // bytes
	Rate  float64 `json:"rate"`  // bytes a second
}

// OpError is an op that fails, and why.
type OpError struct {
	Path    string    `json:"path"`
	Op      string    `json:"op"`
	Err     string    `json:"err"`
	Attempt int       `json:"attempt"`
	Next    time.Time `json:"next"` // of the next try; zero: waits for a change
	Refused bool      `json:"refused"`
}

// DropStatus is one drop as `dropfs status` and `dropfs drop list` show it.
type DropStatus struct {
	Account string        `json:"account"`
	Name    string        `json:"name"`
	ID      remote.DropID `json:"id"` // "" until the service has made it
	GB      float64       `json:"gb"`
	Days    int           `json:"days"`
	Used    int64         `json:"used"`
	Size    int64         `json:"size"`
	Expires time.Time     `json:"expires,omitzero"`
	Gone    bool          `json:"gone,omitempty"` // expired or deleted elsewhere; kept read-only until forgotten
}

// CacheUsage is how full the content cache is, in bytes.
type CacheUsage struct {
	Max, Allocated, Dirty, Pinned int64
	Files                         int
}

// Deleted is something that Undelete can bring back.
type Deleted struct {
	Path    string    `json:"path"`
	Size    int64     `json:"size"`
	Deleted time.Time `json:"deleted"`
	Sent    bool      `json:"sent"` // the service's copy is gone; the content is still in the cache
}
