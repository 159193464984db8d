//go:build linux

package e2e

import (
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestAsUser runs tests again as an ordinary user, whose mounts go through fusermount3. Where the FUSE device is closed to
// users, one that is open is bound over it, in a mount namespace that nobody else sees.
func TestAsUser(t *testing.T) {
	if os.Getuid() != 0 || os.Getenv(userEnv) != "" {
		t.Skip("only root can become another user")
	}
	need(t, "unshare", "setpriv", "fusermount3")
	needMounts(t)
	who, err := user.Lookup("nobody")
	if err != nil {
		t.Skip(err)
	}
	uid, err1 := strconv.Atoi(who.Uid)
	gid, err2 := strconv.Atoi(who.Gid)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	dir, err := os.MkdirTemp(tmp, "u")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	theirs := filepath.Join(dir, "tmp")
	if err := os.Mkdir(theirs, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(theirs, uid, gid); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	// What users may not read is copied: this program, the disk's and the tree that is copied about.
	module := filepath.Join(dir, "module")
	self := filepath.Join(dir, "e2e.test")
	out, err := exec.Command("bash", "-euc", `
		mkdir -p "$1/fs/e2e"; tar -C "$2" -c --exclude=./.git --exclude=./bin . | tar -C "$1" -x --no-same-owner; cp "$3" "$4"; cp "$5" "$6/dropfs"; chmod -R a+rX "$1"
		mknod "$6/fuse" c 10 229; chmod 666 "$6/fuse"`, "-", module, "../..", os.Args[0], self, binary, dir).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	args := []string{"-test.run", "^(TestHeadline|TestReadOnly)$", "-test.v", "-test.timeout", "9m"}
	if testing.Short() {
		args = append(args, "-test.short")
	}
	env := []string{userEnv + "=1", binaryEnv + "=" + filepath.Join(dir, "dropfs"), "TMPDIR=" + theirs, "PATH=" + os.Getenv("PATH"), "HOME=" + theirs}
	script := `mount --bind "$1/fuse" /dev/fuse; cd "$1/module/fs/e2e"; shift; exec setpriv --reuid ` + who.Uid + ` --regid ` + who.Gid + ` --clear-groups "$@"`
	r := run(10*time.Minute, dir, env, "", "unshare", append([]string{"--mount", "--propagation", "private", "bash", "-euc", script, "-", dir, self}, args...)...)
	t.Logf("%s", r.out)
	if r.code != 0 {
		t.Errorf("as %s: %v", who.Username, r)
	}
	if !strings.Contains(r.out, "--- PASS: TestHeadline") {
		t.Error("nothing was tested")
	}
}

// TestReadOnly mounts for reading alone.
func TestReadOnly(t *testing.T) {
	h := newHub(t)
	drop := h.makeDrop("home")
	h.put(drop, "dir/file", "text")
	m := newMachine(t)
	m.account("cloud", h.url, h.key)
	mp := m.mount("mnt", "--read-only", "cloud/home")
	if got := m.tool(patience, mp, "cat", "dir/file"); got != "text" {
		t.Errorf("read %q", got)
	}
	for _, script := range []string{"echo x > new", "echo x >> dir/file", "rm dir/file", "mkdir d", "mv dir d", "touch dir/file", "chmod 600 dir/file", "ln dir/file l", "truncate -s 0 dir/file"} {
		r := run(patience, mp, m.env, "", "bash", "-c", script)
		if r.code == 0 || !strings.Contains(r.err, "Read-only file system") {
			t.Errorf("%s: %v", script, r)
		}
	}
	h.put(drop, "dir/later", "more")
	eventually(t, 20*time.Second, "a file that came later", func() bool {
		return run(patience, mp, m.env, "", "cat", "dir/later").out == "more"
	})
	m.unmount(mp)
	if n := len(h.assets(drop)); n != 2 {
		t.Errorf("%d assets", n)
	}
}
