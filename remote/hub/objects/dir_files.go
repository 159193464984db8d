package objects

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// temp is a file in tmp, locked as long as this process writes it, so that no sweep of any process takes it.
type temp struct {
	f    *os.File
	path string // "" once published
}

func (d *Dir) newTemp() (*temp, error) {
	f, err := os.CreateTemp(d.tmp(), "w-*")
	if err != nil {
		return nil, fmt.Errorf("object: %w", err)
	}
	t := &temp{f: f, path: f.Name()}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		// A sweep had it between its creation and this call, and removes it.
		t.discard()
		return nil, fmt.Errorf("object: lock: %w", err)
	}
	return t, nil
}

// discard closes the file, and removes it unless it was published.
func (t *temp) discard() {
	if t.path != "" {
		_ = os.Remove(t.path)
	}
	_ = t.f.Close()
}

// publish syncs the file and gives it its place. The directory is synced by the caller.
func (t *temp) publish(path string) error {
	if err := t.f.Sync(); err != nil {
		return fmt.Errorf("object: %w", err)
	}
	if err := os.Rename(t.path, path); err != nil {
		return fmt.Errorf("object: %w", err)
	}
	t.path = ""
	return nil
}

// abandoned tells whether a file in tmp belongs to no living process.
func abandoned(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil
}

// makeDir makes one directory, durably.
func makeDir(path string) error {
	err := os.Mkdir(path, 0o700)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("object: %w", err)
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes the names in a directory durable.
func syncDir(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("object: %w", err)
	}
	err = f.Sync()
	if err2 := f.Close(); err == nil {
		err = err2
	}
	if err != nil {
		return fmt.Errorf("object: sync %s: %w", path, err)
	}
	return nil
}
