//go:build amd64 || arm64

package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Process is a program that runs.
type Process struct {
	cancel context.CancelFunc
	done   chan struct{}
	result Result // valid when done is closed, as is err
	err    error
}

// Done is closed when the program, and all that it started, has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Kill ends the program. It does not wait.
func (p *Process) Kill() { p.cancel() }

// Wait waits for the end; see Box.Run for the error.
func (p *Process) Wait() (Result, error) {
	<-p.done
	return p.result, p.err
}

func (b *Box) start(ctx context.Context, s Spec) (*Process, error) {
	cmd, pipes, err := b.command(s)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSetup, err)
	}
	limited, cancel := context.WithTimeoutCause(ctx, s.Limits.resolved().Time, ErrTimeout)
	p := &Process{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		defer cancel()
		// The death signal comes when the thread that forked ends: it must not before the program does.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		p.result, p.err = pipes.supervise(limited, cmd)
	}()
	return p, nil
}

// plumbing is what connects a child and us.
type plumbing struct {
	ours, theirs           []*os.File // to be closed: by us at the end, by us once the child has its own
	status, stdout, stderr *os.File   // ends to be read; stdout nil where it goes to a file
	watch                  io.Writer  // Spec.Watch
}

func (pl *plumbing) pipe() (r, w *os.File, err error) {
	r, w, err = os.Pipe()
	if err == nil {
		pl.ours, pl.theirs = append(pl.ours, r), append(pl.theirs, w)
	}
	return r, w, err
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// command prepares the child. On an error nothing is left open.
func (b *Box) command(s Spec) (*exec.Cmd, *plumbing, error) {
	l := s.Limits.resolved()
	o := order{
		Argv: s.Argv, Dir: s.Dir, Read: s.Read, Sockets: s.Sockets, Memory: uint64(l.Memory), FileSize: uint64(l.FileSize),
		CPU: uint64((l.CPU + time.Second - 1) / time.Second),
	}
	if b.namespaces&unix.CLONE_NEWUSER != 0 {
		o.Processes = uint64(l.Processes)
	}
	text, err := json.Marshal(o)
	if err != nil {
		return nil, nil, err
	}
	cmd := &exec.Cmd{Path: "/proc/self/exe", Args: []string{"dropfs", Arg, string(text)}, Env: s.environ(), SysProcAttr: b.attributes()}
	pl := &plumbing{watch: s.Watch}
	if err := pl.connect(cmd, s); err != nil {
		closeAll(pl.ours)
		closeAll(pl.theirs)
		return nil, nil, err
	}
	return cmd, pl, nil
}

func (pl *plumbing) connect(cmd *exec.Cmd, s Spec) error {
	var statusW, errW, outW *os.File
	var err error
	if pl.status, statusW, err = pl.pipe(); err != nil {
		return err
	}
	if pl.stderr, errW, err = pl.pipe(); err != nil {
		return err
	}
	if s.Stdout == "" {
		pl.stdout, outW, err = pl.pipe()
	} else if outW, err = os.OpenFile(s.Stdout, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); err == nil {
		pl.theirs = append(pl.theirs, outW)
	}
	if err != nil {
		return err
	}
	if s.Stdin != "" {
		in, err := os.Open(s.Stdin)
		if err != nil {
			return err
		}
		pl.theirs = append(pl.theirs, in)
		cmd.Stdin = in
	}
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = outW, errW, []*os.File{statusW}
	return nil
}

// supervise starts the child and stays with it until nothing is left of it (S4).
func (pl *plumbing) supervise(ctx context.Context, cmd *exec.Cmd) (Result, error) {
	defer closeAll(pl.ours)
	err := cmd.Start()
	closeAll(pl.theirs)
	if err != nil {
		return Result{}, fmt.Errorf("%w: %w", ErrSetup, err)
	}
	outs := make(chan []byte, 1)
	errs := make(chan []byte, 1)
	stat := make(chan []byte, 1)
	go func() { outs <- head(pl.stdout, pl.watch) }()
	go func() { errs <- head(pl.stderr, nil) }()
	go func() { stat <- head(pl.status, nil) }()
	// The group is killed when the context ends, and also after the program's own end, while it is not yet waited for: until
	// then its number belongs to nobody else.
	group := cmd.Process.Pid
	stop := context.AfterFunc(ctx, func() { _ = unix.Kill(-group, unix.SIGKILL) }) // none is left to be told
	waitEnd(group)
	ended := !stop()
	_ = unix.Kill(-group, unix.SIGKILL) // the leader still counts as a member, so there is always one
	err = cmd.Wait()
	r := Result{Stdout: <-outs, Stderr: <-errs}
	setup := <-stat
	if ended {
		return r, context.Cause(ctx)
	}
	if len(setup) > 0 {
		return r, fmt.Errorf("%w: %s", ErrSetup, setup)
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return r, fmt.Errorf("%w: %w", ErrSetup, err)
	}
	r.ExitCode = cmd.ProcessState.ExitCode()
	return r, nil
}

// waitEnd returns when the process has ended, and leaves it to be waited for.
func waitEnd(pid int) {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err != syscall.EINTR { //nolint:errorlint // a bare errno
			return
		}
	}
}

// head reads all that comes and keeps the beginning (S6). watch, where there is one, is given all of it.
func head(f *os.File, watch io.Writer) []byte {
	if f == nil {
		return nil
	}
	var r io.Reader = f
	if watch != nil {
		r = io.TeeReader(f, watch)
	}
	kept, _ := io.ReadAll(io.LimitReader(r, maxMessages)) // what was read until an error is kept
	_, _ = io.Copy(io.Discard, r)
	return kept
}
