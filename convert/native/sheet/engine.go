package sheet

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"dropfs/convert"
	"dropfs/convert/magic"
	"dropfs/convert/native/internal/bounded"
)

// version grows with every change of what the engine makes; it names the library that decides cells.
const version = "1-excelize2.11.0"

// Engine does tables. It has no state.
type Engine struct{}

// New makes the engine.
func New() *Engine { return &Engine{} }

// Name is "sheet".
func (*Engine) Name() string { return "sheet" }

// Version is part of the key of results.
func (*Engine) Version() string { return version }

// texts are the formats that a table may be written in as text.
func texts() []string { return []string{"csv", "tsv", "json", "md", "html"} }

// Edges lists what a workbook and a table in text may become.
func (*Engine) Edges() []convert.Edge {
	var out []convert.Edge
	for _, to := range texts() {
		out = append(out, convert.Edge{
			Op: to, From: "xlsx", To: to, Options: append([]string{"sheet"}, safeOption(to)...), Cost: 10, Loss: 10,
		})
		for _, from := range []string{"csv", "tsv", "json"} {
			if from != to {
				out = append(out, convert.Edge{Op: to, From: from, To: to, Options: safeOption(to), Cost: 5, Loss: loss(from, to)})
			}
		}
	}
	for _, from := range []string{"csv", "tsv", "json"} {
		out = append(out, convert.Edge{Op: "xlsx", From: from, To: "xlsx", Cost: 10, Loss: 1})
	}
	return append(out, convert.Edge{Op: magic.Sheets, From: "xlsx", Options: []string{"format", "safe"}, Cost: 5, Loss: 10})
}

// safeOption is safe for the formats that programs look for formulas in.
func safeOption(to string) []string {
	if to == "csv" || to == "tsv" {
		return []string{"safe"}
	}
	return nil
}

func loss(from, to string) int {
	if to == "md" || to == "html" || from == "json" {
		return 1
	}
	return 0
}

// Run does one edge.
func (e *Engine) Run(ctx context.Context, job convert.Job) error {
	job.Limits = job.Limits.Resolved()
	if len(job.Sources) != 1 {
		return fmt.Errorf("%w: %d tables as one", convert.ErrUnsupported, len(job.Sources))
	}
	src := job.Sources[0]
	var t table
	switch job.Edge.From {
	case "xlsx":
		book, err := openBook(ctx, job)
		if err != nil {
			return err
		}
		defer book.close()
		if t, err = book.sheet(job.Step.Options["sheet"]); err != nil {
			return err
		}
	case "csv", "tsv":
		t = separated(src.Path, job.Edge.From)
	case "json":
		t = objects(src.Path)
	default:
		return fmt.Errorf("%w: a table of %s", convert.ErrUnsupported, job.Edge.From)
	}
	if err := checkSize(src.Path, job.Edge.From); err != nil {
		return err
	}
	return bounded.Write(ctx, job, func(o *bounded.Output) error { return emit(ctx, job, t, o) })
}

// List answers a member for each sheet, in their order.
func (e *Engine) List(ctx context.Context, job convert.Job) ([]convert.Member, error) {
	job.Limits = job.Limits.Resolved()
	if len(job.Sources) != 1 {
		return nil, fmt.Errorf("%w: the sheets of %d files", convert.ErrUnsupported, len(job.Sources))
	}
	format := job.Step.Options.Get("format")
	if format == "" {
		format = "csv"
	}
	safe := job.Step.Options.Get("safe") == "yes"
	if !slices.Contains(texts(), format) || safe && safeOption(format) == nil {
		return nil, fmt.Errorf("%w: sheets as %s", convert.ErrUnsupported, format)
	}
	book, err := openBook(ctx, job)
	if err != nil {
		return nil, err
	}
	defer book.close()
	var out []convert.Member
	names := map[string]bool{}
	for _, sheet := range book.sheets {
		o := magic.Options{"sheet": sheet}
		maps.Copy(o, job.Step.Options)
		delete(o, "format")
		out = append(out, convert.Member{
			Name: unique(names, fileName(sheet)) + "." + format, Step: magic.Step{Op: format, Options: o}, Size: -1,
		})
	}
	return out, nil
}
