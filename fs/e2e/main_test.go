//go:build linux

package e2e

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"dropfs/fs/platform"
)

// Variables that make this binary something else than the tests, or tell it what another has made ready.
const (
	helperEnv = "DROPFS_E2E_HELPER" // run a helper (helper_test.go)
	binaryEnv = "DROPFS_E2E_BINARY" // the built program
	userEnv   = "DROPFS_E2E_USER"   // the tests run as an ordinary user
)

// long asks for the trials that take hours.
var long = flag.Bool("long", os.Getenv("DROPFS_TEST_LONG") == "1", "run the long trials")

// The places that all tests share; set by TestMain before any test.
var (
	binary string // the built program
	tmp    string // everything is below
)

func TestMain(m *testing.M) {
	if h := os.Getenv(helperEnv); h != "" {
		if err := runHelper(h, os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	flag.Parse()
	code, err := runAll(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// runAll builds, runs the tests, and looks at what they left behind (E3).
func runAll(m *testing.M) (code int, err error) {
	if tmp, err = os.MkdirTemp("", "e2e"); err != nil {
		return 1, err
	}
	if tmp, err = filepath.EvalSymlinks(tmp); err != nil {
		return 1, err
	}
	defer func() {
		if rerr := os.RemoveAll(tmp); err == nil {
			err = rerr
		}
	}()
	if err := os.Chmod(tmp, 0o755); err != nil {
		return 1, err
	}
	if err := os.Setenv("TMPDIR", tmp); err != nil {
		return 1, err
	}
	if binary = os.Getenv(binaryEnv); binary == "" {
		binary = filepath.Join(tmp, "bin", "dropfs")
		cmd := exec.Command("go", "build", "-o", binary, "dropfs")
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		if err := cmd.Run(); err != nil {
			return 1, fmt.Errorf("build: %w", err)
		}
		if err := os.RemoveAll(filepath.Join(tmp, "go-build")); err != nil {
			return 1, err
		}
	}
	code = m.Run()
	if left := leftovers(); len(left) > 0 {
		return max(code, 1), fmt.Errorf("left behind:\n%s", strings.Join(left, "\n"))
	}
	return code, nil
}

// leftovers lists what the tests should have taken away, and takes it away.
func leftovers() (left []string) {
	mounts, err := platform.Mounts()
	if err != nil {
		left = append(left, err.Error())
	}
	for _, m := range mounts {
		if strings.HasPrefix(m.Path, tmp+"/") {
			left = append(left, "mounted: "+m.Path)
			_ = platform.Unmount(m.Path, true) // it is reported anyway
		}
	}
	for pid, exe := range processes() {
		if exe == binary && mentions(pid, tmp) {
			left = append(left, fmt.Sprintf("running: %d %s", pid, cmdline(pid)))
			kill(pid)
		}
	}
	entries, err := os.ReadDir(tmp)
	if err != nil {
		left = append(left, err.Error())
	}
	for _, e := range entries {
		if e.Name() != "bin" {
			left = append(left, "file: "+filepath.Join(tmp, e.Name()))
		}
	}
	return left
}

// need skips a test where a program that it uses is missing.
func need(t *testing.T, programs ...string) {
	t.Helper()
	var missing []string
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			missing = append(missing, p)
		}
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		t.Skipf("missing: %s", strings.Join(missing, ", "))
	}
}

// needMounts skips a test where this process cannot mount.
func needMounts(t *testing.T) {
	t.Helper()
	if err := platform.CheckDevice(); err != nil {
		t.Skipf("no real mount: %v", err)
	}
	if !platform.Privileged() {
		if _, err := platform.Helper(); err != nil {
			t.Skipf("no real mount: %v", err)
		}
	}
}

// eventually waits until ok, and fails the test with what where it does not come within d.
func eventually(t *testing.T, d time.Duration, what string, ok func() bool) {
	t.Helper()
	for until := time.Now().Add(d); ; time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
		if time.Now().After(until) {
			t.Fatalf("not within %v: %s", d, what)
		}
	}
}
