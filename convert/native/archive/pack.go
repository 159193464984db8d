package archive

import (
	"archive/tar"
	"archive/zip"
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"time"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"dropfs/convert"
	"dropfs/convert/native/internal/bounded"
)

// packer writes an archive. Close must be called, and ends it.
type packer interface {
	add(m entry, r io.Reader) error
	Close() error
}

func newPacker(format string, w io.Writer) (packer, error) {
	switch format {
	case "zip":
		z := zip.NewWriter(w)
		z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) {
			return flate.NewWriter(w, flate.DefaultCompression)
		})
		return &zipPacker{z}, nil
	case "tar":
		return &tarPacker{t: tar.NewWriter(w)}, nil
	case "tgz":
		z := gzip.NewWriter(w)
		return &tarPacker{tar.NewWriter(z), z}, nil
	case "tzst":
		z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		return &tarPacker{tar.NewWriter(z), z}, nil
	}
	return nil, fmt.Errorf("%w: an archive as %s", convert.ErrUnsupported, format)
}

type zipPacker struct{ z *zip.Writer }

func (p *zipPacker) add(m entry, r io.Reader) error {
	h := &zip.FileHeader{Name: m.name, Method: zip.Deflate, Modified: stamp(m.mod)}
	h.SetMode(mode(m))
	w, err := p.z.CreateHeader(h)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	return err
}

func (p *zipPacker) Close() error { return p.z.Close() }

type tarPacker struct {
	t *tar.Writer
	z io.Closer // nil: not packed
}

func (p *tarPacker) add(m entry, r io.Reader) error {
	h := &tar.Header{Typeflag: tar.TypeReg, Name: m.name, Size: m.size, Mode: int64(mode(m).Perm()), ModTime: stamp(m.mod)}
	if err := p.t.WriteHeader(h); err != nil {
		return err
	}
	n, err := io.Copy(p.t, r)
	if err == nil && n != m.size {
		err = fmt.Errorf("%s has %d bytes, not %d", path.Base(m.name), n, m.size)
	}
	return err
}

func (p *tarPacker) Close() error {
	err := p.t.Close()
	if p.z != nil {
		if zerr := p.z.Close(); err == nil {
			err = zerr
		}
	}
	return err
}

func mode(m entry) os.FileMode {
	if m.exec {
		return 0o755
	}
	return 0o644
}

// stamp is a time that every format can say, to the second; the first of January 1980 where there is none.
func stamp(t time.Time) time.Time {
	first := time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)
	if t.Before(first) || t.Year() > 2100 {
		return first
	}
	return t.UTC().Truncate(time.Second)
}

// pack packs the sources that the option glob takes, in their order, under their names made safe.
func pack(ctx context.Context, job convert.Job, w io.Writer) error {
	p, err := newPacker(job.Edge.To, w)
	if err != nil {
		return err
	}
	names := newTree()
	glob := job.Step.Options["glob"]
	for i, s := range job.Sources {
		if glob != "" {
			if ok, err := path.Match(glob, path.Base(s.Name)); err != nil {
				return closeWith(p, fmt.Errorf("%w: glob %q: %w", convert.ErrUnsupported, glob, err))
			} else if !ok {
				continue
			}
		}
		if err := packOne(ctx, p, names.unique(safe(s.Name)), s.Path); err != nil {
			return closeWith(p, err)
		}
		progress(job, i+1, len(job.Sources))
	}
	return p.Close()
}

func packOne(ctx context.Context, p packer, name, from string) error {
	f, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("open a source: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return fmt.Errorf("open a source: %w", err)
	}
	if !st.Mode().IsRegular() {
		return fmt.Errorf("%w: %s is no regular file", convert.ErrBroken, path.Base(name))
	}
	return p.add(entry{name: name, size: st.Size(), mod: st.ModTime()}, bounded.NewFile(ctx, f))
}

// closeWith gives up an archive: its end is of no interest any more.
func closeWith(p packer, err error) error {
	_ = p.Close()
	return err
}

// repack writes the members of one archive as another (A5).
func repack(ctx context.Context, job convert.Job, w io.Writer) error {
	if len(job.Sources) != 1 {
		return fmt.Errorf("%w: %d archives as one", convert.ErrUnsupported, len(job.Sources))
	}
	p, err := newPacker(job.Edge.To, w)
	if err != nil {
		return err
	}
	err = walk(ctx, job.Sources[0], job.Limits, func(m entry, open opener) error {
		r, err := open()
		if err != nil {
			return err
		}
		defer r.Close()
		if m.size < 0 {
			return addUnknown(job, p, m, r)
		}
		return p.add(m, r)
	})
	if err != nil {
		return closeWith(p, err)
	}
	return p.Close()
}

// addUnknown adds a member whose size must be found out first, by way of a file.
func addUnknown(job convert.Job, p packer, m entry, r io.Reader) error {
	f, err := os.CreateTemp(job.Dir, "member")
	if err != nil {
		return fmt.Errorf("scratch file: %w", err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if m.size, err = io.Copy(f, r); err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("scratch file: %w", err)
	}
	return p.add(m, f)
}

// extract makes the member that the job names.
func extract(ctx context.Context, job convert.Job) error {
	if job.Part == "" || len(job.Sources) != 1 {
		return fmt.Errorf("%w: members without a name", convert.ErrUnsupported)
	}
	found := false
	err := bounded.Write(ctx, job, func(w *bounded.Output) error {
		return walk(ctx, job.Sources[0], job.Limits, func(m entry, open opener) error {
			if m.name != job.Part {
				return nil
			}
			found = true
			r, err := open()
			if err != nil {
				return err
			}
			defer r.Close()
			if _, err := io.Copy(w, r); err != nil {
				return err
			}
			return errDone
		})
	})
	if err == nil && !found {
		err = fmt.Errorf("%w: no such member", convert.ErrBroken)
	}
	return err
}

func progress(job convert.Job, done, all int) {
	if job.Progress != nil {
		job.Progress(float64(done) / float64(all))
	}
}
