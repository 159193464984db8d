//go:build linux

package fs

import (
	"bytes"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func getx(path, name string) (string, error) {
	buf := make([]byte, 1<<16)
	n, err := unix.Lgetxattr(path, name, buf)
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}

func listx(t *testing.T, path string) []string {
	t.Helper()
	buf := make([]byte, 1<<16)
	n, err := unix.Llistxattr(path, buf)
	must(t, err)
	if n == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00")
}

func ruleXattrs(t *testing.T, dir string) {
	p := filepath.Join(dir, "f")
	write(t, p, "x")
	_, err := getx(p, "user.none")
	want(t, "none", err, unix.ENODATA)
	must(t, unix.Lsetxattr(p, "user.a", []byte("1"), unix.XATTR_CREATE))
	want(t, "CREATE of one that is there", unix.Lsetxattr(p, "user.a", []byte("2"), unix.XATTR_CREATE), unix.EEXIST)
	want(t, "REPLACE of none", unix.Lsetxattr(p, "user.b", []byte("2"), unix.XATTR_REPLACE), unix.ENODATA)
	must(t, unix.Lsetxattr(p, "user.a", []byte("22"), unix.XATTR_REPLACE))
	must(t, unix.Lsetxattr(p, "user.empty", nil, 0))
	big := bytes.Repeat([]byte{7}, 1<<16)
	must(t, unix.Lsetxattr(p, "user.big", big, 0))
	if v, err := getx(p, "user.big"); err != nil || v != string(big) {
		t.Errorf("big value: %d bytes, %v", len(v), err)
	}
	if v, err := getx(p, "user.a"); err != nil || v != "22" {
		t.Errorf("user.a = %q, %v", v, err)
	}
	if v, err := getx(p, "user.empty"); err != nil || v != "" {
		t.Errorf("user.empty = %q, %v", v, err)
	}
	n, err := unix.Lgetxattr(p, "user.a", nil)
	if n != 2 || err != nil {
		t.Errorf("size asked: %d, %v", n, err)
	}
	_, err = unix.Lgetxattr(p, "user.a", make([]byte, 1))
	want(t, "buffer too small", err, unix.ERANGE)
	if got := listx(t, p); !slices.Equal(got, []string{"user.a", "user.big", "user.empty"}) {
		t.Errorf("listed %q", got)
	}
	must(t, unix.Lremovexattr(p, "user.a"))
	want(t, "remove of none", unix.Lremovexattr(p, "user.a"), unix.ENODATA)

	_, err = getx(p, "security.selinux")
	want(t, "SELinux", err, unix.EOPNOTSUPP)
	_, err = getx(p, "system.posix_acl_access")
	want(t, "ACL", err, unix.EOPNOTSUPP)
	_, err = getx(p, "security.capability")
	want(t, "capability", err, unix.ENODATA)
	for _, name := range []string{"user.dropfs.state"} {
		if v, err := getx(p, name); err != nil || v == "" {
			t.Errorf("%s = %q, %v", name, v, err)
		}
	}
	want(t, "setting the state", unix.Lsetxattr(p, "user.dropfs.state", []byte("clean"), 0), unix.EPERM)
	must(t, unix.Lsetxattr(p, "user.mime_type", []byte("text/x-rule"), 0))
	if v, err := getx(p, "user.mime_type"); err != nil || v != "text/x-rule" {
		t.Errorf("MIME type %q, %v", v, err)
	}
	if got := listx(t, p); slices.Contains(got, "user.mime_type") || slices.Contains(got, "user.dropfs.state") {
		t.Errorf("listed %q", got)
	}
	if os.Getuid() == 0 {
		must(t, unix.Lsetxattr(p, "trusted.t", []byte("t"), 0))
		if v, err := getx(p, "trusted.t"); err != nil || v != "t" {
			t.Errorf("trusted.t = %q, %v", v, err)
		}
	}
}

func ruleLocks(t *testing.T, dir string) {
	p := filepath.Join(dir, "f")
	write(t, p, "0123456789")
	open := func() int {
		fd, err := unix.Open(p, unix.O_RDWR, 0)
		must(t, err)
		t.Cleanup(func() { unix.Close(fd) })
		return fd
	}
	a, b := open(), open()
	must(t, unix.Flock(a, unix.LOCK_EX))
	want(t, "flock of another", unix.Flock(b, unix.LOCK_EX|unix.LOCK_NB), unix.EWOULDBLOCK)
	must(t, unix.Flock(a, unix.LOCK_UN))
	must(t, unix.Flock(b, unix.LOCK_SH))
	must(t, unix.Flock(a, unix.LOCK_SH|unix.LOCK_NB))
	lock := func(fd int, typ int16, start, n int64) error {
		return unix.FcntlFlock(uintptr(fd), unix.F_OFD_SETLK, &unix.Flock_t{Type: typ, Start: start, Len: n})
	}
	must(t, lock(a, unix.F_WRLCK, 0, 5))
	want(t, "range that overlaps", lock(b, unix.F_WRLCK, 4, 2), unix.EAGAIN)
	must(t, lock(b, unix.F_WRLCK, 5, 5))
	must(t, lock(a, unix.F_UNLCK, 0, 5))
	must(t, lock(b, unix.F_RDLCK, 0, 5))
	// POSIX locks belong to the process: another one must meet them.
	must(t, unix.FcntlFlock(uintptr(a), unix.F_SETLK, &unix.Flock_t{Type: unix.F_WRLCK, Start: 100, Len: 1}))
	script := `import fcntl,sys
f=open(sys.argv[1],"r+")
try:
    fcntl.lockf(f,fcntl.LOCK_EX|fcntl.LOCK_NB,1,100)
    print("taken")
except OSError:
    print("held")`
	if py, err := exec.LookPath("python3"); err == nil {
		out, err := exec.CommandContext(t.Context(), py, "-c", script, p).CombinedOutput()
		if err != nil || strings.TrimSpace(string(out)) != "held" {
			t.Errorf("POSIX lock: %s, %v", out, err)
		}
	}
}

func ruleSpecial(t *testing.T, dir string) {
	fifo := filepath.Join(dir, "fifo")
	must(t, unix.Mkfifo(fifo, 0o600))
	done := make(chan error, 1)
	go func() { done <- os.WriteFile(fifo, []byte("through"), 0) }()
	if got := read(t, fifo); got != "through" {
		t.Errorf("FIFO gave %q", got)
	}
	must(t, <-done)
	// The path of a socket is short: it is bound from inside the directory.
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY, 0)
	must(t, err)
	defer unix.Close(fd)
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", "/proc/self/fd/"+itoa(fd)+"/sock")
	must(t, err)
	if st := stat(t, filepath.Join(dir, "sock")); st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		t.Errorf("mode %o", st.Mode)
	}
	c, err := (&net.Dialer{}).DialContext(t.Context(), "unix", "/proc/self/fd/"+itoa(fd)+"/sock")
	must(t, err)
	must(t, c.Close())
	must(t, l.Close())
	must(t, unix.Mknod(filepath.Join(dir, "plain"), unix.S_IFREG|0o640, 0))
	if st := stat(t, filepath.Join(dir, "plain")); st.Mode != unix.S_IFREG|0o640 || st.Size != 0 {
		t.Errorf("mknod of a file: mode %o", st.Mode)
	}
}

func itoa(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + itoa(n%10)
}

func ruleDevices(t *testing.T, dir string) {
	p := filepath.Join(dir, "null")
	must(t, unix.Mknod(p, unix.S_IFCHR|0o644, int(unix.Mkdev(1, 3))))
	st := stat(t, p)
	if st.Mode != unix.S_IFCHR|0o644 || unix.Major(st.Rdev) != 1 || unix.Minor(st.Rdev) != 3 {
		t.Errorf("mode %o, device %d:%d", st.Mode, unix.Major(st.Rdev), unix.Minor(st.Rdev))
	}
	var stx unix.Statx_t
	must(t, unix.Statx(unix.AT_FDCWD, p, 0, unix.STATX_BTIME, &stx))
	if stx.Rdev_major != 1 || stx.Rdev_minor != 3 {
		t.Errorf("statx: device %d:%d", stx.Rdev_major, stx.Rdev_minor)
	}
}

func ruleProgram(t *testing.T, dir string) {
	script := filepath.Join(dir, "script")
	must(t, os.WriteFile(script, []byte("#!/bin/sh\necho ran\n"), 0o755))
	out, err := exec.CommandContext(t.Context(), "/bin/sh", "-c", script).Output()
	if err != nil || string(out) != "ran\n" {
		t.Errorf("script: %q, %v", out, err)
	}
	bin, err := os.ReadFile("/bin/true")
	must(t, err)
	prog := filepath.Join(dir, "true")
	must(t, os.WriteFile(prog, bin, 0o755))
	if out, err := exec.CommandContext(t.Context(), "/bin/sh", "-c", prog).CombinedOutput(); err != nil {
		t.Errorf("program: %s, %v", out, err)
	}
}

func ruleSync(t *testing.T, dir string) {
	f, err := os.Create(filepath.Join(dir, "f"))
	must(t, err)
	defer f.Close()
	_, err = f.WriteString("x")
	must(t, err)
	must(t, f.Sync())
	must(t, unix.Fdatasync(int(f.Fd())))
	d, err := os.Open(dir)
	must(t, err)
	defer d.Close()
	must(t, d.Sync())
	must(t, unix.Syncfs(int(d.Fd())))
	var st unix.Statfs_t
	must(t, unix.Statfs(dir, &st))
	if st.Bsize != 4096 || st.Namelen != 255 || st.Blocks == 0 || st.Bfree > st.Blocks || st.Files == 0 {
		t.Errorf("%+v", st)
	}
}

func ruleSignals(t *testing.T, dir string) {
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("needs python3")
	}
	script := `
import os, signal, sys
signal.signal(signal.SIGALRM, lambda *a: None)
signal.siginterrupt(signal.SIGALRM, False)
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
d = sys.argv[1]
libc = __import__("ctypes").CDLL(None, use_errno=True)
import ctypes
def call(name, *args):
    if getattr(libc, name)(*args) < 0:
        e = ctypes.get_errno()
        print(name, os.strerror(e)); sys.exit(1)
for i in range(100):
    a, b = (d + "/a%d" % i).encode(), (d + "/b%d" % i).encode()
    fd = libc.open(a, os.O_CREAT | os.O_RDWR, 0o644)
    if fd < 0: print("open", os.strerror(ctypes.get_errno())); sys.exit(1)
    call("write", fd, b"x" * 100, 100)
    call("close", fd)
    call("chmod", a, 0o600)
    call("rename", a, b)
    call("link", b, a)
    call("unlink", b)
    call("mkdir", b, 0o755)
    call("rmdir", b)
signal.setitimer(signal.ITIMER_REAL, 0)
print("done")`
	out, err := exec.CommandContext(t.Context(), "python3", "-c", script, dir).CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "done" {
		t.Errorf("%s %v", out, err)
	}
}

// asUser runs fn with the rights of an ordinary user, on a thread of its own.
func asUser(t *testing.T, uid, gid int, fn func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread ends with its rights
		if err := unix.Setgroups([]int{}); err != nil && !errors.Is(err, unix.EPERM) {
			t.Error(err)
			return
		}
		must1(t, unix.Setfsgid(gid))
		must1(t, unix.Setfsuid(uid))
		fn()
	}()
	<-done
}

func must1(t *testing.T, err error) {
	if err != nil {
		t.Error(err)
	}
}

const someUser, otherUser, someGroup, otherGroup = 65534, 65533, 65534, 65533

func mode(t *testing.T, path string) uint32 {
	t.Helper()
	return stat(t, path).Mode & 0o7777
}

func ruleSetID(t *testing.T, dir string) {
	must(t, os.Chmod(dir, 0o777))
	p := filepath.Join(dir, "f")
	reset := func(m uint32) {
		t.Helper()
		write(t, p, "content")
		must(t, os.Chown(p, someUser, someGroup))
		must(t, unix.Chmod(p, m))
	}
	fd := func(flags int) int {
		fd, err := unix.Open(p, flags, 0)
		if err != nil {
			t.Error(err)
		}
		return fd
	}
	for _, c := range []struct {
		what   string
		mode   uint32
		asUser bool
		fn     func()
		want   uint32
	}{
		{"write by an ordinary user", 0o6777, true, func() {
			f := fd(unix.O_WRONLY)
			_, err := unix.Write(f, []byte("x"))
			must1(t, err)
			must1(t, unix.Close(f))
		}, 0o777},
		{"write by an ordinary user, no group-execute", 0o6767, true, func() {
			f := fd(unix.O_WRONLY)
			_, err := unix.Write(f, []byte("x"))
			must1(t, err)
			must1(t, unix.Close(f))
		}, 0o2767},
		{"write by root", 0o6777, false, func() {
			f := fd(unix.O_WRONLY)
			_, err := unix.Write(f, []byte("x"))
			must1(t, err)
			must1(t, unix.Close(f))
		}, 0o6777},
		{"truncate by an ordinary user", 0o6777, true, func() { must1(t, unix.Truncate(p, 1)) }, 0o777},
		{"O_TRUNC by an ordinary user", 0o6777, true, func() { must1(t, unix.Close(fd(unix.O_WRONLY|unix.O_TRUNC))) }, 0o777},
		{"chown by root", 0o6777, false, func() { must1(t, unix.Chown(p, otherUser, otherGroup)) }, 0o777},
		{"chgrp by its owner", 0o6777, true, func() { must1(t, unix.Chown(p, -1, someGroup)) }, 0o777},
		{"read by an ordinary user", 0o6777, true, func() {
			f := fd(unix.O_RDONLY)
			_, err := unix.Read(f, make([]byte, 1))
			must1(t, err)
			must1(t, unix.Close(f))
		}, 0o6777},
	} {
		reset(c.mode)
		if c.asUser {
			asUser(t, someUser, someGroup, c.fn)
		} else {
			c.fn()
		}
		if got := mode(t, p); got != c.want {
			t.Errorf("%s: mode %o, want %o", c.what, got, c.want)
		}
	}
	must(t, os.Chmod(dir, 0o777))
	d := filepath.Join(dir, "d")
	must(t, os.Mkdir(d, 0o755))
	must(t, unix.Chmod(d, 0o6755))
	must(t, os.Chown(d, someUser, someGroup))
	if got := mode(t, d); got != 0o6755 {
		t.Errorf("chown of a directory: mode %o", got)
	}
}

func ruleSetGIDDir(t *testing.T, dir string) {
	must(t, os.Chown(dir, 0, someGroup))
	must(t, unix.Chmod(dir, 0o2777))
	asUser(t, otherUser, otherGroup, func() {
		must1(t, os.WriteFile(filepath.Join(dir, "f"), nil, 0o644))
		must1(t, os.Mkdir(filepath.Join(dir, "d"), 0o755))
		must1(t, os.Symlink("x", filepath.Join(dir, "l")))
	})
	f, d, l := stat(t, filepath.Join(dir, "f")), stat(t, filepath.Join(dir, "d")), stat(t, filepath.Join(dir, "l"))
	if f.Gid != someGroup || d.Gid != someGroup || l.Gid != someGroup || f.Uid != otherUser {
		t.Errorf("groups %d %d %d, owner %d", f.Gid, d.Gid, l.Gid, f.Uid)
	}
	if d.Mode&0o7777 != 0o2755 || f.Mode&0o7777 != 0o644 {
		t.Errorf("modes %o %o", d.Mode, f.Mode)
	}
	asUser(t, otherUser, otherGroup, func() {
		must1(t, unix.Chmod(filepath.Join(dir, "f"), 0o2755)) // not in the group: the bit does not stay
	})
	if got := mode(t, filepath.Join(dir, "f")); got != 0o755 {
		t.Errorf("set-group-id by somebody outside the group: %o", got)
	}
}

func ruleSticky(t *testing.T, dir string) {
	must(t, unix.Chmod(dir, 0o1777))
	p := filepath.Join(dir, "f")
	write(t, p, "")
	must(t, os.Chown(p, someUser, someGroup))
	asUser(t, otherUser, otherGroup, func() {
		want(t, "unlink of another's", unix.Unlink(p), unix.EPERM)
		want(t, "rename of another's", unix.Rename(p, p+"2"), unix.EPERM)
		must1(t, os.WriteFile(p+"3", nil, 0o644))
		want(t, "rename over another's", unix.Rename(p+"3", p), unix.EPERM)
	})
	asUser(t, someUser, someGroup, func() { must1(t, unix.Unlink(p)) })
}

func rulePermissions(t *testing.T, dir string) {
	p := filepath.Join(dir, "secret")
	must(t, os.WriteFile(p, []byte("x"), 0o600))
	must(t, os.Chmod(dir, 0o755))
	asUser(t, someUser, someGroup, func() {
		_, err := os.ReadFile(p)
		want(t, "read", err, unix.EACCES)
		want(t, "create", os.WriteFile(p+"2", nil, 0o644), unix.EACCES)
		want(t, "unlink", unix.Unlink(p), unix.EACCES)
		want(t, "chmod", unix.Chmod(p, 0o777), unix.EPERM)
		want(t, "chown", unix.Chown(p, someUser, -1), unix.EPERM)
		want(t, "utimes", unix.UtimesNanoAt(unix.AT_FDCWD, p, []unix.Timespec{{Sec: 1}, {Sec: 1}}, 0), unix.EPERM)
	})
	if st := stat(t, p); st.Mode != unix.S_IFREG|0o600 || time.Since(time.Unix(st.Mtim.Unix())) > time.Minute {
		t.Error("something changed")
	}
}
