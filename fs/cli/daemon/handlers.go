package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"dropfs/cache"
	"dropfs/fs/cli/config"
	"dropfs/fs/cli/control"
	"dropfs/fs/cli/fail"
	"dropfs/fs/platform"
	"dropfs/remote"
)

// Handlers are the calls of the control socket. A command that found no daemon runs them in its own process.
func (d *Disk) Handlers() map[string]control.Handler {
	handlers := map[string]control.Handler{
		control.CallInfo:     func(context.Context, control.Call) (any, error) { return d.Info(), nil },
		control.CallStatus:   func(ctx context.Context, _ control.Call) (any, error) { return d.Status(ctx), nil },
		control.CallMount:    d.handleMount,
		control.CallUnmount:  d.handleUnmount,
		control.CallSync:     d.settled(d.handleSync),
		control.CallPin:      d.handlePin,
		control.CallShare:    d.handleShare,
		control.CallRefresh:  d.settled(d.handleRefresh),
		control.CallDeleted:  d.handleDeleted,
		control.CallUndelete: d.settled(d.handleUndelete),
		control.CallVerify:   d.handleVerify,
		control.CallPrune:    d.handlePrune,
		control.CallDrop:     d.settled(d.handleDrop),
	}
	for name, h := range handlers {
		handlers[name] = func(ctx context.Context, c control.Call) (any, error) { return d.call(ctx, c, h) }
	}
	handlers[control.CallWait] = func(ctx context.Context, _ control.Call) (any, error) {
		select {
		case <-ctx.Done():
		case <-d.ended:
		}
		return struct{}{}, nil
	}
	return handlers
}

// settleWait bounds what a command waits for the kernel, which may wait for somebody's request.
const settleWait = 2 * time.Second

// settled is a handler that answers when the mounts show what it did.
func (d *Disk) settled(h control.Handler) control.Handler {
	return func(ctx context.Context, c control.Call) (any, error) {
		out, err := h(ctx, c)
		ctx, cancel := context.WithTimeout(ctx, settleWait)
		defer cancel()
		for _, s := range d.servers() {
			s.Settle(ctx)
		}
		return out, err
	}
}

// call runs a handler, for which Close waits. A daemon that is being closed takes none.
func (d *Disk) call(ctx context.Context, c control.Call, h control.Handler) (any, error) {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return nil, errClosing
	}
	d.calls.Add(1)
	d.mu.Unlock()
	defer d.calls.Done()
	return h(ctx, c)
}

// handleMount adds a mount point; accounts may have been configured since the daemon began.
func (d *Disk) handleMount(ctx context.Context, c control.Call) (any, error) {
	var r control.MountRequest
	if err := c.Decode(&r); err != nil {
		return nil, err
	}
	file, err := config.Load(d.file().Path, false)
	if err != nil {
		return nil, fail.As(fail.Config, "configuration", err)
	}
	d.mu.Lock()
	d.cfg.File = file
	d.mu.Unlock()
	if err := d.Mount(ctx, r); err != nil {
		return nil, err
	}
	return struct{}{}, nil
}

// handleUnmount takes a disk away and tells what is left to send.
func (d *Disk) handleUnmount(ctx context.Context, c control.Call) (any, error) {
	var r control.UnmountRequest
	if err := c.Decode(&r); err != nil {
		return nil, err
	}
	d.mu.Lock()
	m := d.mounts[r.Mountpoint]
	last := len(d.mounts) == 1
	d.mu.Unlock()
	if m == nil || m.server == nil {
		return nil, fail.New(fail.NotFound, "unmount "+r.Mountpoint, "not mounted by this daemon")
	}
	until := time.Now().Add(r.Timeout)
	if err := d.send(ctx, m, r, until, c.Progress); err != nil {
		return nil, err
	}
	if err := d.detach(m, r.Lazy); err != nil {
		return nil, err
	}
	// What was open until now has been released only by that.
	if err := d.send(ctx, m, r, until, c.Progress); err != nil {
		return nil, err
	}
	out := control.UnmountResult{Last: last}
	for _, p := range d.places(m) {
		n, b := p.acc.replica.Unsent()
		out.Unsent, out.UnsentBytes = out.Unsent+n, out.UnsentBytes+b
	}
	d.log.WithField("path", r.Mountpoint).WithField("len", out.Unsent).Info("unmounted")
	return out, nil
}

// send sends what a disk has unsent, where that is asked for. What cannot be sent stays, and is counted by who asks.
func (d *Disk) send(ctx context.Context, m *mount, r control.UnmountRequest, until time.Time, progress func(control.Progress)) error {
	if !r.Send {
		return nil
	}
	limit := time.Duration(0)
	if r.Timeout > 0 {
		limit = max(time.Millisecond, time.Until(until))
	}
	if err := d.sync(ctx, d.places(m), limit, progress); err != nil && ctx.Err() != nil {
		return fmt.Errorf("unmount %s: %w", r.Mountpoint, ctx.Err())
	}
	return nil
}

// detach unmounts, and names who is in the way.
func (d *Disk) detach(m *mount, lazy bool) error {
	err := m.server.Unmount(lazy)
	if !errors.Is(err, platform.ErrBusy) {
		return err
	}
	return BusyFailure(m.Mountpoint)
}

// BusyFailure names the processes that hold a mount.
func BusyFailure(mountpoint string) error {
	why := "in use"
	users, err := platform.Users(mountpoint)
	if err == nil && len(users) > 0 {
		names := make([]string, 0, len(users))
		for i, u := range users {
			if i == 10 {
				names = append(names, "…")
				break
			}
			names = append(names, u.String())
		}
		why = "in use by " + strings.Join(names, ", ")
	}
	return fail.New(fail.Failed, "unmount "+mountpoint, why).WithHint("end them, or detach it: dropfs unmount --lazy " + mountpoint)
}

// places are the roots of what a mount shows.
func (d *Disk) places(m *mount) []place {
	var out []place
	for _, a := range d.snapshot() {
		for _, name := range m.accounts {
			if a.name == name {
				out = append(out, place{a, m.root.Drop})
			}
		}
	}
	return out
}

// handleSync sends everything below the paths.
func (d *Disk) handleSync(ctx context.Context, c control.Call) (any, error) {
	var r control.SyncRequest
	if err := c.Decode(&r); err != nil {
		return nil, err
	}
	var places []place
	for _, p := range r.Paths {
		more, err := d.locate(p)
		if err != nil {
			return nil, err
		}
		places = append(places, more...)
	}
	if len(r.Paths) == 0 {
		for _, a := range d.snapshot() {
			places = append(places, place{a, ""})
		}
	}
	return struct{}{}, d.sync(ctx, places, r.Timeout, c.Progress)
}

// progressEvery is how often a long call tells how far it is.
const progressEvery = 200 * time.Millisecond

// errTimeout is a sync that was cut short.
var errTimeout = errors.New("time is up")

// sync sends everything below the places. A timeout of 0 is none; then a service that cannot be reached ends it.
func (d *Disk) sync(ctx context.Context, places []place, timeout time.Duration, progress func(control.Progress)) error {
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, timeout, errTimeout)
		defer cancel()
	}
	done, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		watchSync(places, done, progress)
	}()
	var errs []error
	for _, p := range places {
		var inos []cache.Ino
		if p.path != "" {
			ino, err := p.ino(ctx)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			inos = []cache.Ino{ino}
		}
		errs = append(errs, p.acc.replica.Sync(ctx, inos))
	}
	close(done)
	<-watched
	return d.syncFailure(context.Cause(ctx), errors.Join(errs...), places)
}

// watchSync tells progress until done.
func watchSync(places []place, done <-chan struct{}, progress func(control.Progress)) {
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	var most int64
	for {
		select {
		case <-done:
			return
		case <-tick.C:
		}
		var left int64
		files := 0
		for _, p := range places {
			st := p.acc.replica.Status()
			left, files = left+st.UnsentBytes, files+st.UnsentFiles
			for _, t := range st.Transfers {
				if t.Up {
					left -= t.Done
				}
			}
		}
		most = max(most, left)
		progress(control.Progress{Text: fmt.Sprintf("sending %d", files), Done: most - left, Total: most, Files: files})
	}
}

// syncFailure makes one failure of how a sync ended.
func (d *Disk) syncFailure(cause, err error, places []place) error {
	var refused *cache.SyncError
	seen, ops := map[string]bool{}, 0
	for _, p := range places {
		if !seen[p.acc.name] {
			n, _ := p.acc.replica.Unsent()
			seen[p.acc.name], ops = true, ops+n
		}
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(cause, errTimeout):
		return fail.New(fail.Unsent, "sync", fmt.Sprintf("time is up with %d unsent", ops)).WithHint("they are kept and sent later; dropfs status shows them")
	case errors.As(err, &refused):
		names := make([]string, 0, len(refused.Ops))
		for _, op := range refused.Ops {
			names = append(names, op.Path+" ("+op.Err+")")
		}
		return fail.New(fail.Failed, "sync", "refused by the service: "+strings.Join(names, ", "))
	case errors.Is(err, cache.ErrOffline):
		return fail.New(fail.Unreachable, "sync", fmt.Sprintf("the service cannot be reached, %d unsent", ops)).WithHint("they are kept and sent when it is back; --timeout waits for it")
	default:
		return fail.Of("sync", err)
	}
}

// handlePin keeps what is below the paths here, or lets it go.
func (d *Disk) handlePin(ctx context.Context, c control.Call) (any, error) {
	return d.each(ctx, c, func(p place, ino cache.Ino, r control.PathsRequest) error {
		return p.acc.replica.Pin(ctx, ino, r.On)
	})
}

// handleRefresh lists again what is below the paths.
func (d *Disk) handleRefresh(ctx context.Context, c control.Call) (any, error) {
	return d.each(ctx, c, func(p place, ino cache.Ino, _ control.PathsRequest) error {
		return p.acc.replica.Refresh(ctx, ino)
	})
}

// each does something with every place of a request.
func (d *Disk) each(ctx context.Context, c control.Call, do func(place, cache.Ino, control.PathsRequest) error) (any, error) {
	var r control.PathsRequest
	if err := c.Decode(&r); err != nil {
		return nil, err
	}
	for _, path := range r.Paths {
		places, err := d.locate(path)
		if err != nil {
			return nil, err
		}
		for _, p := range places {
			ino, err := p.ino(ctx)
			if err != nil {
				return nil, fail.Of(path, err)
			}
			if err := do(p, ino, r); err != nil {
				return nil, fail.Of(path, err)
			}
		}
	}
	return struct{}{}, nil
}

// handleShare makes a public link.
func (d *Disk) handleShare(ctx context.Context, c control.Call) (any, error) {
	var out control.ShareResult
	_, err := d.each(ctx, c, func(p place, ino cache.Ino, r control.PathsRequest) (err error) {
		out.URL, err = p.acc.replica.Share(ctx, ino, r.Public)
		if errors.Is(err, remote.ErrDenied) && !r.Public {
			return fail.As(fail.Failed, "share", err).WithHint("this service links only what anybody may read: --public allows it for this file")
		}
		return err
	})
	return out, err
}

// handleDeleted lists what can be brought back.
func (d *Disk) handleDeleted(context.Context, control.Call) (any, error) {
	out := control.DeletedResult{Deleted: []cache.Deleted{}}
	for _, a := range d.snapshot() {
		for _, del := range a.replica.Deleted() {
			del.Path = d.shown(a.name, del.Path)
			out.Deleted = append(out.Deleted, del)
		}
	}
	return out, nil
}

// handleUndelete brings deleted files back.
func (d *Disk) handleUndelete(ctx context.Context, c control.Call) (any, error) {
	var r control.PathsRequest
	if err := c.Decode(&r); err != nil {
		return nil, err
	}
	for _, path := range r.Paths {
		places, err := d.locate(path)
		if err != nil {
			return nil, err
		}
		for _, p := range places {
			if err := p.acc.replica.Undelete(ctx, p.path); err != nil {
				return nil, fail.Of("undelete "+path, err)
			}
		}
	}
	return struct{}{}, nil
}

// handleVerify reads every content file and tells which are damaged.
func (d *Disk) handleVerify(ctx context.Context, c control.Call) (any, error) {
	out := control.VerifyResult{Bad: []string{}}
	for _, a := range d.snapshot() {
		bad, err := a.replica.CacheVerify(ctx, func(done, total int) {
			c.Progress(control.Progress{Text: "reading", Done: int64(done), Total: int64(total)})
		})
		if err != nil {
			return nil, fail.Of("cache verify", err)
		}
		for _, path := range bad {
			out.Bad = append(out.Bad, d.shown(a.name, path))
		}
	}
	return out, nil
}

// handlePrune lets clean content go.
func (d *Disk) handlePrune(ctx context.Context, c control.Call) (any, error) {
	var r control.AccountRequest
	if err := c.Decode(&r); err != nil {
		return nil, err
	}
	for _, a := range d.snapshot() {
		if r.Account != "" && r.Account != a.name {
			continue
		}
		if err := a.replica.CachePrune(ctx, r.Bytes); err != nil {
			return nil, fail.Of("cache prune", err)
		}
	}
	return struct{}{}, nil
}

// handleDrop makes, changes, lists or forgets drops.
func (d *Disk) handleDrop(ctx context.Context, c control.Call) (any, error) {
	var r control.DropRequest
	if err := c.Decode(&r); err != nil {
		return nil, err
	}
	out := control.DropResult{Drops: []cache.DropStatus{}}
	what := strings.TrimSpace("drop " + r.Do + " " + r.Name)
	for _, a := range d.snapshot() {
		if r.Account != "" && r.Account != a.name {
			continue
		}
		if err := dropChange(ctx, a.replica, r); err != nil {
			return nil, fail.Of(what, err)
		}
		for _, s := range a.replica.Drops(ctx) {
			if r.Name == "" || s.Name == r.Name {
				s.Account = a.name
				out.Drops = append(out.Drops, s)
			}
		}
	}
	return out, nil
}

// listWait bounds how long a list of drops waits for the service; without it what is known is shown.
const listWait = 5 * time.Second

// dropChange does what a request asks of one account.
func dropChange(ctx context.Context, r *cache.Replica, q control.DropRequest) error {
	switch q.Do {
	case "list":
		ctx, cancel := context.WithTimeout(ctx, listWait)
		defer cancel()
		if err := r.Refresh(ctx, cache.RootIno); remote.KindOf(err) == remote.ErrCredentials {
			return err
		}
		return nil
	case "create":
		return createDrop(ctx, r, q)
	case "extend":
		return r.ExtendDrop(ctx, q.Name, q.GB, q.Days)
	case "add":
		return r.AddDrop(ctx, q.Name, remote.DropID(q.ID))
	case "forget":
		return r.ForgetDrop(ctx, q.Name)
	case "delete":
		return r.DeleteDrop(ctx, q.Name)
	default:
		return fail.New(fail.Usage, "drop", fmt.Sprintf("%q is not known", q.Do))
	}
}

// createDrop makes a drop and waits until the service has it. One that it refuses is not kept; while it cannot be reached
// the drop is there and made later.
func createDrop(ctx context.Context, r *cache.Replica, q control.DropRequest) error {
	a, err := r.CreateDrop(ctx, q.Name, remote.DropSpec{Name: q.Name, GB: q.GB, Days: q.Days})
	if err != nil {
		return err
	}
	err = r.Sync(ctx, []cache.Ino{a.Ino})
	var refused *cache.SyncError
	switch {
	case errors.As(err, &refused) && len(refused.Ops) > 0:
		why := fail.New(fail.Failed, "drop create "+q.Name, refused.Ops[0].Err)
		if err := r.Rmdir(ctx, cache.RootIno, q.Name); err != nil {
			return errors.Join(why, err)
		}
		return why
	case errors.Is(err, cache.ErrOffline):
		return nil
	}
	return err
}

// statePath is the state directory of an account.
func (d *Disk) statePath(account string) string { return filepath.Join(d.cfg.StateDir, account) }

// HasState tells whether an account was ever used here.
func HasState(stateDir, account string) bool {
	_, err := os.Stat(filepath.Join(stateDir, account, "index.db"))
	return err == nil
}
