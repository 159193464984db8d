package platform

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

const device = "/dev/fuse"

// CheckDevice tells whether this process can open the FUSE device: nil, or ErrNoDevice with what to do.
func CheckDevice() error {
	fd, err := unix.Open(device, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err == nil {
		return unix.Close(fd)
	}
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return fmt.Errorf("%w: %s: %w (load the module: modprobe fuse)", ErrNoDevice, device, err)
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w: %s: %w (allow it: chmod 0666 %s)", ErrNoDevice, device, err, device)
	}
	return fmt.Errorf("%w: %s: %w", ErrNoDevice, device, err)
}

// Helper returns the path of the program that mounts for ordinary users.
func Helper() (string, error) {
	for _, name := range []string{"fusermount3", "fusermount"} {
		if p, err := exec.LookPath(name); err == nil {
			return p, nil
		}
		if p, err := exec.LookPath("/bin/" + name); err == nil {
			return p, nil
		}
	}
	return "", fmt.Errorf("%w: fusermount3 (Debian: apt-get install fuse3)", ErrNoHelper)
}

// Privileged tells whether this process may mount by itself.
func Privileged() bool {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return false
	}
	return os.Geteuid() == 0 && data[0].Effective&(1<<unix.CAP_SYS_ADMIN) != 0
}

// DirectFlags are the mount(2) flags of a mount made by a privileged process.
func DirectFlags(readOnly bool) uintptr {
	flags := uintptr(unix.MS_MGC_VAL)
	if readOnly {
		flags |= unix.MS_RDONLY
	}
	return flags
}

// MountHelper mounts through the helper and returns the descriptor of the FUSE device, which the caller owns. options are
// those of -o. The helper always adds nosuid and nodev. What it complains of is in the error.
func MountHelper(mountpoint string, options []string) (fd int, err error) {
	helper, err := Helper()
	if err != nil {
		return -1, err
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("socketpair: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "ours"), os.NewFile(uintptr(pair[1]), "theirs")
	defer ours.Close()
	defer theirs.Close()

	var complaint bytes.Buffer
	cmd := exec.Command(helper, "-o", escapeOptions(options), "--", mountpoint)
	cmd.Env = append(os.Environ(), "_FUSE_COMMFD=3")
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.Stderr = &complaint
	if err := cmd.Run(); err != nil {
		return -1, helperError(err, complaint.String())
	}
	return receive(int(ours.Fd()))
}

func escapeOptions(options []string) string {
	esc := strings.NewReplacer(`\`, `\\`, `,`, `\,`)
	out := make([]string, len(options))
	for i, o := range options {
		out[i] = esc.Replace(o)
	}
	return strings.Join(out, ",")
}

// helperError makes one line of what the helper says.
func helperError(err error, complaint string) error {
	line, _, _ := strings.Cut(strings.TrimSpace(complaint), "\n")
	_, text, ok := strings.Cut(line, ": ")
	if !ok {
		text = line
	}
	switch {
	case text == "":
		return fmt.Errorf("fusermount3: %w", err)
	case strings.Contains(text, "busy"):
		return fmt.Errorf("fusermount3: %s: %w", text, ErrBusy)
	case strings.Contains(text, device):
		return fmt.Errorf("fusermount3: %s: %w", text, ErrNoDevice)
	case strings.Contains(text, "not found in"), strings.Contains(text, "not mounted"):
		return fmt.Errorf("fusermount3: %s: %w", text, ErrNotMount)
	}
	return fmt.Errorf("fusermount3: %s", text)
}

// receive takes the descriptor that the helper sends.
func receive(sock int) (int, error) {
	var data [4]byte
	oob := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(sock, data[:], oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("answer of fusermount3: %w", err)
	}
	msgs, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(msgs) != 1 {
		return -1, fmt.Errorf("answer of fusermount3: %w", errors.Join(err, unix.EPROTO))
	}
	fds, err := unix.ParseUnixRights(&msgs[0])
	if err != nil || len(fds) != 1 {
		return -1, fmt.Errorf("answer of fusermount3: %w", errors.Join(err, unix.EPROTO))
	}
	return fds[0], nil
}

// Unmount takes a mount away: ErrBusy while something below is in use; lazy detaches it at once and lets it end by itself.
func Unmount(mountpoint string, lazy bool) error {
	flags := unix.UMOUNT_NOFOLLOW
	if lazy {
		flags |= unix.MNT_DETACH
	}
	err := unix.Unmount(mountpoint, flags)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EBUSY):
		return fmt.Errorf("unmount %s: %w", mountpoint, ErrBusy)
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOENT):
		return fmt.Errorf("unmount %s: %w", mountpoint, ErrNotMount)
	case !errors.Is(err, unix.EPERM):
		return fmt.Errorf("unmount %s: %w", mountpoint, err)
	}
	helper, err := Helper()
	if err != nil {
		return err
	}
	how := "-u"
	if lazy {
		how = "-uz"
	}
	var complaint bytes.Buffer
	cmd := exec.Command(helper, how, "--", mountpoint)
	cmd.Stderr = &complaint
	if err := cmd.Run(); err != nil {
		return helperError(err, complaint.String())
	}
	return nil
}

// Abort ends the FUSE connection of a file system by its device (Mount.Dev), wherever it is still mounted: what has it open
// gets ENOTCONN. One that has ended is no error.
func Abort(dev uint64) error {
	root, err := controlFS()
	if err != nil {
		return fmt.Errorf("abort FUSE connection: %w", err)
	}
	defer func() { _ = unix.Close(root) }()
	fd, err := unix.Openat(root, fmt.Sprintf("%d/abort", dev&(1<<20-1)), unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err == nil {
		_, err = unix.Write(fd, []byte("1"))
		err = errors.Join(err, unix.Close(fd))
	}
	if err != nil {
		return fmt.Errorf("abort FUSE connection: %w", err)
	}
	return nil
}

// controlFS opens the file system through which FUSE connections are controlled: where it is mounted, else a mount of our
// own that nobody sees, for which the process must be privileged.
func controlFS() (fd int, err error) {
	const usual, magic = "/sys/fs/fuse/connections", 0x65735543 // FUSE_CTL_SUPER_MAGIC of fs/fuse/control.c
	var st unix.Statfs_t
	if unix.Statfs(usual, &st) == nil && st.Type == magic {
		return unix.Open(usual, unix.O_PATH|unix.O_CLOEXEC, 0)
	}
	ctx, err := unix.Fsopen("fusectl", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, err
	}
	defer func() { _ = unix.Close(ctx) }()
	if err := unix.FsconfigCreate(ctx); err != nil {
		return -1, err
	}
	return unix.Fsmount(ctx, unix.FSMOUNT_CLOEXEC, 0)
}

// Remount makes a mount point read-only or writable again, and changes nothing else of it; ErrBusy while a file is open for
// writing there.
func Remount(mountpoint string, readOnly bool) error {
	var attr unix.MountAttr
	if readOnly {
		attr.Attr_set = unix.MOUNT_ATTR_RDONLY
	} else {
		attr.Attr_clr = unix.MOUNT_ATTR_RDONLY
	}
	err := unix.MountSetattr(unix.AT_FDCWD, mountpoint, unix.AT_SYMLINK_NOFOLLOW, &attr)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EBUSY):
		return fmt.Errorf("remount %s: %w", mountpoint, ErrBusy)
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOENT):
		return fmt.Errorf("remount %s: %w", mountpoint, ErrNotMount)
	}
	return fmt.Errorf("remount %s: %w", mountpoint, err)
}

// Restrict has a mount point ignore set-id bits, device nodes, or programs, and changes nothing else of it.
func Restrict(mountpoint string, noSuid, noDev, noExec bool) error {
	var attr unix.MountAttr
	if noSuid {
		attr.Attr_set |= unix.MOUNT_ATTR_NOSUID
	}
	if noDev {
		attr.Attr_set |= unix.MOUNT_ATTR_NODEV
	}
	if noExec {
		attr.Attr_set |= unix.MOUNT_ATTR_NOEXEC
	}
	if err := unix.MountSetattr(unix.AT_FDCWD, mountpoint, unix.AT_SYMLINK_NOFOLLOW, &attr); err != nil {
		return fmt.Errorf("restrict %s: %w", mountpoint, err)
	}
	return nil
}

// Mounts reads the mount table, in the order of mounting.
func Mounts() ([]Mount, error) {
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	return parseMountinfo(string(b)), nil
}

// parseMountinfo reads the lines of /proc/PID/mountinfo (proc_pid_mountinfo(5)); it skips what it does not understand.
func parseMountinfo(text string) []Mount {
	var out []Mount
	for line := range strings.Lines(text) {
		head, tail, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " - ")
		h, t := strings.Split(head, " "), strings.Split(tail, " ")
		if !ok || len(h) < 5 || len(t) < 2 {
			continue
		}
		m := Mount{Path: unescapeMount(h[4]), Type: t[0], Source: unescapeMount(t[1])}
		m.ReadOnly = len(t) > 2 && slices.Contains(strings.Split(t[2], ","), "ro")
		var major, minor uint64
		if n, _ := fmt.Sscanf(h[2], "%d:%d", &major, &minor); n == 2 {
			m.Dev = major<<20 | minor
		}
		out = append(out, m)
	}
	return out
}

func unescapeMount(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// MountAt finds what is mounted at exactly this path, which is made absolute and its directory's symbolic links followed;
// ErrNotMount where nothing is.
func MountAt(path string) (Mount, error) {
	abs, err := canonical(path)
	if err != nil {
		return Mount{}, err
	}
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

// canonical follows the links above the last component only, so that a dead mount there is not asked (P2).
func canonical(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(abs))
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, filepath.Base(abs)), nil
}
