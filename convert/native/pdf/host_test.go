package pdf

import (
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero/api"
)

// inGuest does something with an instance.
func inGuest(t *testing.T, clock time.Time, do func(g *guest)) {
	t.Helper()
	s, err := shared.pool.enter(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.inside(t.Context(), clock, func(g *guest) error { do(g); return g.err }); err != nil {
		t.Error(err)
	}
}

func TestP1ImportsAreTheseAndNoMore(t *testing.T) {
	if err := shared.pool.wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	known, used := imports(), 0
	for _, f := range shared.pool.module.ImportedFunctions() {
		module, name, _ := f.Import()
		_, ok := known[module][name]
		if ok {
			used++
		} else if module != "env" || !strings.HasPrefix(name, "invoke_") && name != "_emscripten_throw_longjmp" {
			t.Errorf("%s %s is not known", module, name)
		}
	}
	if have := len(known["env"]) + len(known["wasi_snapshot_preview1"]); used != have {
		t.Errorf("%d of %d are used", used, have)
	}
}

func TestP1FilesAreRefused(t *testing.T) {
	inGuest(t, time.Time{}, func(g *guest) {
		at := g.alloc(64)
		for module, functions := range imports() {
			for name, do := range functions {
				if !strings.HasPrefix(name, "__syscall") && !strings.HasPrefix(name, "fd_") {
					continue
				}
				stack := []uint64{uint64(at), uint64(at), uint64(at), uint64(at), uint64(at)}
				do(nil, g.mod.Memory(), stack)
				if code := api.DecodeI32(stack[0]); code == 0 || module == "env" && code > 0 {
					t.Errorf("%s answers %d", name, code)
				}
			}
		}
	})
}

func TestP1Clock(t *testing.T) {
	when := time.Date(2021, 12, 31, 23, 59, 58, 5e8, time.UTC)
	inGuest(t, when, func(g *guest) {
		at := g.alloc(64)
		now := []uint64{0}
		imports()["env"]["emscripten_date_now"](stayOf(g.ctx), g.mod.Memory(), now)
		if got := api.DecodeF64(now[0]); got != float64(when.UnixMilli()) {
			t.Errorf("it is %v", got)
		}
		brokenDown(nil, g.mod.Memory(), []uint64{uint64(uint32(when.Unix())), 0, uint64(at)})
		for i, want := range []uint32{58, 59, 23, 31, 11, 121, 5, 364, 0} {
			if got, _ := g.mod.Memory().ReadUint32Le(at + uint32(4*i)); got != want {
				t.Errorf("field %d: %d, want %d", i, got, want)
			}
		}
		for _, seconds := range []uint64{1 << 63, 1<<64 - 1, 1 << 40} {
			brokenDown(nil, g.mod.Memory(), []uint64{seconds & 0xffffffff, seconds >> 32, uint64(at)})
		}
	})
}
