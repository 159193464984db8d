package cli

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"dropfs/cache"
	"dropfs/fs/cli/config"
	"dropfs/fs/cli/control"
	"dropfs/fs/cli/daemon"
	"dropfs/fs/cli/fail"
	"dropfs/fs/platform"
)

// readyVar names the descriptor on which a background daemon says whether the disk answers. It is set by mount itself.
const readyVar = "DROPFS_READY_FD"

// lockWait bounds how long mount waits for a daemon that is ending to free its lock.
const lockWait = 15 * time.Second

// mountPlan is what one mount command is to do.
type mountPlan struct {
	file       *config.File
	options    config.Mount
	source     string
	mountpoint string
	stateDir   string
	accounts   []string
	words      []string // of -o; those that restrict a mount point are kept to by restrict
}

// restrict makes true what -o asks of the mount point itself: nosuid, nodev, noexec. An ordinary user's has the first two
// in any case.
func (p *mountPlan) restrict() error {
	has := func(word string) bool { return slices.Contains(p.words, word) }
	if !has("nosuid") && !has("nodev") && !has("noexec") || !platform.Privileged() {
		return nil
	}
	if err := platform.Restrict(p.mountpoint, has("nosuid"), has("nodev"), has("noexec")); err != nil {
		return fail.As(fail.Mount, "mount", err)
	}
	return nil
}

// mountCommand mounts.
func (a App) mountCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "mount [SOURCE] MOUNTPOINT",
		Short: "mounts and returns once the disk answers",
		Long: "Mounts SOURCE, which is ACCOUNT or ACCOUNT/DROP; without it all configured accounts, as directories. With no\n" +
			"configuration at all it mounts one drop, home, of an embedded hub, so that it works at once; local is the account\n" +
			"of that hub. The disk goes on in the background.",
		Args: args(1, 2),
	}
	addOptions(c.Flags(), config.Options())
	o := c.Flags().StringArrayP("options", "o", nil, "options `NAME[=VALUE],…` as in fstab")
	fstab := c.Flags().Bool("fstab", false, "SOURCE comes from fstab, where none, dropfs and all stand for no source")
	_ = c.Flags().MarkHidden("fstab")
	c.RunE = run("mount", func(c *cobra.Command, args []string) error {
		if *fstab && len(args) == 2 && slices.Contains([]string{"none", "dropfs", "all", "-"}, args[0]) {
			args = args[1:]
		}
		if words := strings.Split(strings.Join(*o, ","), ","); slices.Contains(words, "remount") {
			return remount(args[len(args)-1], words)
		}
		plan, err := a.planMount(c, args, *o)
		if err == nil {
			plan.words = strings.Split(strings.Join(*o, ","), ",")
			err = a.mount(c.Context(), plan)
		}
		a.tellParent(err, nil)
		return err
	})
	return c
}

// remount makes a mount that is there read-only or writable again (mount -o remount,ro); of ro and rw the last one counts.
func remount(path string, words []string) error {
	readOnly := false
	for _, w := range words {
		readOnly = w == "ro" || readOnly && w != "rw"
	}
	mp, err := mountpointPath(path)
	if err != nil {
		return fail.As(fail.Mount, "remount", err)
	}
	m, err := platform.MountAt(mp)
	switch {
	case err != nil:
		return fail.As(fail.Mount, "remount", err)
	case m.Type != "fuse.dropfs":
		return fail.New(fail.Mount, "remount "+mp, "not a dropfs mount")
	case m.ReadOnly && !readOnly:
		return fail.New(fail.Mount, "remount "+mp, "it was mounted read-only").WithHint("unmount it and mount it again")
	}
	if err := platform.Remount(mp, readOnly); err != nil {
		return fail.As(fail.Mount, "remount", err)
	}
	return nil
}

// addOptions makes flags of options.
func addOptions(f *pflag.FlagSet, options []config.Option) {
	for _, o := range options {
		short := ""
		if o.Name == "foreground" {
			short = "f"
		}
		if o.Arg == "" {
			f.BoolP(o.Name, short, false, o.Usage)
		} else {
			f.StringP(o.Name, short, "", o.Usage)
		}
	}
}

// flagLayer is the layer of the flags that were given.
func flagLayer(f *pflag.FlagSet) config.Layer {
	l := config.Layer{Origin: "flag", Values: map[string]string{}}
	for _, o := range config.Options() {
		if g := f.Lookup(o.Name); g != nil && g.Changed {
			l.Values[o.Name] = g.Value.String()
		}
	}
	return l
}

// planMount reads flags, environment and file.
func (a App) planMount(c *cobra.Command, args, o []string) (*mountPlan, error) {
	opts, file, err := config.ParseMountOptions(strings.Join(o, ","))
	if err != nil {
		return nil, fail.As(fail.Usage, "mount", err).WithHint("see dropfs mount --help")
	}
	flags := flagLayer(c.Flags())
	if _, err := config.Resolve(flags); err != nil {
		return nil, fail.As(fail.Usage, "mount", err).WithHint("see dropfs mount --help")
	}
	p := &mountPlan{}
	if p.file, err = a.loadConfig(c, file); err != nil {
		return nil, err
	}
	if p.options, err = p.file.Resolve(flags, opts, a.Env.MountLayer()); err != nil {
		return nil, fail.As(fail.Config, "configuration", err)
	}
	if p.stateDir = p.options.StateDir; p.stateDir == "" {
		if p.stateDir, err = a.Env.DefaultStateDir(); err != nil {
			return nil, fail.As(fail.Config, "state directory", err).WithHint("--state-dir names one")
		}
	}
	if len(args) == 2 {
		p.source = strings.TrimSuffix(args[0], "/")
	}
	if p.mountpoint, err = mountpointPath(args[len(args)-1]); err != nil {
		return nil, fail.As(fail.Mount, "mount", err)
	}
	p.accounts, _, err = daemon.Resolve(p.file, p.source)
	return p, err
}

// mountpointPath is the absolute path of a mount point, without symbolic links. The mount point itself is not touched, for
// it may be a mount whose daemon is dead; only a link there is followed.
func mountpointPath(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	for range 40 {
		dir, err := filepath.EvalSymlinks(filepath.Dir(abs))
		if err != nil {
			return abs, nil //nolint:nilerr // what is wrong with it is found where it is used
		}
		abs = filepath.Join(dir, filepath.Base(abs))
		to, err := os.Readlink(abs)
		if err != nil {
			return abs, nil //nolint:nilerr // not a link
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(dir, to)
		}
		abs = filepath.Clean(to)
	}
	return abs, nil
}

// mount mounts: through the daemon that serves the account already, else through a new one.
func (a App) mount(ctx context.Context, p *mountPlan) error {
	if err := daemon.CheckMountpoint(p.mountpoint); err != nil {
		return err
	}
	if err := daemon.CheckFUSE(); err != nil {
		return err
	}
	until := time.Now().Add(lockWait)
	for {
		client, done, err := a.mountThere(ctx, p)
		if done || err != nil {
			if err == nil && p.options.Foreground {
				a.tellParent(nil, nil)
				return client.WaitEnd(ctx)
			}
			return err
		}
		if p.options.Foreground || a.Env.Get(readyVar) != "" {
			err = a.serveDisk(ctx, p)
		} else {
			err = a.background(ctx, p)
		}
		// Another mount may have come first, or a daemon is just ending: then there is one to ask, or none, in a moment.
		if !isLocked(err) || time.Now().After(until) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// isLocked tells whether a state directory, or the embedded hub's data, was in use by a process of this machine.
func isLocked(err error) bool {
	var locked *cache.LockedError
	if errors.As(err, &locked) {
		host, _ := os.Hostname()
		return locked.Host == "" || locked.Host == host
	}
	var f *fail.Error
	return errors.As(err, &f) && (f.Hint == daemon.LockedHint || f.Hint == daemon.HubLockedHint)
}

// mountThere asks the daemon that serves one of the accounts, if there is one; done tells whether there was.
func (a App) mountThere(ctx context.Context, p *mountPlan) (c *control.Client, done bool, err error) {
	for _, c := range control.Find(ctx, a.Env.RuntimeDir(), p.stateDir) {
		if c.Info.StateDir != p.stateDir || !slices.ContainsFunc(p.accounts, func(n string) bool { return slices.Contains(c.Info.Accounts, n) }) {
			continue
		}
		err := c.Call(ctx, control.CallMount, control.MountRequest{
			Source: p.source, Mountpoint: p.mountpoint, ReadOnly: p.options.ReadOnly, AllowOther: p.options.AllowOther,
		}, nil, nil)
		var f *fail.Error
		if err != nil && (!errors.As(err, &f) || strings.HasSuffix(f.Why, "the daemon is ending")) {
			continue // it ends just now
		}
		if err == nil {
			err = p.restrict()
		}
		return c, true, err
	}
	return nil, false, nil
}

// ready is what a background daemon tells the command that started it.
type ready struct {
	Error *fail.Error `json:"error,omitempty"`
	Notes []string    `json:"notes,omitempty"`
}

// tellParent tells the command that started this daemon how it went, once; without one it does nothing.
func (a App) tellParent(err error, notes []string) {
	fd, cerr := strconv.Atoi(a.Env.Get(readyVar))
	if cerr != nil || fd < 3 {
		return
	}
	f := os.NewFile(uintptr(fd), "ready")
	if f == nil {
		return
	}
	r := ready{Notes: notes}
	if err != nil {
		r.Error = fail.As(fail.CodeOf(err), "mount", err)
	}
	_ = json.NewEncoder(f).Encode(r) // nobody there: nobody to tell; a second call finds it closed
	_ = f.Close()
}

// background starts this program again as a daemon and waits until its disk answers.
func (a App) background(ctx context.Context, p *mountPlan) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	// The log is its standard error, so that what the runtime prints when it dies goes there too.
	log, err := openAppend(p.logPath())
	if err != nil {
		return errors.Join(err, w.Close())
	}
	defer func() { _ = log.Close() }()
	from, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return errors.Join(err, w.Close())
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), self, a.Args[1:]...)
	cmd.Args[0] = a.Args[0]
	cmd.Env = append(os.Environ(), readyVar+"=3")
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{w}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	_ = w.Close()
	if err != nil {
		return err
	}
	type answer struct {
		ready
		err error
	}
	got := make(chan answer, 1)
	go func() {
		var an answer
		an.err = json.NewDecoder(r).Decode(&an.ready)
		got <- an
	}()
	select {
	case <-ctx.Done():
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		return ctx.Err()
	case an := <-got:
		return a.started(cmd, an.ready, an.err, io.NewSectionReader(log, from, 4096))
	}
}

// started tells how the start of a daemon went.
func (a App) started(cmd *exec.Cmd, r ready, err error, log io.Reader) error {
	for _, n := range r.Notes {
		a.note("dropfs: %s", n)
	}
	switch {
	case err != nil:
		_ = cmd.Wait()
		text, _ := io.ReadAll(log)
		return fail.New(fail.Mount, "mount", "the daemon ended at its start: "+firstLine(text))
	case r.Error != nil:
		_ = cmd.Wait()
		return r.Error
	}
	return cmd.Process.Release()
}

// serveDisk is the daemon: it mounts, and returns when the disk is gone.
func (a App) serveDisk(ctx context.Context, p *mountPlan) (err error) {
	syscall.Umask(0) // modes are those of the caller; files of our own are made with explicit ones
	log, closeLog, err := a.openLog(p)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeLog()) }()
	d := daemon.New(daemon.Config{
		File: p.file, Keys: config.NewKeys(a.Env, p.file.Path), Env: a.Env, Options: p.options, StateDir: p.stateDir,
		Sockets: []string{a.Env.RuntimeDir(), p.stateDir}, LogFile: p.logPath(), Log: log, Programs: a.Programs,
	})
	if err := d.Ensure(ctx, p.accounts); err != nil {
		return errors.Join(err, d.Close()) //nolint:contextcheck // what ended the run must not end the closing
	}
	if err := d.Serve(); err != nil {
		return errors.Join(fail.As(fail.Mount, "mount", err), d.Close()) //nolint:contextcheck // what ended the run must not end the closing
	}
	err = d.Mount(ctx, control.MountRequest{Source: p.source, Mountpoint: p.mountpoint, ReadOnly: p.options.ReadOnly, AllowOther: p.options.AllowOther})
	if err == nil {
		err = p.restrict()
	}
	if err != nil {
		return errors.Join(err, d.Close()) //nolint:contextcheck // what ended the run must not end the closing
	}
	notes := d.Look(ctx)
	if a.Env.Get(readyVar) == "" {
		for _, n := range notes {
			a.note("dropfs: %s", n)
		}
	}
	if err := os.Chdir("/"); err != nil { // hold nobody's directory
		log.WithError(err).Warn("the working directory stays in use")
	}
	a.tellParent(nil, notes)
	_ = daemon.Notify(a.Env, "READY=1\nSTATUS=mounted on "+p.mountpoint) // without systemd there is nobody to tell
	err = d.Run(ctx)
	_ = daemon.Notify(a.Env, "STOPPING=1")
	log.Info("ending")
	return errors.Join(err, d.Close()) //nolint:contextcheck // what ended the run must not end the closing
}

// logPath is the file of the log; "" is standard error.
func (p *mountPlan) logPath() string {
	if p.options.LogFile != "" || p.options.Foreground {
		return p.options.LogFile
	}
	return filepath.Join(p.stateDir, "dropfs.log")
}

// openLog makes the daemon's log. In the background its file is standard error already.
func (a App) openLog(p *mountPlan) (*logrus.Entry, func() error, error) {
	out, closer := a.Err, func() error { return nil }
	if path := p.logPath(); path != "" && a.Env.Get(readyVar) == "" {
		f, err := openAppend(path)
		if err != nil {
			return nil, nil, err
		}
		out, closer = f, f.Close
	}
	return newLog(out, p.options.LogLevel, p.options.LogFormat), closer, nil
}

// openAppend opens a log, for its owner alone, putting one that has grown large aside.
func openAppend(path string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, stateFailure(err)
	}
	rotate(path)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, stateFailure(err)
	}
	return f, nil
}

// stateFailure is a state directory or log that cannot be written.
func stateFailure(err error) error {
	return fail.As(fail.Mount, "state directory", err).WithHint("it must be writable and have room; --state-dir names another")
}

// maxLog is the size at which a log begins anew, in bytes; the one before is kept.
const maxLog = 32 << 20

// rotate puts a log that has grown large aside.
func rotate(path string) {
	if st, err := os.Stat(path); err == nil && st.Size() > maxLog {
		_ = os.Rename(path, path+".1")
	}
}

// newLog makes a log.
func newLog(out io.Writer, level logrus.Level, format string) *logrus.Entry {
	l := logrus.New()
	l.SetOutput(out)
	l.SetLevel(level)
	if format == "json" {
		l.SetFormatter(&logrus.JSONFormatter{TimestampFormat: time.RFC3339Nano})
	} else {
		l.SetFormatter(&logrus.TextFormatter{FullTimestamp: true, DisableColors: true, TimestampFormat: time.RFC3339})
	}
	return logrus.NewEntry(l)
}
