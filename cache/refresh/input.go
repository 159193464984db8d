package refresh

import (
	"time"

	"dropfs/remote"
)

// Base is what the replica last knew of one asset of the drop.
type Base struct {
	Asset remote.Asset
	Bound int64  // the entry that it is the service's copy of; 0: none, its deletion is queued here
	Chg   int64  // the entry's content counter whose bytes it has
	Old   bool   // replaced by a newer asset of the entry: its deletion follows
	Mine  bool   // made by this replica
	Shown string // the wire name it is shown under where that is not its own (Shadow); "" its own
	// Fresh: it was confirmed, renamed or learned of after the listing was asked for, which therefore says nothing of it.
	Fresh bool
}

// Local is one file's entry of the drop that is sent to the service: no local-only name, no symlink, no directory.
type Local struct {
	Entry int64
	Wire  string // EncodePath of where it is now
	Chg   int64  // content counter now
	Dirty bool   // its content is not on the service as it is here, whatever Chg says
	Open  bool   // open or mapped: its content must not be exchanged under it
	Held  bool   // its whole content is here: it can be sent without the service
	// Upload is the asset of an upload of this entry that may have been confirmed without our knowing; "" none.
	Upload remote.AssetID
	Size   int64  // of the content as it is here
	MD5    string // of the content as it is here, lower-case hex; "" unknown
}

// Input is one drop as Merge sees it.
type Input struct {
	Bases  []Base
	Locals []Local
	// Dirs are the wire paths of directories that exist in their own right, made here or told by a sidecar; those that
	// only exist because assets lie in them do not belong here.
	Dirs []string
	// Segments are the sidecar assets that are known.
	Segments []remote.AssetID

	Complete bool             // Assets is a whole listing; else only what changed
	Assets   []remote.Asset   // as the service has them
	Gone     []remote.AssetID // not Complete: those that went
	// Deleted are the assets deleted from here since the listing was asked for: a listing may still show them.
	Deleted []remote.AssetID

	Host string    // for conflict names
	Now  time.Time // for conflict names, in the zone to be shown
}

// Action is one change to be made to the local replica. The actions of one Merge are one transaction, and names need
// only be unique at its end: Rename, Shadow and Conflict may exchange names among entries. Removed names come first,
// then moved ones, then new ones.
type Action interface{ action() }

type (
	// Forget drops the base row of an asset that is gone and that no entry shows: its deletion is done.
	Forget struct{ ID remote.AssetID }
	// Update stores the asset in its base row; nothing else changes.
	Update struct{ Asset remote.Asset }
	// Remove takes away an entry without unsent changes, and its base row ID, for the asset is gone.
	Remove struct {
		Entry int64
		ID    remote.AssetID
	}
	// Unbind drops base row ID of an entry that stays, to be sent as new: the asset is gone, the entry has a change.
	Unbind struct {
		Entry int64
		ID    remote.AssetID
	}
	// Own binds an asset, as the present one and made here, to the entry whose own upload it is, or (Equal) which has
	// the same bytes unsent, or sent later. Its former base is Old then; an equal one needs no upload any more.
	Own struct {
		Entry int64
		Asset remote.Asset
		Equal bool
	}
	// Replace gives an entry without unsent changes the asset that took the place of its base row Old. NewInode: it is
	// open, so a new inode takes its name, as if renamed over.
	Replace struct {
		Entry    int64
		Old      remote.AssetID
		Asset    remote.Asset
		NewInode bool
	}
	// Conflict moves an entry with an unsent change, or whose asset was made here later than another of its name, to
	// a conflict name. The move is a local change and is sent; Winner is who has the name now ("" a directory).
	Conflict struct {
		Entry  int64
		Wire   string
		Winner remote.AssetID
	}
	// Rename moves an entry to where its asset is now, Canonical(Asset.Name), and clears Base.Shown; nothing is sent.
	Rename struct {
		Entry int64
		Asset remote.Asset
	}
	// Shadow shows an asset under a wire name that is not its own, kept as Base.Shown; nothing is sent. Entry 0: it is
	// new here.
	Shadow struct {
		Entry int64
		Asset remote.Asset
		Wire  string
	}
	// Adopt makes an entry for a new asset made elsewhere, at Canonical(Asset.Name).
	Adopt struct{ Asset remote.Asset }
	// Sidecar tells of segments that came and went.
	Sidecar struct {
		Added []remote.Asset
		Gone  []remote.AssetID
	}
)

func (Forget) action()   {}
func (Update) action()   {}
func (Remove) action()   {}
func (Unbind) action()   {}
func (Own) action()      {}
func (Replace) action()  {}
func (Conflict) action() {}
func (Rename) action()   {}
func (Shadow) action()   {}
func (Adopt) action()    {}
func (Sidecar) action()  {}
