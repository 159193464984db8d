package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// task is one measurement, done by a process of its own.
type task struct {
	Kind    string        `json:"kind"`
	Dir     string        `json:"dir"`     // where the files are
	Bytes   int64         `json:"bytes"`   // of one file
	Files   int           `json:"files"`   // how many
	Threads int           `json:"threads"` // how many work at the same time
	Span    time.Duration `json:"span"`    // how long, where time is the bound
	URL     string        `json:"url"`     // of the hub's API
	Key     string        `json:"key"`     // of the hub
	Drop    string        `json:"drop"`    // its name
}

// figures are what a measurement found, by row of the table.
type figures map[string]float64

// errNoWork is a kind of work that nobody knows.
var errNoWork = errors.New("no such work")

// workOf finds what does a kind of work.
func workOf(kind string) (func(task) (figures, error), error) {
	switch kind {
	case "create":
		return createFiles, nil
	case "walk":
		return walk, nil
	case "readsmall":
		return readSmall, nil
	case "rename":
		return renameFiles, nil
	case "unlink":
		return unlinkFiles, nil
	case "seqwrite":
		return writeBig, nil
	case "seqread":
		return readBig, nil
	case "randread":
		return readRandom, nil
	case "coldread":
		return readCold, nil
	case "httpread":
		return readHTTP, nil
	case "picture":
		return writePicture, nil
	case "converted":
		return readConverted, nil
	}
	return nil, fmt.Errorf("%w: %q", errNoWork, kind)
}

// runWork does the task that the argument holds as JSON, and writes the figures.
func runWork(args []string, out io.Writer) error {
	if len(args) != 1 {
		return errNoWork
	}
	var t task
	if err := json.Unmarshal([]byte(args[0]), &t); err != nil {
		return err
	}
	do, err := workOf(t.Kind)
	if err != nil {
		return err
	}
	f, err := do(t)
	if err != nil {
		return fmt.Errorf("%s: %w", t.Kind, err)
	}
	return json.NewEncoder(out).Encode(f)
}

// per is a rate a second.
func per(n int, since time.Time) float64 { return float64(n) / time.Since(since).Seconds() }

// megabytes is a rate in millions of bytes a second.
func megabytes(n int64, since time.Time) float64 {
	return float64(n) / 1e6 / time.Since(since).Seconds()
}
