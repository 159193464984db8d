package exec

import (
	"fmt"
	"os"
	"time"

	"dropfs/convert"
	"dropfs/convert/exec/sandbox"
)

// keepFor is how long what a probe found holds for later processes, as long as nothing changes that can be seen.
const keepFor = 24 * time.Hour

// packages is the file that changes with every package of Debian: a program may do more or less without a change of its own.
const packages = "/var/lib/dpkg/status"

// kept is the file of Config.Known.
type kept struct {
	Stamp    string                 // of what every probe depends on
	Programs map[string]keptProgram // by engine
}

type keptProgram struct {
	Path    string
	Size    int64
	Mtime   time.Time
	Version string
	Facts   map[string]bool
	At      time.Time // when it was tried
}

func (k keptProgram) holds(m mark, now time.Time) bool {
	age := now.Sub(k.At)
	return k.Path == m.path && k.Size == m.size && k.Mtime.Equal(m.mtime) && age >= 0 && age < keepFor
}

// stamp is what every probe depends on: this program, the sandbox that the kernel gives, the packages.
func stamp(box *sandbox.Box) string {
	out := fmt.Sprintf("%+v", box.Features())
	self, err := os.Executable()
	if err != nil {
		return ""
	}
	for _, path := range []string{self, packages} {
		if info, err := os.Stat(path); err == nil {
			out += fmt.Sprintf(" %d %d", info.Size(), info.ModTime().UnixNano())
		}
	}
	return out
}

// recall reads what earlier processes found; nil for nothing.
func (s *Set) recall(box *sandbox.Box) map[string]keptProgram {
	if s.config.Known == "" {
		return nil
	}
	var k kept
	if err := convert.ReadKnown(s.config.Known, &k); err != nil || k.Stamp == "" || k.Stamp != stamp(box) {
		return nil // the programs are tried
	}
	return k.Programs
}

// keep writes what was found for later processes.
func (s *Set) keep(box *sandbox.Box) error {
	if s.config.Known == "" {
		return nil
	}
	k := kept{Stamp: stamp(box), Programs: map[string]keptProgram{}}
	for _, e := range s.engines {
		if f := e.now(); f.program != nil {
			k.Programs[e.tool.name] = keptProgram{f.mark.path, f.mark.size, f.mark.mtime, f.program.version, f.program.facts, f.at}
		}
	}
	return convert.WriteKnown(s.config.Known, k)
}
