//go:build amd64 || arm64

package sandbox

import (
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Box runs programs. It holds what was found out about this machine, and no process.
type Box struct {
	landlock   int
	namespaces uintptr
}

// namespaceSets are tried from the best on. Without a user namespace only root may make the others.
var namespaceSets = []uintptr{
	unix.CLONE_NEWUSER | unix.CLONE_NEWNET | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS,
	unix.CLONE_NEWNET | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS,
	0,
}

// New finds out what this machine has for a sandbox by setting up a few that run nothing. Where it lacks what S7 asks for
// the error is ErrNone with the reason.
func New(ctx context.Context) (*Box, error) {
	if len(os.Args) > 1 && os.Args[1] == Arg { // main did not hand it to Child; a child of this one would not be one either
		return nil, fmt.Errorf("%w: this program has none", ErrNone)
	}
	b := &Box{landlock: landlockVersion()}
	if b.landlock == 0 {
		return nil, fmt.Errorf("%w: the kernel has no Landlock", ErrNone)
	}
	var last error
	for _, set := range namespaceSets {
		b.namespaces = set
		spec := Spec{Dir: os.TempDir(), Limits: Limits{Time: 10 * time.Second}}
		var r Result
		if r, last = b.run(ctx, spec); last == nil && r.ExitCode == exitTried {
			return b, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	if last == nil {
		return nil, fmt.Errorf("%w: this program has none", ErrNone)
	}
	return nil, fmt.Errorf("%w: %w", ErrNone, last)
}

// Features tells what was found.
func (b *Box) Features() Features {
	var names []string
	for _, n := range []struct {
		flag uintptr
		name string
	}{
		{unix.CLONE_NEWNET, "net"},
		{unix.CLONE_NEWPID, "pid"},
		{unix.CLONE_NEWIPC, "ipc"},
		{unix.CLONE_NEWUTS, "uts"},
		{unix.CLONE_NEWUSER, "user"},
	} {
		if b.namespaces&n.flag != 0 {
			names = append(names, n.name)
		}
	}
	return Features{Landlock: b.landlock, Namespaces: strings.Join(names, " ")}
}

// Run runs a program to its end. The error is nil when it ran, whatever its exit code; ErrTimeout past Limits.Time; that of
// ctx when it ended first; ErrSetup where the program was never started.
func (b *Box) Run(ctx context.Context, s Spec) (Result, error) {
	if err := s.check(); err != nil {
		return Result{}, err
	}
	return b.run(ctx, s)
}

func (b *Box) run(ctx context.Context, s Spec) (Result, error) {
	p, err := b.start(ctx, s)
	if err != nil {
		return Result{}, err
	}
	return p.Wait()
}

// Start starts a program that goes on alone until it ends, is killed, or ctx ends. Somebody must Wait for it.
func (b *Box) Start(ctx context.Context, s Spec) (*Process, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	return b.start(ctx, s)
}

// attributes are those of the new process: its own session, which is its group (S4), and its own namespaces.
func (b *Box) attributes() *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL, Cloneflags: b.namespaces}
	if b.namespaces&unix.CLONE_NEWUSER != 0 {
		// The same numbers inside and outside: files made belong to who started us.
		a.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Geteuid(), HostID: os.Geteuid(), Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getegid(), HostID: os.Getegid(), Size: 1}}
	}
	return a
}
