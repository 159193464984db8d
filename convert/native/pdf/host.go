package pdf

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/emscripten"
)

// Error numbers as the guest's C library has them (WASI).
const (
	errnoBadFile = 8
	errnoNoEntry = 44
	errnoNotPerm = 63
	pageBytes    = 1 << 16
)

var errAborted = errors.New("it gave up")

// stay is what the host knows of one instance while it lives. It travels in the context of every call.
type stay struct {
	run   context.Context // of the run that the instance is for
	clock time.Time       // what the guest takes for now
}

type stayKey struct{}

func stayOf(ctx context.Context) *stay {
	s, _ := ctx.Value(stayKey{}).(*stay)
	return s
}

// check ends a guest whose run has ended, by a panic that wazero makes an error of (P4).
func (s *stay) check() {
	if s != nil && s.run.Err() != nil {
		panic(s.run.Err())
	}
}

// hostFunc is one import of the guest. Parameters are on the stack, as is its result then.
type hostFunc func(s *stay, m api.Memory, stack []uint64)

// answer is a hostFunc that does nothing and says so.
func answer(code int32) hostFunc {
	return func(_ *stay, _ api.Memory, stack []uint64) { stack[0] = api.EncodeI32(code) }
}

// imports are all that the guest can do to the world (P1), but for the jumps inside itself, which wazero provides.
func imports() map[string]map[string]hostFunc {
	none, badFile := answer(-errnoNoEntry), answer(-errnoBadFile)
	return map[string]map[string]hostFunc{
		"env": {
			"_abort_js":             func(*stay, api.Memory, []uint64) { panic(errAborted) },
			"__assert_fail":         func(*stay, api.Memory, []uint64) { panic(errAborted) },
			"_emscripten_memcpy_js": copyMemory,
			"emscripten_resize_heap": func(s *stay, m api.Memory, stack []uint64) {
				s.check()
				stack[0] = growTo(m, uint32(stack[0]))
			},
			"emscripten_date_now": func(s *stay, _ api.Memory, stack []uint64) {
				s.check()
				stack[0] = api.EncodeF64(float64(s.clock.UnixMilli()))
			},
			"_tzset_js":             zoneUTC,
			"_localtime_js":         brokenDown,
			"_gmtime_js":            brokenDown,
			"__syscall_openat":      none,
			"__syscall_stat64":      none,
			"__syscall_newfstatat":  none,
			"__syscall_lstat64":     none,
			"__syscall_unlinkat":    answer(-errnoNotPerm),
			"__syscall_rmdir":       answer(-errnoNotPerm),
			"__syscall_fcntl64":     badFile,
			"__syscall_ioctl":       badFile,
			"__syscall_fstat64":     badFile,
			"__syscall_getdents64":  badFile,
			"__syscall_ftruncate64": badFile,
		},
		"wasi_snapshot_preview1": {
			"fd_close":          answer(errnoBadFile),
			"fd_write":          answer(errnoBadFile),
			"fd_read":           answer(errnoBadFile),
			"fd_sync":           answer(errnoBadFile),
			"fd_seek":           answer(errnoBadFile),
			"environ_get":       answer(0),
			"environ_sizes_get": noEnvironment,
		},
	}
}

// provide makes the imports of a module. One that is not known is an error here and not later.
func provide(ctx context.Context, r wazero.Runtime, guest wazero.CompiledModule) error {
	jumps, err := emscripten.NewFunctionExporterForModule(guest)
	if err != nil {
		return err
	}
	known := imports()
	builders := map[string]wazero.HostModuleBuilder{}
	for module := range known {
		builders[module] = r.NewHostModuleBuilder(module)
	}
	for _, f := range guest.ImportedFunctions() {
		module, name, _ := f.Import()
		do, ok := known[module][name]
		if !ok {
			continue
		}
		builders[module].NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(
			func(ctx context.Context, mod api.Module, stack []uint64) { do(stayOf(ctx), mod.Memory(), stack) },
		), f.ParamTypes(), f.ResultTypes()).Export(name)
	}
	jumps.ExportFunctions(builders["env"])
	for module, b := range builders {
		if _, err := b.Instantiate(ctx); err != nil {
			return fmt.Errorf("imports of %s: %w", module, err)
		}
	}
	return nil
}

// growTo makes the memory hold size bytes: 1, or 0 where it cannot, which the guest takes for a failed malloc.
func growTo(m api.Memory, size uint32) uint64 {
	have := m.Size()
	if size <= have {
		return 1
	}
	if _, ok := m.Grow((size - have + pageBytes - 1) / pageBytes); !ok {
		return 0
	}
	return 1
}

func copyMemory(s *stay, m api.Memory, stack []uint64) {
	s.check()
	to, from, n := uint32(stack[0]), uint32(stack[1]), uint32(stack[2])
	src, ok := m.Read(from, n)
	if !ok || !m.Write(to, src) {
		panic(errAborted)
	}
}

func noEnvironment(_ *stay, m api.Memory, stack []uint64) {
	m.WriteUint32Le(uint32(stack[0]), 0)
	m.WriteUint32Le(uint32(stack[1]), 0)
	stack[0] = 0
}

func zoneUTC(_ *stay, m api.Memory, stack []uint64) {
	m.WriteUint32Le(uint32(stack[0]), 0)
	m.WriteUint32Le(uint32(stack[1]), 0)
	m.Write(uint32(stack[2]), []byte("UTC\x00"))
	m.Write(uint32(stack[3]), []byte("UTC\x00"))
}

// brokenDown writes a struct tm, in UTC, for a time that comes as two halves.
func brokenDown(_ *stay, m api.Memory, stack []uint64) {
	seconds := int64(uint64(uint32(stack[1]))<<32 | uint64(uint32(stack[0])))
	if seconds < math.MinInt32 || seconds > 1<<37 {
		seconds = 0
	}
	t := time.Unix(seconds, 0).UTC()
	var tm []byte
	for _, v := range []int{
		t.Second(), t.Minute(), t.Hour(), t.Day(), int(t.Month()) - 1, t.Year() - 1900, int(t.Weekday()), t.YearDay() - 1, 0, 0,
	} {
		tm = binary.LittleEndian.AppendUint32(tm, uint32(v))
	}
	m.Write(uint32(stack[2]), tm)
}
