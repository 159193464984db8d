package convert

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"dropfs/convert/magic"
)

// Task is one step to be done, with all that decides its result.
type Task struct {
	Step    magic.Step
	Part    string // Member.Part
	Sources []Source
	Limits  Limits
	Secret  func(name string) (string, error)
	// Progress is told how far it came, from 0 to 1; nil: nobody asks.
	Progress func(part float64)
	// Phase is told what it is at; nil: nobody asks.
	Phase func(Phase)
}

// Run does a plan in dir, an empty directory that the caller removes, and answers the path of the result in it (V4).
func (p Plan) Run(ctx context.Context, t Task, dir string) (string, error) {
	limits := t.Limits.Resolved()
	if err := checkInput(t.Sources, limits); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limits.Time, ErrTimeout)
	defer cancel()
	sources, out := t.Sources, ""
	for i, leg := range p {
		job := Job{
			Edge: leg.Edge, Step: leg.Step, Sources: sources, Limits: limits, Secret: t.Secret,
			Dir: filepath.Join(dir, fmt.Sprint(i)), Progress: t.part(i, len(p)), Phase: t.Phase,
		}
		job.At(PhaseConverting)
		if i == len(p)-1 {
			job.Part = t.Part
		}
		if err := os.Mkdir(job.Dir, 0o700); err != nil {
			return "", fmt.Errorf("scratch directory: %w", err)
		}
		out = filepath.Join(job.Dir, "out."+leg.To)
		job.Out = out
		if err := runLeg(ctx, leg, job); err != nil {
			return "", err
		}
		size, err := checkOutput(out, limits)
		if err != nil {
			return "", err
		}
		sources = []Source{{Path: out, Name: t.Sources[0].Name, Ext: leg.To, Size: size}}
	}
	return out, nil
}

// part spreads the progress of one leg over that of all.
func (t Task) part(i, n int) func(float64) {
	if t.Progress == nil {
		return nil
	}
	return func(x float64) { t.Progress((float64(i) + min(max(x, 0), 1)) / float64(n)) }
}

func runLeg(ctx context.Context, leg Leg, job Job) error {
	err := leg.Engine.Run(ctx, job)
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, ErrTimeout) {
		err = ErrTimeout
	}
	if err != nil {
		return fmt.Errorf("%s: %w", leg.Engine.Name(), err)
	}
	return nil
}

func checkInput(sources []Source, l Limits) error {
	total := int64(0)
	for _, s := range sources {
		total += s.Size
	}
	return checkSize(total, l)
}

func checkSize(total int64, l Limits) error {
	if total > l.MaxInput {
		return fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, total, l.MaxInput)
	}
	return nil
}

func checkOutput(path string, l Limits) (int64, error) {
	st, err := os.Lstat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return 0, fmt.Errorf("%w: the engine made no file", ErrBroken)
	case err != nil:
		return 0, err
	case !st.Mode().IsRegular():
		return 0, fmt.Errorf("%w: the engine made no regular file", ErrBroken)
	case st.Size() > l.MaxOutput:
		return 0, fmt.Errorf("%w: the result has %d bytes, at most %d", ErrTooLarge, st.Size(), l.MaxOutput)
	}
	return st.Size(), nil
}

// List answers what a dirop holds: the legs before the last are run, in dir, and the last lists. The answered source is
// what the members are made of: a file in dir, or the one that was given.
func (p Plan) List(ctx context.Context, t Task, dir string) ([]Member, Source, error) {
	last := p[len(p)-1]
	lister, ok := last.Engine.(Lister)
	if !ok {
		return nil, Source{}, fmt.Errorf("%w: %s lists nothing", ErrUnsupported, last.Engine.Name())
	}
	source := t.Sources[0]
	if len(p) > 1 {
		out, err := p[:len(p)-1].Run(ctx, t, dir)
		if err != nil {
			return nil, source, err
		}
		st, err := os.Stat(out)
		if err != nil {
			return nil, source, err
		}
		source = Source{Path: out, Name: source.Name, Ext: p[len(p)-2].To, Size: st.Size()}
	}
	limits := t.Limits.Resolved()
	ctx, cancel := context.WithTimeoutCause(ctx, limits.Time, ErrTimeout)
	defer cancel()
	list := filepath.Join(dir, "list")
	if err := os.Mkdir(list, 0o700); err != nil {
		return nil, source, fmt.Errorf("scratch directory: %w", err)
	}
	members, err := lister.List(ctx, Job{Edge: last.Edge, Step: last.Step, Sources: []Source{source}, Dir: list, Limits: limits, Secret: t.Secret})
	if err != nil {
		return nil, source, fmt.Errorf("%s: %w", last.Engine.Name(), err)
	}
	return members, source, nil
}
