package engines

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// TestMain is also the process that TestRuns kills.
func TestMain(m *testing.M) {
	shared := os.Getenv("DROPFS_TEST_RUNS")
	if shared == "" {
		os.Exit(m.Run())
	}
	r, err := openRuns(shared)
	if err == nil {
		err = os.Mkdir(r.work(), 0o700)
	}
	if err != nil {
		panic(err)
	}
	_, _ = os.Stdout.WriteString(r.own + "\n")
	time.Sleep(time.Minute)
}

// TestRuns: what a killed process left goes with the next, what one that lives needs stays.
func TestRuns(t *testing.T) {
	shared := t.TempDir()
	other := exec.Command(os.Args[0])
	other.Env = append(os.Environ(), "DROPFS_TEST_RUNS="+shared)
	out, err := other.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		t.Fatal(lines.Err())
	}
	theirs := lines.Text()
	for _, name := range []string{"old", "new"} { // killed before it had a lock, or about to lock
		if err := os.Mkdir(filepath.Join(shared, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	hourAgo := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(shared, "old"), hourAgo, hourAgo); err != nil {
		t.Fatal(err)
	}

	first, err := openRuns(shared)
	if err != nil {
		t.Fatal(err)
	}
	left(t, shared, first.own, theirs, filepath.Join(shared, "new"))
	_ = other.Process.Kill()
	_ = other.Wait() // it was killed
	second, err := openRuns(shared)
	if err != nil {
		t.Fatal(err)
	}
	left(t, shared, first.own, second.own, filepath.Join(shared, "new"))
	for _, r := range []*runs{first, second} {
		if err := r.close(); err != nil {
			t.Error(err)
		}
	}
	left(t, shared, filepath.Join(shared, "new"))
}

func left(t *testing.T, shared string, want ...string) {
	t.Helper()
	got, err := filepath.Glob(filepath.Join(shared, "*"))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("left: %v, not %v", got, want)
	}
}
