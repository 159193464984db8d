package exec

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"dropfs/convert"
	"dropfs/convert/exec/sandbox"
)

// Config says where things are. The zero value is usable.
type Config struct {
	Scratch string        // a directory for directories of ours: samples, the idle LibreOffice; "" that of the system
	Path    string        // where programs are looked for, as in $PATH; "" that of the environment
	Known   string        // the file that keeps what was found for the next process; "" none: every process tries the programs
	Idle    time.Duration // how long a LibreOffice that was started ahead waits for work; 0: 10 min; negative: none is
}

// Set is the engines of this machine. All methods may be called at the same time.
type Set struct {
	config  Config
	engines []*engine
	spares  *spares

	probing sync.Mutex // one Probe at a time; taken before mu
	probed  sync.Once
	settled chan struct{} // closed by the first Probe that ends

	mu     sync.Mutex
	box    *sandbox.Box // nil: not probed, or there is no sandbox
	closed bool
}

// Hint says what would add an engine.
type Hint struct {
	Engine  string // its name
	Package string // the Debian packages that have it, with spaces between; "" where that is not what is missing
	Why     string // it offers nothing
}

// New makes a set that offers nothing until it is probed. It starts nothing. Close ends what later runs leave behind.
func New(c Config) *Set {
	s := &Set{config: c, settled: make(chan struct{})}
	s.spares = newSpares(s)
	for _, t := range tools() {
		s.engines = append(s.engines, &engine{set: s, tool: t})
	}
	return s
}

// Probe looks for the programs, and tries those that are new or changed since it last did. It takes some seconds. The error
// is that of ctx, or sandbox.ErrNone where this machine has no sandbox; a program that is missing is none.
func (s *Set) Probe(ctx context.Context) error {
	s.probing.Lock()
	defer s.probing.Unlock()
	defer s.probed.Do(func() { close(s.settled) })
	if s.isClosed() {
		return errClosed
	}
	box, err := s.sandbox(ctx)
	if err != nil {
		for _, e := range s.engines {
			e.settle(found{why: err.Error()})
		}
		return err
	}
	known := s.recall(box)
	for _, e := range s.engines {
		if err := e.probe(ctx, box, known[e.tool.name]); err != nil {
			return err
		}
	}
	_ = s.keep(box) // else the next process tries them, too
	return nil
}

var errClosed = errors.New("the engines are closed")

func (s *Set) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// sandbox answers the box that all programs run in; it is made once.
func (s *Set) sandbox(ctx context.Context) (*sandbox.Box, error) {
	s.mu.Lock()
	box := s.box
	s.mu.Unlock()
	if box != nil {
		return box, nil
	}
	box, err := sandbox.New(ctx)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.box = box
	return box, nil
}

// Engines lists the engines, those without edges too, in a fixed order.
func (s *Set) Engines() []convert.Engine {
	out := make([]convert.Engine, 0, len(s.engines))
	for _, e := range s.engines {
		if e.tool.list != nil {
			out = append(out, lister{e})
			continue
		}
		out = append(out, e)
	}
	return out
}

// Missing lists the engines that offer nothing, and why.
func (s *Set) Missing() []Hint {
	var out []Hint
	for _, e := range s.engines {
		if f := e.now(); f.program == nil {
			h := Hint{Engine: e.tool.name, Why: f.why}
			if f.absent {
				h.Package = e.tool.packages
			}
			if h.Why == "" {
				h.Why = "not looked for yet"
			}
			out = append(out, h)
		}
	}
	return out
}

// Program is one that was found and works.
type Program struct {
	Engine  string
	Version string
	Path    string // absolute, links followed
}

// Programs lists those that the engines with edges run.
func (s *Set) Programs() []Program {
	var out []Program
	for _, e := range s.engines {
		if p := e.now().program; p != nil {
			out = append(out, Program{Engine: e.tool.name, Version: p.version, Path: p.path})
		}
	}
	return out
}

// Features tells what the sandbox is made of; all zero before Probe, and where there is none.
func (s *Set) Features() sandbox.Features {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.box == nil {
		return sandbox.Features{}
	}
	return s.box.Features()
}

// Close ends what waits for work. Runs under way end with their contexts. The set offers nothing any more.
func (s *Set) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	for _, e := range s.engines {
		e.settle(found{why: "closed"})
	}
	s.spares.close()
	return nil
}

// Sweep removes a directory that was Config.Scratch of a process that is no more, and the sockets that belong to it.
func Sweep(scratch string) error {
	dirs, err := filepath.Glob(filepath.Join(scratch, scratchPrefix+"*"))
	for _, dir := range dirs {
		if dir, aerr := filepath.Abs(dir); aerr == nil {
			removeOfficeSocket(dir)
			removeOfficeSocket(filepath.Join(dir, sampleDir))
		}
	}
	return errors.Join(err, os.RemoveAll(scratch))
}

const (
	scratchPrefix = "dropfs-exec-"
	sampleDir     = "work" // in which a sample is converted
)

// scratch makes a directory of ours alone.
func (s *Set) scratch() (string, error) {
	dir, err := os.MkdirTemp(s.config.Scratch, scratchPrefix)
	if err == nil {
		dir, err = filepath.Abs(dir)
	}
	if err != nil {
		return "", fmt.Errorf("scratch directory: %w", err)
	}
	return dir, nil
}

// kindOf gives an error of the sandbox the kind that a caller of an engine knows.
func kindOf(err error) error {
	switch {
	case errors.Is(err, sandbox.ErrTimeout), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w: %w", convert.ErrTimeout, err)
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, sandbox.ErrNone):
		return fmt.Errorf("%w: %w", convert.ErrUnsupported, err)
	}
	return fmt.Errorf("%w: %w", convert.ErrBroken, err)
}

// tools lists the programs, in the order in which engines are named.
func tools() []*tool {
	return slices.Concat(officeTools(), mediaTools(), pictureTools(), pdfTools(), textTools())
}
