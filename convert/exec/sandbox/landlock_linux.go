//go:build amd64 || arm64

package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// What every program may read: the system's programs, libraries, fonts and a few tables.
var (
	systemDirs = []string{
		"/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin", "/opt", "/nix/store", "/gnu/store",
		"/etc/fonts", "/etc/alternatives", "/etc/libreoffice", "/etc/ghostscript", "/etc/ImageMagick-6", "/etc/ImageMagick-7",
		"/var/cache/fontconfig", "/var/lib/libreoffice", "/var/spool/libreoffice", "/var/lib/ghostscript",
	}
	systemFiles = []string{
		"/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/passwd", "/etc/nsswitch.conf", "/etc/localtime", "/etc/mime.types",
		"/etc/papersize",
	}
	devices = []string{"/dev/null", "/dev/zero", "/dev/urandom", "/dev/random"}
)

// Sets of rights.
const (
	readFile = ll.AccessFSReadFile
	readDir  = readFile | ll.AccessFSReadDir
	// ownDir is all but running programs and making devices.
	ownDir = readDir | ll.AccessFSWriteFile | ll.AccessFSTruncate | ll.AccessFSRemoveDir | ll.AccessFSRemoveFile |
		ll.AccessFSMakeDir | ll.AccessFSMakeReg | ll.AccessFSMakeSock | ll.AccessFSMakeFifo | ll.AccessFSMakeSym | ll.AccessFSRefer
	// fileOnly are those that a rule for a file may name.
	fileOnly = ll.AccessFSExecute | ll.AccessFSWriteFile | ll.AccessFSReadFile | ll.AccessFSTruncate | ll.AccessFSIoctlDev
)

// handled are the rights on files that each version of Landlock knows: what is handled and not granted is refused.
var handled = []struct {
	from   int
	rights uint64
}{
	{1, 1<<13 - 1},
	{2, ll.AccessFSRefer},
	{3, ll.AccessFSTruncate},
	{5, ll.AccessFSIoctlDev},
}

// landlockVersion answers the version of the kernel's Landlock interface; 0: there is none.
func landlockVersion() int {
	v, err := ll.LandlockGetABIVersion()
	if err != nil {
		return 0
	}
	return v
}

// rule grants rights below a path.
type rule struct {
	path   string
	rights uint64
	must   bool // the path has to be there
}

func (o order) rules() []rule {
	out := []rule{{o.Dir, ownDir, true}}
	for _, p := range systemDirs {
		out = append(out, rule{p, readDir | ll.AccessFSExecute, false})
	}
	for _, p := range systemFiles {
		out = append(out, rule{p, readFile, false})
	}
	for _, p := range devices {
		out = append(out, rule{p, readFile | ll.AccessFSWriteFile, false})
	}
	for _, p := range o.Read {
		out = append(out, rule{p, readDir, true})
	}
	if o.Sockets {
		// LibreOffice has its socket there, whatever TMPDIR says. It may make one, not remove one: others' files are there.
		out = append(out, rule{"/tmp", ll.AccessFSMakeSock, true})
	}
	return out
}

// restrictFiles leaves the calling thread, and the program that it becomes, the files of S2 and S3, and signals and abstract
// sockets of its own kind. The library's own Restrict binds all threads, for which it may need a /proc that a new process
// namespace has not; of ours only this thread goes on.
func restrictFiles(o order) error {
	version := landlockVersion()
	if version < 1 {
		return errors.New("the kernel has none") // S7
	}
	var attr ll.RulesetAttr
	for _, h := range handled {
		if version >= h.from {
			attr.HandledAccessFS |= h.rights
		}
	}
	if version >= 4 {
		attr.HandledAccessNet = ll.AccessNetBindTCP | ll.AccessNetConnectTCP
	}
	if version >= 6 {
		attr.Scoped = ll.ScopeAbstractUnixSocket | ll.ScopeSignal
	}
	fd, err := ll.LandlockCreateRuleset(&attr, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for _, r := range o.rules() {
		if err := grant(fd, r, attr.HandledAccessFS); err != nil {
			return fmt.Errorf("%s: %w", r.path, err)
		}
	}
	return ll.LandlockRestrictSelf(fd, 0)
}

func grant(ruleset int, r rule, handled uint64) error {
	fd, err := unix.Open(r.path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if errors.Is(err, fs.ErrNotExist) && !r.must {
		return nil
	}
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), r.path)
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	rights := r.rights & handled
	if !info.IsDir() {
		rights &= fileOnly
	}
	return ll.LandlockAddPathBeneathRule(ruleset, &ll.PathBeneathAttr{ParentFd: fd, AllowedAccess: rights}, 0)
}
