package convert

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/sirupsen/logrus"
	"golang.org/x/sync/semaphore"

	"dropfs/convert/magic"
)

// Key names a result: the content version, the steps in their one spelling, and the engines with their versions.
type Key string

// Store keeps results. Its methods may be called at the same time.
type Store interface {
	// Open writes the result of a key to the file path, which is not there; ok is false where there is none (any more).
	Open(ctx context.Context, key Key, path string) (ok bool, err error)
	// Has tells whether there is a result, cheaply.
	Has(key Key) bool
	// Keep takes over the bytes of the file at path, which is removed afterwards, as the result of a key.
	Keep(ctx context.Context, key Key, path string, made Made) error
}

// Made tells how a result came about.
type Made struct {
	Engines string        `json:"engines"` // NAME/VERSION, joined by +
	Steps   string        `json:"steps"`
	Size    int64         `json:"size"` // bytes
	Took    time.Duration `json:"took"` // nanoseconds
	At      time.Time     `json:"at"`
}

// Request is a conversion that somebody wants.
type Request struct {
	Version string // of the content, as whoever asks names it
	Name    string // of the source, for people and for names in archives
	Ext     string
	Size    int64 // bytes of all sources: none are fetched that are too large
	Steps   []magic.Step
	Part    string // Member.Part
	Many    bool   // Fetch brings several sources
	// Registry is who does it; nil: the broker's.
	Registry *Registry
	// Fetch brings the sources into dir; it is called once a run needs them.
	Fetch  func(ctx context.Context, dir string) ([]Source, error)
	Store  Store
	Secret func(name string) (string, error)
	Limits Limits
	// Fallback has this machine's engines do what the service cannot do now; the result is kept in the place of its own.
	Fallback bool
}

// BrokerConfig is what a Broker works with. Registry and Dir are required.
type BrokerConfig struct {
	Registry *Registry
	Dir      string        // for runs; what an earlier process left there is removed
	Parallel int           // runs at a time; 0: GOMAXPROCS
	Linger   time.Duration // how long a run goes on that nobody waits for; 0: 10 s
	Forget   time.Duration // after which a passing failure is tried again; 0: 30 s
	Log      *logrus.Entry // nil: discarded
	Now      func() time.Time
}

// Broker runs conversions: of one key once at a time, however many wait (V3). Close ends it.
type Broker struct {
	cfg    BrokerConfig
	sem    *semaphore.Weighted
	ctx    context.Context // of the runs: they are nobody's request
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu      sync.Mutex
	runs    map[Key]*run // guarded by mu
	closed  bool         // guarded by mu
	failed  *lru.Cache[Key, failure]
	counter int       // guarded by mu: of scratch directories
	counts  Counts    // guarded by mu
	refused []Refusal // guarded by mu: the last failures, the oldest first
}

type failure struct {
	err     error
	until   time.Time // zero: for good
	version string    // Request.Version
	steps   string    // up to the one that failed, as in a name
}

// run is one key being made. Its fields are guarded by Broker.mu, but done.
type run struct {
	name    string // Request.Name
	steps   string // up to that which is done, as in a name
	version string // Request.Version
	since   time.Time
	phase   Phase
	part    float64
	waiters int
	linger  *time.Timer
	cancel  context.CancelFunc
	done    chan struct{} // closed when err is set
	err     error
}

// failuresKept bounds what is remembered of conversions that cannot be done.
const failuresKept = 4096

// NewBroker makes a broker. It starts nothing.
func NewBroker(c BrokerConfig) (*Broker, error) {
	if c.Parallel <= 0 {
		c.Parallel = runtime.GOMAXPROCS(0)
	}
	if c.Linger == 0 {
		c.Linger = 10 * time.Second
	}
	if c.Forget == 0 {
		c.Forget = 30 * time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		l := logrus.New()
		l.SetLevel(logrus.PanicLevel)
		c.Log = logrus.NewEntry(l)
	}
	if err := os.RemoveAll(c.Dir); err != nil {
		return nil, fmt.Errorf("scratch directory: %w", err)
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("scratch directory: %w", err)
	}
	failed, err := lru.New[Key, failure](failuresKept)
	if err != nil {
		return nil, err
	}
	b := &Broker{cfg: c, sem: semaphore.NewWeighted(int64(c.Parallel)), runs: map[Key]*run{}, failed: failed}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	return b, nil
}

// Close ends all runs and waits for them.
func (b *Broker) Close() error {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.cancel()
	b.wg.Wait()
	return os.RemoveAll(b.cfg.Dir)
}

// Registry is the one whose plans the broker runs.
func (b *Broker) Registry() *Registry { return b.cfg.Registry }

// Do returns when the result of a request is in its store. ctx bounds the waiting alone: the work goes on while anybody
// waits, and a little longer.
func (b *Broker) Do(ctx context.Context, r Request) (Key, error) {
	r = r.fixed()
	stages, err := b.stages(r)
	if err != nil {
		return "", err
	}
	last := stages[len(stages)-1].key
	first := 0
	for i, s := range slices.Backward(stages) { // the longest beginning that is there
		if r.Store.Has(s.key) {
			first = i + 1
			break
		}
	}
	for i := first; i < len(stages); i++ {
		if err := b.wait(ctx, r, stages, i); err != nil {
			return last, err
		}
	}
	return last, nil
}

// Failure answers why the result of a key cannot be had, as far as that is remembered; nil where nothing speaks against it.
func (b *Broker) Failure(key Key) error {
	if f, ok := b.failed.Get(key); ok && b.stands(f) {
		return f.err
	}
	return nil
}

// stands tells whether a failure is not to be tried again yet.
func (b *Broker) stands(f failure) bool { return f.until.IsZero() || !b.cfg.Now().After(f.until) }

// wait joins the run of one stage, or begins it.
func (b *Broker) wait(ctx context.Context, r Request, stages []stage, i int) error {
	key := stages[i].key
	if err := b.Failure(key); err != nil {
		return err
	}
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return context.Canceled
	}
	x := b.runs[key]
	if x == nil {
		x = b.beginLocked(r, stages, i) //nolint:contextcheck // a run is shared: no single reader's context ends it
	}
	x.waiters++
	if x.linger != nil {
		x.linger.Stop()
		x.linger = nil
	}
	b.mu.Unlock()
	var err error
	select {
	case <-x.done:
		err = x.err
	case <-ctx.Done():
		err = ctx.Err()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if x.waiters--; x.waiters == 0 {
		x.linger = time.AfterFunc(b.cfg.Linger, x.cancel)
	}
	return err
}

func (b *Broker) beginLocked(r Request, stages []stage, i int) *run {
	s := stages[i]
	ctx, cancel := context.WithCancel(b.ctx)
	x := &run{
		name: r.Name, version: r.Version, since: b.cfg.Now(), phase: PhaseQueued, cancel: cancel, done: make(chan struct{}),
	}
	for _, before := range stages[:i+1] {
		x.steps += before.step.Key()
	}
	b.runs[s.key] = x
	b.counter++
	b.counts.Runs++
	dir := filepath.Join(b.cfg.Dir, fmt.Sprint(b.counter))
	b.wg.Go(func() {
		defer cancel()
		err := b.make(ctx, r, stages, i, dir, x)
		if rerr := os.RemoveAll(dir); rerr != nil {
			b.cfg.Log.WithError(rerr).WithField("path", dir).Warn("scratch directory not removed")
		}
		b.finish(s.key, x, err, ctx.Err() != nil)
	})
	return x
}

// finish tells who waits. A run that was ended says nothing of the conversion.
func (b *Broker) finish(key Key, x *run, err error, ended bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.runs, key)
	if x.linger != nil {
		x.linger.Stop()
	}
	x.err = err
	close(x.done)
	if err == nil || ended {
		b.failed.Remove(key)
		return
	}
	b.counts.Failed++
	f := failure{err: err, version: x.version, steps: x.steps}
	if k := KindOf(err); k.Transient() || !errors.As(err, new(Kind)) {
		f.until = b.cfg.Now().Add(b.cfg.Forget)
	}
	b.failed.Add(key, f)
	b.refused = append(b.refused, Refusal{Name: x.name + x.steps, Why: err.Error(), At: b.cfg.Now()})
	b.refused = b.refused[max(0, len(b.refused)-refusalsKept):]
	b.cfg.Log.WithError(err).WithField("path", x.name+x.steps).Info("not converted")
}

// make runs the plan of stage i and keeps what it makes.
func (b *Broker) make(ctx context.Context, r Request, stages []stage, i int, dir string, x *run) error {
	if err := b.sem.Acquire(ctx, 1); err != nil {
		return err
	}
	defer b.sem.Release(1)
	at := func(p Phase) {
		b.mu.Lock()
		defer b.mu.Unlock()
		x.phase = p
	}
	at(PhaseReading)
	s := stages[i]
	began := b.cfg.Now()
	sources, err := b.sources(ctx, r, stages, i, dir)
	if err != nil {
		return err
	}
	t := Task{Step: s.step, Sources: sources, Limits: r.Limits, Secret: r.Secret, Phase: at, Progress: func(part float64) {
		b.mu.Lock()
		defer b.mu.Unlock()
		x.part = part
	}}
	if i == len(stages)-1 {
		t.Part = r.Part
	}
	plan := s.plan
	out, err := runIn(ctx, plan, t, filepath.Join(dir, "work"))
	if k := KindOf(err); r.Fallback && (k == ErrUnreachable || k == ErrBudget) {
		if other, perr := NewRegistry(b.registry(r).local...).Plan(s.step, s.ext, r.Many && i == 0); perr == nil {
			plan = other
			out, err = runIn(ctx, plan, t, filepath.Join(dir, "again"))
		}
	}
	if err != nil {
		return err
	}
	st, err := os.Stat(out)
	if err != nil {
		return err
	}
	now := b.cfg.Now()
	return r.Store.Keep(ctx, s.key, out, Made{Engines: plan.Key(), Steps: s.step.Key(), Size: st.Size(), Took: now.Sub(began), At: now})
}

// runIn runs a plan in a directory that it makes.
func runIn(ctx context.Context, p Plan, t Task, dir string) (string, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", fmt.Errorf("scratch directory: %w", err)
	}
	return p.Run(ctx, t, dir)
}

// sources brings what stage i is made of: the result of the stage before, else the request's own.
func (b *Broker) sources(ctx context.Context, r Request, stages []stage, i int, dir string) ([]Source, error) {
	in := filepath.Join(dir, "in")
	if err := os.MkdirAll(in, 0o700); err != nil {
		return nil, fmt.Errorf("scratch directory: %w", err)
	}
	if i == 0 {
		if err := checkSize(r.Size, r.Limits.Resolved()); err != nil {
			return nil, err
		}
		return r.Fetch(ctx, in)
	}
	path := filepath.Join(in, "in."+stages[i].ext)
	ok, err := r.Store.Open(ctx, stages[i-1].key, path)
	if err == nil && !ok {
		err = fmt.Errorf("%w: what it is made of went meanwhile", ErrTimeout)
	}
	if err != nil {
		return nil, err
	}
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	return []Source{{Path: path, Name: r.Name, Ext: stages[i].ext, Size: st.Size()}}, nil
}

// List answers the members of a request whose last step is a dirop. It reads the source and makes what lies between, but
// no member.
func (b *Broker) List(ctx context.Context, r Request) ([]Member, error) {
	r = r.fixed()
	stages, err := b.stages(r)
	if err != nil {
		return nil, err
	}
	last := len(stages) - 1
	if last > 0 {
		before := r
		before.Steps = r.Steps[:last]
		if _, err := b.Do(ctx, before); err != nil {
			return nil, err
		}
	}
	b.mu.Lock()
	b.counter++
	b.counts.Lists++
	dir := filepath.Join(b.cfg.Dir, fmt.Sprint(b.counter))
	b.mu.Unlock()
	defer func() { _ = os.RemoveAll(dir) }()
	if err := b.sem.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	defer b.sem.Release(1)
	sources, err := b.sources(ctx, r, stages, last, dir)
	if err != nil {
		return nil, err
	}
	work := filepath.Join(dir, "work")
	if err := os.Mkdir(work, 0o700); err != nil {
		return nil, fmt.Errorf("scratch directory: %w", err)
	}
	members, _, err := stages[last].plan.List(ctx, Task{Step: stages[last].step, Sources: sources, Limits: r.Limits, Secret: r.Secret}, work)
	return members, err
}

// Member answers the request for one member of a dirop that List answered.
func (b *Broker) Member(r Request, m Member) (Request, error) {
	stages, err := b.stages(r)
	if err != nil {
		return r, err
	}
	last := len(stages) - 1
	steps := slices.Clone(r.Steps[:last])
	for _, leg := range stages[last].plan[:len(stages[last].plan)-1] {
		steps = append(steps, leg.Step)
	}
	r.Steps, r.Part = append(steps, m.Step), m.Part
	return r, nil
}
