package exec

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"dropfs/convert"
	"dropfs/convert/exec/sandbox"
)

// spareTime is how long a LibreOffice waits for work where Config.Idle says nothing.
const spareTime = 10 * time.Minute

// spares keeps one LibreOffice that was started ahead and waits for work: starting is most of what a conversion takes. It
// serves one document and ends, so that none ever sees what another left.
//
//	none -start-> waiting -take-> at work -> none, and the next is started
//	              waiting -idle, close-> none
type spares struct {
	set    *Set
	ctx    context.Context // of all that wait
	cancel context.CancelFunc
	tasks  sync.WaitGroup

	mu       sync.Mutex
	waiting  *spare
	starting bool
	closed   bool
}

// spare is one that waits. Whoever took it ends it.
type spare struct {
	program *program
	dir     string
	process *sandbox.Process
	idle    *time.Timer
}

func newSpares(s *Set) *spares {
	sp := &spares{set: s}
	sp.ctx, sp.cancel = context.WithCancel(context.Background())
	return sp
}

// convert does a task by the one that waits; false: there is none, and nothing was done. Either way the next is started.
func (sp *spares) convert(ctx context.Context, t *task, args []string) (bool, error) {
	defer sp.refill(t)
	s := sp.take(t.program)
	if s == nil {
		return false, nil
	}
	defer s.end()
	own := *t
	own.dir = s.dir
	if err := copyFile(t.path(t.in()), own.path(t.in())); err != nil {
		return true, fmt.Errorf("%w: %w", convert.ErrBroken, err)
	}
	// This one finds the other by their profile, hands its arguments over, and ends when they are done. Where the other is
	// gone it does them itself.
	argv := append(officeArgv(t.program.path, s.dir), officeArgs(&own, args)...)
	if _, err := officeRun(ctx, &own, sandbox.Spec{Argv: argv, Env: officeEnv, Sockets: true}); err != nil {
		return true, err
	}
	s.finish(ctx)
	if err := moveFiles(own.path("out"), t.path("out")); err != nil {
		return true, fmt.Errorf("%w: %w", convert.ErrBroken, err)
	}
	return true, nil
}

// grace is how long one may take to end by itself after its work; one that could not read its document never does.
const grace = 3 * time.Second

// finish waits for its end, by itself or not.
func (s *spare) finish(ctx context.Context) {
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-s.process.Done():
	case <-timer.C:
	case <-ctx.Done():
	}
	s.process.Kill()
	<-s.process.Done()
}

// take answers the one that waits, when it is of the program and alive, and forgets it.
func (sp *spares) take(p *program) *spare {
	sp.mu.Lock()
	s := sp.waiting
	sp.waiting = nil
	sp.mu.Unlock()
	if s == nil {
		return nil
	}
	s.idle.Stop()
	select {
	case <-s.process.Done():
	default:
		if s.program == p {
			return s
		}
	}
	s.end()
	return nil
}

// end kills it and removes what it had. It may be called again.
func (s *spare) end() {
	s.process.Kill()
	<-s.process.Done()
	removeOfficeSocket(s.dir)
	_ = os.RemoveAll(s.dir) // it is below the scratch directory, which its owner cleans
}

// refill starts the next in the background, for a program that is offered.
func (sp *spares) refill(t *task) {
	if !t.offered || sp.set.config.Idle < 0 {
		return
	}
	sp.mu.Lock()
	defer sp.mu.Unlock()
	if sp.closed || sp.starting || sp.waiting != nil {
		return
	}
	sp.starting = true
	program, memory := t.program, t.tool.memory
	sp.tasks.Go(func() {
		s, err := sp.start(program, memory)
		sp.mu.Lock()
		sp.starting = false
		if err != nil { // conversions go on without one
			sp.mu.Unlock()
			return
		}
		if sp.closed {
			sp.mu.Unlock()
			s.end()
			return
		}
		sp.waiting = s
		s.idle = time.AfterFunc(sp.idleTime(), func() { sp.drop(s) })
		sp.mu.Unlock()
	})
}

func (sp *spares) idleTime() time.Duration {
	if sp.set.config.Idle > 0 {
		return sp.set.config.Idle
	}
	return spareTime
}

// drop ends one that waited long enough.
func (sp *spares) drop(s *spare) {
	sp.mu.Lock()
	if sp.waiting != s {
		sp.mu.Unlock()
		return
	}
	sp.waiting = nil
	sp.mu.Unlock()
	s.end()
}

// start makes a profile and starts a LibreOffice on it that opens nothing.
func (sp *spares) start(p *program, memory int64) (*spare, error) {
	dir, err := sp.set.scratch()
	if err != nil {
		return nil, err
	}
	limits := sandbox.Limits{Memory: memory, Time: time.Minute}
	spec := sandbox.Spec{Dir: dir, Env: officeEnv, Sockets: true, Limits: limits}
	if err = writeProfile(dir); err == nil {
		// With a new profile the first start only fills it.
		spec.Argv = append(officeArgv(p.path, dir), "--terminate_after_init")
		_, err = p.box.Run(sp.ctx, spec)
		removeOfficeSocket(dir)
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	spec.Argv = append(officeArgv(p.path, dir), "--invisible", "--nodefault")
	spec.Limits.Time = sp.idleTime() + convert.Limits{}.Resolved().Time
	process, err := p.box.Start(sp.ctx, spec)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &spare{program: p, dir: dir, process: process}, nil
}

// close ends the one that waits and starts no more.
func (sp *spares) close() {
	sp.mu.Lock()
	sp.closed = true
	s := sp.waiting
	sp.waiting = nil
	sp.mu.Unlock()
	sp.cancel()
	if s != nil {
		s.idle.Stop()
		s.end()
	}
	sp.tasks.Wait()
}

// moveFiles moves the regular files of a directory to a new one, which may be on another disk.
func moveFiles(from, to string) error {
	err := os.Rename(from, to)
	if err == nil || errors.Is(err, fs.ErrNotExist) { // there is none: officeResult says so
		return nil
	}
	if !errors.Is(err, syscall.EXDEV) {
		return err
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	if err := os.Mkdir(to, 0o700); err != nil {
		return err
	}
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		if err := copyFile(filepath.Join(from, e.Name()), filepath.Join(to, e.Name())); err != nil {
			return err
		}
	}
	return nil
}
