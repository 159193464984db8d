package exec

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"dropfs/convert"
)

// sniffLen is how much of a file tells what it is.
const sniffLen = 4096

// families are the extensions that one kind of content goes by, under the name that sniff gives the kind. An extension
// that is in none is a kind of its own.
var families = map[string][]string{
	"isom":     {"mp4", "m4a", "mov"},
	"matroska": {"mkv", "webm"},
	"ogg":      {"ogg", "opus"},
	"ole":      {"doc", "xls", "ppt"},
	"text":     {"txt", "md", "csv", "tsv"},
	"mpeg":     {"mp3", "aac"}, // both may begin with ID3, which tells not what follows
}

// kin tells whether content of a kind may have the extension.
func kin(ext, kind string) bool {
	return kind == ext || slices.Contains(families[kind], ext)
}

// magics are the kinds that some bytes at a place tell.
var magics = []struct {
	kind string
	at   int
	text string
}{
	{"pdf", 0, "%PDF-"},
	{"png", 0, "\x89PNG\r\n\x1a\n"},
	{"jpg", 0, "\xff\xd8\xff"},
	{"gif", 0, "GIF87a"},
	{"gif", 0, "GIF89a"},
	{"tiff", 0, "II*\x00"},
	{"tiff", 0, "MM\x00*"},
	{"tiff", 0, "II+\x00"},
	{"bmp", 0, "BM"},
	{"jxl", 0, "\xff\x0a"},
	{"jxl", 0, "\x00\x00\x00\x0cJXL \r\n\x87\n"},
	{"webp", 8, "WEBP"},
	{"wav", 8, "WAVE"},
	{"avi", 8, "AVI "},
	{"flac", 0, "fLaC"},
	{"ogg", 0, "OggS"},
	{"matroska", 0, "\x1aE\xdf\xa3"},
	{"rtf", 0, "{\\rtf"},
	{"zip", 0, "PK\x03\x04"},
	{"ole", 0, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"},
	{"mpeg", 0, "ID3"},
}

// sniff tells what a file is by its content; "" where it cannot tell. as is what it should be: it matters for formats that
// are told only by their parts, and an Office document that is locked is an error of kind ErrLocked.
func sniff(path, as string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("%w: %w", convert.ErrBroken, err)
	}
	defer f.Close()
	head := make([]byte, sniffLen)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("%w: %w", convert.ErrBroken, err)
	}
	kind := sniffHead(head[:n], n == sniffLen)
	switch {
	case kind == "zip":
		info, err := f.Stat()
		if err != nil {
			return "", fmt.Errorf("%w: %w", convert.ErrBroken, err)
		}
		return sniffZip(f, info.Size())
	case kind == "ole" && slices.Contains([]string{"docx", "xlsx", "pptx"}, as):
		return "", fmt.Errorf("%w: it is encrypted", convert.ErrLocked)
	}
	return kind, nil
}

// sniffHead tells the kind from the first bytes; cut says that more follow.
func sniffHead(head []byte, cut bool) string {
	for _, m := range magics {
		if len(head) >= m.at && bytes.HasPrefix(head[m.at:], []byte(m.text)) {
			return m.kind
		}
	}
	if len(head) >= 12 && string(head[4:8]) == "ftyp" {
		return sniffBrand(head)
	}
	if len(head) >= 8 && slices.Contains([]string{"moov", "mdat", "wide", "free", "skip"}, string(head[4:8])) {
		return "isom" // QuickTime before it had brands
	}
	if len(head) >= 2 && head[0] == 0xff && head[1]&0xe0 == 0xe0 {
		return "mpeg"
	}
	return sniffText(head, cut)
}

// sniffBrand tells pictures from films, ISO/IEC 14496-12 §4.3: a major brand, a version, compatible brands.
func sniffBrand(head []byte) string {
	size := min(int(min(binary.BigEndian.Uint32(head), sniffLen)), len(head))
	brands := []string{string(head[8:12])}
	for i := 16; i+4 <= size; i += 4 {
		brands = append(brands, string(head[i:i+4]))
	}
	for _, b := range brands {
		switch b {
		case "avif", "avis":
			return "avif"
		case "heic", "heix", "heim", "heis", "hevc":
			return "heic"
		}
	}
	if brands[0] == "mif1" {
		return "heic"
	}
	return "isom"
}

func sniffText(head []byte, cut bool) string {
	if cut { // the last character may be cut
		for i := 0; i < utf8.UTFMax && len(head) > 0 && !utf8.Valid(head); i++ {
			head = head[:len(head)-1]
		}
	}
	if len(head) == 0 || bytes.IndexByte(head, 0) >= 0 {
		return ""
	}
	start := strings.ToLower(strings.TrimLeft(strings.TrimPrefix(string(head), "\ufeff"), " \t\r\n"))
	switch {
	case strings.Contains(start, "<svg"):
		return "svg"
	case strings.HasPrefix(start, "<!doctype html"), strings.HasPrefix(start, "<html"),
		strings.HasPrefix(start, "<?xml") && strings.Contains(start, "<html"):
		return "html"
	case strings.HasPrefix(start, "<?xml"), strings.HasPrefix(start, "%!ps"),
		strings.HasPrefix(start, "#extm3u"), strings.HasPrefix(start, "ffconcat"):
		return "" // nothing that is converted here
	}
	return "text"
}
