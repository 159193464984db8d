package exec

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"dropfs/convert"
	"dropfs/convert/exec/sandbox"
	"dropfs/convert/magic"
)

// tool is what is known of an engine before its program is found.
type tool struct {
	name     string // of the engine
	program  string // by name, as it is looked up
	inside   string // a program beside the one found that is run in its place, where it is there; "" none
	also     []string
	packages string // Debian's
	ask      []string
	version  *regexp.Regexp // of what ask prints; the first group is the version
	memory   int64          // bytes of address space; 0: the sandbox's default
	sample   sample
	edges    func(p *program) []edge
	list     func(ctx context.Context, t *task) ([]convert.Member, error) // members of a dirop; nil: it has none
	learn    func(ctx context.Context, p *program, dir string) error      // asks more of a program than its version; nil: nothing
}

// sample is a small source, and what is made of it to see that a program works.
type sample struct {
	from, to string
	op       string // "" the format to
	content  []byte
}

// program is a tool found and tried.
type program struct {
	box     *sandbox.Box
	path    string // absolute, links followed
	version string
	others  map[string]string // tool.also by name
	facts   map[string]bool   // what learn learnt
}

// mark tells one state of a program from another.
type mark struct {
	path  string
	size  int64
	mtime time.Time
}

// found is the outcome of a probe.
type found struct {
	program *program // nil: it offers nothing
	edges   []edge
	why     string // program is nil
	absent  bool   // it, or a program that belongs to it, was not found
	mark    mark   // of what was tried; zero: nothing was
	at      time.Time
}

const probeTime = 5 * time.Second // of asking for a version

// probe looks for the program and tries it, unless it is the one tried before, by this process or an earlier one. The error is
// that of ctx only.
func (e *engine) probe(ctx context.Context, box *sandbox.Box, known keptProgram) error {
	path, m, err := locate(e.tool, e.set.config.Path)
	if err != nil {
		e.settle(found{why: err.Error(), absent: true})
		return ctx.Err()
	}
	if m == e.now().mark {
		return ctx.Err()
	}
	p := &program{box: box, path: path, others: map[string]string{}, facts: map[string]bool{}}
	f := found{mark: m, at: time.Now()}
	if err := e.others(p); err == nil && known.holds(m, f.at) {
		p.version, p.facts = known.Version, known.Facts
		f.program, f.edges, f.at = p, e.tool.edges(p), known.At
		e.settle(f)
		return ctx.Err()
	}
	if err := e.try(ctx, p); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		f.why, f.absent = err.Error(), errors.Is(err, exec.ErrNotFound)
		if f.absent {
			f.mark = mark{} // what it needs may come without a change of it
		}
	} else {
		f.program, f.edges = p, e.tool.edges(p)
	}
	e.settle(f)
	return nil
}

// locate finds the program by its absolute path.
func locate(t *tool, path string) (string, mark, error) {
	at, err := lookUp(t.program, path)
	if err != nil {
		return "", mark{}, err
	}
	if t.inside != "" {
		if other := filepath.Join(filepath.Dir(at), t.inside); executable(other) {
			at = other
		}
	}
	info, err := os.Stat(at)
	if err != nil {
		return "", mark{}, err
	}
	return at, mark{at, info.Size(), info.ModTime()}, nil
}

func lookUp(name, path string) (string, error) {
	if path == "" {
		path = os.Getenv("PATH")
	}
	for _, dir := range filepath.SplitList(path) {
		if at := filepath.Join(dir, name); filepath.IsAbs(at) && executable(at) {
			return filepath.EvalSymlinks(at)
		}
	}
	return "", fmt.Errorf("%s: %w", name, exec.ErrNotFound)
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
}

// others finds the programs that belong to it.
func (e *engine) others(p *program) (err error) {
	for _, name := range e.tool.also {
		if p.others[name], err = lookUp(name, e.set.config.Path); err != nil {
			return err
		}
	}
	return nil
}

// try asks for the version and converts the sample (X1).
func (e *engine) try(ctx context.Context, p *program) error {
	dir, err := e.set.scratch()
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // it is below the scratch directory, which its owner cleans
	if err := e.others(p); err != nil {
		return err
	}
	r, err := p.box.Run(ctx, sandbox.Spec{
		Argv: append([]string{p.path}, e.tool.ask...), Dir: dir, Limits: sandbox.Limits{Time: probeTime, Memory: e.tool.memory},
	})
	if err != nil {
		return fmt.Errorf("asking for its version: %w", err)
	}
	m := e.tool.version.FindSubmatch(append(r.Stdout, r.Stderr...))
	if m == nil {
		return fmt.Errorf("%s is not the program of that name: it says %.60q", p.path, strings.TrimSpace(string(r.Stdout)))
	}
	p.version = string(m[1])
	if e.tool.learn != nil {
		if err := e.tool.learn(ctx, p, dir); err != nil {
			return err
		}
	}
	return e.trySample(ctx, p, dir)
}

func (e *engine) trySample(ctx context.Context, p *program, dir string) error {
	s := e.tool.sample
	work := filepath.Join(dir, sampleDir)
	path := filepath.Join(dir, "sample")
	if err := errors.Join(os.Mkdir(work, 0o700), os.WriteFile(path, s.content, 0o600)); err != nil {
		return err
	}
	op := s.op
	if op == "" {
		op = s.to
	}
	for _, ed := range e.tool.edges(p) {
		if ed.Op != op || ed.From != s.from || ed.To != s.to && ed.To != "=" {
			continue
		}
		job := convert.Job{
			Edge: ed.Edge, Step: magic.Step{Op: op}, Dir: work, Out: filepath.Join(work, "result"),
			Sources: []convert.Source{{Path: path, Ext: s.from, Size: int64(len(s.content))}},
			Limits:  convert.Limits{Time: time.Minute},
		}
		if err := e.do(ctx, p, ed, job); err != nil {
			return fmt.Errorf("converting a sample: %w", err)
		}
		return nil
	}
	return fmt.Errorf("no edge for the sample %s", op)
}

// answer is what a program says about itself.
func (p *program) answer(ctx context.Context, dir, path string, args ...string) ([]byte, error) {
	r, err := p.box.Run(ctx, sandbox.Spec{Argv: append([]string{path}, args...), Dir: dir, Limits: sandbox.Limits{Time: probeTime, Memory: 4 << 30}})
	if err != nil {
		return nil, err
	}
	if r.ExitCode != 0 {
		return nil, fmt.Errorf("%s ended with %d", path, r.ExitCode)
	}
	return append(r.Stdout, r.Stderr...), nil
}
