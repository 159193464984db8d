//go:build linux

package fs

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"dropfs/fs/platform"
)

const innerEnv = "DROPFS_FS_TEST_USER_DIR"

// An ordinary user mounts through the helper. /dev/fuse may be root's alone here, so the test runs again as such a user in
// a mount namespace of its own, in which the device is open to all.
func TestOrdinaryUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("starts as root, to become an ordinary user")
	}
	helper, err := platform.Helper()
	if err != nil {
		t.Skip(err)
	}
	if st, err := os.Stat(helper); err != nil || st.Mode()&os.ModeSetuid == 0 {
		t.Skipf("%s is not set-user-id", helper)
	}
	setpriv, err := exec.LookPath("setpriv")
	if err != nil {
		t.Skip("needs setpriv (util-linux)")
	}
	// The test's own directories are root's; this one is on the way of everybody.
	base, err := os.MkdirTemp("", "dropfs-user-*")
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(base)) })
	must(t, os.Chmod(base, 0o755))
	home := filepath.Join(base, "home")
	must(t, os.Mkdir(home, 0o700))
	must(t, os.Chown(home, someUser, someGroup))
	bin := filepath.Join(base, "test")
	self, err := os.ReadFile(os.Args[0])
	must(t, err)
	must(t, os.WriteFile(bin, self, 0o755))

	script := `set -e
mount --make-rprivate /
mknod "$0/fuse" c 10 229
chmod 0666 "$0/fuse"
mount --bind "$0/fuse" /dev/fuse
exec "$2" --reuid="$3" --regid="$3" --clear-groups "$1" -test.run '^TestInsideOrdinaryUser$' -test.v -test.timeout 2m`
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", script, base, bin, setpriv, itoa(someUser))
	cmd.Env = append(os.Environ(), innerEnv+"="+home, "TMPDIR="+home, "HOME="+home)
	cmd.Dir = home
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestInsideOrdinaryUser(t *testing.T) {
	if os.Getenv(innerEnv) == "" {
		t.Skip("run by TestOrdinaryUser")
	}
	if platform.Privileged() {
		t.Fatal("may mount by itself")
	}
	d := startDaemon(t, daemonSpec{})
	m, err := platform.MountAt(d.dir)
	if err != nil || m.Type != "fuse.dropfs" || m.Source != "dropfs" {
		t.Errorf("mounted as %+v, %v", m, err)
	}
	write(t, d.path("f"), "mine")
	st := stat(t, d.path("f"))
	if st.Uid != someUser || st.Gid != someGroup || content(d.path("f")) != "mine" {
		t.Errorf("owner %d:%d", st.Uid, st.Gid)
	}
	must(t, os.MkdirAll(d.path("a/b"), 0o755))
	must(t, os.Rename(d.path("a"), d.path("c")))
	want(t, "chown", os.Chown(d.path("f"), 0, 0), unix.EPERM)
	want(t, "device node", unix.Mknod(d.path("dev"), unix.S_IFCHR|0o666, 3), unix.EPERM)
	var fs unix.Statfs_t
	must(t, unix.Statfs(d.dir, &fs))
	if fs.Flags&unix.ST_NOSUID == 0 || fs.Flags&unix.ST_NODEV == 0 {
		t.Errorf("mount flags %#x without nosuid or nodev", fs.Flags)
	}
	// What is busy is told so, and stays; lazily it goes.
	f, err := os.Open(d.path("f"))
	must(t, err)
	err = platform.Unmount(d.dir, false)
	if !errors.Is(err, platform.ErrBusy) {
		t.Errorf("unmount of a busy disk: %v", err)
	}
	must(t, platform.Unmount(d.dir, true))
	must(t, f.Close())
}
