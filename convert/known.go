package convert

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
)

// WriteKnown replaces the file in which an engine keeps what it found out for the next process, in one step, and makes its
// directory. It is for what can be found out again: nothing is synced.
func WriteKnown(path string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return err
}

// ReadKnown reads such a file into v.
func ReadKnown(path string, v any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, v)
}
