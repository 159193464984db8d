package sheet

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/xuri/excelize/v2"

	"dropfs/convert"
	"dropfs/convert/native/internal/bounded"
)

const (
	maxParts     = 10000     // files in a workbook
	maxUnpacked  = 1 << 30   // bytes of all of them
	maxPart      = 32 << 20  // bytes of one that is held in memory as a tree
	maxInMemory  = 16 << 20  // bytes of a sheet, or of the texts, from which on it goes through a file
	maxDirectory = 4 << 20   // bytes of the list of parts
	maxSheets    = 2000      // that are listed
	ratio        = 200       // unpacked to packed bytes
	free         = 64 << 20  // bytes that may be unpacked whatever the ratio
	maxOLE       = 256 << 20 // bytes that are looked through for a sign that the workbook is locked
)

// book is an open workbook.
type book struct {
	file   *excelize.File
	sheets []string
}

func (b *book) close() { _ = b.file.Close() } // it only removes files that the run's directory holds

// openBook opens the workbook of a job (S3).
func openBook(ctx context.Context, job convert.Job) (*book, error) {
	path := job.Sources[0].Path
	if err := checkBook(ctx, path); err != nil {
		return nil, bounded.Broken(ctx, err)
	}
	f, err := bounded.Await(ctx, func() (*excelize.File, error) {
		return excelize.OpenFile(path, excelize.Options{
			UnzipSizeLimit: maxUnpacked, UnzipXMLSizeLimit: maxInMemory, TmpDir: job.Dir,
			ShortDatePattern: "yyyy-mm-dd", LongTimePattern: "hh:mm:ss", // what is shown as the reader's country has it
		})
	})
	if err != nil {
		return nil, bounded.Broken(ctx, err)
	}
	b := &book{file: f}
	for _, name := range f.GetSheetList() {
		if name != "" && !slices.Contains(b.sheets, name) {
			b.sheets = append(b.sheets, name)
		}
		if len(b.sheets) > maxSheets {
			b.close()
			return nil, fmt.Errorf("%w: more than %d sheets", convert.ErrTooLarge, maxSheets)
		}
	}
	if len(b.sheets) == 0 {
		b.close()
		return nil, fmt.Errorf("%w: a workbook without sheets", convert.ErrBroken)
	}
	return b, nil
}

// checkBook looks at the list of parts before anything is unpacked.
func checkBook(ctx context.Context, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open the workbook: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return fmt.Errorf("open the workbook: %w", err)
	}
	in := bounded.NewFile(ctx, f)
	if err := checkLocked(in, st.Size()); err != nil {
		return err
	}
	z, err := zip.NewReader(bounded.NewDirectory(in, maxDirectory, "workbook"), st.Size())
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return err
	}
	if len(z.File) > maxParts {
		return fmt.Errorf("%w: a workbook of %d parts", convert.ErrTooLarge, len(z.File))
	}
	total, most := uint64(0), uint64(min(maxUnpacked, max(free, ratio*min(st.Size(), maxUnpacked))))
	for _, part := range z.File {
		name := strings.ToLower(strings.ReplaceAll(part.Name, `\`, "/"))
		streamed := strings.HasPrefix(name, "xl/worksheets/sheet") || name == "xl/sharedstrings.xml"
		tree := !streamed && (strings.HasSuffix(name, ".xml") || strings.HasSuffix(name, ".rels"))
		if part.UncompressedSize64 > most || tree && part.UncompressedSize64 > maxPart {
			return fmt.Errorf("%w: a part of %d bytes", convert.ErrTooLarge, part.UncompressedSize64)
		}
		if total += part.UncompressedSize64; total > most {
			return fmt.Errorf("%w: it unpacks to more than %d bytes", convert.ErrTooLarge, most)
		}
	}
	return nil
}

// checkLocked refuses a workbook in the older container: it has a password, or it is no xlsx. [MS-OFFCRYPTO] §2.3
func checkLocked(f *bounded.File, size int64) error {
	mark := []byte{0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1}
	head := make([]byte, len(mark))
	if _, err := f.ReadAt(head, 0); err != nil || !bytes.Equal(head, mark) || size > maxOLE {
		return nil // what it is instead is found out later
	}
	all, err := io.ReadAll(io.LimitReader(f, maxOLE))
	if err != nil {
		return err
	}
	if bytes.Contains(all, []byte("E\x00n\x00c\x00r\x00y\x00p\x00t\x00e\x00d\x00P\x00a\x00c\x00k\x00a\x00g\x00e\x00")) {
		return fmt.Errorf("%w: the workbook has a password", convert.ErrLocked)
	}
	return errors.New("no workbook of this kind")
}

// sheet is the table of a sheet by name; the first where there is none. It is read once before, so that all its rows are of
// one width.
func (b *book) sheet(name string) (table, error) {
	at := 0
	if name != "" {
		at = slices.Index(b.sheets, name)
		if at < 0 {
			at = slices.IndexFunc(b.sheets, func(s string) bool { return strings.EqualFold(s, name) })
		}
		if at < 0 {
			return nil, fmt.Errorf("%w: no sheet %q", convert.ErrBroken, name)
		}
	}
	width := 0
	return func(ctx context.Context, row func([]string) error) error {
		if width == 0 {
			if err := b.rows(ctx, b.sheets[at], func(cells []string) error {
				width = max(width, len(cells))
				return nil
			}); err != nil {
				return err
			}
		}
		return b.rows(ctx, b.sheets[at], func(cells []string) error {
			return row(append(cells, make([]string, max(width-len(cells), 0))...))
		})
	}, nil
}

// rows reads a sheet. Rows without cells behind the last that has some are left out.
func (b *book) rows(ctx context.Context, sheet string, row func([]string) error) error {
	rows, err := bounded.Await(ctx, func() (*excelize.Rows, error) { return b.file.Rows(sheet) })
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	blank := 0
	for rows.Next() {
		if err := ctx.Err(); err != nil {
			return err
		}
		cells, err := rows.Columns()
		if err != nil {
			return err
		}
		if len(cells) == 0 {
			blank++
			continue
		}
		for ; blank > 0; blank-- {
			if err := row(nil); err != nil {
				return err
			}
		}
		if err := row(cells); err != nil {
			return err
		}
	}
	return rows.Error()
}
