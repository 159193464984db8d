// Package engines puts together the conversion engines that this machine has.
//
// Invariants:
//
//	E1: the order is that of preference where two engines are equally good: what is in the program goes before what is not.
//	E2: what an engine needs to run (compiled modules, programs that wait) begins with its first use and ends with Close.
//	E3: programs of this machine are looked for by Probe alone, and run in a sandbox only: this binary run again, whose main
//	    function must hand sandbox.Arg on.
package engines

import (
	"context"
	"errors"
	"path/filepath"

	"dropfs/convert"
	"dropfs/convert/exec"
	"dropfs/convert/native/archive"
	"dropfs/convert/native/images"
	"dropfs/convert/native/pdf"
	"dropfs/convert/native/sheet"
	"dropfs/convert/native/text"
)

// Config tells where the engines may keep things.
type Config struct {
	// CacheDir holds what can be made again: compiled modules, what a service can do. "" none is kept.
	CacheDir string
	// Programs has the programs of this machine looked for and used (E3).
	Programs bool
	// Shared is a directory in which this process and others each have one of their own, in which conversions run: Open
	// makes it, after it has removed those of processes that were killed, and Close removes it. "", and where that cannot
	// be: one in the system's temporary directory.
	Shared string
}

// Set is the engines of this process.
type Set struct {
	Registry *convert.Registry
	cacheDir string
	programs *exec.Set // nil: none
	runs     *runs
	closers  []func() error
}

// Open puts the engines together. It starts nothing.
func Open(c Config) (*Set, error) {
	r, err := openRuns(c.Shared)
	if err != nil && c.Shared != "" {
		r, err = openRuns("")
	}
	if err != nil {
		return nil, err
	}
	s := &Set{cacheDir: c.CacheDir, runs: r}
	wasm := ""
	if c.CacheDir != "" {
		wasm = filepath.Join(c.CacheDir, "wasm")
	}
	documents := pdf.New(pdf.Config{CacheDir: wasm})
	s.closers = append(s.closers, documents.Close)
	list := []convert.Engine{documents, images.New(), archive.New(), text.New(), sheet.New()}
	if c.Programs {
		known := ""
		if c.CacheDir != "" {
			known = filepath.Join(c.CacheDir, "programs.json")
		}
		s.programs = exec.New(exec.Config{Scratch: r.programs(), Known: known})
		s.closers = append(s.closers, s.programs.Close)
		list = append(list, s.programs.Engines()...)
	}
	s.Registry = convert.NewRegistry(list...)
	return s, nil
}

// Dir is where conversions of this process may run. It is not there yet, and goes with Close.
func (s *Set) Dir() string { return s.runs.work() }

// Probe looks for the programs; until it has, their engines offer nothing. It takes some seconds.
func (s *Set) Probe(ctx context.Context) error {
	if s.programs == nil {
		return nil
	}
	return s.programs.Probe(ctx)
}

// Missing lists the programs that would add to what can be converted, and the packages that have them.
func (s *Set) Missing() []exec.Hint {
	if s.programs == nil {
		return nil
	}
	return s.programs.Missing()
}

// Close ends what the engines have running (E2).
func (s *Set) Close() error {
	var errs []error
	for _, end := range s.closers {
		errs = append(errs, end())
	}
	return errors.Join(append(errs, s.runs.close())...)
}
