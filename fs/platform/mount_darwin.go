package platform

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const helper = "/Library/Filesystems/macfuse.fs/Contents/Resources/mount_macfuse"

// CheckDevice tells whether macFUSE is there: nil, or ErrNoDevice with what to do.
func CheckDevice() error {
	if _, err := os.Stat(filepath.Dir(helper)); err != nil {
		return fmt.Errorf("%w: %w (install macFUSE: brew install --cask macfuse)", ErrNoDevice, err)
	}
	return nil
}

// Helper returns the path of the program that mounts for ordinary users.
func Helper() (string, error) {
	if _, err := os.Stat(helper); err != nil {
		return "", fmt.Errorf("%w: %w (install macFUSE: brew install --cask macfuse)", ErrNoHelper, err)
	}
	return helper, nil
}

// Privileged tells whether this process may mount by itself: here the helper always does.
func Privileged() bool { return false }

// DirectFlags are the mount(2) flags of a mount made by a privileged process: there is none here.
func DirectFlags(bool) uintptr { return 0 }

// MountHelper is not needed here: -1 and no error say that go-fuse calls the helper itself.
func MountHelper(string, []string) (fd int, err error) { return -1, nil }

// Unmount takes a mount away: ErrBusy while something below is in use; lazy takes it away by force.
func Unmount(mountpoint string, lazy bool) error {
	flags := 0
	if lazy {
		flags = unix.MNT_FORCE
	}
	err := unix.Unmount(mountpoint, flags)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EBUSY):
		return fmt.Errorf("unmount %s: %w", mountpoint, ErrBusy)
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOENT):
		return fmt.Errorf("unmount %s: %w", mountpoint, ErrNotMount)
	}
	return fmt.Errorf("unmount %s: %w", mountpoint, err)
}

// Abort has nothing to do: a file system is mounted in one place only.
func Abort(uint64) error { return nil }

// Remount makes a mount point read-only or writable again: not on this system.
func Remount(mountpoint string, _ bool) error {
	return fmt.Errorf("remount %s: %w", mountpoint, errors.ErrUnsupported)
}

// Restrict has a mount point ignore set-id bits, device nodes, or programs: not on this system.
func Restrict(mountpoint string, _, _, _ bool) error {
	return fmt.Errorf("restrict %s: %w", mountpoint, errors.ErrUnsupported)
}

// Mounts reads the mount table, in the order of mounting.
func Mounts() ([]Mount, error) {
	n, err := unix.Getfsstat(nil, unix.MNT_NOWAIT)
	if err != nil {
		return nil, err
	}
	buf := make([]unix.Statfs_t, n)
	if n, err = unix.Getfsstat(buf, unix.MNT_NOWAIT); err != nil {
		return nil, err
	}
	out := make([]Mount, 0, n)
	for _, st := range buf[:n] {
		out = append(out, Mount{
			Path:   unix.ByteSliceToString(st.Mntonname[:]),
			Source: unix.ByteSliceToString(st.Mntfromname[:]),
			Type:   unix.ByteSliceToString(st.Fstypename[:]),
		})
	}
	return out, nil
}

// MountAt finds what is mounted at exactly this path, which is made absolute and its directory's symbolic links followed;
// ErrNotMount where nothing is.
func MountAt(path string) (Mount, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return Mount{}, err
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(abs))
	if err != nil {
		return Mount{}, err
	}
	abs = filepath.Join(dir, filepath.Base(abs))
	mounts, err := Mounts()
	if err != nil {
		return Mount{}, err
	}
	for i := len(mounts) - 1; i >= 0; i-- {
		if mounts[i].Path == abs {
			return mounts[i], nil
		}
	}
	return Mount{}, fmt.Errorf("%s: %w", path, ErrNotMount)
}

// ProcessName is the short name of a process, as ps tells it; "" where it cannot be found out.
func ProcessName(pid int) string {
	out, err := exec.Command("ps", "-o", "comm=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return ""
	}
	return filepath.Base(strings.TrimSpace(string(out)))
}

// Users lists the processes that have a file below path, as lsof tells them.
func Users(path string) ([]Process, error) {
	var out bytes.Buffer
	cmd := exec.Command("lsof", "-Fpcn", "+f", "--", path)
	cmd.Stdout = &out
	if err := cmd.Run(); err != nil && out.Len() == 0 {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return nil, nil // nobody
		}
		return nil, fmt.Errorf("lsof: %w", err)
	}
	var procs []Process
	for line := range strings.Lines(out.String()) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" {
			continue
		}
		switch line[0] {
		case 'p':
			p := Process{}
			if _, err := fmt.Sscan(line[1:], &p.PID); err == nil {
				procs = append(procs, p)
			}
		case 'c':
			if len(procs) > 0 {
				procs[len(procs)-1].Name = line[1:]
			}
		case 'n':
			if len(procs) > 0 {
				procs[len(procs)-1].Path = line[1:]
			}
		}
	}
	return procs, nil
}
