//go:build !linux || (!amd64 && !arm64)

package sandbox

import (
	"context"
	"fmt"
	"os"
)

// Box runs programs. There is none here.
type Box struct{}

// New answers ErrNone.
func New(_ context.Context) (*Box, error) { return nil, ErrNone }

// Features answers none.
func (*Box) Features() Features { return Features{} }

// Run answers ErrNone.
func (*Box) Run(_ context.Context, _ Spec) (Result, error) { return Result{}, ErrNone }

// Process is a program that runs.
type Process struct{}

// Start answers ErrNone.
func (*Box) Start(_ context.Context, _ Spec) (*Process, error) { return nil, ErrNone }

// Done is closed when the program has ended.
func (*Process) Done() <-chan struct{} { return nil }

// Kill ends the program.
func (*Process) Kill() {}

// Wait waits for the end.
func (*Process) Wait() (Result, error) { return Result{}, ErrNone }

// Child is what our binary does as a sandboxed child. It is never started here.
func Child(_ []string) int {
	fmt.Fprintln(os.Stderr, "dropfs:", ErrNone)
	return 127
}
