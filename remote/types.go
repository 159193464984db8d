package remote

import "time"

// DropID is the service's own name for a drop: opaque, and a credential where id-only access is allowed.
type DropID string

// AssetID is the service's own name for an asset. Assets are immutable (R1): it is the asset's version as well.
type AssetID string

// Drop is the container: a dropzone of the Dropzone API, a drop of the drop.io API.
type Drop struct {
	ID      DropID
	Name    string    // as the service knows it; "" where it has no names
	Created time.Time // zero: unknown
	Expires time.Time // zero: never, or unknown

	GB   float64 // size as it was ordered, in units of 10⁹ bytes; 0: unknown
	Days int     // duration as it was ordered, from Created; 0: unknown

	MaxSize     int64 // bytes it may hold; 0: unknown
	MaxFileSize int64 // bytes one asset may have; 0: no limit known
	Used        int64 // bytes held and reserved

	WebURL string // a page for people; "" where there is none
}

// Asset is one item stored in a drop. Its bytes never change (R1).
type Asset struct {
	ID      AssetID
	Drop    DropID
	Name    string // UTF-8, as the service stores it; "/" makes directories
	Size    int64  // bytes
	Type    string // MIME type; "" unknown
	ETag    string // strong validator of the bytes, without quotes; "" where the service tells none in listings
	MD5     string // lower-case hex of the whole content; "" unknown
	Created time.Time
	// Seq orders assets by the instant they were confirmed, where the service tells it (0: it does not).
	// Of two assets with one name the one confirmed first keeps it; ties fall to Created, then to ID.
	Seq int64
}

// Listing is all confirmed assets of a drop at one time.
type Listing struct {
	Assets []Asset // in no order that may be relied upon
	// Seq tells how old the listing is: it knows of every change of the drop up to this one, on the scale of Change.Seq
	// and Asset.Seq. An answer that a proxy kept is so told from the present one. 0: the service does not tell.
	Seq int64
}

// DropSpec is what a drop is ordered with.
type DropSpec struct {
	Name string // may be ""
	GB   float64
	Days int
}

// UploadSpec declares what will be sent.
type UploadSpec struct {
	Name string
	Type string // MIME type; "" is application/octet-stream
	Size int64  // bytes, exact
}

// Upload is an upload under way: the saga's second step. It is kept in the journal as JSON, so that a restart resumes
// it; it holds signed URLs and is as secret as a key.
type Upload struct {
	ID      AssetID           `json:"id"`
	Drop    DropID            `json:"drop"`
	Spec    UploadSpec        `json:"spec"`
	Method  string            `json:"method,omitempty"` // PUT where empty
	URL     Secret            `json:"url,omitempty"`    // single PUT
	Header  map[string]string `json:"header,omitempty"` // further headers of each PUT, as signed
	Expires time.Time         `json:"expires,omitzero"` // when the URLs end; zero: unknown

	UploadID string `json:"upload_id,omitempty"` // multipart
	PartSize int64  `json:"part_size,omitempty"` // bytes of each part but the last; 0: one PUT
	Parts    []Part `json:"parts,omitempty"`     // one a part, in order
}

// Part is one piece of an upload.
type Part struct {
	N    int    `json:"n"` // from 1
	URL  Secret `json:"url,omitempty"`
	ETag string `json:"etag,omitempty"` // "" until it has arrived
}

// ConfirmSpec closes an upload.
type ConfirmSpec struct {
	// Replaces is the asset that this one takes the place of, deleted in the same step where the service has
	// Caps.Replace; a service without it ignores the field and the caller deletes the old asset itself.
	Replaces AssetID
	// CopyOf is an asset whose bytes the upload is to have instead of sent ones; "" none. It lies in the drop CopyFrom,
	// and its size must be the one declared.
	CopyOf   AssetID
	CopyFrom DropID
}

// Caps are the abilities of a service beyond the least that all have.
type Caps struct {
	ListDrops  bool // Drops answers
	DeleteDrop bool
	RenameDrop bool // UpdateDrop takes a new name
	Multipart  bool // StartUpload may answer parts; an interrupted upload goes on
	Copy       bool // ConfirmSpec.CopyOf is honoured
	Rename     bool // Rename answers
	Replace    bool // ConfirmSpec.Replaces is honoured, atomically
	Changes    bool // the change feed
	DupNames   bool // two assets of a drop may have one name
	PublicLink bool // Link needs no permission change
}

// ChangeKind tells what a change of the feed is about.
type ChangeKind string

// The kinds of change. A kind that is not known is treated as ChangeReset.
const (
	ChangeAsset     ChangeKind = "asset"      // Asset was confirmed or renamed
	ChangeAssetGone ChangeKind = "asset.gone" // Asset.ID is no more
	ChangeDrop      ChangeKind = "drop"       // Drop was made or changed
	ChangeDropGone  ChangeKind = "drop.gone"  // Drop was deleted or expired
	ChangeReset     ChangeKind = "reset"      // the feed cannot say what was missed: list everything again
	ChangeKeptAlive ChangeKind = "alive"      // nothing happened, the connection lives
)

// Change is one event of the feed. Seq grows; after a reconnect the feed goes on behind the last one seen.
type Change struct {
	Seq      int64
	Kind     ChangeKind
	Drop     DropID
	Asset    Asset   // ChangeAsset: whole; ChangeAssetGone: ID and Drop
	Replaces AssetID // ChangeAsset: the asset that went in the same step; "" none
	DropInfo Drop    // ChangeDrop: whole
}

// Secret is a string that must not be seen: keys, tokens, signed URLs. It prints as ***, in every verb and in logs;
// Reveal is the only way to its text. JSON keeps the text, for what is stored in files of mode 0600.
type Secret string

// Reveal returns the text itself, for the wire and for nothing else.
func (s Secret) Reveal() string { return string(s) }

// String hides the text (R3).
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "***"
}

// GoString hides the text from %#v.
func (s Secret) GoString() string { return `remote.Secret("***")` }
