package pdf

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/tetratelabs/wazero"

	"dropfs/convert"
	"dropfs/convert/native/pdf/wasm"
)

// memoryPages is the most memory of an instance, in pages of 64 KiB: 1 GiB.
const memoryPages = 1 << 14

// pool starts instances of the module, which it compiles when it is first needed.
type pool struct {
	cacheDir  string
	unchecked bool
	slots     chan struct{} // one for each instance at work
	abandoned chan struct{} // one for each that has been left alone and has given back its slot

	start  sync.Once
	ready  chan struct{} // closed when the next three are set
	engine wazero.Runtime
	module wazero.CompiledModule
	cache  wazero.CompilationCache // nil where there is none
	err    error
}

func newPool(c Config) *pool {
	instances := c.Instances
	if most := runtime.GOMAXPROCS(0); instances < 1 || instances > most {
		instances = most
	}
	return &pool{
		cacheDir: c.CacheDir, unchecked: c.Unchecked, ready: make(chan struct{}),
		slots: make(chan struct{}, instances), abandoned: make(chan struct{}, instances),
	}
}

// slot is the right to have an instance at work.
type slot struct {
	pool *pool
	has  chan chan struct{} // what is to be given back: the slot, or the place among the abandoned
}

// enter waits for the module and for a slot. It is to be left, or to be used for one inside.
func (p *pool) enter(ctx context.Context) (*slot, error) {
	if err := p.wait(ctx); err != nil {
		return nil, err
	}
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	s := &slot{pool: p, has: make(chan chan struct{}, 1)}
	s.has <- p.slots
	return s, nil
}

func (s *slot) leave() { <-<-s.has }

// inside does work with an instance of its own and returns what work does; where the context ends first it returns at
// once, and work is left to end alone: it fails at its next loop or call (P4).
func (s *slot) inside(ctx context.Context, clock time.Time, work func(g *guest) error) error {
	done := make(chan error, 1)
	go func() {
		err := s.pool.alone(ctx, clock, work)
		s.leave()
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		s.abandon()
		return ctx.Err()
	}
}

// abandon lets others have the slot of a run that goes on without anybody waiting, while there are few of those (P5).
func (s *slot) abandon() {
	select {
	case has := <-s.has:
		select {
		case s.pool.abandoned <- struct{}{}:
			<-s.pool.slots
			has = s.pool.abandoned
		default:
		}
		s.has <- has
	default: // it has just ended
	}
}

// alone runs work and makes an error of a panic (P2).
func (p *pool) alone(ctx context.Context, clock time.Time, work func(g *guest) error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: pdfium: %v", convert.ErrBroken, r)
		}
	}()
	g, err := newGuest(ctx, p.engine, p.module, clock)
	if err != nil {
		return err
	}
	defer g.close(ctx)
	return work(g)
}

// wait waits until the module is compiled. Compiling goes on for those that come later, whoever gives up.
func (p *pool) wait(ctx context.Context) error {
	p.start.Do(func() {
		go func() {
			defer close(p.ready)
			p.err = p.compile(context.WithoutCancel(ctx))
		}()
	})
	select {
	case <-p.ready:
		return p.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// close frees the module. No run may be under way or follow.
func (p *pool) close(ctx context.Context) error {
	p.start.Do(func() {
		p.err = os.ErrClosed
		close(p.ready)
	})
	<-p.ready
	var err error
	if p.engine != nil {
		err = p.engine.Close(ctx)
	}
	if p.cache != nil {
		err = errors.Join(err, p.cache.Close(ctx))
	}
	return err
}

// compile makes the module ready. It takes about 2 s of CPU, or 0.1 s where cacheDir has it already.
func (p *pool) compile(ctx context.Context) error {
	binary, err := wasm.Module()
	if err != nil {
		return err
	}
	// A guest in a loop without a check can be ended by nothing, and holds up the garbage collector and so all of the
	// process: the runtime cannot stop a goroutine in the guest's code.
	config := wazero.NewRuntimeConfig().WithCloseOnContextDone(!p.unchecked).WithMemoryLimitPages(memoryPages).WithDebugInfoEnabled(false)
	if p.cacheDir != "" {
		if p.cache, err = openCache(p.cacheDir); err != nil {
			return err
		}
		config = config.WithCompilationCache(p.cache)
	}
	p.engine = wazero.NewRuntimeWithConfig(ctx, config)
	if p.module, err = p.engine.CompileModule(ctx, binary); err == nil {
		err = provide(ctx, p.engine, p.module)
	}
	if err != nil {
		return fmt.Errorf("pdfium: %w", err)
	}
	return nil
}

func openCache(dir string) (wazero.CompilationCache, error) {
	err := os.MkdirAll(dir, 0o700)
	if err != nil {
		return nil, fmt.Errorf("cache of compiled modules: %w", err)
	}
	cache, err := wazero.NewCompilationCacheWithDir(dir)
	if err != nil {
		return nil, fmt.Errorf("cache of compiled modules: %w", err)
	}
	return cache, nil
}
