package sandbox

import "golang.org/x/sys/unix"

const auditArch = unix.AUDIT_ARCH_AARCH64

// The calls of calls_linux.go that only this machine has.
var (
	refusedHere   = []uint32{unix.SYS_KEXEC_FILE_LOAD}
	pretendedHere []uint32
)
