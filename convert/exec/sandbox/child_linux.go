//go:build amd64 || arm64

package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// statusFd is where Child writes why there is no program: it is closed by the execve that starts it.
const statusFd = 3

// Exit codes of a child that has not become a program.
const (
	exitSetup = 127
	exitTried = 43 // it was to have none, and all else went well
)

// Child is what our binary does when its first argument is Arg, args being those behind: it gives up all rights but those
// of its order and becomes the program. It returns, with an exit code, only where that failed, or for an order without a
// program, which only tries.
func Child(args []string) int {
	runtime.LockOSThread() // seccomp and the death signal belong to the thread that calls execve
	err := becomeProgram(args)
	if err == nil {
		return exitTried
	}
	if f := os.NewFile(statusFd, "status"); f != nil {
		_, _ = io.WriteString(f, err.Error()) // the exit code tells it as well
	}
	return exitSetup
}

func becomeProgram(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("%d arguments", len(args))
	}
	var o order
	if err := json.Unmarshal([]byte(args[0]), &o); err != nil {
		return fmt.Errorf("order: %w", err)
	}
	steps := []struct {
		name string
		do   func(order) error
	}{
		{"death signal", func(order) error { return unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0) }},
		{"directory", func(o order) error { return os.Chdir(o.Dir) }},
		{"descriptors", func(order) error { return unix.CloseRange(statusFd, ^uint(0)>>1, unix.CLOSE_RANGE_CLOEXEC) }},
		{"limits", setLimits},
		{"capabilities", func(order) error { return dropCapabilities() }},
		{"no new privileges", func(order) error { return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }},
		{"landlock", restrictFiles},
	}
	for _, s := range steps {
		if err := s.do(o); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return enter(o)
}

// enter does the last steps with memory that was set aside before: once the address space is limited, the runtime of Go may
// not get any.
func enter(o order) error {
	program := filter(o.Sockets)
	if len(o.Argv) == 0 {
		return installFilter(program)
	}
	path, err := unix.BytePtrFromString(o.Argv[0])
	if err != nil {
		return err
	}
	argv, err := syscall.SlicePtrFromStrings(o.Argv)
	if err != nil {
		return err
	}
	envv, err := syscall.SlicePtrFromStrings(os.Environ())
	if err != nil {
		return err
	}
	memory := unix.Rlimit{Cur: o.Memory, Max: o.Memory}
	if err := installFilter(program); err != nil {
		return fmt.Errorf("seccomp: %w", err)
	}
	if _, _, e := syscall.RawSyscall6(unix.SYS_PRLIMIT64, 0, unix.RLIMIT_AS, uintptr(unsafe.Pointer(&memory)), 0, 0, 0); e != 0 {
		return fmt.Errorf("memory limit: %w", e)
	}
	_, _, e := syscall.RawSyscall(unix.SYS_EXECVE, uintptr(unsafe.Pointer(path)),
		uintptr(unsafe.Pointer(&argv[0])), uintptr(unsafe.Pointer(&envv[0])))
	return fmt.Errorf("execve: %w", e)
}

func setLimits(o order) error {
	limits := []struct {
		what  int
		value uint64
	}{
		{unix.RLIMIT_CPU, o.CPU},
		{unix.RLIMIT_FSIZE, o.FileSize},
		{unix.RLIMIT_CORE, 0},
		{unix.RLIMIT_NOFILE, 512},
	}
	if o.Processes > 0 {
		limits = append(limits, struct {
			what  int
			value uint64
		}{unix.RLIMIT_NPROC, o.Processes})
	}
	for _, l := range limits {
		var now syscall.Rlimit
		if err := syscall.Getrlimit(l.what, &now); err != nil {
			return err
		}
		value := min(l.value, now.Max) // none may be raised
		// By package syscall: it also keeps the runtime from putting the former number of descriptors back at execve.
		if err := syscall.Setrlimit(l.what, &syscall.Rlimit{Cur: value, Max: value}); err != nil {
			return err
		}
	}
	return syscall.Setpriority(syscall.PRIO_PROCESS, 0, 10)
}

// dropCapabilities leaves none, neither now nor after execve, even for root or in a user namespace.
func dropCapabilities() error {
	for c := uintptr(0); ; c++ {
		err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0)
		if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EPERM) { // the last is behind us; an ordinary user, who has none
			break
		}
		if err != nil {
			return err
		}
	}
	_ = unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) // an old kernel has no such set
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	return unix.Capset(&header, &none[0])
}
