package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// perDir is how many small files share a directory.
const perDir = 100

func smallDir(t task, i int) string { return filepath.Join(t.Dir, fmt.Sprintf("d%03d", i/perDir)) }
func smallName(t task, i int) string {
	return filepath.Join(smallDir(t, i), fmt.Sprintf("file-%05d.txt", i))
}

func renamedName(t task, i int) string {
	return filepath.Join(smallDir(t, i), fmt.Sprintf("renamed-%05d.txt", i))
}

// createFiles makes the directories, then, with the clock running, the files.
func createFiles(t task) (figures, error) {
	for i := 0; i < t.Files; i += perDir {
		if err := os.MkdirAll(smallDir(t, i), 0o755); err != nil {
			return nil, err
		}
	}
	data := pattern(int(t.Bytes))
	threads := max(t.Threads, 1)
	done := make(chan error, threads)
	start := time.Now()
	for w := range threads {
		go func() {
			for i := w; i < t.Files; i += threads {
				if err := os.WriteFile(smallName(t, i), data, 0o644); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	var err error
	for range threads {
		err = errors.Join(err, <-done)
	}
	return figures{"rate": per(t.Files, start)}, err
}

// entries walks a tree and asks for the attributes of each entry.
func entries(dir string) (n int, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		n++
		_, err = d.Info()
		return err
	})
	return n, err
}

// walk walks a tree twice, and again while the span lasts. "first" is the rate of the first walk, "rate" of the others.
func walk(t task) (figures, error) {
	start := time.Now()
	n, err := entries(t.Dir)
	if err != nil {
		return nil, err
	}
	if n < t.Files {
		return nil, fmt.Errorf("found %d entries of %d files", n, t.Files)
	}
	out := figures{"first": per(n, start)}
	start = time.Now()
	for n = 0; n == 0 || time.Since(start) < t.Span; {
		m, err := entries(t.Dir)
		if err != nil {
			return nil, err
		}
		n += m
	}
	out["rate"] = per(n, start)
	return out, nil
}

// readSmall reads each file once.
func readSmall(t task) (figures, error) {
	buf := make([]byte, t.Bytes+1)
	start := time.Now()
	for i := range t.Files {
		f, err := os.Open(smallName(t, i))
		if err != nil {
			return nil, err
		}
		n, err := io.ReadFull(f, buf)
		if cerr := f.Close(); cerr != nil || !errors.Is(err, io.ErrUnexpectedEOF) || int64(n) != t.Bytes {
			return nil, fmt.Errorf("%s: %d bytes: %w", f.Name(), n, errors.Join(err, cerr))
		}
	}
	return figures{"rate": per(t.Files, start)}, nil
}

// renameFiles gives each file another name in its directory.
func renameFiles(t task) (figures, error) {
	start := time.Now()
	for i := range t.Files {
		if err := os.Rename(smallName(t, i), renamedName(t, i)); err != nil {
			return nil, err
		}
	}
	return figures{"rate": per(t.Files, start)}, nil
}

// unlinkFiles deletes each file.
func unlinkFiles(t task) (figures, error) {
	start := time.Now()
	for i := range t.Files {
		if err := os.Remove(smallName(t, i)); err != nil {
			return nil, err
		}
	}
	return figures{"rate": per(t.Files, start)}, nil
}
