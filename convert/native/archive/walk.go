package archive

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"dropfs/convert"
	"dropfs/convert/native/internal/bounded"
)

// entry is one member.
type entry struct {
	name string
	size int64 // bytes; -1 not known
	mod  time.Time
	exec bool
}

// opener opens the content of the member that a walk stands at, once.
type opener func() (io.ReadCloser, error)

type visit func(entry, opener) error

// errDone is what a visit answers that wants no more.
var errDone = errors.New("done")

const (
	maxDirectory = 16 << 20  // bytes of the central directory of a zip
	maxWindow    = 128 << 20 // bytes that a zstd stream may look back
)

// walker walks one archive.
type walker struct {
	ctx     context.Context
	visit   visit
	tree    tree
	entries int
	members *budget // of what is unpacked for the visits
}

// walk calls visit for each member of an archive.
func walk(ctx context.Context, src convert.Source, l convert.Limits, v visit) error {
	f, err := os.Open(src.Path)
	if err != nil {
		return fmt.Errorf("open the archive: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return fmt.Errorf("open the archive: %w", err)
	}
	most := max(free, ratio*min(st.Size(), 1<<50))
	w := &walker{ctx: ctx, visit: v, tree: newTree(), members: &budget{min(most, l.MaxOutput)}}
	in := bounded.NewFile(ctx, f)
	switch sniff(in, src.Ext) {
	case "zip":
		err = w.zip(in, st.Size())
	case "gz":
		err = w.gzip(in, src, st, &budget{most})
	case "zst":
		err = w.zstd(in, src, st, &budget{most})
	default:
		err = w.tar(bufio.NewReaderSize(in, 1<<16))
	}
	if errors.Is(err, errDone) {
		return nil
	}
	return bounded.Broken(ctx, err)
}

// sniff tells what an archive is: by its first bytes, else by its extension, for a zip may have a program before it.
func sniff(f *bounded.File, ext string) string {
	head := make([]byte, 4)
	n, _ := f.ReadAt(head, 0) // shorter is none of them
	switch head = head[:n]; {
	case bytes.HasPrefix(head, []byte("PK\x03\x04")), bytes.HasPrefix(head, []byte("PK\x05\x06")):
		return "zip"
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return "gz"
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return "zst"
	}
	if ext == "zip" {
		return "zip"
	}
	return "tar"
}

// take shows a member to the visit, where it is one.
func (w *walker) take(m entry, regular bool, open opener) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	if w.entries++; w.entries > maxEntries {
		return fmt.Errorf("%w: more than %d entries", convert.ErrTooLarge, maxEntries)
	}
	name, ok := member(m.name)
	if !ok || !regular || !w.tree.add(name) {
		return nil
	}
	m.name = name
	return w.visit(m, open)
}

func (w *walker) zip(f *bounded.File, size int64) error {
	directory := bounded.NewDirectory(f, maxDirectory, "archive")
	z, err := zip.NewReader(directory, size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return err
	}
	directory.Done()
	z.RegisterDecompressor(zstd.ZipMethodWinZip, zstd.ZipDecompressor(zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow)))
	for _, e := range z.File {
		m := entry{name: e.Name, size: -1, mod: e.Modified, exec: e.Mode()&0o100 != 0}
		if e.UncompressedSize64 < 1<<62 {
			m.size = int64(e.UncompressedSize64)
		}
		dir := strings.HasSuffix(e.Name, "/") || strings.HasSuffix(e.Name, `\`)
		if err := w.take(m, e.Mode().IsRegular() && !dir, func() (io.ReadCloser, error) { return w.openZip(e) }); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) openZip(e *zip.File) (io.ReadCloser, error) {
	const encrypted = 1
	if e.Flags&encrypted != 0 {
		return nil, fmt.Errorf("%w: %s", convert.ErrLocked, path.Base(e.Name))
	}
	r, err := e.Open()
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{w.members.reader(r), r}, nil
}

func (w *walker) gzip(f *bounded.File, src convert.Source, st os.FileInfo, b *budget) error {
	z, err := gzip.NewReader(bufio.NewReaderSize(f, 1<<16))
	if err != nil {
		return err
	}
	defer z.Close()
	return w.stream(b.reader(z), src, st)
}

func (w *walker) zstd(f *bounded.File, src convert.Source, st os.FileInfo, b *budget) error {
	z, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return err
	}
	defer z.Close()
	return w.stream(b.reader(z), src, st)
}

// stream walks what was packed as a stream: a tar, else the one file that the archive is named for.
func (w *walker) stream(r io.Reader, src convert.Source, st os.FileInfo) error {
	const block = 512
	in := bufio.NewReaderSize(r, 1<<16)
	head, err := in.Peek(block)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	one := src.Ext == "gz" || src.Ext == "zst"
	if _, err := tar.NewReader(bytes.NewReader(head)).Next(); one && (err != nil || len(head) < block) {
		base := path.Base(src.Name)
		name := strings.TrimSuffix(base, path.Ext(base))
		return w.take(entry{name: name, size: -1, mod: st.ModTime()}, true, func() (io.ReadCloser, error) {
			return io.NopCloser(w.members.reader(in)), nil
		})
	}
	return w.tar(in)
}

func (w *walker) tar(r io.Reader) error {
	t := tar.NewReader(r)
	for {
		h, err := t.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && !errors.Is(err, tar.ErrInsecurePath):
			return err
		}
		m := entry{name: h.Name, size: h.Size, mod: h.ModTime, exec: h.Mode&0o100 != 0}
		if err := w.take(m, h.Typeflag == tar.TypeReg, func() (io.ReadCloser, error) {
			return io.NopCloser(w.members.reader(t)), nil
		}); err != nil {
			return err
		}
	}
}
