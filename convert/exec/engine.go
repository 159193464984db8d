package exec

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"dropfs/convert"
	"dropfs/convert/exec/sandbox"
	"dropfs/convert/magic"
)

// edge is an edge, and how it is done.
type edge struct {
	convert.Edge
	// do makes t.out() of t.in() in t.job.Dir.
	do func(ctx context.Context, t *task) error
	// link: the source may be large and the program opens it by its name only; it is not copied where it is safe so.
	link bool
}

// engine is a convert.Engine of one program.
type engine struct {
	set  *Set
	tool *tool

	mu    sync.Mutex
	found found
}

// lister is an engine that has dirops.
type lister struct{ *engine }

// settle takes the outcome of a probe, unless the set was closed meanwhile.
func (e *engine) settle(f found) {
	if f.program != nil && e.set.isClosed() {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.found = f
}

func (e *engine) now() found {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.found
}

// Name is that of the engine.
func (e *engine) Name() string { return e.tool.name }

// Version is the program's; "" while it is not found.
func (e *engine) Version() string {
	if p := e.now().program; p != nil {
		return p.version
	}
	return ""
}

// Edges lists what the program can do.
func (e *engine) Edges() []convert.Edge {
	f := e.now()
	out := make([]convert.Edge, len(f.edges))
	for i, ed := range f.edges {
		out[i] = ed.Edge
		out[i].Options = slices.Clone(ed.Options)
	}
	return out
}

// Settled implements convert.Settler: the programs are looked for by Set.Probe.
func (e *engine) Settled() <-chan struct{} { return e.set.settled }

// Run does one edge.
func (e *engine) Run(ctx context.Context, job convert.Job) error {
	p, ed, err := e.find(job)
	if err != nil {
		return err
	}
	return e.do(ctx, p, ed, job)
}

// List answers the members of a dirop.
func (l lister) List(ctx context.Context, job convert.Job) ([]convert.Member, error) {
	p, ed, err := l.find(job)
	if err != nil {
		return nil, err
	}
	t, err := l.prepare(p, ed, job)
	if err != nil {
		return nil, err
	}
	return l.tool.list(ctx, t)
}

func (e *engine) find(job convert.Job) (*program, edge, error) {
	f := e.now()
	for _, ed := range f.edges {
		if ed.Op == job.Edge.Op && ed.From == job.Edge.From && ed.To == job.Edge.To {
			return f.program, ed, checkOptions(ed, job.Step)
		}
	}
	return nil, edge{}, fmt.Errorf("%w: %s makes no %s of %s", convert.ErrUnsupported, e.tool.name, job.Edge.Op, job.Edge.From)
}

// checkOptions refuses a step that asks for more than the edge honours (V1). Where a step is done is the registry's business.
func checkOptions(ed edge, s magic.Step) error {
	for key := range s.Options {
		if key != "via" && !slices.Contains(ed.Options, key) {
			return fmt.Errorf("%w: option %s", convert.ErrUnsupported, key)
		}
	}
	return nil
}

// do runs an edge and checks what came of it (X4, X5).
func (e *engine) do(ctx context.Context, p *program, ed edge, job convert.Job) error {
	t, err := e.prepare(p, ed, job)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, t.limits.Time, sandbox.ErrTimeout)
	defer cancel()
	if ed.do == nil {
		return fmt.Errorf("%w: %s is a directory", convert.ErrUnsupported, ed.Op)
	}
	if err := ed.do(ctx, t); err != nil {
		return err
	}
	if err := t.checkResult(); err != nil {
		return err
	}
	if err := os.Rename(t.path(t.out()), job.Out); err != nil {
		return fmt.Errorf("%w: %w", convert.ErrBroken, err)
	}
	return nil
}

// prepare checks the source and puts it into the job's directory.
func (e *engine) prepare(p *program, ed edge, job convert.Job) (*task, error) {
	if len(job.Sources) != 1 {
		return nil, fmt.Errorf("%w: of %d files", convert.ErrUnsupported, len(job.Sources))
	}
	dir, err := filepath.Abs(job.Dir)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", convert.ErrBroken, err)
	}
	t := &task{set: e.set, tool: e.tool, program: p, edge: ed, step: job.Step, dir: dir, source: job.Sources[0], limits: job.Limits.Resolved(), progress: job.Progress}
	t.offered = e.now().program == p
	t.to = ed.To
	if t.to == "=" {
		t.to = ed.From
	}
	if err := t.checkSource(); err != nil {
		return nil, err
	}
	if err := t.place(); err != nil {
		return nil, fmt.Errorf("%w: %w", convert.ErrBroken, err)
	}
	return t, nil
}
