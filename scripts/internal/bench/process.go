package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	commandTimeout = time.Minute            // of a command that should answer at once
	startTimeout   = 30 * time.Second       // until a server or a disk answers
	endTimeout     = 15 * time.Second       // until a daemon that was told to end has ended
	lookEvery      = 20 * time.Millisecond  // how often something that takes time is looked at
	settleEvery    = 100 * time.Millisecond // the same, of sending
)

// errNotReady is a thing that is waited for and is not there yet.
var errNotReady = errors.New("not ready")

// output runs a command in a process group of its own, which is killed when d has passed, and returns what it prints.
func output(ctx context.Context, d time.Duration, env []string, name string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	var out, errs bytes.Buffer
	cmd.Env, cmd.Stdout, cmd.Stderr = env, &out, &errs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 2 * time.Second
	err := cmd.Run()
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		err = fmt.Errorf("%s %s: %w: %s", filepath.Base(name), firstWord(args), err, clip(errs.String()))
	}
	return out.Bytes(), err
}

func firstWord(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

func clip(s string) string {
	s = strings.TrimSpace(s)
	return s[max(0, len(s)-400):]
}

// process is a server or a daemon that was started and has to be ended.
type process struct {
	cmd   *exec.Cmd
	log   string        // file of what it prints
	ended chan struct{} // closed when it has
	peak  int64         // bytes of memory, at most; what was seen last
}

// startProcess starts a program with its output in a file. The context bounds nothing: stop ends it.
func startProcess(log string, env []string, name string, args ...string) (*process, error) {
	f, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	p := &process{cmd: exec.Command(name, args...), log: log, ended: make(chan struct{})}
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = env, f, f
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = p.cmd.Wait() // how it ended shows in what it was asked for, and in its log
		close(p.ended)
	}()
	return p, nil
}

// until waits until ok answers nil, at most d.
func (p *process) until(ctx context.Context, d time.Duration, ok func() error) error {
	limit := time.Now().Add(d)
	for {
		err := ok()
		if err == nil {
			return nil
		}
		if time.Now().After(limit) {
			return fmt.Errorf("%s: %w", filepath.Base(p.cmd.Path), err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.ended:
			b, _ := os.ReadFile(p.log)
			return fmt.Errorf("%s ended: %s", filepath.Base(p.cmd.Path), clip(string(b)))
		case <-time.After(lookEvery):
		}
	}
}

// stop asks the process to end, and kills it if it does not.
func (p *process) stop() {
	if p == nil {
		return
	}
	p.look()
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-p.ended:
	case <-time.After(endTimeout):
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.ended
	}
}

// look notes the peak of the memory that is resident; 0 where the system does not tell.
func (p *process) look() int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return p.peak
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			if kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64); err == nil {
				p.peak = max(p.peak, kib<<10)
			}
		}
	}
	return p.peak
}

// freeAddr finds an address that nothing listens at just now.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// answers tells whether something listens.
func answers(addr string) error {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return err
	}
	return c.Close()
}

// mountsBelow lists what is mounted below dir, the innermost first. It touches none of them.
func mountsBelow(ctx context.Context, dir string) ([]string, error) {
	var list []string
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil && runtime.GOOS != "linux" {
		out, merr := output(ctx, commandTimeout, os.Environ(), "mount")
		if merr != nil {
			return nil, merr
		}
		for line := range strings.Lines(string(out)) { // WHAT on WHERE (HOW)
			if _, rest, ok := strings.Cut(line, " on "); ok {
				where, _, _ := strings.Cut(rest, " (")
				list = append([]string{where}, list...)
			}
		}
	} else if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 4 {
			list = append([]string{f[4]}, list...)
		}
	}
	below := list[:0]
	for _, m := range list {
		if strings.HasPrefix(m, dir+"/") {
			below = append(below, m)
		}
	}
	return below, nil
}

// isMounted answers errNotReady while nothing is mounted at path.
func isMounted(ctx context.Context, path string) error {
	list, err := mountsBelow(ctx, filepath.Dir(path))
	if err != nil {
		return err
	}
	for _, m := range list {
		if m == path {
			return nil
		}
	}
	return fmt.Errorf("%s is %w", path, errNotReady)
}

// detach takes away whatever is mounted below dir.
func detach(ctx context.Context, dir string) error {
	list, err := mountsBelow(ctx, dir)
	if err != nil {
		return err
	}
	for _, m := range list {
		if _, ferr := output(ctx, commandTimeout, os.Environ(), "fusermount3", "-uz", m); ferr == nil {
			continue
		}
		if _, uerr := output(ctx, commandTimeout, os.Environ(), "umount", "-f", m); uerr != nil {
			err = errors.Join(err, uerr)
		}
	}
	return err
}
