package cache_test

import (
	"context"
	"io"
	"sync/atomic"

	"dropfs/remote"
)

// line is the way from one replica to the service. Cut, it stays cut: nothing that a killed replica still does in this
// process reaches the service.
type line struct {
	s    remote.Service
	dead atomic.Bool
}

func newLine(s remote.Service) *line { return &line{s: s} }

func (l *line) cut() { l.dead.Store(true) }

func over[T any](l *line, op string, do func() (T, error)) (T, error) {
	if l.dead.Load() {
		var zero T
		return zero, &remote.Error{Kind: remote.ErrUnavailable, Op: op, Message: "killed"}
	}
	return do()
}

func overNone(l *line, op string, do func() error) error {
	_, err := over(l, op, func() (struct{}, error) { return struct{}{}, do() })
	return err
}

func (l *line) Caps(ctx context.Context) (remote.Caps, error) {
	return over(l, "Caps", func() (remote.Caps, error) { return l.s.Caps(ctx) })
}

func (l *line) Ping(ctx context.Context) error {
	return overNone(l, "Ping", func() error { return l.s.Ping(ctx) })
}

func (l *line) Drops(ctx context.Context) ([]remote.Drop, error) {
	return over(l, "Drops", func() ([]remote.Drop, error) { return l.s.Drops(ctx) })
}

func (l *line) CreateDrop(ctx context.Context, spec remote.DropSpec) (remote.Drop, error) {
	return over(l, "CreateDrop", func() (remote.Drop, error) { return l.s.CreateDrop(ctx, spec) })
}

func (l *line) Drop(ctx context.Context, id remote.DropID) (remote.Drop, error) {
	return over(l, "Drop", func() (remote.Drop, error) { return l.s.Drop(ctx, id) })
}

func (l *line) UpdateDrop(ctx context.Context, id remote.DropID, spec remote.DropSpec) (remote.Drop, error) {
	return over(l, "UpdateDrop", func() (remote.Drop, error) { return l.s.UpdateDrop(ctx, id, spec) })
}

func (l *line) DeleteDrop(ctx context.Context, id remote.DropID) error {
	return overNone(l, "DeleteDrop", func() error { return l.s.DeleteDrop(ctx, id) })
}

func (l *line) Assets(ctx context.Context, id remote.DropID) (remote.Listing, error) {
	return over(l, "Assets", func() (remote.Listing, error) { return l.s.Assets(ctx, id) })
}

func (l *line) Asset(ctx context.Context, drop remote.DropID, id remote.AssetID) (remote.Asset, error) {
	return over(l, "Asset", func() (remote.Asset, error) { return l.s.Asset(ctx, drop, id) })
}

func (l *line) StartUpload(ctx context.Context, drop remote.DropID, spec remote.UploadSpec) (remote.Upload, error) {
	return over(l, "StartUpload", func() (remote.Upload, error) { return l.s.StartUpload(ctx, drop, spec) })
}

func (l *line) Send(ctx context.Context, up remote.Upload, src io.ReaderAt, record func(remote.Upload) error, progress func(int64)) (remote.Upload, error) {
	return over(l, "Send", func() (remote.Upload, error) { return l.s.Send(ctx, up, src, record, progress) })
}

func (l *line) Confirm(ctx context.Context, up remote.Upload, spec remote.ConfirmSpec) (remote.Asset, error) {
	return over(l, "Confirm", func() (remote.Asset, error) { return l.s.Confirm(ctx, up, spec) })
}

func (l *line) Abort(ctx context.Context, up remote.Upload) error {
	return overNone(l, "Abort", func() error { return l.s.Abort(ctx, up) })
}

func (l *line) Fetch(ctx context.Context, a remote.Asset, off, n int64) (io.ReadCloser, error) {
	return over(l, "Fetch", func() (io.ReadCloser, error) { return l.s.Fetch(ctx, a, off, n) })
}

func (l *line) Delete(ctx context.Context, drop remote.DropID, id remote.AssetID) error {
	return overNone(l, "Delete", func() error { return l.s.Delete(ctx, drop, id) })
}

func (l *line) Rename(ctx context.Context, drop remote.DropID, id remote.AssetID, name string) (remote.Asset, error) {
	return over(l, "Rename", func() (remote.Asset, error) { return l.s.Rename(ctx, drop, id, name) })
}

func (l *line) Link(ctx context.Context, drop remote.DropID, id remote.AssetID, public bool) (string, error) {
	return over(l, "Link", func() (string, error) { return l.s.Link(ctx, drop, id, public) })
}

func (l *line) Changes(ctx context.Context, since int64, fn func(remote.Change) error) error {
	return overNone(l, "Changes", func() error { return l.s.Changes(ctx, since, fn) })
}

var _ remote.Service = (*line)(nil)
