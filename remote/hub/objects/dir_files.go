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
	var err error
	for range tempTries {
		var t *temp
		if t, err = d.tryTemp(); !errors.Is(err, unix.EWOULDBLOCK) {
			return t, err
		}
	}
	return nil, err
}

// tempTries is how often a new file is tried to be had before a sweep has it.
const tempTries = 10

func (d *Dir) tryTemp() (*temp, error) {
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
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil || st.Nlink == 0 { // the sweep was done with it before
		t.discard()
		return nil, fmt.Errorf("object: lock: %w", errors.Join(err, unix.EWOULDBLOCK))
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

// removeAbandoned removes a file in tmp that belongs to no living process. It does so under the lock, so that nobody can
// have begun to write it.
func removeAbandoned(path string) {
	f, err := os.Open(path)
	if err != nil {
		return
	}
	defer func() { _ = f.Close() }()
	if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
		_ = os.Remove(path)
	}
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
