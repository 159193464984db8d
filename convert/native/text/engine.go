package text

import (
	"context"
	"fmt"
	"io"
	"os"

	"dropfs/convert"
	"dropfs/convert/native/internal/bounded"
)

// version grows with every change of what the engine makes; it names the libraries that decide bytes.
const version = "2-goldmark1.8.7-htm2.5.2-yaml3.0.5-toml2.4.3-fpdf0.12.0"

// Engine does texts. It has no state.
type Engine struct{}

// New makes the engine.
func New() *Engine { return &Engine{} }

// Name is "text".
func (*Engine) Name() string { return "text" }

// Version is part of the key of results.
func (*Engine) Version() string { return version }

func documents() []string { return []string{"docx", "odt", "pptx", "odp", "epub"} }

func data() []string { return []string{"json", "yaml", "toml"} }

// Edges lists what text becomes. None has options.
func (*Engine) Edges() []convert.Edge {
	out := []convert.Edge{
		{Op: "html", From: "md", To: "html", Cost: 1, Loss: 0},
		{Op: "txt", From: "md", To: "txt", Cost: 1, Loss: 10},
		{Op: "md", From: "html", To: "md", Cost: 1, Loss: 10},
		{Op: "txt", From: "html", To: "txt", Cost: 1, Loss: 100},
		{Op: "html", From: "txt", To: "html", Cost: 1, Loss: 1},
		{Op: "pdf", From: "txt", To: "pdf", Cost: 2, Loss: 10},
	}
	for _, from := range documents() {
		out = append(out,
			convert.Edge{Op: "md", From: from, To: "md", Cost: 5, Loss: 10},
			convert.Edge{Op: "txt", From: from, To: "txt", Cost: 5, Loss: 100})
	}
	for _, from := range data() {
		for _, to := range data() {
			if from != to {
				out = append(out, convert.Edge{Op: to, From: from, To: to, Cost: 1, Loss: 1})
			}
		}
	}
	return out
}

const maxText = 16 << 20 // bytes of a text that is read whole

// Run does one edge.
func (e *Engine) Run(ctx context.Context, job convert.Job) error {
	job.Limits = job.Limits.Resolved()
	if len(job.Sources) != 1 {
		return fmt.Errorf("%w: %d texts as one", convert.ErrUnsupported, len(job.Sources))
	}
	convertFile, err := maker(job.Edge.From, job.Edge.To)
	if err != nil {
		return err
	}
	return bounded.Write(ctx, job, func(o *bounded.Output) error { return convertFile(ctx, job.Sources[0].Path, o) })
}

// maker finds what does an edge: it reads the file at path and writes the result.
func maker(from, to string) (func(ctx context.Context, path string, o *bounded.Output) error, error) {
	switch from {
	case "md":
		return func(ctx context.Context, path string, o *bounded.Output) error { return fromMarkdown(ctx, path, to, o) }, nil
	case "html":
		return func(ctx context.Context, path string, o *bounded.Output) error { return fromHTML(ctx, path, to, o) }, nil
	case "txt":
		return func(ctx context.Context, path string, o *bounded.Output) error { return fromText(ctx, path, to, o) }, nil
	case "json", "yaml", "toml":
		return func(ctx context.Context, path string, o *bounded.Output) error {
			return fromData(ctx, path, from, to, o)
		}, nil
	case "epub":
		return func(ctx context.Context, path string, o *bounded.Output) error { return fromBook(ctx, path, to, o) }, nil
	}
	readers := map[string]reader{"docx": docx, "odt": opendocument, "odp": opendocument, "pptx": pptx}
	read, ok := readers[from]
	if !ok {
		return nil, fmt.Errorf("%w: %s as %s", convert.ErrUnsupported, from, to)
	}
	return func(ctx context.Context, path string, o *bounded.Output) error {
		return fromOffice(ctx, path, read, to, o)
	}, nil
}

// readAll reads a text that is not too large.
func readAll(ctx context.Context, path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the text: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(bounded.NewFile(ctx, f), most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > most {
		return nil, fmt.Errorf("%w: more than %d bytes of text", convert.ErrTooLarge, most)
	}
	return b, nil
}
