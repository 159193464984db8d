// Package control is how a command speaks with the daemons that serve disks: HTTP and JSON over a Unix socket that only
// its user can reach.
//
// Each call is one POST; the answer is a stream of JSON lines, Event, of which the last is a result or a failure. Lines
// before it are progress. A call ends when its client goes.
//
// Invariants:
//
//	C1: the socket's directory is open to its owner alone (0700), and so is the socket (0600).
//	C2: a socket without a daemon behind it is taken for none, and removed.
//	C3: a call fails with the same *fail.Error that the daemon met.
package control

import (
	"encoding/json"
	"time"

	"dropfs/cache"
	"dropfs/convert"
	"dropfs/fs/cli/fail"
)

// The calls.
const (
	CallInfo     = "info"
	CallStatus   = "status"
	CallMount    = "mount"
	CallUnmount  = "unmount"
	CallSync     = "sync"
	CallPin      = "pin"
	CallShare    = "share"
	CallRefresh  = "refresh"
	CallDeleted  = "deleted"
	CallUndelete = "undelete"
	CallVerify   = "cache-verify"
	CallPrune    = "cache-prune"
	CallDrop     = "drop"
	CallWait     = "wait" // answers never: it ends with the daemon
)

// Event is one line of an answer.
type Event struct {
	Progress *Progress       `json:"progress,omitempty"`
	Result   json.RawMessage `json:"result,omitempty"`
	Error    *fail.Error     `json:"error,omitempty"`
}

// Progress tells how far a call is.
type Progress struct {
	Text  string `json:"text,omitempty"`
	Done  int64  `json:"done"`
	Total int64  `json:"total"` // 0: unknown
	Files int    `json:"files,omitempty"`
}

// Mount is one mounted disk.
type Mount struct {
	Mountpoint string    `json:"mountpoint"`
	Source     string    `json:"source"` // "", ACCOUNT or ACCOUNT/DROP
	ReadOnly   bool      `json:"read_only,omitempty"`
	Since      time.Time `json:"since"`
}

// Info is what a daemon is.
type Info struct {
	PID      int       `json:"pid"`
	Version  string    `json:"version"`
	StateDir string    `json:"state_dir"`
	Default  string    `json:"default_state_dir"` // where the state would be if nobody said otherwise: tells whose daemon it is
	LogFile  string    `json:"log_file,omitempty"`
	HTTP     string    `json:"http,omitempty"`
	Accounts []string  `json:"accounts"`
	Mounts   []Mount   `json:"mounts"`
	Started  time.Time `json:"started"`
}

// Status is what `dropfs status` shows of one daemon.
type Status struct {
	Info
	Disks []AccountStatus `json:"disks"`
	// Conversions are under way; NotConverted could not be done lately, and why.
	Conversions  []convert.Running `json:"conversions,omitempty"`
	NotConverted []convert.Refusal `json:"not_converted,omitempty"`
}

// AccountStatus is one account of a daemon.
type AccountStatus struct {
	cache.Status
	CacheBytes CacheBytes `json:"cache"`
	// Refused are operations that were not allowed lately, and why.
	Refused []string `json:"refused,omitempty"`
	// Warnings are what somebody should know: a drop that soon expires, refused credentials.
	Warnings []string `json:"warnings,omitempty"`
}

// CacheBytes is cache.CacheUsage with the names of JSON.
type CacheBytes struct {
	Max       int64 `json:"max"`
	Allocated int64 `json:"allocated"`
	Dirty     int64 `json:"dirty"`
	Pinned    int64 `json:"pinned"`
	Files     int   `json:"files"`
}

// MountRequest asks a daemon for one more mount point.
type MountRequest struct {
	Source     string `json:"source"`
	Mountpoint string `json:"mountpoint"`
	ReadOnly   bool   `json:"read_only"`
	AllowOther bool   `json:"allow_other"`
}

// UnmountRequest asks a daemon to take a disk away.
type UnmountRequest struct {
	Mountpoint string        `json:"mountpoint"`
	Send       bool          `json:"send"` // send what is unsent first
	Timeout    time.Duration `json:"timeout"`
	Lazy       bool          `json:"lazy"`
}

// UnmountResult tells what stays behind.
type UnmountResult struct {
	Unsent      int   `json:"unsent"`
	UnsentBytes int64 `json:"unsent_bytes"`
	Last        bool  `json:"last"` // the daemon ends
}

// SyncRequest asks for everything below the paths to be sent.
type SyncRequest struct {
	Paths   []string      `json:"paths"`   // absolute; none: everything
	Timeout time.Duration `json:"timeout"` // 0: none
}

// PathsRequest names files of a disk by their absolute paths.
type PathsRequest struct {
	Paths  []string `json:"paths"`
	On     bool     `json:"on,omitempty"`     // pin
	Public bool     `json:"public,omitempty"` // share
}

// ShareResult is a link.
type ShareResult struct {
	URL string `json:"url"`
}

// AccountRequest names an account; "" is all of the daemon.
type AccountRequest struct {
	Account string `json:"account"`
	Bytes   int64  `json:"bytes,omitempty"` // prune: what may stay
}

// DeletedResult lists what can be brought back, by absolute path.
type DeletedResult struct {
	Deleted []cache.Deleted `json:"deleted"`
}

// VerifyResult lists what was bad.
type VerifyResult struct {
	Bad []string `json:"bad"`
}

// DropRequest asks for one change of an account's drops.
type DropRequest struct {
	Do      string  `json:"do"` // create, list, extend, add, forget, delete
	Account string  `json:"account"`
	Name    string  `json:"name"`
	ID      string  `json:"id,omitempty"` // add
	GB      float64 `json:"gb,omitempty"`
	Days    int     `json:"days,omitempty"`
}

// DropResult is the drops that the change concerned.
type DropResult struct {
	Drops []cache.DropStatus `json:"drops"`
}
