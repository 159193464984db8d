//go:build linux && (amd64 || arm64)

package sandbox_test

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"dropfs/convert/exec/sandbox"
)

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

// TestRefusedCalls: what reaches into the system or into other processes is refused.
func TestRefusedCalls(t *testing.T) {
	b := box(t)
	if f := b.Features(); f.Landlock < 6 && f.Namespaces == "" {
		t.Skip("signals and abstract sockets are not guarded here")
	}
	l, err := net.Listen("unix", "@dropfs-sandbox-test-"+strconv.Itoa(os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, script := range []string{
		"kill -9 " + strconv.Itoa(os.Getpid()),
		"kill -0 " + strconv.Itoa(os.Getpid()),
		"unshare -Ur true",
		"unshare -n true",
		"mount -t tmpfs none .",
		"setsid true",
		"chroot . true",
		"setarch --addr-no-randomize true",
		"/usr/bin/python3 -c \"import socket; socket.socket(socket.AF_UNIX).connect('\\0" + l.Addr().String()[1:] + "')\"",
		"/usr/bin/python3 -c \"import os; os.setpgid(0,0)\"",
	} {
		r, _ := shell(t, b, script, func(s *sandbox.Spec) { s.Sockets = true })
		if r.ExitCode == 0 {
			t.Errorf("%s is allowed", script)
		}
	}
}
