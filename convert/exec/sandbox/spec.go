package sandbox

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"
)

// Arg is the first argument of our own binary when it is to be a child: main hands the arguments behind it to Child.
const Arg = "sandbox-child"

// What can keep a program from running at all, or end it.
var (
	ErrNone    = errors.New("there is no sandbox on this system")
	ErrTimeout = errors.New("the program took too long")
	ErrSetup   = errors.New("the sandbox could not be set up")
)

// maxMessages bounds what is kept of each of standard output and error, in bytes.
const maxMessages = 64 << 10

// Spec says what is run.
type Spec struct {
	Argv   []string // the program by its absolute path, and its arguments
	Dir    string   // absolute; where the program runs, and all that it may change
	Read   []string // absolute; further files and directories that it may read
	Env    []string // further variables, KEY=value; they win over the usual ones
	Stdin  string   // a file; "" nothing
	Stdout string   // a file to be made; "" kept in Result.Stdout
	// Watch is given all that the program writes to standard output, as it comes, until Run returns; nil: nobody is. Not
	// with Stdout.
	Watch   io.Writer
	Sockets bool // sockets of the file system are allowed, and may be made in /tmp
	Limits  Limits
}

// Limits bound a run. Zero values are the defaults.
type Limits struct {
	Memory    int64         // bytes of address space; 0: 2 GiB
	FileSize  int64         // bytes of any one file that it writes; 0: 4 GiB
	CPU       time.Duration // rounded up to seconds; 0: twice Time
	Time      time.Duration // by the clock; 0: 10 min
	Processes int           // held only for ordinary users in a user namespace of the run's own; 0: 256
}

func (l Limits) resolved() Limits {
	if l.Memory == 0 {
		l.Memory = 2 << 30
	}
	if l.FileSize == 0 {
		l.FileSize = 4 << 30
	}
	if l.Time == 0 {
		l.Time = 10 * time.Minute
	}
	if l.CPU == 0 {
		l.CPU = 2 * l.Time
	}
	if l.Processes == 0 {
		l.Processes = 256
	}
	return l
}

// Result is what a program left behind besides its files.
type Result struct {
	ExitCode int // -1 where a signal ended it
	Stdout   []byte
	Stderr   []byte
}

// Features tells what the sandbox is made of on this machine.
type Features struct {
	Landlock   int    // the version of its interface
	Namespaces string // "net pid ipc uts user", those that a run has of its own; "" none
}

// ReadOnlyHolds tells whether a file of Spec.Read is safe from being truncated, as well as from being written: Landlock
// guards that from its third version on. Before, hand the program a copy.
func (f Features) ReadOnlyHolds() bool { return f.Landlock >= 3 }

func (s Spec) check() error {
	if len(s.Argv) == 0 || !filepath.IsAbs(s.Argv[0]) {
		return fmt.Errorf("%w: the program has no absolute path", ErrSetup)
	}
	for _, p := range append([]string{s.Dir}, s.Read...) {
		if !filepath.IsAbs(p) {
			return fmt.Errorf("%w: %q is no absolute path", ErrSetup, p)
		}
	}
	return nil
}

// environ is all that the program finds in its environment (S5).
func (s Spec) environ() []string {
	env := []string{
		"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8",
		"HOME=" + s.Dir, "TMPDIR=" + s.Dir,
		"XDG_CACHE_HOME=" + s.Dir, "XDG_CONFIG_HOME=" + s.Dir, "XDG_DATA_HOME=" + s.Dir,
		"XDG_STATE_HOME=" + s.Dir, "XDG_RUNTIME_DIR=" + s.Dir,
	}
	return append(env, s.Env...) // of two the last is taken, see os/exec
}
