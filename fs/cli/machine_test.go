package cli

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// nobody is the user and group that tests as root mount as.
const nobody = "65534"

// inMachine runs the program on a machine that a shell script has changed, in a mount namespace of its own. $D is a
// directory that anybody may use.
func (h *home) inMachine(change string, user string, args ...string) result {
	h.t.Helper()
	if os.Geteuid() != 0 {
		h.t.Skip("only root can change the machine")
	}
	if out, err := exec.CommandContext(h.t.Context(), "unshare", "--mount", "--propagation", "private", "true").CombinedOutput(); err != nil {
		h.t.Skipf("no mount namespace: %v: %s", err, out)
	}
	self, err := os.Executable()
	if err != nil {
		h.t.Fatal(err)
	}
	// The test binary may lie where the user cannot go.
	script := `set -e; mkdir -p $D/bin; cp "$1" $D/bin/dropfs; shift; chown ` + nobody + ` $D $D/*
` + change + `
cd /; exec setpriv --reuid=` + user + ` --regid=` + user + ` --clear-groups $D/bin/dropfs "$@"`
	ctx, cancel := context.WithTimeout(h.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "unshare", append([]string{"--mount", "--propagation", "private", "sh", "-c", script, "sh", self}, args...)...)
	cmd.Env = append(h.env, "D="+h.dir)
	cmd.WaitDelay = time.Second
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		h.t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errOut.String()}
}

// openHome is a home that other users can enter.
func openHome(t *testing.T) *home {
	t.Helper()
	h := newHome(t)
	for _, dir := range []string{h.dir, h.path("..")} {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	h.mkdir("mnt")
	return h
}

func TestBadMachine(t *testing.T) {
	needMount(t)
	device := `mknod -m 666 $D/fuse c 10 229; mount --bind $D/fuse /dev/fuse
`
	for _, tc := range []struct {
		name, change, user string
		args               []string
		text, hint         string
	}{
		{"no device", "mount -t tmpfs none /dev", "0", nil, "/dev/fuse: no such file", "modprobe fuse"},
		{"device closed to users", "mknod -m 600 $D/fuse c 10 229; mount --bind $D/fuse /dev/fuse", nobody, nil, "permission denied", "chmod 0666"},
		{
			"no helper", device + "for f in fusermount3 fusermount; do for d in /usr/bin /bin; do [ ! -e $d/$f ] || mount --bind /dev/null $d/$f; done; done", nobody, nil,
			"helper is not installed", "apt-get install fuse3",
		},
		{"allow-other not allowed", device + "mount --bind /dev/null /etc/fuse.conf", nobody, []string{"--allow-other"}, "user_allow_other", "/etc/fuse.conf"},
		{"mount point of somebody else", device + "chown 0 $D/mnt", nobody, nil, "no write access", ""},
		{
			"full disk", "mkdir $D/s; mount -t tmpfs -o size=64k none $D/s; dd if=/dev/zero of=$D/s/x bs=1k 2>/dev/null || true", "0",
			[]string{"--state-dir", "$D/s"},
			"no space left", "--state-dir names another",
		},
		{"read-only disk", "mkdir $D/s; mount -t tmpfs -o ro none $D/s", "0", []string{"--state-dir", "$D/s"}, "read-only file system", "--state-dir names another"},
		{"state directory of somebody else", "mkdir -m 755 $D/s;" + device, nobody, []string{"--state-dir", "$D/s"}, "permission denied", "--state-dir names another"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := openHome(t)
			args := []string{"mount"}
			for _, a := range tc.args {
				args = append(args, strings.ReplaceAll(a, "$D", h.dir))
			}
			r := h.inMachine(tc.change, tc.user, append(args, h.path("mnt"))...)
			checkFailure(t, r, 4, tc.text)
			if !strings.Contains(r.err, tc.hint) {
				t.Errorf("no advice with %q: %s", tc.hint, r.err)
			}
		})
	}
}

func TestOrdinaryUser(t *testing.T) {
	needMount(t)
	h := openHome(t)
	r := h.inMachine(`mknod -m 666 $D/fuse c 10 229; mount --bind $D/fuse /dev/fuse
chown `+nobody+` $D/mnt
cat >$D/do <<'E'
set -e
$D/bin/dropfs mount $D/mnt
mkdir $D/mnt/dir; echo hello >$D/mnt/dir/f
$D/bin/dropfs sync $D/mnt
cat $D/mnt/dir/f
$D/bin/dropfs unmount --wait $D/mnt
E
setpriv --reuid=`+nobody+` --regid=`+nobody+` --clear-groups sh $D/do`, nobody, "version")
	if r.code != 0 || !strings.HasPrefix(r.out, "hello\n") {
		t.Errorf("%+v", r)
	}
}
