package exec

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"strings"

	"dropfs/convert"
)

// What a document that is an archive may unpack to.
const (
	maxParts     = 20_000
	maxUnpacked  = 1 << 30
	maxRatio     = 200
	ratioCounts  = 32 << 20 // below, it may be as dense as it likes
	mimetypeLong = 128
	maxDirectory = 6 << 20 // bytes of the list of parts
)

// documents are the formats that are archives, by a part that no other has.
var documents = map[string]string{
	"word/document.xml": "docx", "xl/workbook.xml": "xlsx", "xl/workbook.bin": "xlsb", "ppt/presentation.xml": "pptx",
}

// mimetypes are the formats that are archives, by what their part mimetype says.
var mimetypes = map[string]string{
	"application/vnd.oasis.opendocument.text":         "odt",
	"application/vnd.oasis.opendocument.spreadsheet":  "ods",
	"application/vnd.oasis.opendocument.presentation": "odp",
	"application/epub+zip":                            "epub",
}

// sniffZip tells which document an archive is, and refuses one that unpacks to too much (X4). It believes the directory of
// the archive: what lies about itself fails in the reader, or ends at the limits of the sandbox.
func sniffZip(r io.ReaderAt, size int64) (string, error) {
	z, err := zip.NewReader(&bounded{r: r, left: maxDirectory}, size)
	if errors.Is(err, convert.ErrTooLarge) {
		return "", err
	}
	if err != nil {
		return "", fmt.Errorf("%w: %w", convert.ErrBroken, err)
	}
	if len(z.File) > maxParts {
		return "", fmt.Errorf("%w: %d parts", convert.ErrTooLarge, len(z.File))
	}
	kind := "zip"
	var total uint64
	for _, f := range z.File {
		if f.UncompressedSize64 > maxUnpacked {
			return "", fmt.Errorf("%w: unpacked it has more than %d bytes", convert.ErrTooLarge, maxUnpacked)
		}
		total += f.UncompressedSize64
		if k, ok := documents[f.Name]; ok {
			kind = k
		}
		if f.Name == "mimetype" {
			if k, ok := mimetypes[readPart(f)]; ok {
				kind = k
			}
		}
	}
	if total > maxUnpacked || total > ratioCounts && total/maxRatio > uint64(size) {
		return "", fmt.Errorf("%w: unpacked it has %d bytes", convert.ErrTooLarge, total)
	}
	return kind, nil
}

func readPart(f *zip.File) string {
	r, err := f.Open()
	if err != nil {
		return ""
	}
	defer r.Close()
	text, err := io.ReadAll(io.LimitReader(r, mimetypeLong))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// bounded reads only so much: the list of parts is held in memory before it can be counted.
type bounded struct {
	r    io.ReaderAt
	left int
}

func (b *bounded) ReadAt(p []byte, off int64) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, fmt.Errorf("%w: its list of parts has more than %d bytes", convert.ErrTooLarge, maxDirectory)
	}
	return b.r.ReadAt(p, off)
}
