package pdf

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"dropfs/convert"
)

// guest is one instance of PDFium. The first call that fails is kept in err: from then on calls do nothing and answer 0,
// so that a row of calls needs one look at err. It is for one goroutine.
type guest struct {
	ctx context.Context // with the stay
	run context.Context
	mod api.Module
	fns map[string]api.Function
	err error
}

// newGuest starts an instance for the run of ctx.
func newGuest(run context.Context, r wazero.Runtime, module wazero.CompiledModule, clock time.Time) (*guest, error) {
	ctx := context.WithValue(run, stayKey{}, &stay{run: run, clock: clock})
	mod, err := r.InstantiateModule(ctx, module, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if run.Err() != nil {
		return nil, run.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: pdfium did not start: %s", convert.ErrBroken, firstLine(err))
	}
	g := &guest{ctx: ctx, run: run, mod: mod, fns: map[string]api.Function{}}
	g.call("emscripten_stack_init")
	g.call("__wasm_call_ctors")
	g.call("PDFiumExt_Init")
	if g.err != nil {
		g.close(ctx)
		return nil, g.err
	}
	return g, nil
}

// close frees the instance. Closing without a word is all that can be done with it.
func (g *guest) close(ctx context.Context) { _ = g.mod.Close(ctx) }

// call calls a function of the guest and answers its result, 0 where it has none or something failed.
func (g *guest) call(name string, args ...uint64) uint32 {
	if g.err == nil && g.run.Err() != nil {
		g.err = g.run.Err()
	}
	if g.err != nil {
		return 0
	}
	fn := g.fns[name]
	if fn == nil {
		if fn = g.mod.ExportedFunction(name); fn == nil {
			g.err = fmt.Errorf("%w: pdfium has no %s", convert.ErrBroken, name)
			return 0
		}
		g.fns[name] = fn
	}
	results, err := fn.Call(g.ctx, args...)
	switch {
	case err != nil && g.run.Err() != nil:
		g.err = g.run.Err()
	case err != nil:
		g.err = fmt.Errorf("%w: pdfium crashed in %s: %s", convert.ErrBroken, name, firstLine(err))
	case len(results) > 0:
		return uint32(results[0])
	}
	return 0
}

// firstLine leaves out the stack of the guest.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return strings.TrimSuffix(line, " (recovered by wazero)")
}

func (g *guest) fail(kind convert.Kind, format string, args ...any) error {
	if g.err == nil {
		g.err = fmt.Errorf("%w: "+format, append([]any{kind}, args...)...)
	}
	return g.err
}

// alloc takes n bytes of the guest's memory.
func (g *guest) alloc(n int) uint32 {
	if n < 0 || n > memoryPages*pageBytes {
		_ = g.fail(convert.ErrTooLarge, "%d bytes, pdfium has %d", n, memoryPages*pageBytes)
		return 0
	}
	p := g.call("malloc", uint64(max(n, 1)))
	if p == 0 {
		_ = g.fail(convert.ErrTooLarge, "pdfium has not %d bytes left", n)
	}
	return p
}

func (g *guest) free(p uint32) { g.call("free", uint64(p)) }

// view is a piece of the guest's memory itself, good until the next call; nil where something failed.
func (g *guest) view(p uint32, n int) []byte {
	if g.err != nil {
		return nil
	}
	b, ok := g.mod.Memory().Read(p, uint32(n))
	if !ok {
		_ = g.fail(convert.ErrBroken, "pdfium answered a place outside its memory")
	}
	return b
}

// text puts a string with its final zero into the guest's memory.
func (g *guest) text(s string) uint32 {
	p := g.alloc(len(s) + 1)
	if b := g.view(p, len(s)+1); b != nil {
		copy(b, s)
		b[len(s)] = 0
	}
	return p
}

// load puts size bytes of r into the guest's memory, in pieces, so that a run that has ended is noticed.
func (g *guest) load(r io.Reader, size int) uint32 {
	p := g.alloc(size)
	for at := 0; at < size && g.err == nil; {
		if g.run.Err() != nil {
			g.err = g.run.Err()
			break
		}
		b := g.view(p+uint32(at), min(size-at, 1<<20))
		n, err := io.ReadFull(r, b)
		at += n
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			_ = g.fail(convert.ErrBroken, "the source became shorter while it was read")
		} else if err != nil && g.err == nil {
			g.err = fmt.Errorf("read source: %w", err)
		}
	}
	return p
}
