package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// needMounts skips where nothing can be mounted.
func needMounts(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("builds and mounts: not with -short")
	}
	f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("nothing can be mounted: %v", err)
	}
	_ = f.Close()
	if _, err := exec.LookPath("fusermount3"); err != nil {
		t.Skipf("nothing can be unmounted: %v", err)
	}
}

// binEnv names a directory with programs that are built already.
const binEnv = "DROPFS_BENCH_BIN"

// programs builds what the sides run, in the way of the other tests, whose build cache it shares.
func programs(t *testing.T) string {
	t.Helper()
	if bin := os.Getenv(binEnv); bin != "" {
		return bin
	}
	bin := t.TempDir()
	for name, pkg := range map[string]string{"dropfs": "dropfs", "loopback": "dropfs/scripts/internal/loopback"} {
		if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(bin, name), pkg).CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", pkg, err, out)
		}
	}
	return bin
}

// TestSmoke holds that the whole program works, in its shortest form.
func TestSmoke(t *testing.T) {
	needMounts(t)
	bin := programs(t)
	t.Run("all", func(t *testing.T) { smokeAll(t, bin) })
	t.Run("link", func(t *testing.T) { smokeLink(t, bin) })
	t.Run("interrupt", func(t *testing.T) { smokeInterrupt(t, bin) })
}

// smokeAll runs everything: each side has a figure for each row that is meant for it, and nothing is
// left mounted, running or behind (B1).
func smokeAll(t *testing.T, bin string) {
	dir := t.TempDir()
	c := config{bin: bin, dir: dir, rounds: 1, short: true, sizes: sizesOf(true, false), log: t.Logf}
	r, err := run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Failed {
		t.Errorf("%s on %s: %s", f.Step, f.Side, f.Err)
	}
	r.finish()
	sending := []string{rowColdRead, rowColdFirst, rowDrain}
	for _, l := range r.Rows {
		for _, s := range r.Sides {
			var want bool
			switch s {
			case sideBare:
				want = !slices.Contains(sending, l.ID) && !slices.Contains([]string{rowColdWalk, rowPeakMemory, rowRequests}, l.ID)
			case sideLoopback, sidePassthrough:
				want = !slices.Contains(sending, l.ID) && !slices.Contains([]string{rowRequests, rowMagic, rowMagicAgain}, l.ID)
			case sideDropfs:
				want = l.ID != rowRequests
			case sideServed:
				want = true
			case sideHTTP:
				want = l.ID == rowColdRead || l.ID == rowColdFirst
			}
			if l.ID == rowPeakMemory && !memoryIsTold() {
				want = false
			}
			if v, ok := l.Medians[s]; ok != want || ok && v <= 0 {
				t.Errorf("%s on %s: %v, there %v, want %v", l.ID, s, v, ok, want)
			}
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("%v left behind, %v", left, err)
	}
	stillThere(t, dir)
}

func memoryIsTold() bool {
	_, err := os.Stat("/proc/self/status")
	return err == nil
}

// stillThere reports processes that work below dir.
func stillThere(t *testing.T, dir string) {
	t.Helper()
	list, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range list {
		if b, err := os.ReadFile(p); err == nil && strings.Contains(string(b), dir+"/") {
			t.Errorf("still running: %q", b)
		}
	}
}

// smokeLink holds that what goes over the link pays for it.
func smokeLink(t *testing.T, bin string) {
	c := config{
		bin: bin, dir: t.TempDir(), rounds: 1, short: true, link: true, sizes: sizesOf(true, true), log: t.Logf,
		rows: []string{rowColdFirst, rowColdRead},
	}
	r, err := run(t.Context(), c)
	if err != nil || len(r.Failed) > 0 {
		t.Fatalf("%v, failed: %v", err, r.Failed)
	}
	r.finish()
	for _, s := range []string{sideServed, sideHTTP} {
		for _, l := range r.Rows {
			v, ok := l.Medians[s]
			switch {
			case !ok:
				t.Errorf("%s on %s: nothing", l.ID, s)
			case l.ID == rowColdFirst && v < float64(linkDelay.Milliseconds()):
				t.Errorf("the first page came to %s after %v ms", s, v)
			case l.ID == rowColdRead && v > linkRate/1e6:
				t.Errorf("%s read %v MB/s", s, v)
			}
		}
	}
}

// smokeInterrupt holds that an interrupted run leaves nothing (B1).
func smokeInterrupt(t *testing.T, bin string) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := config{bin: bin, dir: dir, rounds: 1, short: true, sizes: sizesOf(true, false), sides: []string{sideLoopback}}
	c.log = func(format string, args ...any) {
		t.Logf(format, args...)
		if strings.Contains(format, "%6.1f") { // the first step is done
			cancel()
		}
	}
	if _, err := run(ctx, c); !errors.Is(err, context.Canceled) {
		t.Errorf("an interrupted run answers %v", err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("%v left behind, %v", left, err)
	}
	stillThere(t, dir)
}
