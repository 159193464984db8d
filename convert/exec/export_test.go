package exec

import (
	"context"
	"os"
	"slices"
	"time"
)

// ProbeOnly probes one engine and forgets the others.
func (s *Set) ProbeOnly(ctx context.Context, name string) error {
	s.engines = slices.DeleteFunc(s.engines, func(e *engine) bool { return e.tool.name != name })
	return s.Probe(ctx)
}

// SpareWaits tells whether a LibreOffice waits for work.
func (s *Set) SpareWaits() bool {
	s.spares.mu.Lock()
	defer s.spares.mu.Unlock()
	return s.spares.waiting != nil
}

// AwaitNoSpare returns when the one that is being started has come and gone.
func (s *Set) AwaitNoSpare(ctx context.Context) {
	s.spares.tasks.Wait()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		if entries, err := os.ReadDir(s.config.Scratch); err != nil || len(entries) == 0 {
			return
		}
		<-tick.C
	}
}

// AwaitSpare returns when one waits, and its socket is there.
func (s *Set) AwaitSpare(ctx context.Context) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		s.spares.mu.Lock()
		w := s.spares.waiting
		s.spares.mu.Unlock()
		if w != nil && fileExists(officeSocket(w.dir)) {
			return
		}
		<-tick.C
	}
}

// What tells a kind by its content.
var (
	Sniff = sniff
	Kin   = kin
)

func fileExists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
