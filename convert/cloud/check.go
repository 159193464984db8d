package cloud

import (
	"bytes"
	"fmt"
	"io"
	"os"

	"dropfs/convert"
)

// heads are the first bytes of the formats that always begin so.
var heads = map[string][][]byte{
	"pdf":  {[]byte("%PDF-")},
	"png":  {[]byte("\x89PNG\r\n\x1a\n")},
	"jpg":  {[]byte("\xff\xd8\xff")},
	"gif":  {[]byte("GIF87a"), []byte("GIF89a")},
	"bmp":  {[]byte("BM")},
	"tiff": {[]byte("II*\x00"), []byte("MM\x00*"), []byte("II+\x00"), []byte("MM\x00+")},
	"webp": {[]byte("RIFF")},
	"wav":  {[]byte("RIFF"), []byte("RF64")},
	"avi":  {[]byte("RIFF")},
	"flac": {[]byte("fLaC"), []byte("ID3")},
	"ogg":  {[]byte("OggS")},
	"opus": {[]byte("OggS")},
	"webm": {[]byte("\x1a\x45\xdf\xa3")},
	"mkv":  {[]byte("\x1a\x45\xdf\xa3")},
	"rtf":  {[]byte("{\\rtf")},
	"zip":  {[]byte("PK\x03\x04"), []byte("PK\x05\x06")},
	"docx": {[]byte("PK\x03\x04")},
	"xlsx": {[]byte("PK\x03\x04")},
	"pptx": {[]byte("PK\x03\x04")},
	"odt":  {[]byte("PK\x03\x04")},
	"ods":  {[]byte("PK\x03\x04")},
	"odp":  {[]byte("PK\x03\x04")},
	"epub": {[]byte("PK\x03\x04")},
}

const headSize = 1024 // a PDF may begin as late as that

// checkFormat refuses a result that cannot be of a format (C4): a page for people, or an archive of the results.
func checkFormat(path, ext string) error {
	want, ok := heads[ext]
	if !ok {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("result: %w", err)
	}
	defer f.Close()
	head := make([]byte, headSize)
	n, err := io.ReadFull(f, head)
	if n == 0 {
		return fmt.Errorf("%w: the service made an empty file", convert.ErrBroken)
	}
	if err != nil && n == headSize {
		return fmt.Errorf("result: %w", err)
	}
	head = head[:n]
	for _, w := range want {
		if bytes.HasPrefix(head, w) || ext == "pdf" && bytes.Contains(head, w) {
			return nil
		}
	}
	what := "something else"
	switch {
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		what = "an archive"
	case bytes.HasPrefix(bytes.ToLower(bytes.TrimSpace(head)), []byte("<!doctype html")), bytes.HasPrefix(bytes.ToLower(bytes.TrimSpace(head)), []byte("<html")):
		what = "a page for people"
	}
	return fmt.Errorf("%w: the service made %s, no %s", convert.ErrBroken, what, ext)
}
