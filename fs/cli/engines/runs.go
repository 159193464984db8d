package engines

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"dropfs/convert/exec"
)

// runs is where the conversions of a process run. It holds a lock as long as the process lives, whatever ends it, so that
// the next process knows what nobody needs any more.
type runs struct {
	own  string
	lock *os.File
}

const (
	lockName     = "lock"
	workName     = "work"     // in which there is what is converted
	programsName = "programs" // and what the programs need while they wait
	// unlockedFor is how long a directory may have no lock: it is made a moment before.
	unlockedFor = time.Minute
)

// openRuns makes a directory below shared for this process alone, after it has removed those of processes that are no
// more; "": in the system's temporary directory, where none is looked for.
func openRuns(shared string) (*runs, error) {
	own, err := "", error(nil)
	if shared == "" {
		own, err = os.MkdirTemp("", "dropfs-")
	} else if err = os.MkdirAll(shared, 0o700); err == nil {
		sweep(shared)
		own, err = os.MkdirTemp(shared, "")
	}
	if err != nil {
		return nil, fmt.Errorf("where conversions run: %w", err)
	}
	r := &runs{own: own}
	r.lock, err = os.OpenFile(filepath.Join(own, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err == nil {
		err = unix.Flock(int(r.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if err == nil {
		err = os.Mkdir(r.programs(), 0o700)
	}
	if err != nil {
		return nil, fmt.Errorf("where conversions run: %w", errors.Join(err, r.close()))
	}
	return r, nil
}

func (r *runs) work() string     { return filepath.Join(r.own, workName) }
func (r *runs) programs() string { return filepath.Join(r.own, programsName) }

// close removes what was there. Nothing may run any more.
func (r *runs) close() error {
	err := errors.Join(exec.Sweep(r.programs()), os.RemoveAll(r.own))
	if r.lock != nil {
		err = errors.Join(err, r.lock.Close())
	}
	return err
}

// sweep removes what processes that are no more have left; what it cannot, the next process does.
func sweep(shared string) {
	entries, _ := os.ReadDir(shared)
	for _, e := range entries {
		path := filepath.Join(shared, e.Name())
		lock, err := os.OpenFile(filepath.Join(path, lockName), os.O_RDWR, 0)
		switch {
		case err == nil && unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil:
			remove(path)
		case errors.Is(err, fs.ErrNotExist) && olderThan(e, unlockedFor):
			remove(path)
		}
		if err == nil {
			_ = lock.Close()
		}
	}
}

func remove(path string) {
	_ = exec.Sweep(filepath.Join(path, programsName))
	_ = os.RemoveAll(path)
}

func olderThan(e fs.DirEntry, age time.Duration) bool {
	info, err := e.Info()
	return err == nil && time.Since(info.ModTime()) > age
}
