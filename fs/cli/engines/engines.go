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
	"os"
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
	// Scratch is a directory for what the programs need while they wait, of this set alone: Open makes it, after it has
	// removed what a process that was killed left there, and Close removes it. "" the system's.
	Scratch string
}

// Set is the engines of this process.
type Set struct {
	Registry *convert.Registry
	cacheDir string
	programs *exec.Set // nil: none
	closers  []func() error
}

// Open puts the engines together. It starts nothing.
func Open(c Config) *Set {
	s := &Set{cacheDir: c.CacheDir}
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
		if err := prepare(c.Scratch); err != nil {
			c.Scratch = "" // the programs say what is wrong with the disk, if anything is
		}
		s.programs = exec.New(exec.Config{Scratch: c.Scratch, Known: known})
		s.closers = append(s.closers, s.programs.Close)
		if c.Scratch != "" {
			s.closers = append(s.closers, func() error { return exec.Sweep(c.Scratch) })
		}
		list = append(list, s.programs.Engines()...)
	}
	s.Registry = convert.NewRegistry(list...)
	return s
}

// prepare makes a scratch directory with nothing in it.
func prepare(scratch string) error {
	if scratch == "" {
		return nil
	}
	return errors.Join(Sweep(scratch), os.MkdirAll(scratch, 0o700))
}

// Sweep removes the Scratch of a process that is no more.
func Sweep(scratch string) error { return exec.Sweep(scratch) }

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
	return errors.Join(errs...)
}
