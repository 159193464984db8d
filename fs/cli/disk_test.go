package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"dropfs/convert/exec/sandbox"
	"dropfs/fs/cli/daemon"
	"dropfs/fs/platform"
)

// mainVar makes the test binary the program itself, in which form the tests run it.
const mainVar = "DROPFS_TEST_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(mainVar) != "" || len(os.Args) > 1 && os.Args[1] == sandbox.Arg { // its children have no environment
		os.Exit(Main(System()))
	}
	os.Exit(m.Run())
}

// home is a place for one test's program: its own HOME and nothing of the environment.
type home struct {
	t   *testing.T
	dir string
	env []string
}

// result is how a run of the program ended.
type result struct {
	code     int
	out, err string
}

func newHome(t *testing.T) *home {
	t.Helper()
	dir := t.TempDir()
	h := &home{t: t, dir: dir, env: []string{mainVar + "=1", "HOME=" + dir, "PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir(), "DROPFS_KEYRING=off"}}
	t.Cleanup(func() { // whatever the test did, nothing stays mounted
		mounts, _ := platform.Mounts()
		for _, m := range mounts {
			if within(m.Path, dir) {
				t.Errorf("%s is still mounted", m.Path)
				_ = platform.Unmount(m.Path, true)
			}
		}
	})
	return h
}

// path is a path below the home.
func (h *home) path(parts ...string) string {
	return filepath.Join(append([]string{h.dir}, parts...)...)
}

// mkdir makes a directory below the home.
func (h *home) mkdir(parts ...string) string {
	h.t.Helper()
	if err := os.MkdirAll(h.path(parts...), 0o755); err != nil {
		h.t.Fatal(err)
	}
	return h.path(parts...)
}

// write makes a file below the home.
func (h *home) write(text string, mode os.FileMode, parts ...string) string {
	h.t.Helper()
	path := h.path(parts...)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), mode), os.Chmod(path, mode)); err != nil {
		h.t.Fatal(err)
	}
	return path
}

// command is the program with arguments, killed when it takes too long.
func (h *home) command(ctx context.Context, args ...string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		h.t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Env = h.env
	cmd.WaitDelay = time.Second
	return cmd
}

// runIn runs the program with text on its standard input.
func (h *home) runIn(in string, args ...string) result {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), time.Minute)
	defer cancel()
	cmd := h.command(ctx, args...)
	var out, errOut bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(in), &out, &errOut
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		h.t.Fatalf("%v: %v", args, err)
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errOut.String()}
}

// run runs the program.
func (h *home) run(args ...string) result {
	h.t.Helper()
	return h.runIn("", args...)
}

// ok runs the program, which must succeed, and returns what it printed.
func (h *home) ok(args ...string) string {
	h.t.Helper()
	r := h.run(args...)
	if r.code != 0 {
		h.t.Fatalf("dropfs %s: exit code %d\n%s%s", strings.Join(args, " "), r.code, r.out, r.err)
	}
	return r.out
}

// refuses runs the program, which must fail with a code and a line that holds a text (L1, L2).
func (h *home) refuses(code int, text string, args ...string) {
	h.t.Helper()
	h.t.Logf("dropfs %s", strings.Join(args, " "))
	checkFailure(h.t, h.run(args...), code, text)
}

// checkFailure holds L1: one line, perhaps one more that says what to do.
func checkFailure(t *testing.T, r result, code int, text string) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(r.err, "\n"), "\n")
	if r.code != code || !strings.Contains(lines[0], text) {
		t.Errorf("exit code %d, %q; want %d with %q", r.code, r.err, code, text)
	}
	if len(lines) > 2 || !strings.HasPrefix(lines[0], "dropfs: ") || strings.Contains(r.err, "goroutine") || r.out != "" {
		t.Errorf("L1: not one clear line: out %q, err %q", r.out, r.err)
	}
}

// needMount skips a test where nothing can be mounted.
func needMount(t *testing.T) {
	t.Helper()
	if err := platform.CheckDevice(); err != nil {
		t.Skip(err)
	}
	if _, err := platform.Helper(); err != nil && !platform.Privileged() {
		t.Skip(err)
	}
}

// status is what status --json says.
func (h *home) status(args ...string) (r statusReport) {
	h.t.Helper()
	if err := json.Unmarshal([]byte(h.ok(append([]string{"status", "--json"}, args...)...)), &r); err != nil {
		h.t.Fatal(err)
	}
	return r
}

func TestDiskWithoutConfiguration(t *testing.T) {
	needMount(t)
	h := newHome(t)
	mnt := h.mkdir("mnt")
	h.ok("mount", mnt)
	h.write("hello", 0o640, "mnt", "a", "b.txt")
	if err := os.Symlink("b.txt", filepath.Join(mnt, "a", "link")); err != nil {
		t.Fatal(err)
	}
	st := h.status(mnt)
	if len(st.Mounts) != 1 || st.Mounts[0].Mountpoint != mnt || len(st.Accounts) != 1 || st.Accounts[0].Account != "local" {
		t.Errorf("status %+v", st)
	}
	if text := h.ok("status"); !strings.Contains(text, mnt) || !strings.Contains(text, "online") {
		t.Errorf("status %q", text)
	}
	h.ok("sync", mnt)
	if st := h.status(); st.UnsentFiles != 0 || st.UnsentBytes != 0 {
		t.Errorf("unsent after sync: %+v", st)
	}
	h.ok("unmount", mnt)
	if text := h.ok("status"); !strings.Contains(text, "nothing is mounted") {
		t.Errorf("status %q", text)
	}
	// The state directory may be thrown away once everything is sent.
	if err := os.RemoveAll(h.path(".local", "state")); err != nil {
		t.Fatal(err)
	}
	h.ok("mount", mnt)
	defer h.ok("unmount", mnt)
	got, err := os.ReadFile(filepath.Join(mnt, "a", "b.txt"))
	if err != nil || string(got) != "hello" {
		t.Errorf("%q, %v", got, err)
	}
	if st, err := os.Stat(filepath.Join(mnt, "a", "b.txt")); err != nil || st.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", st, err)
	}
	if to, err := os.Readlink(filepath.Join(mnt, "a", "link")); err != nil || to != "b.txt" {
		t.Errorf("link %q, %v", to, err)
	}
}

func TestOneDaemonServesAnAccount(t *testing.T) {
	needMount(t)
	h := newHome(t)
	whole, drops := h.mkdir("whole"), h.mkdir("drops")
	h.ok("mount", whole)
	h.ok("mount", "local", drops)
	st := h.status()
	if len(st.Daemons) != 1 || len(st.Mounts) != 2 {
		t.Errorf("%d daemons, %d mounts; want 1 and 2", len(st.Daemons), len(st.Mounts))
	}
	h.refuses(4, "already mounted there", "mount", whole)
	h.refuses(4, "already mounted there", "mount", "local", drops)
	h.write("x", 0o644, "whole", "f")
	if got, err := os.ReadFile(filepath.Join(drops, "home", "f")); err != nil || string(got) != "x" {
		t.Errorf("through the other mount: %q, %v", got, err)
	}
	if err := os.Mkdir(filepath.Join(drops, "second"), 0o755); err != nil {
		t.Error(err)
	}
	h.ok("sync")
	var list struct {
		Drops []struct {
			Account, Name, ID string
			Size              int64
		}
	}
	if err := json.Unmarshal([]byte(h.ok("drop", "list", "--json")), &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Drops) != 2 || list.Drops[0].ID == "" || list.Drops[1].ID == "" || list.Drops[0].Account != "local" {
		t.Errorf("drops %+v", list)
	}
	h.ok("unmount", whole)
	if got, err := os.ReadFile(filepath.Join(drops, "home", "f")); err != nil || string(got) != "x" {
		t.Errorf("after the first unmount: %q, %v", got, err)
	}
	h.ok("unmount", drops)
	h.refuses(7, "nothing is mounted", "unmount", drops)
}

func TestUnmountTellsWhatIsUnsent(t *testing.T) {
	needMount(t)
	h := newHome(t)
	mnt := h.mkdir("mnt")
	h.ok("mount", "--write-delay", "1h", mnt)
	h.write("unsent", 0o644, "mnt", "f")
	h.refuses(8, "unsent", "unmount", mnt)
	h.ok("mount", "--write-delay", "1h", mnt)
	if got, err := os.ReadFile(filepath.Join(mnt, "f")); err != nil || string(got) != "unsent" {
		t.Errorf("%q, %v", got, err)
	}
	h.ok("unmount", "--wait=30s", mnt)
	h.ok("mount", mnt)
	defer h.ok("unmount", "--wait", mnt)
	if st := h.status(); st.UnsentFiles != 0 {
		t.Errorf("%d unsent after --wait", st.UnsentFiles)
	}
}

func TestUnmountBusyAndDead(t *testing.T) {
	needMount(t)
	h := newHome(t)
	mnt := h.mkdir("mnt")
	h.ok("mount", mnt)
	f, err := os.Create(filepath.Join(mnt, "open"))
	if err != nil {
		t.Fatal(err)
	}
	h.refuses(1, "in use by", "unmount", mnt)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	pid := h.status().Daemons[0].PID
	p, err := os.FindProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	waitGone(t, pid)
	h.refuses(4, "already mounted", "mount", mnt)
	h.ok("unmount", mnt)
	h.ok("mount", mnt)
	h.ok("unmount", "--wait", mnt)
}

// waitGone waits for the end of a process that is not this one's child.
func waitGone(t *testing.T, pid int) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		text, err := os.ReadFile(filepath.Join("/proc", itoa(pid), "stat"))
		if err != nil || strings.Contains(string(text), ") Z ") {
			return
		}
	}
	t.Errorf("process %d does not end", pid)
}

func TestForegroundEndsOnSIGTERM(t *testing.T) {
	needMount(t)
	h := newHome(t)
	mnt := h.mkdir("mnt")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := h.command(ctx, "mount", "-f", "--log-format", "json", mnt)
	var errOut bytes.Buffer
	cmd.Stderr = &errOut
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for { // until the disk answers; ctx bounds it
		if m, err := platform.MountAt(mnt); err == nil && m.Type == "fuse.dropfs" {
			break
		}
		if ctx.Err() != nil {
			t.Fatal("not mounted")
		}
		time.Sleep(5 * time.Millisecond)
	}
	h.write("x", 0o644, "mnt", "f")
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("ended with %v: %s", err, errOut.String())
	}
	if !strings.Contains(errOut.String(), `"msg":"mounted"`) {
		t.Errorf("log %q", errOut.String())
	}
}

func TestMountHelperForm(t *testing.T) {
	needMount(t)
	h := newHome(t)
	mnt := h.mkdir("mnt")
	for name, args := range map[string][]string{
		"as mount.dropfs":       {"none", mnt, "-o", "rw,noauto,write_delay=2s,x-systemd.automount"},
		"as mount.fuse3 has it": {"local/home", mnt, "-o", "rw,poll=5s"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := h.command(ctx, args...)
			if name == "as mount.dropfs" {
				cmd.Args[0] = "/sbin/mount.dropfs"
			}
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			h.ok("unmount", mnt)
		})
	}
}

func TestRemount(t *testing.T) {
	needMount(t)
	if !platform.Privileged() {
		t.Skip("changing a mount takes CAP_SYS_ADMIN")
	}
	h := newHome(t)
	mnt := h.mkdir("mnt")
	h.refuses(4, "not a mount point", "mount", "-o", "remount,ro", mnt)
	h.ok("mount", mnt)
	write := func() error { return os.WriteFile(filepath.Join(mnt, "f"), nil, 0o644) }
	for _, tc := range []struct {
		options string
		want    error
	}{
		{"remount,ro", syscall.EROFS}, {"ro,remount,rw", nil}, {"rw,remount,ro", syscall.EROFS}, {"remount", nil},
	} {
		h.ok("mount", "-o", tc.options, mnt)
		if err := write(); !errors.Is(err, tc.want) {
			t.Errorf("%s: write: %v, want %v", tc.options, err, tc.want)
		}
	}
	h.ok("unmount", "--wait", mnt)
	h.ok("mount", "--read-only", mnt)
	h.refuses(4, "mounted read-only", "mount", "-o", "remount,rw", mnt)
	h.ok("unmount", mnt)
}

// A daemon that ends frees the embedded hub's data a moment after its state directory; who mounts in between waits.
func TestMountWaitsForTheEmbeddedHub(t *testing.T) {
	needMount(t)
	h := newHome(t)
	mnt := h.mkdir("mnt")
	lock, err := daemon.LockHub(h.path(".local", "share", "dropfs", "hub"))
	if err != nil {
		t.Fatal(err)
	}
	var freed atomic.Bool
	timer := time.AfterFunc(time.Second, func() {
		freed.Store(true)
		if err := lock.Close(); err != nil {
			t.Error(err)
		}
	})
	defer timer.Stop()
	h.ok("mount", mnt)
	if !freed.Load() {
		t.Error("mounted while another process had the hub's data")
	}
	h.ok("unmount", mnt)
}

func TestMountPointIsRestricted(t *testing.T) {
	needMount(t)
	if !platform.Privileged() {
		t.Skip("an ordinary user's mount is restricted by the helper")
	}
	h := newHome(t)
	one, two := h.mkdir("one"), h.mkdir("two")
	h.ok("mount", "-o", "noexec,nodev", "local/home", one)
	h.ok("mount", "-o", "nosuid", "local/home", two) // by the daemon that is there
	table, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	for mnt, want := range map[string]string{one: "rw,nodev,noexec,", two: "rw,nosuid,"} {
		_, line, _ := strings.Cut(string(table), " "+mnt+" fuse.dropfs ")
		if options, _, _ := strings.Cut(line, "relatime"); options != want {
			t.Errorf("%s: options %q, want %q", mnt, options, want)
		}
		h.ok("unmount", mnt)
	}
}
