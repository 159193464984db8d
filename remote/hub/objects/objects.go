package objects

import (
	"context"
	"errors"
	"io"
	"time"
)

// Errors that a caller acts on.
var (
	ErrMissing  = errors.New("the bytes have not arrived")                                  // Commit before all was sent
	ErrMismatch = errors.New("the bytes that arrived are not those announced")              // of another size, or another ETag
	ErrNotFound = errors.New("no such object")                                              // Open, Copy
	ErrTooSmall = errors.New("a part that is not the last is smaller than the store takes") // Commit
	ErrBusy     = errors.New("an upload of the same part is still being received")          // later
)

// Upload is one upload as it was announced.
type Upload struct {
	Key      string
	Type     string // Content-Type its PUT must have; "": see Signed
	Size     int64  // bytes
	UploadID string // "" for a single PUT
	PartSize int64  // bytes of each part but the last; 0: not known, as far as they go
	Count    int    // how many parts there are where PartSize is not known
}

// Parts returns how many parts the upload has; 0 for a single PUT.
func (u Upload) Parts() int {
	if u.UploadID == "" {
		return 0
	}
	if u.PartSize <= 0 {
		return u.Count
	}
	return int((u.Size + u.PartSize - 1) / u.PartSize)
}

// partLen returns the bytes of part n, counted from 1; -1: not known.
func (u Upload) partLen(n int) int64 {
	if u.PartSize <= 0 {
		return -1
	}
	return min(u.PartSize, u.Size-int64(n-1)*u.PartSize)
}

// fits tells whether part n may have size bytes.
func (u Upload) fits(n int, size int64) bool {
	want := u.partLen(n)
	return n >= 1 && n <= u.Parts() && (size == want || want < 0 && size <= u.Size)
}

// Part is a part that has arrived.
type Part struct {
	N    int
	ETag string // without quotes
	Size int64
}

// Object is what is known of committed bytes.
type Object struct {
	Size int64
	ETag string // strong validator, without quotes
	MD5  string // lower-case hex; "" unknown
}

// Signed is a URL to send bytes to.
type Signed struct {
	URL    string
	Header map[string]string // further headers that the request must have
}

// Read says how a download is to be answered.
type Read struct {
	Key         string
	Type        string // Content-Type
	Disposition string // Content-Disposition
}

// Store keeps objects. Methods may be called at the same time. base is the hub's own address as the client sees it
// (scheme and host, no slash at the end); a Store whose URLs are elsewhere ignores it.
type Store interface {
	// SignPut answers where to send the bytes of u, part 0, or of one part of it, until expires.
	SignPut(ctx context.Context, base string, u Upload, part int, expires time.Time) (Signed, error)
	// StartParts opens a multipart upload and answers its id.
	StartParts(ctx context.Context, key, contentType string) (uploadID string, err error)
	// Arrived lists the parts of u that are there, in order.
	Arrived(ctx context.Context, u Upload) ([]Part, error)
	// Commit makes the bytes that have arrived the object, durably. etags, where given, must be those of the parts.
	// It can be repeated (O4). ErrMissing, ErrMismatch, ErrTooSmall.
	Commit(ctx context.Context, u Upload, etags map[int]string) (Object, error)
	// Cleanup removes what Commit has left of an upload. To be called when the metadata is durable.
	Cleanup(ctx context.Context, u Upload) error
	// Put stores size bytes of r as a committed object.
	Put(ctx context.Context, key, contentType string, r io.Reader, size int64) (Object, error)
	// Copy makes a committed object of the bytes of another. ErrNotFound.
	Copy(ctx context.Context, from, to string) error
	// Open opens an object to be read by the hub itself. ErrNotFound.
	Open(ctx context.Context, key string) (io.ReadSeekCloser, error)
	// SignGet answers a URL elsewhere from which a client reads the object, "" where the hub itself must send it.
	SignGet(ctx context.Context, r Read, expires time.Time) (string, error)
	// Delete removes an object and any upload of that key; one that is not there is no error.
	Delete(ctx context.Context, key, uploadID string) error
	// Each calls fn with keys of objects and of uploads that exist, in batches, each key at least once.
	Each(ctx context.Context, fn func(keys []string) error) error
	// Sweep removes what dead processes were writing, and what known does not want: parts and uploads of files that are
	// confirmed, or no more.
	Sweep(ctx context.Context, known func(keys []string) (confirmed map[string]bool, err error)) error
	// Free returns the bytes that can still be stored, -1 where there is no limit.
	Free(ctx context.Context) (int64, error)
}
