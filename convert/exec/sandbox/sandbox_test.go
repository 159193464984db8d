//go:build linux && (amd64 || arm64)

package sandbox_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"dropfs/convert/exec/sandbox"
)

func TestMain(m *testing.M) {
	if _, err := os.Stat(filepath.Join(os.TempDir(), "deaf")); err == nil { // we are a program that knows nothing of Arg
		if _, err := sandbox.New(context.Background()); errors.Is(err, sandbox.ErrNone) {
			os.Exit(0)
		}
		os.Exit(1)
	}
	if len(os.Args) > 1 && os.Args[1] == sandbox.Arg {
		os.Exit(sandbox.Child(os.Args[2:]))
	}
	os.Exit(m.Run())
}

func box(t *testing.T) *sandbox.Box {
	t.Helper()
	b, err := sandbox.New(t.Context())
	if err != nil {
		t.Skipf("no sandbox: %v", err)
	}
	if os.Getenv("SANDBOX_TEST_PLAIN") != "" {
		return b.WithoutNamespaces()
	}
	return b
}

// shell runs a script of /bin/sh in a directory of its own.
func shell(t *testing.T, b *sandbox.Box, script string, change func(*sandbox.Spec)) (sandbox.Result, string) {
	t.Helper()
	s := sandbox.Spec{Argv: []string{"/bin/sh", "-c", script}, Dir: t.TempDir(), Limits: sandbox.Limits{Time: 20 * time.Second}}
	if change != nil {
		change(&s)
	}
	r, err := b.Run(t.Context(), s)
	if err != nil {
		t.Fatalf("%s: %v; %s", script, err, r.Stderr)
	}
	return r, s.Dir
}

func TestRunsAProgram(t *testing.T) {
	b := box(t)
	t.Logf("%+v", b.Features())
	r, dir := shell(t, b, "cat; echo made > made; echo said; echo wrong >&2; exit 3", func(s *sandbox.Spec) {
		s.Stdin = filepath.Join(s.Dir, "in")
		if err := os.WriteFile(s.Stdin, []byte("read "), 0o600); err != nil {
			t.Fatal(err)
		}
	})
	made, err := os.ReadFile(filepath.Join(dir, "made"))
	if r.ExitCode != 3 || string(r.Stdout) != "read said\n" || string(r.Stderr) != "wrong\n" || string(made) != "made\n" {
		t.Errorf("%d %q %q, made %q, %v", r.ExitCode, r.Stdout, r.Stderr, made, err)
	}
}

func TestStdoutToAFile(t *testing.T) {
	var out string
	r, _ := shell(t, box(t), "echo said", func(s *sandbox.Spec) {
		out = filepath.Join(s.Dir, "out")
		s.Stdout = out
	})
	if got, err := os.ReadFile(out); err != nil || string(got) != "said\n" || len(r.Stdout) > 0 {
		t.Errorf("%q, %v, and %q", got, err, r.Stdout)
	}
}

func TestS1NoNetwork(t *testing.T) {
	python, err := exec.LookPath("/usr/bin/python3")
	if err != nil {
		t.Skip("python3 is not there")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	tcp := "import socket; socket.create_connection(('127.0.0.1'," + port + "),2)"
	if err := exec.CommandContext(t.Context(), python, "-c", tcp).Run(); err != nil {
		t.Fatalf("not even without a sandbox: %v", err)
	}
	b := box(t)
	for _, c := range []struct {
		name, script string
		sockets, ok  bool
	}{
		{name: "tcp", script: tcp},
		{name: "tcp, where sockets of the file system are allowed", script: tcp, sockets: true},
		{name: "udp", script: "import socket; socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)", sockets: true},
		{name: "netlink", script: "import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)", sockets: true},
		{name: "packet", script: "import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW)", sockets: true},
		{name: "unix, not allowed", script: "import socket; socket.socket(socket.AF_UNIX)"},
		{name: "unix, allowed", script: "import socket; s=socket.socket(socket.AF_UNIX); s.bind('s'); s.listen()", sockets: true, ok: true},
		{name: "a pair", script: "import socket; socket.socketpair()", ok: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := b.Run(t.Context(), sandbox.Spec{
				Argv: []string{python, "-c", c.script}, Dir: t.TempDir(), Sockets: c.sockets,
				Limits: sandbox.Limits{Time: 20 * time.Second},
			})
			if err != nil {
				t.Fatal(err)
			}
			if ok := r.ExitCode == 0; ok != c.ok {
				t.Errorf("exit %d: %s", r.ExitCode, r.Stderr)
			}
			if !c.ok && !strings.Contains(string(r.Stderr), "PermissionError") {
				t.Errorf("not refused: %s", r.Stderr)
			}
		})
	}
}

func TestS2S3Files(t *testing.T) {
	b := box(t)
	other := t.TempDir()
	secret, given := filepath.Join(other, "secret"), filepath.Join(other, "given")
	for _, p := range []string{secret, given} {
		if err := os.WriteFile(p, []byte("content"), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	before, err := os.Stat(given)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		script string
		ok     bool
	}{
		{"cat " + given, true},
		{"cp " + given + " own && mkdir d && mv own d/ && rm d/own", true},
		{"cat /etc/passwd >own", true},
		{"echo x > own; chmod 600 own", true},
		{"cat /etc/shadow", false},
		{"cat " + secret, false},
		{"ls " + other, false},
		{"cat /proc/1/environ", false},
		{"cat /proc/$PPID/environ", false},
		{"echo x > " + secret, false},
		{"echo x > " + given, false},
		{"echo x >> " + given, false},
		{"truncate -s 0 " + given, false},
		{"rm " + given, false},
		{"mv " + given + " own", false},
		{"ln " + given + " own", false},
		{"echo x > " + other + "/new", false},
		{"echo x > /tmp/dropfs-sandbox-test", false},
		{"mkdir " + other + "/newdir", false},
		{"ln -s " + secret + " l && cat l", false},
		{"cp /bin/true own && ./own", false},
		{"mknod own c 1 3", false},
	} {
		t.Run(c.script, func(t *testing.T) {
			r, _ := shell(t, b, c.script, func(s *sandbox.Spec) { s.Read = []string{given} })
			if ok := r.ExitCode == 0; ok != c.ok {
				t.Errorf("exit %d: %s%s", r.ExitCode, r.Stdout, r.Stderr)
			}
		})
	}
	shell(t, b, "chmod 777 "+given+"; touch -d 2001-01-01 "+given+"; chown 1:1 "+given, func(s *sandbox.Spec) { s.Read = []string{given} })
	after, err := os.Stat(given)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(given); err != nil || string(got) != "content" {
		t.Errorf("it reads %q, %v", got, err)
	}
	if before.Mode() != after.Mode() || !before.ModTime().Equal(after.ModTime()) || before.Sys().(*syscall.Stat_t).Uid != after.Sys().(*syscall.Stat_t).Uid {
		t.Errorf("it was %v and is %v", before, after)
	}
}

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
	cmd.Env = append(os.Environ(), "SANDBOX_TEST_SLEEP="+word)
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

// TestAsAnOrdinaryUser runs the other tests as nobody, where this one is root.
func TestAsAnOrdinaryUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("is one already")
	}
	const nobody = 65534
	dir, err := os.MkdirTemp("", "sandbox")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	exe, err := os.ReadFile(mustExe(t))
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(dir, "test")
	if err := errors.Join(os.WriteFile(copied, exe, 0o755), os.Chmod(dir, 0o755), os.Mkdir(filepath.Join(dir, "tmp"), 0o700),
		os.Chown(filepath.Join(dir, "tmp"), nobody, nobody)); err != nil {
		t.Fatal(err)
	}
	for _, plain := range []string{"", "yes"} {
		cmd := exec.CommandContext(t.Context(), copied, "-test.v")
		cmd.Dir = dir
		cmd.Env = []string{"PATH=/usr/bin:/bin", "TMPDIR=" + filepath.Join(dir, "tmp"), "HOME=" + dir, "SANDBOX_TEST_PLAIN=" + plain}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		for line := range strings.Lines(string(out)) {
			if strings.Contains(line, "Landlock:") || strings.Contains(line, "SKIP") {
				t.Log(strings.TrimSpace(line))
			}
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

func BenchmarkRun(b *testing.B) {
	box, err := sandbox.New(b.Context())
	if err != nil {
		b.Skip(err)
	}
	spec := sandbox.Spec{Argv: []string{"/bin/true"}, Dir: b.TempDir()}
	for b.Loop() {
		if _, err := box.Run(b.Context(), spec); err != nil {
			b.Fatal(err)
		}
	}
}

func mustExe(t *testing.T) string {
	t.Helper()
	p, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return p
}
