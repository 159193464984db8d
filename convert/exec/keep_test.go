package exec_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dropfs/convert/exec"
)

// TestWhatWasFoundIsKept: a later process offers the same without trying the programs, until one of them changes; a file that
// is none is no harm.
func TestWhatWasFoundIsKept(t *testing.T) {
	known := filepath.Join(t.TempDir(), "d", "programs.json")
	probe := func() (versions string) {
		t.Helper()
		s := exec.New(exec.Config{Known: known, Scratch: t.TempDir()})
		defer func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}()
		if err := s.ProbeOnly(t.Context(), "rsvg"); err != nil {
			t.Skipf("no sandbox: %v", err)
		}
		select {
		case <-s.Engines()[0].(interface{ Settled() <-chan struct{} }).Settled():
		default:
			t.Error("probed, and not settled")
		}
		if len(s.Engines()[0].Edges()) == 0 {
			t.Skip("rsvg-convert is not installed")
		}
		return s.Engines()[0].Version()
	}
	first := probe()
	text, err := os.ReadFile(known)
	if err != nil || !strings.Contains(string(text), first) {
		t.Fatalf("kept: %s %v", text, err)
	}
	other := strings.Replace(string(text), `"`+first+`"`, `"0.0.kept"`, 1) // told from a version that was asked for
	if err := os.WriteFile(known, []byte(other), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := probe(); got != "0.0.kept" {
		t.Errorf("it was tried again: %s", got)
	}
	for what, text := range map[string]string{
		"another program":  strings.Replace(other, `"Size":`, `"Size":1`, 1),
		"tried long ago":   strings.Replace(other, `"At":"20`, `"At":"19`, 1),
		"tried tomorrow":   strings.Replace(other, `"At":"20`, `"At":"21`, 1),
		"other packages":   strings.Replace(other, `"Stamp":"`, `"Stamp":"x`, 1),
		"no file of that":  "[]",
		"half of the file": other[:len(other)/2],
	} {
		if text == other {
			t.Fatalf("%s: nothing differs in %s", what, other)
		}
		if err := os.WriteFile(known, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := probe(); got != first {
			t.Errorf("%s: %s, want %s", what, got, first)
		}
	}
}
