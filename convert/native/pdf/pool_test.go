package pdf

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"dropfs/convert"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if err := shared.Close(); err != nil {
		fmt.Println("close:", err)
		code = 1
	}
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Println(err)
		code = 1
	}
	os.Exit(code)
}

// poolOf is a pool of so many instances, with the module that is compiled already.
func poolOf(t *testing.T, n int) *pool {
	t.Helper()
	if err := shared.pool.wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	p := newPool(Config{Instances: n})
	p.start.Do(func() { close(p.ready) })
	p.engine, p.module = shared.pool.engine, shared.pool.module
	return p
}

func TestManyRunsAtOnce(t *testing.T) {
	doc := numbered(20)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			got, err := run(t, fmt.Sprintf("txt,page=%d", i+1), doc)
			if want := fmt.Sprintf("Page number %d\n", i+1); err != nil || string(got) != want {
				t.Errorf("%q, %v", got, err)
			}
			if _, err := run(t, "png,dpi=24", doc); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := len(shared.pool.slots) + len(shared.pool.abandoned); n != 0 {
		t.Errorf("%d slots are taken", n)
	}
}

func TestP4EndedContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := runJob(ctx, t, convert.Job{Step: stepOf(t, "txt")}, numbered(1)); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// A run is left while the guest is at work: it returns at once, and the guest ends at its next call.
func TestP4AbandonedRun(t *testing.T) {
	p := poolOf(t, 1)
	src := sourcesIn(t, t.TempDir(), numbered(1))[0]
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("nobody waits")
	s, err := p.enter(ctx)
	if err != nil {
		t.Fatal(err)
	}
	stuck, goOn, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		<-stuck
		cancel(why)
	}()
	err = s.inside(ctx, time.Time{}, func(g *guest) error {
		close(stuck)
		<-goOn // as if in a loop of the guest
		_, err := open(g, src, "")
		ended <- err
		return err
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("left with %v", err)
	}
	// Its slot is free for others meanwhile (P5).
	other, err := p.enter(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := other.inside(t.Context(), time.Time{}, func(g *guest) error { _, err := open(g, src, ""); return err }); err != nil {
		t.Error(err)
	}
	close(goOn)
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the guest went on: %v", err)
	}
	for len(p.abandoned)+len(p.slots) > 0 {
		runtime.Gosched()
	}
}

// Those that are left and do not end are few; then the slots stay taken (P5).
func TestP5AbandonedRunsAreBounded(t *testing.T) {
	p := poolOf(t, 1)
	goOn := make(chan struct{})
	for i := range 2 {
		ctx, cancel := context.WithCancel(t.Context())
		s, err := p.enter(ctx)
		if err != nil {
			t.Fatalf("run %d: %v", i, err)
		}
		_ = s.inside(ctx, time.Time{}, func(*guest) error {
			cancel()
			<-goOn
			return nil
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.enter(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a third: %v", err)
	}
	close(goOn)
	s, err := p.enter(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.leave()
}

func TestP2PanicsAreErrors(t *testing.T) {
	s, err := shared.pool.enter(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	err = s.inside(t.Context(), time.Time{}, func(*guest) error { panic("oh") })
	if !errors.Is(err, convert.ErrBroken) {
		t.Error(err)
	}
}

// A trap in the guest, and all later calls.
func TestP2TrapsAreErrors(t *testing.T) {
	for name, do := range map[string]func(g *guest){
		"far away":    func(g *guest) { g.call("FPDF_GetPageCount", 0xfffffff0) },
		"no function": func(g *guest) { g.call("nothing") },
		"arguments":   func(g *guest) { g.call("malloc") },
		"all memory":  func(g *guest) { g.alloc(memoryPages * pageBytes) },
		"negative":    func(g *guest) { g.alloc(-1) },
		"view":        func(g *guest) { g.view(0xfffffff0, 100) },
	} {
		t.Run(name, func(t *testing.T) {
			s, err := shared.pool.enter(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			err = s.inside(t.Context(), time.Time{}, func(g *guest) error {
				do(g)
				if p := g.call("malloc", 10); p != 0 {
					t.Error("it goes on")
				}
				return g.err
			})
			if k := convert.KindOf(err); err == nil || k != convert.ErrBroken && k != convert.ErrTooLarge {
				t.Error(err)
			}
		})
	}
}

func TestCompiledModuleIsKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	src := sourcesIn(t, t.TempDir(), numbered(1))
	for range 2 {
		e := New(Config{CacheDir: dir})
		job := convert.Job{Step: stepOf(t, "txt"), Sources: src, Out: filepath.Join(t.TempDir(), "out")}
		if err := e.Run(t.Context(), job); err != nil {
			t.Fatal(err)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		found, err := filepath.Glob(filepath.Join(dir, "*", "*"))
		if err != nil || len(found) == 0 {
			t.Fatalf("nothing is kept: %v", err)
		}
	}
	st, err := os.Stat(dir)
	if err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", st.Mode(), err)
	}
	e := New(Config{CacheDir: src[0].Path})
	if err := e.Run(t.Context(), convert.Job{Step: stepOf(t, "txt"), Sources: src, Out: filepath.Join(t.TempDir(), "out")}); err == nil {
		t.Error("a file is taken for the directory")
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}
