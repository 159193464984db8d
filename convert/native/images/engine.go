package images

import (
	"context"
	"fmt"
	"image/color"
	"slices"

	"dropfs/convert"
	"dropfs/convert/magic"
	"dropfs/convert/native/internal/bounded"
)

// version grows with every change of what the engine makes; it names the libraries that decide bytes.
const version = "2-nativewebp0.9.3"

// thumbSize is the width and height that a thumb fits in, in pixels.
const thumbSize = 256

// Engine does pictures. It has no state.
type Engine struct{}

// New makes the engine.
func New() *Engine { return &Engine{} }

// Name is "images".
func (*Engine) Name() string { return "images" }

// Version is part of the key of results.
func (*Engine) Version() string { return version }

// Edges lists every pair of formats, thumb of each, and compress of jpg and png.
func (*Engine) Edges() []convert.Edge {
	var out []convert.Edge
	for _, from := range readable() {
		for _, to := range writable() {
			opts := []string{"width", "height", "fit", "background", "strip"}
			if to == "jpg" {
				opts = append(opts, "quality")
			}
			out = append(out, convert.Edge{Op: to, From: from, To: to, Options: opts, Cost: 10, Loss: loss(to)})
		}
		out = append(out, convert.Edge{
			Op: magic.Thumb, From: from, To: "jpg", Options: []string{"format", "background", "strip"}, Cost: 10, Loss: 10,
		})
	}
	for _, ext := range []string{"jpg", "png"} {
		out = append(out, convert.Edge{
			Op: magic.Compress, From: ext, To: "=", Options: []string{"level", "strip"}, Cost: 10, Loss: 1,
		})
	}
	return out
}

// loss is what a format cannot hold: jpg exact pixels and alpha, gif more than 256 colours, bmp alpha.
func loss(to string) int {
	switch to {
	case "jpg", "gif", "bmp":
		return 1
	}
	return 0
}

// Run does one edge.
func (e *Engine) Run(ctx context.Context, job convert.Job) error {
	job.Limits = job.Limits.Resolved()
	if len(job.Sources) != 1 {
		return fmt.Errorf("%w: %d pictures at once", convert.ErrUnsupported, len(job.Sources))
	}
	if job.Step.Op == magic.Compress {
		return compress(ctx, job)
	}
	t, err := newTarget(job.Step)
	if err != nil {
		return err
	}
	p, err := open(ctx, job.Sources[0].Path, job.Limits)
	if err != nil {
		return err
	}
	defer p.Close()
	if p.kind.ext == "gif" && t.format == "gif" {
		return p.animation(ctx, job, t)
	}
	img, err := p.decode(ctx)
	if err != nil {
		return err
	}
	progress(job, 0.5)
	if img, err = t.shape(ctx, img, p.orientation, job.Limits); err != nil {
		return err
	}
	return write(ctx, job, func(o *bounded.Output) error { return t.encode(ctx, o, img) })
}

func progress(job convert.Job, part float64) {
	if job.Progress != nil {
		job.Progress(part)
	}
}

// target is what a step asks for.
type target struct {
	format        string
	width, height int          // pixels; 0: not bounded
	fit           string       // in, fill, pad
	quality       int          // of jpg
	background    *color.NRGBA // nil: not asked for
}

// newTarget reads a step.
func newTarget(step magic.Step) (target, error) {
	o := step.Options
	t := target{
		format: step.Op, width: o.Int("width"), height: o.Int("height"), fit: o.Get("fit"), quality: o.Int("quality"),
	}
	if step.Op == magic.Thumb {
		t.width, t.height, t.fit, t.format = thumbSize, thumbSize, "in", o.Get("format")
		if t.format == "" {
			t.format = "jpg"
		}
	}
	if !slices.Contains(writable(), t.format) {
		return t, fmt.Errorf("%w: a picture as %s", convert.ErrUnsupported, t.format)
	}
	if t.quality == 0 {
		t.quality = 85
	}
	if name := o.Get("background"); name != "" {
		c, ok := parseColour(name)
		if !ok {
			return t, fmt.Errorf("%w: %q is no colour", convert.ErrUnsupported, name)
		}
		t.background = &c
	}
	return t, nil
}
