package remote

import (
	"context"
	"io"
)

// Service is one account at one service. All methods may be called at the same time; each is bounded by its context and
// by time-outs of its own; each error is an *Error. Retrying inside a method is limited to what cannot do harm twice.
type Service interface {
	// Caps tells the service's abilities, asking it at most once in a while.
	Caps(ctx context.Context) (Caps, error)
	// Ping answers within two seconds whether the service can be reached; the cheapest request it has.
	Ping(ctx context.Context) error

	Drops(ctx context.Context) ([]Drop, error) // ErrUnsupported without Caps.ListDrops
	CreateDrop(ctx context.Context, spec DropSpec) (Drop, error)
	Drop(ctx context.Context, id DropID) (Drop, error)
	// UpdateDrop extends a drop, and renames it with Caps.RenameDrop. Zero fields stay as they are.
	UpdateDrop(ctx context.Context, id DropID, spec DropSpec) (Drop, error)
	DeleteDrop(ctx context.Context, id DropID) error // ErrUnsupported without Caps.DeleteDrop

	// Assets lists a drop.
	Assets(ctx context.Context, id DropID) (Listing, error)
	Asset(ctx context.Context, drop DropID, id AssetID) (Asset, error)

	// StartUpload reserves the space and answers where to send the bytes. The caller records the answer before Send.
	StartUpload(ctx context.Context, drop DropID, spec UploadSpec) (Upload, error)
	// Send sends the parts of up that have not arrived (or the one body), in parallel under the service's own limits.
	// It calls record, never two at a time, when a part has arrived or its URL was renewed, with up as it now is, to be
	// recorded before Send goes on; an error of record ends Send. progress is told of bytes put on the wire since the last
	// call (negative where a part starts over), from any goroutine; it may be nil. src must not change until Send returns;
	// a src that reads short is ErrCorrupt.
	Send(ctx context.Context, up Upload, src io.ReaderAt, record func(Upload) error, progress func(n int64)) (Upload, error)
	// Confirm makes the asset be there. It is safe to repeat after a lost answer: a second call answers the same asset.
	// With spec.CopyOf nothing need have been sent: ErrConflict says that the service cannot take the bytes from there,
	// and that they are to be sent; ErrUnsupported that it lacks Caps.Copy.
	Confirm(ctx context.Context, up Upload, spec ConfirmSpec) (Asset, error)
	// Abort gives up an upload and its reservation where the service can; an upload that is not known is no error.
	Abort(ctx context.Context, up Upload) error

	// Fetch opens bytes [off, off+n) of an asset; n < 0: to the end. The body is exactly that long or fails with
	// ErrCorrupt; bytes of another version are refused with ErrChanged. The caller closes it.
	Fetch(ctx context.Context, a Asset, off, n int64) (io.ReadCloser, error)
	// Delete removes an asset; one that is not there is ErrNotFound.
	Delete(ctx context.Context, drop DropID, id AssetID) error
	// Rename gives an asset a new name, keeping its id. ErrUnsupported without Caps.Rename.
	Rename(ctx context.Context, drop DropID, id AssetID, name string) (Asset, error)
	// Link answers a URL under which anybody may read the asset. public allows the asset's permissions to be changed for
	// it; without it, and where the service needs that, ErrDenied.
	Link(ctx context.Context, drop DropID, id AssetID, public bool) (string, error)

	// Changes calls fn for each change behind since, as they happen, until ctx ends, the connection breaks or fn fails.
	// since 0 begins with a ChangeReset that carries the present sequence number. ErrUnsupported without Caps.Changes.
	Changes(ctx context.Context, since int64, fn func(Change) error) error
}
