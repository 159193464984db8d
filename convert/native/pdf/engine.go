package pdf

import (
	"context"
	"fmt"
	"io"
	"os"

	"dropfs/convert"
	"dropfs/convert/magic"
	"dropfs/convert/native/pdf/wasm"
)

// revision is raised whenever the same source and step would make another result.
const revision = "1"

// Config is how the engine works. The zero value is good.
type Config struct {
	// CacheDir holds the compiled module from one start to the next: 16 MB, saves 2 s at the first run. It is made where it
	// is missing. It holds code that is run, so nobody else may write there. "": none.
	CacheDir string
	// Instances is how many runs may be at work at the same time; 0, and at most: GOMAXPROCS.
	Instances int
	// Unchecked leaves out the look at the context in every loop of the guest, which takes three times as long as its work. A
	// document that keeps the guest busy then cannot be stopped, and while it is busy the garbage collector, and with it the
	// whole process, waits: only for a process of its own that can be killed.
	Unchecked bool
}

// Engine converts PDF. It is a convert.Engine and a convert.Lister.
type Engine struct{ pool *pool }

// New makes an engine. The module is compiled at the first run.
func New(c Config) *Engine { return &Engine{newPool(c)} }

// Close frees the module. No run may be under way or follow.
func (e *Engine) Close() error { return e.pool.close(context.Background()) }

// Name is that of a convert.Engine.
func (e *Engine) Name() string { return "pdfium" }

// Version is that of the module and of what is made with it.
func (e *Engine) Version() string { return wasm.Version + "-" + revision }

// Edges lists what it can do.
func (e *Engine) Edges() []convert.Edge { return edges() }

func edges() []convert.Edge {
	var out []convert.Edge
	for _, format := range pictures() {
		edge := convert.Edge{
			Op: format, From: "pdf", To: format, Cost: 1, Loss: 1,
			Options: []string{"page", "dpi", "width", "height", "background", "secret"},
		}
		switch format {
		case "jpg":
			edge.Options, edge.Loss = append(edge.Options, "quality"), 2
		case "gif":
			edge.Loss = 3
		}
		out = append(out, edge)
	}
	return append(
		out,
		convert.Edge{Op: "txt", From: "pdf", To: "txt", Options: []string{"page", "secret"}, Cost: 1, Loss: 100},
		convert.Edge{Op: "pdf", From: "pdf", To: "pdf", Options: []string{"page", "secret"}, Cost: 1},
		convert.Edge{Op: magic.Merge, From: "pdf", To: "pdf", Options: []string{"secret"}, Many: true, Cost: 1},
		convert.Edge{Op: magic.Lock, From: "pdf", To: "=", Options: []string{"secret"}, Cost: 1},
		convert.Edge{Op: magic.Unlock, From: "pdf", To: "=", Options: []string{"secret"}, Cost: 1},
		convert.Edge{Op: magic.ResetPassword, From: "pdf", To: "=", Options: []string{"secret", "new_secret"}, Cost: 1},
		convert.Edge{Op: magic.Compress, From: "pdf", To: "=", Options: []string{"level"}, Cost: 10, Loss: 1},
		convert.Edge{Op: magic.Pages, From: "pdf", Options: []string{
			"format", "dpi", "width", "height", "quality", "background", "secret",
		}, Cost: 1, Loss: 1},
	)
}

// Run is that of a convert.Engine.
func (e *Engine) Run(ctx context.Context, job convert.Job) error {
	job.Limits = job.Limits.Resolved()
	if n := len(job.Sources); n == 0 || n > 1 && job.Step.Op != magic.Merge {
		return fmt.Errorf("%w: %d sources", convert.ErrUnsupported, n)
	}
	do, err := plan(job)
	if err != nil {
		return err
	}
	st, err := os.Stat(job.Sources[0].Path)
	if err != nil {
		return fmt.Errorf("source: %w", err)
	}
	slot, err := e.pool.enter(ctx)
	if err != nil {
		return err
	}
	out, err := newOutput(ctx, job.Out, job.Limits.MaxOutput)
	if err != nil {
		slot.leave()
		return err
	}
	return slot.inside(ctx, st.ModTime(), func(g *guest) error { return out.finish(do(g, out)) })
}

// task is what a run does.
type task func(g *guest, w io.Writer) error

// plan finds what a step is to do, and refuses what can be refused before any work.
func plan(job convert.Job) (task, error) {
	o := job.Step.Options
	secret, err := secretOf(job, "secret")
	if err != nil {
		return nil, err
	}
	with := func(password string, do func(d *document, w io.Writer) error) (task, error) {
		return func(g *guest, w io.Writer) error {
			d, err := open(g, job.Sources[0], password)
			if err != nil {
				return err
			}
			return do(d, w)
		}, nil
	}
	switch job.Step.Op {
	case "png", "jpg", "gif", "bmp", "tiff":
		page, err := onePage(o)
		if err != nil {
			return nil, err
		}
		background, err := backgroundOf(o, job.Step.Op)
		if err != nil {
			return nil, err
		}
		return with(secret, func(d *document, w io.Writer) error { return d.picture(w, page, raster{background: background}, job) })
	case "txt":
		return with(secret, func(d *document, w io.Writer) error { return d.write(w, o, d.progress(job)) })
	case "pdf":
		return with(secret, func(d *document, w io.Writer) error { return d.pick(w, job) })
	case magic.Merge:
		return func(g *guest, w io.Writer) error { return merge(g, w, job, secret) }, nil
	case magic.Unlock:
		return with(secret, func(d *document, w io.Writer) error { return d.unlock(w, job) })
	case magic.Lock:
		if secret == "" {
			return nil, fmt.Errorf("%w: lock without secret=NAME", convert.ErrUnsupported)
		}
		return with("", func(d *document, w io.Writer) error { return d.lock(w, secret) })
	case magic.Compress:
		return with("", func(d *document, w io.Writer) error { return d.compress(w, job) })
	case magic.ResetPassword:
		fresh, err := secretOf(job, "new_secret")
		if err != nil {
			return nil, err
		}
		if fresh == "" || secret == "" {
			return nil, fmt.Errorf("%w: reset_password without secret=NAME,new_secret=NAME", convert.ErrUnsupported)
		}
		return with(secret, func(d *document, w io.Writer) error { return d.relock(w, fresh) })
	}
	return nil, fmt.Errorf("%w: %s", convert.ErrUnsupported, job.Step.Op)
}

// picture draws a page and writes it in the format of the step.
func (d *document) picture(w io.Writer, page int, r raster, job convert.Job) error {
	if page >= d.pages {
		return d.g.fail(convert.ErrUnsupported, "page %d of %d", page+1, d.pages)
	}
	wide, high, err := d.size(page)
	if err != nil {
		return err
	}
	problem := ""
	if r.width, r.height, problem = fit(wide, high, job.Step.Options, job.Limits); problem != "" {
		return d.g.fail(convert.ErrTooLarge, "%s", problem)
	}
	m, err := d.draw(page, r)
	if err != nil {
		return err
	}
	d.progress(job)(0.5)
	return encode(w, m, job.Step.Op, job.Step.Options.Int("quality"))
}

// progress answers what tells how far it came, while anybody waits.
func (d *document) progress(job convert.Job) func(float64) {
	return func(part float64) {
		if job.Progress != nil && d.g.run.Err() == nil {
			job.Progress(part)
		}
	}
}

var _ convert.Lister = (*Engine)(nil)
