// Package bounded is what the engines in the program read with and write through, so that a run ends with its context and at
// its limits.
package bounded

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"dropfs/convert"
)

// File reads a source until its context ends.
type File struct {
	ctx context.Context
	f   *os.File
}

// NewFile reads f, which stays its caller's to close.
func NewFile(ctx context.Context, f *os.File) *File { return &File{ctx, f} }

// Read implements io.Reader.
func (f *File) Read(b []byte) (int, error) {
	if err := f.ctx.Err(); err != nil {
		return 0, err
	}
	return f.f.Read(b)
}

// ReadAt implements io.ReaderAt.
func (f *File) ReadAt(b []byte, off int64) (int, error) {
	if err := f.ctx.Err(); err != nil {
		return 0, err
	}
	return f.f.ReadAt(b, off)
}

// Rewind has Read begin anew.
func (f *File) Rewind() error {
	_, err := f.f.Seek(0, io.SeekStart)
	return err
}

// Directory bounds what is read of a zip before its members are known.
type Directory struct {
	f    *File
	left int64
	what string
	read bool
}

// NewDirectory lets most bytes of f be read for the list of what is in it; what names it for the error.
func NewDirectory(f *File, most int64, what string) *Directory {
	return &Directory{f: f, left: most, what: what}
}

// ReadAt implements io.ReaderAt.
func (d *Directory) ReadAt(b []byte, off int64) (int, error) {
	n, err := d.f.ReadAt(b, off)
	if d.read {
		return n, err
	}
	if d.left -= int64(n); d.left < 0 {
		return 0, fmt.Errorf("%w: the list of what is in the %s", convert.ErrTooLarge, d.what)
	}
	return n, err
}

// Done tells that the list was read: there is no bound any more.
func (d *Directory) Done() { d.read = true }

// Broken makes an error one of a kind (convert.Kind), but for that of an ended context.
func Broken(ctx context.Context, err error) error {
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

// Output is the file of a result. It ends with its context and at its limit. Its first error stays, for there are encoders
// that do not look at it.
type Output struct {
	ctx  context.Context
	w    *bufio.Writer
	left int64
	err  error
}

// Write implements io.Writer.
func (o *Output) Write(b []byte) (int, error) {
	if o.err == nil {
		o.err = o.ctx.Err()
	}
	if o.left -= int64(len(b)); o.left < 0 && o.err == nil {
		o.err = fmt.Errorf("%w: the result", convert.ErrTooLarge)
	}
	if o.err != nil {
		return 0, o.err
	}
	n, err := o.w.Write(b)
	o.err = err
	return n, err
}

// Write makes the result of a job, whose limits are resolved, with what f writes.
func Write(ctx context.Context, job convert.Job, f func(*Output) error) error {
	file, err := os.OpenFile(job.Out, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("make the result: %w", err)
	}
	defer file.Close()
	o := &Output{ctx: ctx, w: bufio.NewWriterSize(file, 1<<17), left: job.Limits.MaxOutput}
	err = f(o)
	if o.err != nil {
		err = o.err
	}
	if err != nil {
		return Broken(ctx, err)
	}
	if err := o.w.Flush(); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	if err := file.Close(); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	return nil
}

// Await runs what cannot be interrupted and returns when it does, or when the context ends: then what f does meanwhile is
// abandoned. A panic is an error.
func Await[T any](ctx context.Context, f func() (T, error)) (T, error) {
	type result struct {
		v   T
		err error
	}
	done := make(chan result, 1)
	go func() {
		var r result
		defer func() {
			if p := recover(); p != nil {
				r.err = fmt.Errorf("%w: the library gave up: %v", convert.ErrBroken, p)
			}
			done <- r
		}()
		r.v, r.err = f()
	}()
	select {
	case r := <-done:
		return r.v, r.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}
