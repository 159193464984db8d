package convert_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"dropfs/convert"
	"dropfs/convert/magic"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// engine is one whose conversions write what was asked of it behind the bytes of the sources.
type engine struct {
	name, version string
	edges         []convert.Edge
	runs          atomic.Int64
	hook          func(ctx context.Context, job convert.Job) error // nil: none
	members       []convert.Member
}

func (e *engine) Name() string          { return e.name }
func (e *engine) Version() string       { return e.version }
func (e *engine) Edges() []convert.Edge { return e.edges }

func (e *engine) Run(ctx context.Context, job convert.Job) error {
	e.runs.Add(1)
	if e.hook != nil {
		if err := e.hook(ctx, job); err != nil {
			return err
		}
	}
	var out bytes.Buffer
	for _, s := range job.Sources {
		b, err := os.ReadFile(s.Path)
		if err != nil {
			return err
		}
		out.Write(b)
	}
	fmt.Fprintf(&out, ">%s%s", job.Step.Key(), job.Part)
	return os.WriteFile(job.Out, out.Bytes(), 0o600)
}

func (e *engine) List(context.Context, convert.Job) ([]convert.Member, error) { return e.members, nil }

// shelf is a Store in a directory.
type shelf struct {
	dir  string
	mu   sync.Mutex
	made map[convert.Key]convert.Made
}

func newShelf(t *testing.T) *shelf {
	return &shelf{dir: t.TempDir(), made: map[convert.Key]convert.Made{}}
}

func (s *shelf) at(k convert.Key) string { return filepath.Join(s.dir, string(k)) }

func (s *shelf) Has(k convert.Key) bool {
	_, err := os.Stat(s.at(k))
	return err == nil
}

func (s *shelf) Open(_ context.Context, k convert.Key, path string) (bool, error) {
	if !s.Has(k) {
		return false, nil
	}
	return true, os.Link(s.at(k), path)
}

func (s *shelf) Keep(_ context.Context, k convert.Key, path string, made convert.Made) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.made[k] = made
	return os.Rename(path, s.at(k))
}

func (s *shelf) text(t *testing.T, k convert.Key) string {
	t.Helper()
	b, err := os.ReadFile(s.at(k))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// steps reads what stands behind a base.
func steps(t *testing.T, rest, ext string) []magic.Step {
	t.Helper()
	p, err := magic.Parse(rest, ext)
	if err != nil {
		t.Fatal(err)
	}
	return p.Steps
}

// names writes a plan as ENGINE:FROM-TO, joined by spaces.
func names(p convert.Plan) string {
	var out []string
	for _, l := range p {
		out = append(out, fmt.Sprintf("%s:%s-%s", l.Engine.Name(), l.Edge.From, l.To))
	}
	return strings.Join(out, " ")
}
