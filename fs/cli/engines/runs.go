package engines

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Runs tells where conversions of this process run. Its directories are named by the process, so that the next one finds
// what a killed one left. Neither is made here.
type Runs struct {
	Dir      string // for what is converted
	Programs string // Config.Scratch
}

// programsSuffix is that of Runs.Programs, beside Runs.Dir.
const programsSuffix = ".programs"

// OpenRuns names the directories of this process below shared, after it has removed those of processes that are no more.
func OpenRuns(shared string) Runs {
	entries, _ := os.ReadDir(shared) // none: there is nothing yet
	for _, e := range entries {
		name, programs := strings.CutSuffix(e.Name(), programsSuffix)
		pid, err := strconv.Atoi(name)
		if err == nil && pid != os.Getpid() && !errors.Is(unix.Kill(pid, 0), unix.ESRCH) {
			continue
		}
		path := filepath.Join(shared, e.Name())
		if programs {
			_ = Sweep(path)
		}
		_ = os.RemoveAll(path) // else the next process does
	}
	own := filepath.Join(shared, strconv.Itoa(os.Getpid()))
	return Runs{own, own + programsSuffix}
}
