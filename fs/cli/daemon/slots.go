package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"dropfs/fs/cli/config"
)

// maxSlot is the largest number an account can have (package vfs).
const maxSlot = 32767

// slotOf returns the number of an account, giving it one at first use (D3). dir is the root of the state directories,
// which is made when it is not there.
func slotOf(dir, account string) (uint16, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return 0, err
	}
	lock, err := os.OpenFile(filepath.Join(dir, "slots.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return 0, err
	}
	defer func() { _ = lock.Close() }()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return 0, fmt.Errorf("%s: %w", lock.Name(), err)
	}
	path := filepath.Join(dir, "slots.json")
	slots := map[string]uint16{}
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	if len(text) > 0 {
		if err := json.Unmarshal(text, &slots); err != nil {
			return 0, fmt.Errorf("%s: %w", path, err)
		}
	}
	if n := slots[account]; n > 0 && n <= maxSlot {
		return n, nil
	}
	used := map[uint16]bool{}
	for _, n := range slots {
		used[n] = true
	}
	n := uint16(1)
	for used[n] {
		n++
	}
	if n > maxSlot {
		return 0, errors.New("too many accounts")
	}
	slots[account] = n
	text, err = json.Marshal(slots)
	if err != nil {
		return 0, err
	}
	return n, config.WriteFile(path, append(text, '\n'), 0o600)
}
