package pdf

import (
	"bufio"
	"context"
	"fmt"
	"os"

	"dropfs/convert"
)

// output writes the result. It refuses what goes over the limit, and everything once the run has ended.
type output struct {
	run  context.Context
	file *os.File
	buf  *bufio.Writer
	left int64
	most int64
}

func newOutput(run context.Context, path string, most int64) (*output, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("result: %w", err)
	}
	o := &output{run: run, file: f, left: most, most: most}
	o.buf = bufio.NewWriterSize(writer(o.write), 64<<10)
	return o, nil
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

func (o *output) write(p []byte) (int, error) {
	if err := o.run.Err(); err != nil {
		return 0, err
	}
	if int64(len(p)) > o.left {
		return 0, fmt.Errorf("%w: a result of over %d bytes", convert.ErrTooLarge, o.most)
	}
	n, err := o.file.Write(p)
	o.left -= int64(n)
	if err != nil {
		err = fmt.Errorf("result: %w", err)
	}
	return n, err
}

// Write is that of an io.Writer.
func (o *output) Write(p []byte) (int, error) { return o.buf.Write(p) }

// finish closes the file; err is how the work ended.
func (o *output) finish(err error) error {
	if err == nil {
		err = o.buf.Flush()
	}
	if e := o.file.Close(); err == nil && e != nil {
		err = fmt.Errorf("result: %w", e)
	}
	return err
}
