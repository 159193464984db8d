package engines

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
)

func TestOpenRuns(t *testing.T) {
	dead := exec.Command("true")
	if err := dead.Run(); err != nil {
		t.Fatal(err)
	}
	shared := t.TempDir()
	gone, lives, own := strconv.Itoa(dead.Process.Pid), strconv.Itoa(os.Getppid()), strconv.Itoa(os.Getpid())
	for _, name := range []string{gone, gone + programsSuffix, lives, lives + programsSuffix, own, "other"} {
		if err := os.MkdirAll(filepath.Join(shared, name, "work"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	r := OpenRuns(shared)
	if want := (Runs{filepath.Join(shared, own), filepath.Join(shared, own+programsSuffix)}); r != want {
		t.Errorf("%v, not %v", r, want)
	}
	entries, err := os.ReadDir(shared)
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if want := []string{lives, lives + programsSuffix}; !slices.Equal(left, want) {
		t.Errorf("left: %v, not %v", left, want)
	}
	if r := OpenRuns(filepath.Join(shared, "none")); filepath.Dir(r.Dir) != filepath.Join(shared, "none") {
		t.Error(r)
	}
}
