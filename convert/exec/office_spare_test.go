package exec_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"dropfs/convert"
	"dropfs/convert/exec"
)

// office answers a set with LibreOffice only, whose scratch directory is ours to look at.
func office(t *testing.T, idle time.Duration) (*exec.Set, convert.Engine, string) {
	t.Helper()
	engine(t, "libreoffice") // or skip
	scratch := t.TempDir()
	s := exec.New(exec.Config{Scratch: scratch, Path: "/usr/bin", Idle: idle})
	t.Cleanup(func() { s.Close() })
	if err := s.ProbeOnly(t.Context(), "libreoffice"); err != nil {
		t.Fatal(err)
	}
	for _, e := range s.Engines() {
		if e.Name() == "libreoffice" {
			return s, e, scratch
		}
	}
	t.Fatal("no engine")
	return nil, nil, ""
}

func TestSpare(t *testing.T) {
	s, lo, scratch := office(t, 0)
	source := write(t, "text.rtf", []byte(rtf))
	if s.SpareWaits() {
		t.Error("one waits before there was any work")
	}
	start := time.Now()
	make1(t, lo, source, "@pdf")
	cold := time.Since(start)
	for range 2 {
		s.AwaitSpare(t.Context())
		start = time.Now()
		out := make1(t, lo, source, "@pdf,page=2-3")
		t.Logf("cold %v, by a spare %v", cold, time.Since(start))
		wantWords(t, out, "The second page.")
		if n := pages(t, out); n != "2" {
			t.Errorf("%s pages", n)
		}
	}
	s.AwaitSpare(t.Context())
	wantWords(t, make1(t, lo, write(t, "x.xlsx", workbook(t)), "@csv,sheet=two words"), "other,42")
	s.AwaitSpare(t.Context())
	if err := lo.Run(t.Context(), job(t, lo, write(t, "x.docx", archive(t, [2]string{"word/document.xml", ""})), "@pdf")); err == nil {
		t.Error("a broken document has a result")
	}
	s.AwaitSpare(t.Context())
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	left, err := os.ReadDir(scratch)
	if err != nil || len(left) > 0 {
		t.Errorf("left are %v, %v", left, err)
	}
	if processWith(t, scratch) {
		t.Error("a process is left")
	}
	if len(lo.Edges()) > 0 {
		t.Error("it offers edges after Close")
	}
}

func TestSpareWaitsNotForEver(t *testing.T) {
	s, lo, scratch := office(t, 100*time.Millisecond)
	make1(t, lo, write(t, "text.rtf", []byte(rtf)), "@pdf")
	s.AwaitNoSpare(t.Context())
	left, err := os.ReadDir(scratch)
	if err != nil || len(left) > 0 || processWith(t, scratch) {
		t.Errorf("left are %v, %v", left, err)
	}
}

func TestSpareMany(t *testing.T) {
	_, lo, _ := office(t, 0)
	source := write(t, "text.rtf", []byte(rtf))
	var all sync.WaitGroup
	for range 3 {
		j := job(t, lo, source, "@pdf")
		all.Go(func() {
			if err := lo.Run(t.Context(), j); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// processWith tells whether there is a process that has a word within its arguments.
func processWith(t *testing.T, word string) bool {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if text, err := os.ReadFile(f); err == nil && strings.Contains(string(text), word) {
			return true
		}
	}
	return false
}
