//go:build linux && (amd64 || arm64)

package sandbox_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"dropfs/convert/exec/sandbox"
)

func TestS5Clean(t *testing.T) {
	t.Setenv("DROPFS_API_KEY", "geheim")
	t.Setenv("http_proxy", "http://proxy")
	f, err := os.Open(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, _, e := syscall.Syscall(syscall.SYS_FCNTL, f.Fd(), syscall.F_SETFD, 0); e != 0 { // it would be inherited
		t.Fatal(e)
	}
	r, dir := shell(t, box(t), "env; for i in 3 4 5 6 7 8 9; do if true 2>/dev/null <&$i; then echo fd $i; fi; done; cat", nil)
	var names []string
	for line := range strings.Lines(string(r.Stdout)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		if name != "_" && name != "PWD" && name != "SHLVL" && name != "OLDPWD" { // the shell's own
			names = append(names, name)
		}
		if (name == "HOME" || name == "TMPDIR") && value != dir {
			t.Errorf("%s is %s", name, value)
		}
	}
	slices.Sort(names)
	want := []string{"HOME", "LANG", "PATH", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME"}
	if !slices.Equal(names, want) {
		t.Errorf("it found %q", names)
	}
}

func TestS6Limits(t *testing.T) {
	b := box(t)
	t.Run("messages", func(t *testing.T) {
		r, _ := shell(t, b, "head -c 1000000 /dev/zero; head -c 1000000 /dev/zero >&2", nil)
		if r.ExitCode != 0 || len(r.Stdout) != 64<<10 || len(r.Stderr) != 64<<10 {
			t.Errorf("exit %d, %d and %d bytes", r.ExitCode, len(r.Stdout), len(r.Stderr))
		}
	})
	t.Run("file", func(t *testing.T) {
		r, dir := shell(t, b, "head -c 1000000 /dev/zero > big", func(s *sandbox.Spec) { s.Limits.FileSize = 100_000 })
		info, err := os.Stat(filepath.Join(dir, "big"))
		if r.ExitCode == 0 || err != nil || info.Size() > 100_000 {
			t.Errorf("exit %d, %v, %v", r.ExitCode, info, err)
		}
	})
	t.Run("memory", func(t *testing.T) {
		python, err := exec.LookPath("/usr/bin/python3")
		if err != nil {
			t.Skip("python3 is not there")
		}
		for size, ok := range map[string]bool{"1000000": true, "400000000": false} {
			r, err := b.Run(t.Context(), sandbox.Spec{
				Argv: []string{python, "-c", "bytearray(" + size + ")"}, Dir: t.TempDir(),
				Limits: sandbox.Limits{Memory: 300 << 20, Time: 20 * time.Second},
			})
			if err != nil || (r.ExitCode == 0) != ok {
				t.Errorf("%s bytes: exit %d, %v, %s", size, r.ExitCode, err, r.Stderr)
			}
		}
	})
	t.Run("time of the processor", func(t *testing.T) {
		r, _ := shell(t, b, "while :; do :; done", func(s *sandbox.Spec) { s.Limits.CPU = time.Second })
		if r.ExitCode == 0 {
			t.Error("it was not ended")
		}
	})
	t.Run("processes", func(t *testing.T) {
		if !strings.Contains(b.Features().Namespaces, "user") || os.Getuid() == 0 {
			t.Skip("holds only for ordinary users, in a user namespace")
		}
		if r, _ := shell(t, b, "for i in 1 2 3 4 5 6 7 8 9; do sleep 1 & done; wait", func(s *sandbox.Spec) { s.Limits.Processes = 4 }); r.ExitCode == 0 {
			t.Error("there may be more")
		}
	})
}

func TestS7Refusals(t *testing.T) {
	b := box(t)
	dir := t.TempDir()
	for name, s := range map[string]sandbox.Spec{
		"nothing":                {Dir: dir},
		"a relative program":     {Argv: []string{"sh"}, Dir: dir},
		"a relative directory":   {Argv: []string{"/bin/sh"}, Dir: "."},
		"no such program":        {Argv: []string{"/no/such"}, Dir: dir},
		"no such directory":      {Argv: []string{"/bin/sh"}, Dir: "/no/such"},
		"no such file":           {Argv: []string{"/bin/sh"}, Dir: dir, Read: []string{"/no/such"}},
		"a program not allowed":  {Argv: []string{mustExe(t)}, Dir: dir},
		"its standard input not": {Argv: []string{"/bin/sh"}, Dir: dir, Stdin: "/no/such"},
	} {
		if r, err := b.Run(t.Context(), s); !errors.Is(err, sandbox.ErrSetup) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

func TestS7AProgramWithoutAChild(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "deaf"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), mustExe(t))
	cmd.Env = append(os.Environ(), "TMPDIR="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("New is content: %v %s", err, out)
	}
}
