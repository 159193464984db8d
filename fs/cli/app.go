// Package cli is the command line of dropfs: its commands, their flags, output and exit codes (CLI.md).
//
// A command either does its work itself or asks the daemon that serves the disk it is about (package control). The daemon
// is this same program, started by mount (package daemon).
//
// Invariants:
//
//	L1: every failure is one line on standard error, "dropfs: what failed: why", perhaps followed by one that says what to do.
//	L2: an exit code has the meaning CLI.md gives it, whether the command or a daemon met the failure.
//	L3: standard output holds what was asked for and nothing else; with --json it is one JSON value.
//	L4: no key is taken from or put into an argument list, except where CLI.md has a flag for it.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"dropfs/convert/exec/sandbox"
	"dropfs/fs/cli/config"
	"dropfs/fs/cli/control"
	"dropfs/fs/cli/fail"
)

// App is one run of the program and what it runs in.
type App struct {
	Args []string // as os.Args
	In   io.Reader
	Out  io.Writer
	Err  io.Writer
	Env  config.Env
	// Programs has programs of this machine convert: the process must be one that hands sandbox.Arg on, as Main does.
	Programs bool
}

// System is the App of this process.
func System() App {
	env := func(name string) (string, bool) {
		v, ok := os.LookupEnv(name)
		if name == "HOME" && v == "" { // mount(8) under systemd has none
			if u, err := user.Current(); err == nil {
				return u.HomeDir, u.HomeDir != ""
			}
		}
		return v, ok
	}
	return App{Args: os.Args, In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Env: env}
}

// Main runs the command line and returns the exit code.
//
// The same binary is the child in which programs of this machine are run (sandbox.Arg).
func Main(a App) int {
	if len(a.Args) > 1 && a.Args[1] == sandbox.Arg {
		return sandbox.Child(a.Args[2:])
	}
	a.Programs = true
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return a.Run(ctx)
}

// Run runs the command line under ctx, which a signal ends, and returns the exit code.
func (a App) Run(ctx context.Context) int {
	root := a.Root() //nolint:contextcheck // cobra hands ctx to the commands
	root.SetArgs(a.arguments(root))
	err := root.ExecuteContext(ctx)
	if err == nil {
		return int(fail.Done)
	}
	var f *fail.Error
	if !errors.As(err, &f) { // what cobra itself refuses
		f = fail.New(fail.Usage, "usage", err.Error()).WithHint("see dropfs help")
	}
	if ctx.Err() != nil && errors.Is(f, context.Canceled) {
		f = fail.New(fail.Interrupted, f.What, "interrupted")
	}
	_, _ = fmt.Fprintf(a.Err, "dropfs: %s\n", f.Error())
	if f.Hint != "" {
		_, _ = fmt.Fprintf(a.Err, "%s\n", f.Hint)
	}
	return int(f.Code)
}

// Root is the tree of commands.
func (a App) Root() *cobra.Command {
	root := &cobra.Command{
		Use:           "dropfs",
		Short:         "mounts file-drop services as a disk, and is such a service itself",
		Long:          "dropfs mounts file-drop services as a disk. Without any configuration `dropfs mount DIR` gives a disk at once,\nkept by a hub inside the daemon; `dropfs login` adds an account elsewhere; `dropfs serve` is a hub for others.",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return fail.New(fail.Usage, c.Name(), err.Error()).WithHint("see " + c.CommandPath() + " --help")
	})
	root.PersistentFlags().String("config", "", "read the configuration from `FILE`")
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddGroup(&cobra.Group{ID: "disk", Title: "The disk:"}, &cobra.Group{ID: "accounts", Title: "Accounts and drops:"},
		&cobra.Group{ID: "hub", Title: "The hub:"}, &cobra.Group{ID: "keep", Title: "Housekeeping:"})
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add("disk", a.mountCommand(), a.unmountCommand(), a.statusCommand(), a.syncCommand(), a.pinCommand(true), a.pinCommand(false),
		a.shareCommand(), a.refreshCommand(), a.undeleteCommand(), a.convertCommand(), a.formatsCommand())
	add("accounts", a.loginCommand(), a.logoutCommand(), a.accountsCommand(), a.dropCommand(), a.secretCommand())
	add("hub", a.serveCommand(), a.keyCommand())
	add("keep", a.cacheCommand(), a.doctorCommand(), a.completionCommand(), a.versionCommand())
	root.AddCommand(a.manCommand())
	root.SetHelpCommandGroupID("keep")
	return root
}

// arguments returns the arguments behind the program's name; called as mount(8) calls its helpers, they become those of
// mount. mount.fuse3 runs the program itself with SOURCE MOUNTPOINT -o OPTIONS.
func (a App) arguments(root *cobra.Command) []string {
	args := a.Args[1:]
	helper := slices.Contains([]string{"mount.dropfs", "mount.fuse.dropfs", "mount.fuse3.dropfs"}, filepath.Base(a.Args[0]))
	if !helper && len(args) >= 2 && !strings.HasPrefix(args[0], "-") && slices.Contains(args, "-o") {
		c, _, err := root.Find(args[:1])
		helper = err != nil || c == root
	}
	if !helper {
		return args
	}
	out := []string{"mount", "--fstab"}
	for i := 0; i < len(args); i++ {
		switch arg := args[i]; {
		case arg == "-o" && i+1 < len(args):
			i++
			out = append(out, "-o", args[i])
		case arg == "-t" && i+1 < len(args):
			i++
		case strings.HasPrefix(arg, "-"): // -s, -f, -n, -v, -w and -r of mount(8)
			if strings.Contains(arg, "r") && !strings.HasPrefix(arg, "--") {
				out = append(out, "-o", "ro")
			}
		default:
			out = append(out, arg)
		}
	}
	return out
}

// run wraps the work of a command, so that every error it returns is a failure with the right code.
func run(what string, f func(c *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error { return fail.Of(what, f(c, args)) }
}

// args checks the number of arguments; most < 0 is without limit.
func args(least, most int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) < least || most >= 0 && len(args) > most {
			return fail.New(fail.Usage, c.Name(), "wrong number of arguments").WithHint("usage: " + c.UseLine())
		}
		return nil
	}
}

// groupOf makes a command that only has others below it: without one of them it is used wrongly.
func groupOf(use, short string, commands ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: cobra.ArbitraryArgs}
	c.RunE = func(c *cobra.Command, args []string) error {
		why := "a subcommand is missing"
		if len(args) > 0 {
			why = fmt.Sprintf("%q is not a subcommand", args[0])
		}
		return fail.New(fail.Usage, c.Name(), why).WithHint("see " + c.CommandPath() + " --help")
	}
	c.AddCommand(commands...)
	return c
}

// configPath tells where the configuration is and whether it must be there.
func (a App) configPath(c *cobra.Command, option string) (path string, must bool, err error) {
	if f := c.Flag("config"); f != nil && f.Changed {
		option = f.Value.String()
	}
	if option == "" {
		option = a.Env.Get("DROPFS_CONFIG")
	}
	if option != "" {
		path, err = filepath.Abs(option)
		return path, true, err
	}
	path, err = a.Env.DefaultPath()
	return path, false, err
}

// loadConfig reads the configuration. option is the file that -o config= names.
func (a App) loadConfig(c *cobra.Command, option string) (*config.File, error) {
	path, must, err := a.configPath(c, option)
	if err != nil {
		return nil, fail.As(fail.Config, "configuration", err)
	}
	f, err := config.Load(path, must)
	if err == nil {
		return f, nil
	}
	out := fail.As(fail.Config, "configuration", err)
	var mode *config.ModeError
	if errors.As(err, &mode) {
		out = out.WithHint("run: chmod 600 " + mode.Path)
	}
	return nil, out
}

// stateDir is the root of the state directories for commands that are no mount.
func (a App) stateDir(c *cobra.Command) (string, error) {
	if f := c.Flag("state-dir"); f != nil && f.Changed {
		return filepath.Abs(f.Value.String())
	}
	if f, err := a.loadConfig(c, ""); err == nil {
		if m, err := f.Resolve(a.Env.MountLayer()); err == nil && m.StateDir != "" {
			return m.StateDir, nil
		}
	}
	if dir := a.Env.Get("DROPFS_STATE_DIR"); dir != "" {
		return filepath.Abs(dir)
	}
	return a.Env.DefaultStateDir()
}

// daemons finds those of this state directory, and, where none is named, the others that were started from this home with
// one of their own; those of the state directory come first.
func (a App) daemons(c *cobra.Command) []*control.Client {
	dir, err := a.stateDir(c)
	if err != nil {
		return nil
	}
	def, _ := a.Env.DefaultStateDir()
	f := c.Flag("state-dir")
	named := f != nil && f.Changed
	var own, others []*control.Client
	for _, d := range control.Find(c.Context(), a.Env.RuntimeDir(), dir) {
		switch {
		case d.Info.StateDir == dir:
			own = append(own, d)
		case !named && def != "" && d.Info.Default == def:
			others = append(others, d)
		}
	}
	return append(own, others...)
}

// daemonOfMount finds the daemon that serves the mount point, wherever its state is.
func (a App) daemonOfMount(c *cobra.Command, mountpoint string) *control.Client {
	for _, d := range a.allDaemons(c) {
		if slices.ContainsFunc(d.Info.Mounts, func(m control.Mount) bool { return m.Mountpoint == mountpoint }) {
			return d
		}
	}
	return nil
}

// allDaemons finds every daemon of this user.
func (a App) allDaemons(c *cobra.Command) []*control.Client {
	dir, err := a.stateDir(c)
	if err != nil {
		dir = ""
	}
	return control.Find(c.Context(), a.Env.RuntimeDir(), dir)
}

// daemonOfPath finds the daemon on whose disk a path lies, and the absolute form of the path.
func (a App) daemonOfPath(c *cobra.Command, path string) (*control.Client, string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, "", err
	}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(abs)); err == nil {
		abs = filepath.Join(dir, filepath.Base(abs))
	}
	var best *control.Client
	longest := -1
	for _, d := range a.allDaemons(c) {
		for _, m := range d.Info.Mounts {
			if within(abs, m.Mountpoint) && len(m.Mountpoint) > longest {
				best, longest = d, len(m.Mountpoint)
			}
		}
	}
	if best == nil {
		return nil, abs, fail.New(fail.NotFound, path, "not on a disk of dropfs").WithHint("dropfs status shows what is mounted")
	}
	return best, abs, nil
}

// within tells whether path is dir or below it.
func within(path, dir string) bool {
	return path == dir || dir == "/" || strings.HasPrefix(path, dir+"/")
}
