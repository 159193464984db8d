package exec

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// TestSweep: what a process that was killed left is removed, the sockets of its LibreOffice too, and nothing else.
func TestSweep(t *testing.T) {
	scratch := filepath.Join(t.TempDir(), "s")
	spare := filepath.Join(scratch, scratchPrefix+"1")
	sample := filepath.Join(scratch, scratchPrefix+"2", sampleDir)
	other := filepath.Join(scratch, "other")
	for _, dir := range []string{spare, sample, other} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(officeSocket(dir), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { removeOfficeSocket(dir) })
	}
	if err := Sweep(scratch); err != nil {
		t.Fatal(err)
	}
	for path, there := range map[string]bool{scratch: false, officeSocket(spare): false, officeSocket(sample): false, officeSocket(other): true} {
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) == there {
			t.Errorf("%s: %v, want it there: %v", path, err, there)
		}
	}
	if err := Sweep(scratch); err != nil {
		t.Errorf("nothing to sweep: %v", err)
	}
}
