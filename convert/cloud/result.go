package cloud

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"dropfs/convert"
	"dropfs/convert/magic"
	"dropfs/remote"
	"dropfs/remote/d3"
)

// paged are the formats of which a service may make several where a source has several pages or sheets: the first is the
// one that is meant.
var paged = []string{"png", "jpg", "webp", "avif", "jxl", "heic", "gif", "tiff", "bmp", "svg", "csv", "tsv"}

// take fetches the one result of a task.
func (e *Engine) take(ctx context.Context, job convert.Job, task d3.Task, sources []source, secrets []remote.Secret) error {
	to := target(job)
	switch {
	case len(task.Files) == 0:
		return fmt.Errorf("%w: the service says that it is done, and has no result", convert.ErrBroken)
	case task.Files[0].State == d3.Failed:
		return failed(task, secrets)
	case len(task.Files) > 1 && !slices.Contains(paged, to):
		return fmt.Errorf("%w: %d results where one was asked for", convert.ErrBroken, len(task.Files))
	}
	dst, err := os.OpenFile(job.Out, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("result: %w", err)
	}
	defer dst.Close()
	size, err := e.fetch(ctx, job, task, dst)
	if err != nil {
		return err
	}
	if err := checkFormat(job.Out, to); err != nil {
		return err
	}
	if job.Edge.Op == magic.Compress && size >= job.Sources[0].Size { // C5
		return copyFile(dst, job.Sources[0].Path)
	}
	if err := e.hold(ctx, dst, task.Files[0].Key, "file."+to, sources); err != nil {
		return fmt.Errorf("result: %w", err)
	}
	return dst.Close()
}

// target is the extension of the result of a job.
func target(job convert.Job) string {
	if f := job.Step.Options["format"]; f != "" && slices.Contains(job.Edge.Options, "format") {
		return f
	}
	if job.Edge.To == "=" {
		return job.Sources[0].Ext
	}
	return job.Edge.To
}

// hold tells the client that the service has the result, which the next step of a chain may need. A service may name the
// source where the result is meant.
func (e *Engine) hold(ctx context.Context, f *os.File, key d3.FileKey, name string, sources []source) error {
	if key == "" || slices.ContainsFunc(sources, func(s source) bool { return s.key == key }) {
		return nil
	}
	sum, _, err := sumOf(ctx, f)
	if err == nil {
		e.cfg.Client.Hold(sum, name, key)
	}
	return err
}

// fetch downloads the first result; a link that has ended is asked for again.
func (e *Engine) fetch(ctx context.Context, job convert.Job, task d3.Task, dst *os.File) (int64, error) {
	limit := job.Limits.Resolved().MaxOutput
	size, err := e.cfg.Client.Download(ctx, task.Files[0], dst, limit)
	if errors.Is(err, remote.ErrNotFound) || errors.Is(err, remote.ErrDenied) || errors.Is(err, remote.ErrExpiredURL) {
		again, serr := e.cfg.Client.Status(ctx, task.ID, "")
		if serr != nil || len(again.Files) == 0 {
			return 0, err
		}
		size, err = e.cfg.Client.Download(ctx, again.Files[0], dst, limit)
	}
	return size, err
}

// copyFile makes dst hold what the file at src does, and closes it.
func copyFile(dst *os.File, src string) error {
	in, err := os.Open(src)
	if err != nil {
		return fmt.Errorf("source: %w", err)
	}
	defer in.Close()
	n, err := io.Copy(io.NewOffsetWriter(dst, 0), in)
	return errors.Join(err, dst.Truncate(n), dst.Close())
}
