//go:build linux && (amd64 || arm64)

package sandbox_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"dropfs/convert/exec/sandbox"
)

// running tells whether there is a process that has the word among its arguments.
func running(t *testing.T, word string) bool {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if text, err := os.ReadFile(f); err == nil && slices.Contains(strings.Split(string(text), "\x00"), word) {
			return true
		}
	}
	return false
}

func TestS4NothingIsLeft(t *testing.T) {
	b := box(t)
	for i, c := range []struct {
		name, script string
		time         time.Duration
		cancel       bool
		want         error
	}{
		{"deadline", "sleep %[1]s & sleep %[1]s", time.Second, false, sandbox.ErrTimeout},
		{"context", "sleep %[1]s & sleep %[1]s", time.Minute, true, context.Canceled},
		{"success", "sleep %[1]s & sleep %[1]s & exit 0", time.Minute, false, nil},
		{"a session of its own", "setsid sleep %[1]s & sleep %[1]s & exit 0", time.Minute, false, nil},
		{"no hang-up", "nohup sleep %[1]s >/dev/null 2>&1 & trap '' TERM INT; sleep %[1]s", time.Second, false, sandbox.ErrTimeout},
	} {
		t.Run(c.name, func(t *testing.T) {
			word := strconv.Itoa(100000 + os.Getpid()*10 + i) // seconds, and a mark
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			p, err := b.Start(ctx, sandbox.Spec{
				Argv: []string{"/bin/sh", "-c", fmt.Sprintf(c.script, word)}, Dir: t.TempDir(), Limits: sandbox.Limits{Time: c.time},
			})
			if err != nil {
				t.Fatal(err)
			}
			if c.cancel {
				cancel()
			}
			if _, err := p.Wait(); !errors.Is(err, c.want) {
				t.Errorf("it ended with %v, want %v", err, c.want)
			}
			if running(t, word) {
				t.Error("a process is left")
			}
		})
	}
}

func TestS4DiesWithItsParent(t *testing.T) {
	// A copy of this test runs a program and is killed: see TestHelperRuns.
	if os.Getenv("SANDBOX_TEST_SLEEP") != "" {
		t.Skip("is itself the copy")
	}
	box(t)
	word := strconv.Itoa(200000 + os.Getpid()*10)
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^TestHelperRuns$")
	cmd.Env = append(os.Environ(), "SANDBOX_TEST_SLEEP="+word, "TMPDIR="+t.TempDir()) // it is killed, and removes nothing
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); !running(t, word) && time.Now().Before(deadline); {
	}
	if !running(t, word) {
		t.Fatal("the program was never there")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_, _ = out.Read(make([]byte, 1)) // until the descriptor is closed
	_ = cmd.Wait()
	for deadline := time.Now().Add(5 * time.Second); running(t, word) && time.Now().Before(deadline); {
	}
	if running(t, word) {
		t.Error("the program outlived us")
	}
}

func TestHelperRuns(t *testing.T) {
	word := os.Getenv("SANDBOX_TEST_SLEEP")
	if word == "" {
		t.Skip("is only for TestS4DiesWithItsParent")
	}
	shell(t, box(t), "exec sleep "+word, nil)
}
