//go:build amd64 || arm64

package sandbox

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Offsets in struct seccomp_data, seccomp(2). Both machines are little-endian: the low half of an argument comes first.
const (
	offNr   = 0
	offArch = 4
	offArg0 = 16
)

// namespaceFlags are the flags of clone(2) that make namespaces.
const namespaceFlags = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC |
	unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET

const (
	retAllow   = unix.SECCOMP_RET_ALLOW
	retRefuse  = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
	retMissing = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
	retPretend = unix.SECCOMP_RET_ERRNO // errno 0: success
	retKill    = unix.SECCOMP_RET_KILL_PROCESS
)

func load(offset uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
}

func ret(what uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: what}
}

// unless skips the next n instructions where the test of the loaded word against k fails.
func unless(test uint16, k uint32, n uint8) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | test | unix.BPF_K, Jf: n, K: k}
}

// filter is the program that judges each system call: a list of refusals, and all else allowed. Which files are read is
// Landlock's business.
func filter(sockets bool) []unix.SockFilter {
	out := []unix.SockFilter{
		load(offArch),
		unless(unix.BPF_JEQ, auditArch, 1),
		{Code: unix.BPF_JMP | unix.BPF_JA, K: 1},
		ret(retKill),
		load(offNr),
	}
	if runtime.GOARCH == "amd64" { // the calls of the x32 interface have other numbers
		out = append(out, unless(unix.BPF_JGE, 1<<30, 1), ret(retRefuse))
	}
	list := func(calls []uint32, what uint32) {
		for _, nr := range calls {
			out = append(out, unless(unix.BPF_JEQ, nr, 1), ret(what))
		}
	}
	list(refused, retRefuse)
	list(refusedHere, retRefuse)
	list(pretended, retPretend)
	list(pretendedHere, retPretend)
	// clone3 has its flags where a filter cannot look: the C library then takes clone.
	list([]uint32{unix.SYS_CLONE3}, retMissing)
	out = append(out,
		unless(unix.BPF_JEQ, unix.SYS_CLONE, 4), load(offArg0), unless(unix.BPF_JSET, namespaceFlags, 1), ret(retRefuse), ret(retAllow),
		unless(unix.BPF_JEQ, unix.SYS_SOCKETPAIR, 4), load(offArg0), unless(unix.BPF_JEQ, unix.AF_UNIX, 1), ret(retAllow), ret(retRefuse))
	if sockets {
		out = append(out, unless(unix.BPF_JEQ, unix.SYS_SOCKET, 4), load(offArg0), unless(unix.BPF_JEQ, unix.AF_UNIX, 1), ret(retAllow), ret(retRefuse))
	} else {
		list([]uint32{unix.SYS_SOCKET}, retRefuse)
	}
	return append(out, ret(retAllow))
}

// installFilter binds the calling thread, and what it starts, to the filter. It allocates nothing.
func installFilter(program []unix.SockFilter) error {
	p := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&p)), 0, 0)
}
