//go:build linux && (amd64 || arm64)

package sandbox_test

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
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
