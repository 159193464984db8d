package sheet

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"

	"dropfs/convert"
)

// file reads until its context ends (S5).
type file struct {
	ctx context.Context
	f   *os.File
}

func (f *file) Read(b []byte) (int, error) {
	if err := f.ctx.Err(); err != nil {
		return 0, err
	}
	return f.f.Read(b)
}

// ReadAt is for zip.
func (f *file) ReadAt(b []byte, off int64) (int, error) {
	if err := f.ctx.Err(); err != nil {
		return 0, err
	}
	return f.f.ReadAt(b, off)
}

// meter bounds what is read of a zip before its parts are known (S3).
type meter struct {
	f    *file
	left int64
}

func (m *meter) ReadAt(b []byte, off int64) (int, error) {
	n, err := m.f.ReadAt(b, off)
	if m.left -= int64(n); m.left < 0 {
		return 0, fmt.Errorf("%w: the list of what is in the workbook", convert.ErrTooLarge)
	}
	return n, err
}

// broken makes an error one of a kind, but for that of an ended context.
func broken(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.As(err, new(convert.Kind)) {
		return err
	}
	return fmt.Errorf("%w: %w", convert.ErrBroken, err)
}

// output is the file of a result. It ends with its context and at its limit.
type output struct {
	ctx  context.Context
	w    *bufio.Writer
	left int64
}

func (o *output) Write(b []byte) (int, error) {
	if err := o.ctx.Err(); err != nil {
		return 0, err
	}
	if o.left -= int64(len(b)); o.left < 0 {
		return 0, fmt.Errorf("%w: the result", convert.ErrTooLarge)
	}
	return o.w.Write(b)
}

// write makes the result with what f writes.
func write(ctx context.Context, job convert.Job, f func(*output) error) error {
	file, err := os.OpenFile(job.Out, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("make the result: %w", err)
	}
	defer file.Close()
	o := &output{ctx, bufio.NewWriterSize(file, 1<<17), job.Limits.MaxOutput}
	if err := f(o); err != nil {
		return broken(ctx, err)
	}
	if err := o.w.Flush(); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	if err := file.Close(); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	return nil
}
