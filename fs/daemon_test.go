package fs

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sync/errgroup"

	"dropfs/cache"
	"dropfs/fs/platform"
	"dropfs/fs/vfs"
	"dropfs/remote"
	"dropfs/remote/remotetest"
)

// The daemon of a test with a real mount is a process of its own, this binary again, so that a daemon that hangs or dies
// takes no test with it: when it is killed, every request that waits for it fails. It is told what to do by lines of JSON.

const daemonEnv = "DROPFS_FS_TEST_DAEMON"

// daemonSpec is what a daemon is started with.
type daemonSpec struct {
	Dir        string // of the state
	Mountpoint string
	Root       vfs.Root // zero: drop "home"
	List       bool     // Root is the list of accounts
	ReadOnly   bool
	AllowOther bool
	Flush      bool
	Debug      bool
	Quiet      bool // nothing is sent
}

// order is one line to the daemon.
type order struct {
	Do   string // put, remove, sync, mount, unmount, offline, online, info
	Name string
	Data []byte
}

// answer is one line from the daemon.
type answer struct {
	Err string
	Out string
}

func TestMain(m *testing.M) {
	if spec := os.Getenv(daemonEnv); spec != "" {
		if err := serve(spec); err != nil {
			fmt.Fprintln(os.Stderr, "daemon:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// testDaemon is the other side of a daemon, inside its process.
type testDaemon struct {
	spec    daemonSpec
	fake    *remotetest.Fake
	home    remote.DropID
	replica *cache.Replica
	feed    vfs.Feed
	mounts  []*Server
	log     *logrus.Entry
}

// serve runs a daemon until its standard input ends.
func serve(text string) error {
	d := &testDaemon{}
	if err := json.Unmarshal([]byte(text), &d.spec); err != nil {
		return err
	}
	l := logrus.New()
	l.SetLevel(logrus.WarnLevel)
	if d.spec.Debug {
		l.SetLevel(logrus.DebugLevel)
	}
	d.log = logrus.NewEntry(l)
	d.fake = remotetest.NewFake(remotetest.FakeConfig{})
	d.home = d.fake.MakeDrop(remote.DropSpec{Name: "home", GB: 100, Days: 30}).ID

	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var err error
	delay := 50 * time.Millisecond
	if d.spec.Quiet {
		delay = time.Hour
	}
	d.replica, err = cache.Open(ctx, cache.Config{
		Account: "test", Dir: d.spec.Dir, Service: d.fake, Host: "here", WriteDelay: delay,
		UndeleteWindow: -1, Drops: map[string]remote.DropID{"home": d.home}, Classify: vfs.Classify, Log: d.log,
		UID: uint32(os.Getuid()), GID: uint32(os.Getgid()),
	})
	if err != nil {
		return err
	}
	var g errgroup.Group
	g.Go(func() error { return d.replica.Run(ctx) })
	if err := d.mount(ctx, d.spec.Mountpoint); err != nil {
		return err
	}
	fmt.Println(`{"Out":"ready"}`)
	d.obey(ctx)
	for _, m := range d.mounts {
		if err := m.Unmount(true); err != nil {
			return err
		}
		if err := m.Wait(); err != nil {
			return err
		}
	}
	stop()
	if err := g.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return d.replica.Close()
}

func (d *testDaemon) mount(ctx context.Context, mp string) error {
	root := d.spec.Root
	if root == (vfs.Root{}) && !d.spec.List {
		root = vfs.Root{Account: "test", Drop: "home"}
	}
	v, err := vfs.New(ctx, vfs.Config{
		Accounts: []vfs.Account{{Name: "test", Replica: d.replica}}, Root: root,
		ReadOnly: d.spec.ReadOnly, Feed: &d.feed, Log: d.log,
	})
	if err != nil {
		return err
	}
	m, err := Mount(ctx, Config{
		VFS: v, Mountpoint: mp, AllowOther: d.spec.AllowOther, FlushOnClose: d.spec.Flush, Debug: d.spec.Debug, Log: d.log,
	})
	if err != nil {
		return err
	}
	d.mounts = append(d.mounts, m)
	return nil
}

// obey does what the lines of standard input say.
func (d *testDaemon) obey(ctx context.Context) {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 64<<20)
	for in.Scan() {
		var o order
		var a answer
		err := json.Unmarshal(in.Bytes(), &o)
		if err == nil {
			a.Out, err = d.do(ctx, o)
		}
		if err != nil {
			a.Err = err.Error()
		}
		line, err := json.Marshal(a)
		if err != nil {
			panic(err)
		}
		fmt.Printf("%s\n", line)
	}
}

func (d *testDaemon) do(ctx context.Context, o order) (string, error) {
	switch o.Do {
	case "put": // by somebody else
		return string(d.fake.Put(d.home, o.Name, o.Data).ID), nil
	case "remove":
		for _, a := range d.fake.AssetsNamed(d.home, o.Name) {
			d.fake.Remove(a.ID)
		}
		return "", nil
	case "get":
		a := d.fake.AssetsNamed(d.home, o.Name)
		if len(a) != 1 {
			return "", fmt.Errorf("%d assets named %q", len(a), o.Name)
		}
		return string(d.fake.Bytes(a[0].ID)), nil
	case "sync":
		return "", d.replica.Sync(ctx, nil)
	case "mount":
		return "", d.mount(ctx, o.Name)
	case "unmount":
		return "", d.mounts[0].Unmount(false)
	case "offline":
		d.fake.SetOffline(true)
		return "", nil
	case "online":
		d.fake.SetOffline(false)
		return "", nil
	}
	return "", fmt.Errorf("%q is no order", o.Do)
}

// daemon is a running daemon, seen from the test.
type daemon struct {
	t     *testing.T
	dir   string // the mount point
	state string
	in    io.WriteCloser
	out   *bufio.Reader
}

// daemonPatience is how long a daemon may live: longer than any test takes, shorter than the test binary may.
const daemonPatience = 4 * time.Minute

// startDaemon mounts in a new process, or skips the test where nothing can be mounted. At the end of the test everything
// is unmounted, whatever state it is in.
func startDaemon(t *testing.T, spec daemonSpec) *daemon {
	t.Helper()
	if err := platform.CheckDevice(); err != nil {
		t.Skipf("no real mount: %v", err)
	}
	if !platform.Privileged() {
		if _, err := platform.Helper(); err != nil {
			t.Skipf("no real mount: %v", err)
		}
	}
	base := t.TempDir()
	if spec.AllowOther { // the others must get there
		for _, dir := range []string{filepath.Dir(base), base} {
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	if spec.Dir == "" {
		spec.Dir = filepath.Join(base, "state")
	}
	if spec.Mountpoint == "" {
		spec.Mountpoint = filepath.Join(base, "mnt")
		if err := os.Mkdir(spec.Mountpoint, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	text, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	// The test's context ends before its clean-up, in which the daemon ends by itself.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), daemonPatience)
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), daemonEnv+"="+string(text))
	cmd.Stderr = t.Output()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	d := &daemon{t: t, dir: spec.Mountpoint, state: spec.Dir, in: in, out: bufio.NewReader(out)}
	t.Cleanup(func() {
		defer cancel()
		if err := in.Close(); err != nil {
			t.Errorf("stop the daemon: %v", err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("daemon: %v", err)
		}
		unmountBelow(t, base)
	})
	d.answer()
	return d
}

// unmountBelow takes away what a dead daemon has left.
func unmountBelow(t *testing.T, base string) {
	mounts, err := platform.Mounts()
	if err != nil {
		t.Error(err)
	}
	for _, m := range mounts {
		if strings.HasPrefix(m.Path, base+"/") {
			t.Errorf("%s was left mounted", m.Path)
			if err := platform.Unmount(m.Path, true); err != nil {
				t.Error(err)
			}
		}
	}
}

// do gives an order and returns its answer.
func (d *daemon) do(o order) string {
	d.t.Helper()
	line, err := json.Marshal(o)
	if err != nil {
		d.t.Fatal(err)
	}
	if _, err := fmt.Fprintf(d.in, "%s\n", line); err != nil {
		d.t.Fatalf("order %s: %v", o.Do, err)
	}
	return d.answer()
}

func (d *daemon) answer() string {
	d.t.Helper()
	line, err := d.out.ReadString('\n')
	if err != nil {
		d.t.Fatalf("the daemon is gone: %v", err)
	}
	var a answer
	if err := json.Unmarshal([]byte(line), &a); err != nil {
		d.t.Fatalf("the daemon says %q", line)
	}
	if a.Err != "" {
		d.t.Fatalf("daemon: %s", a.Err)
	}
	return a.Out
}

// path is a name on the mount.
func (d *daemon) path(name string) string { return filepath.Join(d.dir, name) }
