//go:build linux

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// result is how a program ended.
type result struct {
	code     int // of exit; -1: killed by a signal, or by its time-out
	out, err string
	timeout  bool
}

func (r result) String() string {
	s := fmt.Sprintf("exit %d", r.code)
	if r.timeout {
		s = "time-out"
	}
	return s + "\n" + clip(r.out) + clip(r.err)
}

func clip(s string) string {
	if len(s) > 4000 {
		return s[:2000] + "\n…\n" + s[len(s)-2000:]
	}
	return s
}

// run runs a program in a process group of its own, which is killed when d has passed.
func run(d time.Duration, dir string, env []string, stdin string, name string, args ...string) result {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, env
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 2 * time.Second
	err := cmd.Run()
	r := result{out: out.String(), err: errs.String(), timeout: ctx.Err() != nil}
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		r.code = exit.ExitCode()
	case err != nil:
		r.code = -1
		r.err += err.Error()
	}
	return r
}

// processes maps every process that can be looked at to its program.
func processes() map[int]string {
	out := map[int]string{}
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return out
	}
	for _, d := range dirs {
		pid, err := strconv.Atoi(filepath.Base(d))
		if err != nil {
			continue
		}
		if exe, err := os.Readlink(filepath.Join(d, "exe")); err == nil {
			out[pid] = exe
		}
	}
	return out
}

func cmdline(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return ""
	}
	return strings.ReplaceAll(string(b), "\x00", " ")
}

// mentions tells whether the arguments or the environment of a process name a directory.
func mentions(pid int, dir string) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	return err == nil && bytes.Contains(b, []byte(dir+"/")) || strings.Contains(cmdline(pid), dir+"/")
}

// running tells whether a process lives; one that is dead and not yet waited for does not.
func running(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return rest != "" && rest[0] != 'Z' && rest[0] != 'X'
}

// kill ends a process at once and waits until it has gone.
func kill(pid int) {
	if syscall.Kill(pid, syscall.SIGKILL) != nil {
		return
	}
	for until := time.Now().Add(10 * time.Second); running(pid) && time.Now().Before(until); {
		time.Sleep(time.Millisecond)
	}
}
