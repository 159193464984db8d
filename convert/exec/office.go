package exec

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"dropfs/convert"
	"dropfs/convert/exec/sandbox"
)

// Names of what LibreOffice calls filters, and their options.
const (
	allSheets = "Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false,false,false,-1" // commas, quotes, UTF-8, each sheet a file
	oneSheet  = "Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false,false,false,0"
)

// family is documents of one kind: each can be made of each.
type family struct {
	module  string // the part of LibreOffice that does it: a library beside the program
	pdf     string // the filter that makes a PDF
	from    []string
	to      []string
	further map[string]string // results that are never sources, by their filters
}

var officeFamilies = []family{
	{
		module: "libswlo.so", pdf: "writer_pdf_Export", from: []string{"docx", "doc", "odt", "rtf"}, to: []string{"docx", "odt", "rtf", "doc"},
		further: map[string]string{"epub": "", "txt": "Text (encoded):UTF8", "html": "XHTML Writer File:UTF8"},
	},
	{module: "libsclo.so", pdf: "calc_pdf_Export", from: []string{"xlsx", "ods", "xls"}, to: []string{"xlsx", "ods", "xls"}, further: map[string]string{"csv": oneSheet}},
	{module: "libsdlo.so", pdf: "impress_pdf_Export", from: []string{"pptx", "odp", "ppt"}, to: []string{"pptx", "odp", "ppt"}},
	{module: "libsclo.so", pdf: "calc_pdf_Export", from: []string{"csv"}},
	{module: "libswlo.so", pdf: "writer_pdf_Export", from: []string{"txt"}, to: []string{"docx", "odt", "rtf", "doc"}},
}

// officeLoss is what is lost on the way to a format; 1 for those that are not named.
var officeLoss = map[string]int{"txt": 100, "html": 10, "epub": 10, "csv": 100, "rtf": 2, "doc": 2, "xls": 2, "ppt": 2}

func officeTools() []*tool {
	return []*tool{{
		name: "libreoffice", program: "soffice", inside: "soffice.bin", packages: "libreoffice-writer-nogui libreoffice-calc-nogui libreoffice-impress-nogui",
		ask: []string{"--version"}, version: regexp.MustCompile(`LibreOffice (\d+(?:\.\d+)+)`),
		memory: 3 << 30,
		sample: sample{from: "rtf", to: "pdf", content: []byte(`{\rtf1\ansi{\fonttbl{\f0 Times;}}\f0 sample\par}`)},
		learn:  learnModules, edges: officeEdges,
	}}
}

// learnModules finds which parts of LibreOffice are installed: they are packages of their own.
func learnModules(_ context.Context, p *program, _ string) error {
	for _, f := range officeFamilies {
		_, err := os.Stat(filepath.Join(filepath.Dir(p.path), f.module))
		p.facts[f.module] = err == nil
	}
	return nil
}

func officeEdges(p *program) []edge {
	var out []edge
	add := func(from, to, filter string, options ...string) {
		loss, ok := officeLoss[to]
		if !ok {
			loss = 1
		}
		out = append(out, edge{
			Edge: convert.Edge{Op: to, From: from, To: to, Options: options, Cost: 10, Loss: loss},
			do:   func(ctx context.Context, t *task) error { return office(ctx, t, filter) },
		})
	}
	for _, f := range officeFamilies {
		if !p.facts[f.module] {
			continue
		}
		for _, from := range f.from {
			add(from, "pdf", f.pdf, "page")
			for _, to := range f.to {
				if to != from {
					add(from, to, "")
				}
			}
			for _, to := range sortedKeys(f.further) {
				if to == "csv" {
					add(from, to, f.further[to], "sheet")
					continue
				}
				add(from, to, f.further[to])
			}
		}
	}
	return out
}

// officeTarget is what is asked of --convert-to.
func officeTarget(t *task, filter string) string {
	switch {
	case t.to == "csv" && t.step.Options["sheet"] != "":
		return "csv:" + allSheets
	case filter == "":
		return t.to
	case t.to == "pdf":
		first, last, ok := t.step.Options.PageRange()
		if !ok {
			return "pdf:" + filter
		}
		pages := strconv.Itoa(first) + "-"
		if last > 0 {
			pages += strconv.Itoa(last)
		}
		return "pdf:" + filter + `:{"PageRange":{"type":"string","value":"` + pages + `"}}`
	}
	return t.to + ":" + filter
}

// office converts by the LibreOffice that waits, where one does, else by one that is started for it.
func office(ctx context.Context, t *task, filter string) error {
	args := []string{"--convert-to", officeTarget(t, filter)}
	switch t.edge.From {
	case "csv":
		args = append(args, "--infilter="+csvAsText())
	case "txt":
		args = append(args, "--infilter=Text (encoded):UTF8")
	}
	done, err := t.set.spares.convert(ctx, t, args)
	if !done {
		err = officeCold(ctx, t, args)
	}
	if err != nil {
		return err
	}
	return officeResult(t)
}

// officeArgs adds to the arguments of a conversion where source and result are.
func officeArgs(t *task, args []string) []string {
	return append(slices.Clone(args), "--outdir", t.path("out"), t.path(t.in()))
}

// textColumns is up to which column a CSV file is read as text; those behind are read as LibreOffice likes.
const textColumns = 256

// csvAsText is the filter that reads a CSV file with its cells as text: a formula in one stays what it is.
func csvAsText() string {
	columns := make([]string, textColumns)
	for i := range columns {
		columns[i] = strconv.Itoa(i+1) + "/2"
	}
	return "Text - txt - csv (StarCalc):44,34,76,1," + strings.Join(columns, "/")
}

// officeCold starts a LibreOffice of its own in the task's directory.
func officeCold(ctx context.Context, t *task, args []string) error {
	if err := writeProfile(t.dir); err != nil {
		return fmt.Errorf("%w: %w", convert.ErrBroken, err)
	}
	argv := append(officeArgv(t.program.path, t.dir), officeArgs(t, args)...)
	_, err := officeRun(ctx, t, sandbox.Spec{Argv: argv, Env: officeEnv, Sockets: true})
	return err
}

// officeRestart is the exit code by which LibreOffice asks to be started once more, which it does with a new profile.
const officeRestart = 81

func officeRun(ctx context.Context, t *task, s sandbox.Spec) (sandbox.Result, error) {
	defer removeOfficeSocket(t.dir)
	r, err := t.runSpec(ctx, s)
	if r.ExitCode == officeRestart {
		removeOfficeSocket(t.dir)
		r, err = t.runSpec(ctx, s)
	}
	return r, err
}

// officeResult moves what was made to its place.
func officeResult(t *task) error {
	made := "in." + t.to
	if sheet := t.step.Options["sheet"]; sheet != "" {
		name, err := sheetFile(t.path("out"), sheet)
		if err != nil {
			return err
		}
		made = name
	}
	err := os.Rename(filepath.Join(t.path("out"), made), t.path(t.out()))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: LibreOffice could not read it", convert.ErrBroken) // it answers 0 even so
	}
	if err != nil {
		return fmt.Errorf("%w: %w", convert.ErrBroken, err)
	}
	return nil
}

// sheetFile finds the file of a sheet: LibreOffice names it in-SHEET.csv.
func sheetFile(dir, sheet string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", fmt.Errorf("%w: LibreOffice could not read it", convert.ErrBroken)
	}
	want := "in-" + sheet + ".csv"
	if !slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == want }) {
		return "", fmt.Errorf("%w: it has no sheet %q", convert.ErrBroken, sheet)
	}
	return want, nil
}
