package cache

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// LockedError says who owns a state directory.
type LockedError struct {
	Dir   string    `json:"-"`
	PID   int       `json:"pid"`
	Host  string    `json:"host"`
	Since time.Time `json:"since"`
}

func (e *LockedError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("%s is in use by another process", e.Dir)
	}
	return fmt.Sprintf("%s is in use by process %d on %s since %s", e.Dir, e.PID, e.Host, e.Since.Format("2006-01-02 15:04:05"))
}

// stateLock is the lock on a state directory: a flock, which ends with the process however that ends. The file names
// its owner.
type stateLock struct{ f *os.File }

func lockState(dir string, now time.Time) (*stateLock, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock state directory: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		owner := &LockedError{Dir: dir}
		_ = json.NewDecoder(f).Decode(owner) // an owner that had no time to write its name is unnamed
		err = errors.Join(err, f.Close())
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, owner
		}
		return nil, fmt.Errorf("lock state directory: %w", err)
	}
	host, _ := os.Hostname() // "" where the system has none
	text, err := json.Marshal(LockedError{PID: os.Getpid(), Host: host, Since: now})
	if err == nil {
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = f.WriteAt(append(text, '\n'), 0)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock state directory: %w", err), f.Close())
	}
	return &stateLock{f}, nil
}

func (l *stateLock) unlock() error {
	if l == nil {
		return nil
	}
	return l.f.Close()
}

// bootID names this run of the kernel; "" where it cannot be told, which makes every unsynced content suspect.
func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
