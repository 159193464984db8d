package cloud

import (
	"errors"
	"io/fs"
	"time"

	"dropfs/convert"
)

// kept is the file of Config.Known.
type kept struct {
	Format int                // 1
	Exts   map[string]keptExt // by extension
}

type keptExt struct {
	Edges   []convert.Edge    `json:",omitempty"`
	Spelled map[string]string `json:",omitempty"`
	At      time.Time         // when it was asked
}

const keptFormat = 1

// recall takes up what an earlier process was told. What is old is asked again, and holds until there is an answer: what the
// service made is found in the cache while it is away.
func (e *Engine) recall() {
	if e.cfg.Known == "" {
		return
	}
	var k kept
	err := convert.ReadKnown(e.cfg.Known, &k)
	if err != nil || k.Format != keptFormat || len(k.Exts) == 0 {
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			e.cfg.Log.WithError(err).Debug("what the conversion service can do is asked anew")
		}
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	for ext, x := range k.Exts {
		if x.At.After(now) {
			x.At = time.Time{} // the clock was wrong then, or is now
		}
		if x.Spelled == nil {
			x.Spelled = map[string]string{}
		}
		e.known[ext] = ability{edges: x.Edges, spelled: x.Spelled, at: x.At}
	}
	e.foldLocked(now)
	e.settle()
}

// keep writes what is known for the next process. Where that fails the next one asks.
func (e *Engine) keep() {
	if e.cfg.Known == "" {
		return
	}
	k := kept{Format: keptFormat, Exts: map[string]keptExt{}}
	e.mu.Lock()
	for ext, a := range e.known {
		k.Exts[ext] = keptExt{Edges: a.edges, Spelled: a.spelled, At: a.at}
	}
	e.mu.Unlock()
	if len(k.Exts) == 0 {
		return
	}
	if err := convert.WriteKnown(e.cfg.Known, k); err != nil {
		e.cfg.Log.WithError(err).Debug("what the conversion service can do is not kept")
	}
}
