//go:build linux

package fs

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"dropfs/fs/platform"
)

// eventually waits for what another process causes.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("%s: not seen", what)
}

func content(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return "error: " + err.Error()
	}
	return string(b)
}

func listed(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// What others do on the service is seen though the kernel was told that it may rely on its caches for an hour.
func TestF2ForeignChangesAreSeen(t *testing.T) {
	d := startDaemon(t, daemonSpec{})
	p := d.path("foreign")
	if got := listed(t, d.dir); len(got) != 0 {
		t.Fatalf("listed %q", got)
	}
	if _, err := os.Lstat(p); err == nil {
		t.Fatal("there already")
	}
	d.do(order{Do: "put", Name: "foreign", Data: []byte("first")})
	eventually(t, "a new asset, by its name", func() bool { return content(p) == "first" })
	eventually(t, "a new asset, in the listing", func() bool { return slices.Contains(listed(t, d.dir), "foreign") })

	d.do(order{Do: "remove", Name: "foreign"})
	eventually(t, "a deletion, by its name", func() bool { _, err := os.Lstat(p); return os.IsNotExist(err) })
	eventually(t, "a deletion, in the listing", func() bool { return !slices.Contains(listed(t, d.dir), "foreign") })

	// A name that nobody has ever asked for, in a directory whose listing the kernel keeps.
	for i := range 10 {
		listed(t, d.dir)
		name := fmt.Sprint("unasked", i)
		d.do(order{Do: "put", Name: name, Data: []byte("new")})
		eventually(t, "a new name in a listing that is kept", func() bool { return slices.Contains(listed(t, d.dir), name) })
	}

	d.do(order{Do: "put", Name: "a/b/c", Data: []byte("deep")})
	eventually(t, "directories of a name", func() bool { return content(d.path("a/b/c")) == "deep" })
}

func TestF2TwoMountsOfOneAccount(t *testing.T) {
	d := startDaemon(t, daemonSpec{})
	other := filepath.Join(filepath.Dir(d.dir), "other")
	must(t, os.Mkdir(other, 0o755))
	d.do(order{Do: "mount", Name: other})
	here, there := d.path("f"), filepath.Join(other, "f")
	if _, err := os.Lstat(there); err == nil {
		t.Fatal("there already") // and the kernel keeps that it is not
	}
	listed(t, other)
	write(t, here, "from here")
	eventually(t, "a new file", func() bool { return content(there) == "from here" })
	eventually(t, "a new file in the listing", func() bool { return slices.Contains(listed(t, other), "f") })
	write(t, there, "from there, longer")
	eventually(t, "new content", func() bool { return content(here) == "from there, longer" })
	must(t, os.Chmod(here, 0o600))
	eventually(t, "a new mode", func() bool { return stat(t, there).Mode&0o777 == 0o600 })
	must(t, os.Rename(here, here+"2"))
	eventually(t, "a rename", func() bool { return content(there+"2") == "from there, longer" })
	eventually(t, "the old name", func() bool { _, err := os.Lstat(there); return os.IsNotExist(err) })
	must(t, os.Remove(there+"2"))
	eventually(t, "an unlink", func() bool { _, err := os.Lstat(here + "2"); return os.IsNotExist(err) })

	// The other side makes a name that the kernel here believes free: creating it opens what is there.
	for i := range 20 {
		a, b := fmt.Sprintf("%s-%d", here, i), fmt.Sprintf("%s-%d", there, i)
		if _, err := os.Lstat(a); err == nil {
			t.Fatal("there already")
		}
		write(t, b, "theirs")
		f, err := os.OpenFile(a, os.O_CREATE|os.O_RDWR, 0o644)
		must(t, err)
		if st, err := f.Stat(); err != nil || st.Size() != 6 {
			t.Errorf("opened %v bytes, %v", st.Size(), err)
		}
		must(t, f.Close())
	}
}

func TestReadOnlyMount(t *testing.T) {
	d := startDaemon(t, daemonSpec{ReadOnly: true})
	d.do(order{Do: "put", Name: "f", Data: []byte("text")})
	eventually(t, "the file", func() bool { return content(d.path("f")) == "text" })
	want(t, "create", os.WriteFile(d.path("g"), nil, 0o644), unix.EROFS)
	want(t, "write", os.WriteFile(d.path("f"), nil, 0o644), unix.EROFS)
	want(t, "unlink", os.Remove(d.path("f")), unix.EROFS)
	want(t, "mkdir", os.Mkdir(d.path("d"), 0o755), unix.EROFS)
	want(t, "chmod", os.Chmod(d.path("f"), 0o600), unix.EROFS)
	m, err := platform.MountAt(d.dir)
	if err != nil || m.Type != "fuse.dropfs" || m.Source != "dropfs" {
		t.Errorf("mounted as %+v, %v", m, err)
	}
}

func TestListOfAccountsMount(t *testing.T) {
	d := startDaemon(t, daemonSpec{List: true})
	if got := listed(t, d.dir); !slices.Equal(got, []string{"test"}) {
		t.Errorf("accounts %q", got)
	}
	if got := listed(t, d.path("test")); !slices.Equal(got, []string{"home"}) {
		t.Errorf("drops %q", got)
	}
	write(t, d.path("test/home/f"), "x")
	want(t, "file among the drops", os.WriteFile(d.path("test/f"), nil, 0o644), unix.EPERM)
	want(t, "file among the accounts", os.WriteFile(d.path("f"), nil, 0o644), unix.EPERM)
	must(t, os.Mkdir(d.path("test/photos@2gb,90d"), 0o755))
	if got := listed(t, d.path("test")); !slices.Equal(got, []string{"home", "photos"}) {
		t.Errorf("drops %q", got)
	}
	_, err := os.Lstat(d.path("test/photos@2gb,90d"))
	want(t, "the name with its size", err, unix.ENOENT)
	write(t, d.path("test/photos/p"), "picture")
	want(t, "mkdir of a reserved word", os.Mkdir(d.path("test/api"), 0o755), unix.EPERM)
	want(t, "rename of a file to the drops", unix.Rename(d.path("test/home/f"), d.path("test/f")), unix.EPERM)
	must(t, os.Rename(d.path("test/home/f"), d.path("test/photos/f")))
	if got := content(d.path("test/photos/f")); got != "x" {
		t.Errorf("moved between drops: %q", got)
	}
	want(t, "link between drops", os.Link(d.path("test/photos/f"), d.path("test/home/l")), unix.EXDEV)
	must(t, os.Remove(d.path("test/photos/f")))
	must(t, os.Remove(d.path("test/photos/p")))
	must(t, os.Remove(d.path("test/photos")))
	if got := listed(t, d.path("test")); !slices.Equal(got, []string{"home"}) {
		t.Errorf("drops %q", got)
	}
}

// A copy of the mount in a mount namespace of another process does not keep it alive.
func TestUnmountWithACopyElsewhere(t *testing.T) {
	if !platform.Privileged() {
		t.Skip("only root can make mount namespaces")
	}
	d := startDaemon(t, daemonSpec{})
	write(t, d.path("f"), "x")
	other := exec.CommandContext(t.Context(), "unshare", "--mount", "--propagation", "private", "sleep", "60")
	must(t, other.Start())
	defer func() {
		_ = other.Process.Kill()
		_ = other.Wait() // killed
	}()
	ns := func(pid string) string {
		link, err := os.Readlink("/proc/" + pid + "/ns/mnt")
		must(t, err)
		return link
	}
	eventually(t, "the namespace", func() bool { return ns(fmt.Sprint(other.Process.Pid)) != ns("self") })
	began := time.Now()
	d.do(order{Do: "unmount"})
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("unmounting takes %v", took)
	}
}

// A disk that is unmounted while a file is open and written loses nothing of it.
func TestF5UnmountReleasesWhatIsOpen(t *testing.T) {
	d := startDaemon(t, daemonSpec{})
	f, err := os.Create(d.path("open"))
	must(t, err)
	_, err = f.WriteString("written")
	must(t, err)
	must(t, platform.Unmount(d.dir, true))
	must(t, f.Close())
	eventually(t, "the upload", func() bool { d.do(order{Do: "sync"}); return d.do(order{Do: "get", Name: "open"}) == "written" })
}

// Whoever rewrites a file alone while it is being sent never meets himself as somebody else.
func TestRewritingAloneMakesNoConflict(t *testing.T) {
	d := startDaemon(t, daemonSpec{})
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 300 {
				if err := os.WriteFile(d.path(fmt.Sprintf("f%d-%d", w, i%7)), fmt.Appendf(nil, "%d", i), 0o644); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	d.do(order{Do: "sync"})
	if got := listed(t, d.dir); len(got) != 28 {
		t.Errorf("%d entries, want 28: %q", len(got), got)
	}
	for w := range 4 {
		for k := range 7 {
			name := fmt.Sprintf("f%d-%d", w, k)
			if here, there := content(d.path(name)), d.do(order{Do: "get", Name: name}); here != there {
				t.Errorf("%s: %q here, %q on the service", name, here, there)
			}
		}
	}
}

func TestManyEntries(t *testing.T) {
	n := 3000
	if os.Getenv("DROPFS_TEST_LONG") == "1" {
		n = 100000
	}
	d := startDaemon(t, daemonSpec{Quiet: true})
	dir := d.path("many")
	must(t, os.Mkdir(dir, 0o755))
	for i := range n {
		fd, err := unix.Open(fmt.Sprintf("%s/f%06d", dir, i), unix.O_CREAT|unix.O_WRONLY, 0o644)
		must(t, err)
		must(t, unix.Close(fd))
	}
	for range 2 {
		start := time.Now()
		entries, err := os.ReadDir(dir)
		must(t, err)
		if len(entries) != n {
			t.Errorf("%d entries, want %d", len(entries), n)
		}
		for _, e := range entries {
			if _, err := e.Info(); err != nil {
				t.Fatal(err)
			}
		}
		t.Logf("%d entries listed with their attributes in %v", n, time.Since(start))
	}
	must(t, os.RemoveAll(dir))
}
