package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"dropfs/fs/cli/config"
	"dropfs/fs/cli/control"
	"dropfs/fs/cli/daemon"
	"dropfs/fs/cli/fail"
	"dropfs/fs/platform"
)

// unmountCommand takes a disk away.
func (a App) unmountCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "unmount MOUNTPOINT", Aliases: []string{"umount"}, Short: "unmounts, and tells what is unsent", Args: args(1, 1),
		Long: "Unmounts in any case and returns when the daemon has ended. What is unsent is kept and goes on at the next mount;\nthe exit code is 8 then. --wait sends it first.",
	}
	wait := c.Flags().String("wait", "", "send what is unsent first, for at most `DUR`")
	c.Flags().Lookup("wait").NoOptDefVal = "forever"
	lazy := c.Flags().Bool("lazy", false, "detach the disk even while it is in use")
	asJSON := c.Flags().Bool("json", false, "print JSON")
	stateDirFlag(c)
	c.RunE = run("unmount", func(c *cobra.Command, args []string) error {
		req := control.UnmountRequest{Lazy: *lazy, Send: c.Flags().Changed("wait")}
		var err error
		if req.Send && *wait != "forever" {
			if req.Timeout, err = config.ParseDuration(*wait); err != nil {
				return fail.As(fail.Usage, "unmount", err)
			}
		}
		if req.Mountpoint, err = mountpointPath(args[0]); err != nil {
			return err
		}
		return a.unmount(c, req, *asJSON)
	})
	return c
}

// stateDirFlag adds the flag that names the state directory to a command that is no mount.
func stateDirFlag(c *cobra.Command) {
	c.Flags().String("state-dir", "", "the state is below `DIR`")
}

// unmount takes a disk away: through its daemon, and without one by itself.
func (a App) unmount(c *cobra.Command, req control.UnmountRequest, asJSON bool) error {
	d := a.daemonOfMount(c, req.Mountpoint)
	if d == nil {
		return a.unmountDead(req)
	}
	// Waiting begins before the end, so that it cannot be missed.
	ctx, cancel := context.WithCancel(c.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- d.WaitEnd(ctx) }()
	show, stop := a.progress("sending")
	var res control.UnmountResult
	err := d.Call(ctx, control.CallUnmount, req, show, &res)
	stop()
	if errors.Is(err, control.ErrEnded) {
		return fail.New(fail.Failed, "unmount "+req.Mountpoint, "the daemon ended before it answered").WithHint("dropfs status, or dropfs doctor, tells more")
	}
	if err != nil {
		return err
	}
	if res.Last && !req.Lazy {
		if err := <-ended; err != nil {
			return err
		}
	}
	if asJSON {
		if err := a.json(res); err != nil {
			return err
		}
	}
	if res.Unsent > 0 {
		return fail.New(fail.Unsent, "unmount "+req.Mountpoint, fmt.Sprintf("%d unsent (%s)", res.Unsent, bytesText(res.UnsentBytes))).
			WithHint("they are kept and go on at the next mount; --wait sends them first")
	}
	return nil
}

// unmountDead takes a mount away whose daemon does not answer.
func (a App) unmountDead(req control.UnmountRequest) error {
	what := "unmount " + req.Mountpoint
	m, err := platform.MountAt(req.Mountpoint)
	switch {
	case errors.Is(err, platform.ErrNotMount):
		return fail.New(fail.NotFound, what, "nothing is mounted there").WithHint("dropfs status shows what is")
	case err != nil:
		return fail.As(fail.Failed, what, err)
	case m.Type != "fuse.dropfs" && m.Source != "dropfs":
		return fail.New(fail.NotFound, what, "that is no disk of dropfs but "+m.Type)
	}
	err = platform.Unmount(req.Mountpoint, req.Lazy)
	if errors.Is(err, platform.ErrBusy) {
		if users, uerr := platform.Users(req.Mountpoint); uerr == nil && len(users) > 0 && !req.Lazy {
			return daemon.BusyFailure(req.Mountpoint)
		}
		err = platform.Unmount(req.Mountpoint, true)
	}
	if err != nil {
		return fail.As(fail.Failed, what, err)
	}
	a.note("dropfs: the daemon of %s was not there any more; what is unsent goes on at the next mount", req.Mountpoint)
	return nil
}

// syncCommand sends everything.
func (a App) syncCommand() *cobra.Command {
	c := &cobra.Command{Use: "sync [PATH…]", Short: "returns when everything below PATH is on the service", Args: args(0, -1)}
	timeout := c.Flags().String("timeout", "", "give up after `DUR`, with exit code 8; waits through an outage")
	stateDirFlag(c)
	c.RunE = run("sync", func(c *cobra.Command, args []string) error {
		var limit time.Duration
		var err error
		if *timeout != "" {
			if limit, err = config.ParseDuration(*timeout); err != nil {
				return fail.As(fail.Usage, "sync", err)
			}
		}
		return a.sync(c, args, limit)
	})
	return c
}

// sync asks each daemon that is concerned.
func (a App) sync(c *cobra.Command, paths []string, limit time.Duration) error {
	type job struct {
		d   *control.Client
		req control.SyncRequest
	}
	jobs := map[string]*job{}
	for _, p := range paths {
		d, abs, err := a.daemonOfPath(c, p)
		if err != nil {
			return err
		}
		if jobs[d.Socket] == nil {
			jobs[d.Socket] = &job{d: d}
		}
		jobs[d.Socket].req.Paths = append(jobs[d.Socket].req.Paths, abs)
	}
	if len(paths) == 0 {
		for _, d := range a.daemons(c) {
			jobs[d.Socket] = &job{d: d}
		}
	}
	if len(jobs) == 0 {
		return a.syncUnmounted(c, limit)
	}
	show, stop := a.progress("sending")
	defer stop()
	began := time.Now()
	for _, j := range jobs {
		if limit > 0 {
			j.req.Timeout = max(time.Millisecond, limit-time.Since(began))
		}
		if err := j.d.Call(c.Context(), control.CallSync, j.req, show, nil); err != nil {
			return err
		}
	}
	return nil
}

// syncUnmounted sends what accounts hold that nobody has mounted.
func (a App) syncUnmounted(c *cobra.Command, limit time.Duration) error {
	show, stop := a.progress("sending")
	defer stop()
	return a.withAccount(c, "", true, func(call caller) error {
		return call(control.CallSync, control.SyncRequest{Timeout: limit}, show, nil)
	})
}
