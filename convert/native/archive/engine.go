package archive

import (
	"context"
	"fmt"
	"slices"

	"dropfs/convert"
	"dropfs/convert/magic"
	"dropfs/convert/native/internal/bounded"
)

// version grows with every change of what the engine makes.
const version = "1"

const (
	maxEntries = 50000    // of an archive (A4)
	ratio      = 200      // unpacked to packed bytes (A3)
	free       = 64 << 20 // bytes that may be unpacked whatever the ratio
)

// Engine does archives. It has no state.
type Engine struct{}

// New makes the engine.
func New() *Engine { return &Engine{} }

// Name is "archive".
func (*Engine) Name() string { return "archive" }

// Version is part of the key of results.
func (*Engine) Version() string { return version }

func packed() []string { return []string{"zip", "tar", "tgz", "tzst"} }

// unpacked are the extensions whose files can be taken apart: gz and zst too, which end the longer names of tgz and tzst. One
// that holds no tar is an archive of one file.
func unpacked() []string { return append(packed(), "gz", "zst") }

// Edges lists packing of anything, repacking, and members. Repacking costs less, so that it is what an archive of an archive
// means.
func (*Engine) Edges() []convert.Edge {
	var out []convert.Edge
	for _, to := range packed() {
		out = append(out, convert.Edge{Op: to, From: "*", To: to, Options: []string{"glob"}, Many: true, Cost: 10})
		for _, from := range unpacked() {
			if from != to {
				out = append(out, convert.Edge{Op: to, From: from, To: to, Cost: 5})
			}
		}
	}
	for _, from := range unpacked() {
		out = append(out, convert.Edge{Op: magic.Members, From: from, Cost: 1})
	}
	return out
}

// Run does one edge. For members it is the one that the job names that is made.
func (e *Engine) Run(ctx context.Context, job convert.Job) error {
	job.Limits = job.Limits.Resolved()
	if len(job.Sources) == 0 {
		return fmt.Errorf("%w: nothing to pack", convert.ErrUnsupported)
	}
	switch {
	case job.Edge.Op == magic.Members:
		return extract(ctx, job)
	case !slices.Contains(packed(), job.Edge.To):
		return fmt.Errorf("%w: an archive as %s", convert.ErrUnsupported, job.Edge.To)
	case job.Edge.From == "*":
		return bounded.Write(ctx, job, func(w *bounded.Output) error { return pack(ctx, job, w) })
	}
	return bounded.Write(ctx, job, func(w *bounded.Output) error { return repack(ctx, job, w) })
}

// List answers the members of an archive, in their order.
func (e *Engine) List(ctx context.Context, job convert.Job) ([]convert.Member, error) {
	job.Limits = job.Limits.Resolved()
	if len(job.Sources) != 1 {
		return nil, fmt.Errorf("%w: the members of %d files", convert.ErrUnsupported, len(job.Sources))
	}
	var out []convert.Member
	err := walk(ctx, job.Sources[0], job.Limits, func(m entry, _ opener) error {
		out = append(out, convert.Member{Name: m.name, Step: job.Step, Part: m.name, Size: m.size})
		return nil
	})
	return out, err
}
