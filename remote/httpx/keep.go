package httpx

import (
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// rateFile keeps a RateState over restarts. It is a hint: nothing is synced, and where it cannot be written or read the
// allowance is taken to be whole.
type rateFile struct {
	path string // "": nothing is kept
	mu   sync.Mutex
}

// keptWait is the wait from which on it is worth to be written down: a shorter one is over before the next process asks.
const keptWait = time.Second

// maxBlocked bounds how long a service is believed, and a clock that was put back.
const maxBlocked = 24 * time.Hour

// read answers what was kept; the zero value where nothing was.
func (f *rateFile) read() (s RateState) {
	if f.path == "" {
		return s
	}
	text, err := os.ReadFile(f.path)
	if err != nil || json.Unmarshal(text, &s) != nil || time.Until(s.Blocked) > maxBlocked {
		return RateState{}
	}
	return s
}

// write replaces the file in one step. A death before the last leaves the old one, and a new one beside it that the next
// write begins with.
func (f *rateFile) write(state func() RateState) error {
	if f.path == "" {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	text, err := json.Marshal(state())
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(f.path), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(f.path+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(f.path+".new", f.path)
}

// keepRate writes down what the service said of waiting, at once: a process that is killed must not forget it.
func (c *Client) keepRate() {
	if err := c.rate.write(c.RateState); err != nil {
		c.log.WithError(err).Debug("rate limit is not kept")
	}
}
