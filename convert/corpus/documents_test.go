package corpus

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"dropfs/convert"
	"dropfs/convert/magic"
)

// document is a file that a Debian package ships.
type document struct {
	name   string // of the test
	family string
	pkg    string // Debian's
	path   string // in the package
	short  bool   // the normal run takes it
	// words stand in the document, so that two empty texts are never equal (C4).
	words []string
	// like is a file of the same package with the same picture, made by its author with another program.
	like   string
	narrow bool // its tables break words on paper
	more   bool // on paper it shows text that is not in its body: headers, footers, embedded objects
}

const (
	samples = "/usr/share/gocode/src/github.com/gabriel-vasile/mimetype/testdata/"
	sampler = "golang-github-gabriel-vasile-mimetype-dev"
	mpl     = "/usr/share/matplotlib/mpl-data/"
	mplData = "python-matplotlib-data"
	ximage  = "/usr/share/gocode/src/golang.org/x/image/testdata/"
	ximages = "golang-golang-x-image-dev"
	goexif  = "/usr/share/gocode/src/github.com/rwcarlsen/goexif/exif/samples/"
	goexifs = "golang-github-rwcarlsen-goexif-dev"
	manual  = "/usr/share/developers-reference/developers-reference."
	devref  = "developers-reference"
	readxl  = "/usr/lib/R/site-library/readxl/extdata/"
	imageio = "/usr/lib/python3/dist-packages/imageio/resources/images/"
	traces  = "/usr/share/forensics-samples/original-files/"
	tracers = "forensics-samples-files"
	getter  = "/usr/share/gocode/src/github.com/hashicorp/go-getter/testdata/"
	getters = "golang-github-hashicorp-go-getter-dev"
)

// documents is the corpus.
var documents = []document{
	{name: "manual.pdf", family: "pdf", pkg: devref, path: manual + "pdf", words: []string{"Debian", "maintainer", "upload"}},
	{name: "testpage.pdf", family: "pdf", pkg: "cups-filters", path: "/usr/share/cups/data/default-testpage.pdf", short: true, words: []string{"Printer"}},
	{name: "form-russian.pdf", family: "pdf", pkg: "cups-filters", path: "/usr/share/cups/data/form_russian.pdf"},
	{name: "letter.pdf", family: "pdf", pkg: tracers, path: traces + "text1/a-text.pdf"},
	{name: "logo.pdf", family: "pdf", pkg: mplData, path: mpl + "images/matplotlib.pdf", short: true},

	{name: "example.docx", family: "text", pkg: "r-cran-officer", path: "/usr/lib/R/site-library/officer/doc_examples/example.docx", short: true, narrow: true, more: true},
	{name: "letter.docx", family: "text", pkg: tracers, path: traces + "text1/a-text.docx"},
	{name: "manual.odt", family: "text", pkg: "writer2latex-manual", path: "/usr/share/doc/writer2latex/manual/user-manual.odt", short: true, words: []string{"Writer2LaTeX", "LaTeX"}},
	{name: "form.odt", family: "text", pkg: "cups-filters", path: "/usr/share/cups/data/form_russian_in.odt"},
	{name: "sample.doc", family: "text", pkg: sampler, path: samples + "doc.doc"},
	{name: "manual.txt", family: "text", pkg: "unrtf", path: "/usr/share/doc/unrtf/README", words: []string{"UnRTF"}},

	{name: "datasets.xlsx", family: "sheet", pkg: "r-cran-readxl", path: readxl + "datasets.xlsx", short: true},
	{name: "sheets.xlsx", family: "sheet", pkg: "xlsx2csv", path: "/usr/share/doc/xlsx2csv/examples/test/sheets.xlsx"},
	{name: "utf8.xlsx", family: "sheet", pkg: "xlsx2csv", path: "/usr/share/doc/xlsx2csv/examples/test/utf8.xlsx", short: true},
	{name: "escape.xlsx", family: "sheet", pkg: "xlsx2csv", path: "/usr/share/doc/xlsx2csv/examples/test/escape.xlsx"},
	{name: "cars.ods", family: "sheet", pkg: "r-cran-rio", path: "/usr/lib/R/site-library/rio/examples/mtcars.ods"},
	{name: "iris.xls", family: "sheet", pkg: "r-cran-rio", path: "/usr/lib/R/site-library/rio/examples/iris.xls"},
	{name: "stocks.csv", family: "sheet", pkg: mplData, path: mpl + "sample_data/msft.csv", short: true},
	{name: "degrees.csv", family: "sheet", pkg: mplData, path: mpl + "sample_data/percent_bachelors_degrees_women_usa.csv"},

	{name: "sample.pptx", family: "slides", pkg: sampler, path: samples + "pptx.pptx"},
	{name: "example.pptx", family: "slides", pkg: "r-cran-officer", path: "/usr/lib/R/site-library/officer/doc_examples/example.pptx", short: true},
	{name: "sample.odp", family: "slides", pkg: sampler, path: samples + "odp.odp"},
	{name: "report.odp", family: "slides", pkg: "python3-relatorio", path: "/usr/share/doc/python3-relatorio/examples/presentation.odp", short: true, more: true},
	{name: "sample.ppt", family: "slides", pkg: sampler, path: samples + "ppt.ppt"},

	{name: "photo.png", family: "picture", pkg: ximages, path: ximage + "video-001.png", short: true},
	{name: "alpha.png", family: "picture", pkg: mplData, path: mpl + "sample_data/logo2.png"},
	{name: "photo.jpg", family: "picture", pkg: mplData, path: mpl + "sample_data/grace_hopper.jpg"},
	{name: "turned.jpg", family: "picture", pkg: goexifs, path: goexif + "f6-exif.jpg", like: goexif + "f1-exif.jpg", short: true},
	{name: "mirrored.jpg", family: "picture", pkg: goexifs, path: goexif + "f7-exif.jpg", like: goexif + "f1-exif.jpg"},
	{name: "moving.gif", family: "picture", pkg: "python3-imageio", path: imageio + "newtonscradle.gif"},
	{name: "photo.bmp", family: "picture", pkg: ximages, path: ximage + "video-001.bmp", short: true},
	{name: "gopher.jpg", family: "picture", pkg: ximages, path: ximage + "go-turns-two-280x360.jpeg"},
	{name: "tiled.tiff", family: "picture", pkg: ximages, path: ximage + "video-001-tile-64x64.tiff"},
	{name: "deep.tiff", family: "picture", pkg: ximages, path: ximage + "video-001-16bit.tiff"},
	{name: "fax.tiff", family: "picture", pkg: ximages, path: ximage + "bw-gopher_ccittGroup4.tiff"},
	{name: "rose.webp", family: "picture", pkg: ximages, path: ximage + "yellow_rose.lossy-with-alpha.webp", short: true},
	{name: "tux.webp", family: "picture", pkg: ximages, path: ximage + "tux.lossless.webp"},
	{name: "sample.avif", family: "picture", pkg: sampler, path: samples + "avif.avif"},

	{name: "logo.svg", family: "vector", pkg: mplData, path: mpl + "images/matplotlib.svg", like: mpl + "images/matplotlib.pdf", short: true},
	{name: "home.svg", family: "vector", pkg: mplData, path: mpl + "images/home.svg", like: mpl + "images/home.pdf"},

	{name: "speech.wav", family: "sound", pkg: "alsa-utils", path: "/usr/share/sounds/alsa/Front_Center.wav"},
	{name: "bell.oga", family: "sound", pkg: "sound-theme-freedesktop", path: "/usr/share/sounds/freedesktop/stereo/alarm-clock-elapsed.oga"},
	{name: "speech.mp3", family: "sound", pkg: tracers, path: traces + "audio1/debian.mp3"},

	{name: "sample.mp4", family: "film", pkg: sampler, path: samples + "mp4.mp4"},
	{name: "sample.webm", family: "film", pkg: sampler, path: samples + "webm.webm"},
	{name: "sample.mov", family: "film", pkg: sampler, path: samples + "mov.mov"},
	{name: "hello.avi", family: "film", pkg: tracers, path: traces + "movie2/movie-hello.avi"},

	{name: "manual.epub", family: "book", pkg: devref, path: manual + "epub", short: true, words: []string{"Debian", "maintainer", "upload"}},
	{name: "manual.html", family: "book", pkg: devref, path: manual + "html", words: []string{"Debian", "maintainer", "upload"}},
	{name: "chapter.html", family: "book", pkg: devref, path: "/usr/share/developers-reference/l10n.html", short: true, words: []string{"translations", "debconf"}},
	{name: "readme.md", family: "book", pkg: "bash-doc", path: "/usr/share/doc/bash/examples/shellmath/README.md", short: true, words: []string{"Shellmath", "floating"}},

	{name: "example.toml", family: "data", pkg: "golang-github-pelletier-go-toml-dev", path: "/usr/share/gocode/src/github.com/pelletier/go-toml/example.toml", short: true},
	{name: "tables.json", family: "data", pkg: sampler, path: samples + "json.json"},

	{name: "photos.zip", family: "archive", pkg: "python3-imageio", path: imageio + "chelsea.zip"},
	{name: "many.zip", family: "archive", pkg: getters, path: getter + "decompress-zip/subdir.zip", short: true},
	{name: "old.tar", family: "archive", pkg: sampler, path: samples + "tar.v7.tar"},
	{name: "bashcc.tgz", family: "archive", pkg: "bash-doc", path: "/usr/share/doc/bash/examples/complete/bashcc-1.0.1.tar.gz", short: true},
}

// helpers are the packages of which programs look at results: those of the normal run, and the others.
var (
	helpers     = []string{"xlsx2csv", "python3-yaml", "python3-olefile", "libavif-bin", "libavif15", "libyuv0", "libgav1-1", "libabsl20220623"}
	longHelpers = []string{
		"catdoc", "antiword", "unrtf", "mediainfo", "libmediainfo0v5", "libzen0v5", "libmms0", "libtinyxml2-9", "mpg123", "libmpg123-0", "libout123-0",
		"libsyn123-0", "flac", "libflac12", "vorbis-tools", "libao4", "opus-tools", "libopusfile0", "libopusenc0", "faad", "libfaad2",
	}
)

// needed lists the packages of this run, each once.
func needed() []string {
	out := slices.Clone(helpers)
	if long {
		out = append(out, longHelpers...)
	}
	for _, d := range documents {
		if !d.left() {
			out = append(out, d.pkg)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// left tells whether a document is left to the long run.
func (d document) left() bool { return !d.short && !long }

// file answers where a document lies.
func (d document) file(t *testing.T) string {
	t.Helper()
	if d.left() {
		t.Skipf("%s: with DROPFS_TEST_LONG=1", d.name)
	}
	return filepath.Join(shelf.root(t, d.pkg), d.path)
}

// source is the document as engines take it.
func (d document) source(t *testing.T) convert.Source {
	t.Helper()
	return sourceOf(t, d.file(t), d.name)
}

func sourceOf(t *testing.T, path, name string) convert.Source {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return convert.Source{Path: path, Name: name, Ext: magic.Ext(strings.TrimPrefix(filepath.Ext(name), ".")), Size: info.Size()}
}

// of finds a document by its name.
func of(t *testing.T, name string) document {
	t.Helper()
	i := slices.IndexFunc(documents, func(d document) bool { return d.name == name })
	if i < 0 {
		t.Fatalf("no document %s", name)
	}
	return documents[i]
}
