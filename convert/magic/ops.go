package magic

import (
	"maps"
	"slices"
)

// Kind tells what an op makes (G4).
type Kind uint8

// The kinds of op.
const (
	Format Kind = iota // a file of the format that the op names
	Action             // a file
	Dirop              // a directory of files
)

// formats are the extensions that may be an op, under the name that stands for all spellings of it.
var formats = map[string]string{
	"jpeg": "jpg", "tif": "tiff", "htm": "html", "markdown": "md", "yml": "yaml", "oga": "ogg",
}

// known are the formats by their one name. What can be made of them is the engines' business.
var known = []string{
	"png", "jpg", "webp", "avif", "jxl", "heic", "gif", "tiff", "bmp", "svg",
	"pdf", "docx", "doc", "odt", "rtf", "epub", "pptx", "odp", "ppt", "xlsx", "ods", "xls",
	"csv", "tsv", "json", "yaml", "toml", "xml", "md", "html", "txt",
	"mp3", "opus", "ogg", "flac", "wav", "m4a", "aac", "mp4", "webm", "mkv", "mov", "avi",
	"zip", "tar", "tgz", "tzst",
}

// images are the formats that hold one picture.
var images = []string{"png", "jpg", "webp", "avif", "jxl", "heic", "gif", "tiff", "bmp", "svg"}

// The actions and dirops by name.
const (
	Compress      = "compress"
	Merge         = "merge"
	Zip           = "zip"
	Lock          = "lock"
	Unlock        = "unlock"
	ResetPassword = "reset_password"
	OCR           = "ocr"
	Thumb         = "thumb"

	Pages   = "pages"
	Sheets  = "sheets"
	Slides  = "slides"
	Frames  = "frames"
	Members = "members"
)

var (
	actions = []string{Compress, Merge, Zip, Lock, Unlock, ResetPassword, OCR, Thumb}
	dirops  = []string{Pages, Sheets, Slides, Frames, Members}
	facets  = []string{"info.json", "link", "send", "comments", "embed.html"}
)

// Formats lists the formats that may be an op, in order.
func Formats() []string { return slices.Sorted(slices.Values(known)) }

// Dirops lists the ops that make directories.
func Dirops() []string { return slices.Clone(dirops) }

// Facets lists the views of a file that are no conversions.
func Facets() []string { return slices.Clone(facets) }

// Spellings lists the extensions that are other names of a format.
func Spellings() map[string]string { return maps.Clone(formats) }

// Ext gives an extension the name that stands for all spellings of it: lower case, "jpeg" as "jpg".
func Ext(ext string) string {
	b := []byte(ext)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	ext = string(b)
	if one, ok := formats[ext]; ok {
		return one
	}
	return ext
}

// kindOf tells what an op is; ok is false for one that is none. zip is a format and an action: as an op it is the action,
// which makes of one file an archive that holds it.
func kindOf(op string) (Kind, bool) {
	switch {
	case slices.Contains(actions, op):
		return Action, true
	case slices.Contains(dirops, op):
		return Dirop, true
	case slices.Contains(known, op):
		return Format, true
	}
	return 0, false
}
