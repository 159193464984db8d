// Package engines puts together the conversion engines that this machine has.
//
// Invariants:
//
//	E1: the order is that of preference where two engines are equally good: what is in the program goes before what is not.
//	E2: what an engine needs to run (compiled modules, programs that wait) begins with its first use and ends with Close.
package engines

import (
	"errors"
	"path/filepath"

	"dropfs/convert"
	"dropfs/convert/native/pdf"
)

// Config tells where the engines may keep things.
type Config struct {
	// CacheDir holds what can be made again: compiled modules. "" none is kept.
	CacheDir string
}

// Set is the engines of this process.
type Set struct {
	Registry *convert.Registry
	closers  []func() error
}

// Open puts the engines together. It starts nothing.
func Open(c Config) *Set {
	s := &Set{}
	wasm := ""
	if c.CacheDir != "" {
		wasm = filepath.Join(c.CacheDir, "wasm")
	}
	documents := pdf.New(pdf.Config{CacheDir: wasm})
	s.closers = append(s.closers, documents.Close)
	s.Registry = convert.NewRegistry(documents)
	return s
}

// Close ends what the engines have running (E2).
func (s *Set) Close() error {
	var errs []error
	for _, end := range s.closers {
		errs = append(errs, end())
	}
	return errors.Join(errs...)
}
