package cloud

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"dropfs/convert"
)

// budget counts what was begun within the last hour (C3), by earlier processes too.
type budget struct {
	per  int    // 0: any number, and nothing is counted
	path string // of the file that keeps begun; "": none

	writing sync.Mutex // held by who replaces the file; taken before mu

	mu    sync.Mutex
	begun []time.Time // in order
}

const window = time.Hour

// keptBudget is the file of Config.Spent.
type keptBudget struct {
	Format int // keptFormat
	Begun  []time.Time
}

// openBudget takes up what earlier processes have begun. What is to come, by a clock that was put back, counts as begun now;
// a file that cannot be understood counts as an hour that is spent, and the error says why.
func openBudget(per int, path string, now time.Time) (*budget, error) {
	b := &budget{per: per, path: path}
	if per <= 0 || path == "" {
		return b, nil
	}
	var k keptBudget
	err := convert.ReadKnown(path, &k)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return b, nil
	case err == nil && k.Format != keptFormat:
		err = errors.New("not of this format")
	}
	if err != nil {
		b.begun = slices.Repeat([]time.Time{now}, per)
		return b, err
	}
	for _, t := range k.Begun {
		if t.After(now) {
			t = now
		}
		b.begun = append(b.begun, t)
	}
	slices.SortFunc(b.begun, time.Time.Compare)
	return b, nil
}

// keep replaces the file in one step that survives a power loss. A death before the last leaves the old one, and a new one
// beside it that the next call begins with.
func (b *budget) keep() error {
	if b.per <= 0 || b.path == "" {
		return nil
	}
	b.writing.Lock()
	defer b.writing.Unlock()
	b.mu.Lock()
	text, err := json.Marshal(keptBudget{keptFormat, b.begun})
	b.mu.Unlock()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(b.path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(b.path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(b.path+".new", b.path)
}

func (b *budget) forgetLocked(now time.Time) {
	b.begun = slices.DeleteFunc(b.begun, func(t time.Time) bool { return now.Sub(t) >= window })
}

// take counts one more; ok is false where there is none left, and wait says for how long.
func (b *budget) take(now time.Time) (wait time.Duration, ok bool) {
	if b.per <= 0 {
		return 0, true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.forgetLocked(now)
	if len(b.begun) >= b.per {
		return window - now.Sub(b.begun[len(b.begun)-b.per]), false
	}
	b.begun = append(b.begun, now)
	return 0, true
}

// giveBack takes back what was counted at an instant and came to nothing.
func (b *budget) giveBack(at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := slices.IndexFunc(b.begun, at.Equal); i >= 0 {
		b.begun = slices.Delete(b.begun, i, i+1)
	}
}

func (b *budget) left(now time.Time) int {
	if b.per <= 0 {
		return -1
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.forgetLocked(now)
	return max(0, b.per-len(b.begun)) // an earlier process may have been allowed more
}
