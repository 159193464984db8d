package store

import "time"

// Error is a fact that a caller acts on. Each is an error itself.
type Error string

// The facts.
const (
	ErrNotFound  Error = "not found"
	ErrQuota     Error = "not enough space in the dropzone"
	ErrPayment   Error = "not enough GB-months"
	ErrNameTaken Error = "the name is taken"
	ErrSmaller   Error = "a dropzone cannot be made smaller or shorter"
	ErrConfirmed Error = "the upload is already confirmed"
	ErrChanged   Error = "the upload changed meanwhile"
)

// Error returns the fact's words.
func (e Error) Error() string { return string(e) }

// Key is one API key. Its text is not here: it is known by its hash alone.
type Key struct {
	ID        string // the public id, by which others name it
	Name      string
	Created   time.Time
	Balance   int64 // thousandths of a GB-month; meaningless where Unlimited
	Granted   int64 // what it was set to by whoever runs the hub, in thousandths
	Unlimited bool
	Embedded  bool // free of the limits of size and duration; its drops never expire
	MayCreate bool // holds apikey.create
	Parent    string
	Revoked   bool
}

// Drop is one dropzone.
type Drop struct {
	ID       string    `json:"id"`
	Code     string    `json:"code"`
	Name     string    `json:"name"`
	Owner    string    `json:"owner"` // Key.ID
	Created  time.Time `json:"created"`
	Updated  time.Time `json:"updated"`
	Expires  time.Time `json:"expires,omitzero"` // zero: never
	GBMilli  int64     `json:"gb"`               // thousandths of 10⁹ bytes, as ordered
	Days     int       `json:"days"`             // from Created, as ordered
	MaxSize  int64     `json:"max"`              // bytes; 0: as many as the disk holds
	Used     int64     `json:"used"`             // bytes, reserved ones included
	Seq      int64     `json:"seq"`              // of the last event about it or its files
	Embedded bool      `json:"embedded,omitempty"`
}

// DropSpec orders or changes a drop. Zero fields of a change stay as they are.
type DropSpec struct {
	Name    string
	GBMilli int64
	Days    int
}

// File is one file, pending or confirmed. Its ID is the key of its object as well.
type File struct {
	ID        string    `json:"id"`
	Drop      string    `json:"drop"`
	DropCode  string    `json:"code"`
	Name      string    `json:"name"`
	Type      string    `json:"type"` // as declared; may be ""
	Size      int64     `json:"size"` // bytes
	Created   time.Time `json:"created"`
	Confirmed time.Time `json:"confirmed,omitzero"` // zero: pending
	ETag      string    `json:"etag,omitempty"`     // without quotes; "" while pending
	MD5       string    `json:"md5,omitempty"`
	Seq       int64     `json:"seq,omitempty"` // of the event that confirmed it

	Uploader string    `json:"-"` // Key.ID of who asked for the upload; "" where it was asked by id alone
	UploadID string    `json:"-"` // of a multipart upload
	PartSize int64     `json:"-"` // bytes; 0: one PUT
	StaleAt  time.Time `json:"-"` // pending: when the reservation is given back
}

// Pending tells whether the file waits for its confirmation.
func (f File) Pending() bool { return f.Confirmed.IsZero() }

// Event is one entry of the feed.
type Event struct {
	Seq      int64  `json:"-"`
	Kind     string `json:"-"` // asset, asset.gone, drop, drop.gone
	Drop     string `json:"-"`
	Owner    string `json:"-"`
	FileID   string `json:"fileId,omitempty"`
	Replaces string `json:"replaces,omitempty"`
	File     *File  `json:"file,omitempty"`
	DropInfo *Drop  `json:"drop,omitempty"`
}

// Kinds of Event.
const (
	KindAsset     = "asset"
	KindAssetGone = "asset.gone"
	KindDrop      = "drop"
	KindDropGone  = "drop.gone"
)

// Garbage is an object that nothing refers to any longer.
type Garbage struct {
	Key      string
	UploadID string // of a multipart upload that may still be open
}

// Charge returns what changing a drop from (gb1, days1) to (gb2, days2) costs, in thousandths of a GB-month, gb in
// thousandths: gb₂·days₂/30 − gb₁·days₁/30, each product rounded half up so that steps sum to the whole.
func Charge(gb1 int64, days1 int, gb2 int64, days2 int) int64 {
	return gbMonths(gb2, days2) - gbMonths(gb1, days1)
}

func gbMonths(gbMilli int64, days int) int64 { return (gbMilli*int64(days) + 15) / 30 }

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func toInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
