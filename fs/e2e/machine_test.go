//go:build linux

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"dropfs/fs/cli/control"
	"dropfs/fs/platform"
)

// patience is how long a command of ours may take where a test does not say otherwise.
const patience = 30 * time.Second

// machine is one user of one computer: a home directory, with all that dropfs keeps below it.
type machine struct {
	t    *testing.T
	dir  string // of the machine; short, for there are sockets below
	home string
	env  []string
	pids []int // of daemons that were started

	running []*exec.Cmd // other programs, started by background
}

// newMachine makes a machine that is taken away at the end of the test, whatever is left running on it (E2).
func newMachine(t *testing.T) *machine {
	t.Helper()
	needMounts(t)
	dir, err := os.MkdirTemp(tmp, "m")
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{t: t, dir: dir, home: filepath.Join(dir, "home")}
	for _, d := range []string{m.home, m.runtime(), filepath.Join(dir, "tmp")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	m.env = []string{
		"HOME=" + m.home, "XDG_RUNTIME_DIR=" + m.runtime(), "TMPDIR=" + filepath.Join(dir, "tmp"), "PATH=" + os.Getenv("PATH") + ":/usr/sbin:/sbin",
		"LC_ALL=C.UTF-8", "TZ=UTC", "TERM=dumb", "EDITOR=true",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@example.org", "GIT_COMMITTER_NAME=A", "GIT_COMMITTER_EMAIL=a@example.org",
	}
	t.Cleanup(m.clean)
	return m
}

func (m *machine) runtime() string  { return filepath.Join(m.dir, "run") }
func (m *machine) stateDir() string { return filepath.Join(m.home, ".local/state/dropfs") }
func (m *machine) hubDir() string   { return filepath.Join(m.home, ".local/share/dropfs/hub") }

// clean takes the machine away.
func (m *machine) clean() {
	if m.t.Failed() {
		m.showLog()
	}
	m.endBackground()
	m.detach()
	for _, pid := range m.pids {
		for until := time.Now().Add(15 * time.Second); running(pid) && time.Now().Before(until); {
			time.Sleep(10 * time.Millisecond)
		}
		if running(pid) {
			m.t.Errorf("daemon %d goes on although nothing is mounted", pid)
			kill(pid)
		}
	}
	if keep := os.Getenv("DROPFS_E2E_KEEP"); keep != "" && m.t.Failed() {
		_ = os.Rename(m.dir, filepath.Join(keep, strings.ReplaceAll(m.t.Name(), "/", "-")+filepath.Base(m.dir))) // for who looks into a failure
	}
	if err := os.RemoveAll(m.dir); err != nil {
		m.t.Error(err)
	}
}

// detach detaches everything that is mounted below the machine.
func (m *machine) detach() {
	mounts, err := platform.Mounts()
	if err != nil {
		m.t.Error(err)
	}
	slices.Reverse(mounts)
	for _, mt := range mounts {
		if strings.HasPrefix(mt.Path, m.dir+"/") {
			if err := platform.Unmount(mt.Path, true); err != nil {
				m.t.Error(err)
			}
		}
	}
}

// showLog puts the end of the daemon's log into the test's.
func (m *machine) showLog() {
	b, err := os.ReadFile(filepath.Join(m.stateDir(), "dropfs.log"))
	if err != nil {
		return
	}
	m.t.Logf("log of the daemon:\n%s", b[max(0, len(b)-8000):])
}

// config writes config.toml.
func (m *machine) config(text string) {
	m.t.Helper()
	dir := filepath.Join(m.home, ".config/dropfs")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.toml"), []byte(text), 0o600); err != nil {
		m.t.Fatal(err)
	}
}

// account configures one account of the Dropzone service at url.
func (m *machine) account(name, url, key string) {
	m.t.Helper()
	m.config(fmt.Sprintf("[accounts.%s]\nservice = \"dropzone\"\nurl = %q\napi_key = %q\n", name, url+"/api/v1", key))
}

// dropfs runs our program.
func (m *machine) dropfs(d time.Duration, args ...string) result {
	return run(d, m.dir, m.env, "", binary, args...)
}

// must runs our program and fails the test where it does not end with 0.
func (m *machine) must(d time.Duration, args ...string) string {
	m.t.Helper()
	r := m.dropfs(d, args...)
	if r.timeout {
		m.dump()
	}
	if r.code != 0 {
		m.t.Fatalf("dropfs %s: %v", strings.Join(args, " "), r)
	}
	return r.out
}

// tool runs a program in dir and fails the test where it does not end with 0.
func (m *machine) tool(d time.Duration, dir, name string, args ...string) string {
	m.t.Helper()
	r := run(d, dir, m.env, "", name, args...)
	if r.timeout {
		m.dump()
	}
	if r.code != 0 {
		m.t.Fatalf("%s %s: %v", name, strings.Join(args, " "), r)
	}
	return r.out
}

// sh runs a script that stops at its first error.
func (m *machine) sh(d time.Duration, dir, script string) string {
	m.t.Helper()
	return m.tool(d, dir, "bash", "-euo", "pipefail", "-c", script)
}

// dump has the daemons write their goroutines into the log, which ends them: for hangs only.
func (m *machine) dump() {
	for _, pid := range m.pids {
		if running(pid) {
			m.t.Logf("stacks of %d are in its log:", pid)
			_ = quit(pid) // it may just have ended
		}
	}
	time.Sleep(time.Second)
	b, err := os.ReadFile(filepath.Join(m.stateDir(), "dropfs.log"))
	if err == nil {
		m.t.Logf("%s", b[max(0, len(b)-60000):])
	}
}

// mount mounts and returns the mount point, which is made.
func (m *machine) mount(name string, args ...string) string {
	m.t.Helper()
	mp := filepath.Join(m.dir, name)
	if err := os.MkdirAll(mp, 0o755); err != nil && !isNotConnected(err) {
		m.t.Fatal(err)
	}
	m.must(patience, slices.Concat([]string{"mount"}, args, []string{mp})...)
	for _, d := range m.status().Daemons {
		if !slices.Contains(m.pids, d.PID) {
			m.pids = append(m.pids, d.PID)
		}
	}
	return mp
}

// status is what `dropfs status --json` says.
type status struct {
	Daemons     []control.Status        `json:"daemons"`
	Accounts    []control.AccountStatus `json:"accounts"`
	UnsentFiles int                     `json:"unsent_files"`
	UnsentBytes int64                   `json:"unsent_bytes"`
}

func (m *machine) status() (s status) {
	m.t.Helper()
	if err := json.Unmarshal([]byte(m.must(patience, "status", "--json")), &s); err != nil {
		m.t.Fatal(err)
	}
	return s
}

// daemon is the process that serves the machine's only disk.
func (m *machine) daemon() int {
	m.t.Helper()
	d := m.status().Daemons
	if len(d) != 1 {
		m.t.Fatalf("%d daemons", len(d))
	}
	return d[0].PID
}

// unmount unmounts, everything sent, and checks that it is gone.
func (m *machine) unmount(mp string) {
	m.t.Helper()
	m.must(2*time.Minute, "unmount", "--wait", mp)
	if _, err := platform.MountAt(mp); err == nil {
		m.t.Errorf("%s is still mounted", mp)
	}
}

// forget throws the state directory away.
func (m *machine) forget() {
	m.t.Helper()
	if err := os.RemoveAll(m.stateDir()); err != nil {
		m.t.Fatal(err)
	}
}
