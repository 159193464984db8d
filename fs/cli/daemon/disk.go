package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"dropfs/cache"
	"dropfs/fs/cli/config"
	"dropfs/fs/cli/control"
	"dropfs/fs/cli/engines"
	"dropfs/fs/cli/fail"
	"dropfs/fs/vfs"
)

// Config is what a daemon needs.
type Config struct {
	File     *config.File
	Keys     config.Keys
	Env      config.Env
	Options  config.Mount
	StateDir string   // the root; each account has a directory below it
	Sockets  []string // directories for the control socket, the first that can be used; none: no socket
	LogFile  string   // told in Info
	Programs bool     // programs of this machine convert (engines.Config)
	Log      *logrus.Entry
}

// Disk is a running daemon.
type Disk struct {
	cfg     Config
	log     *logrus.Entry
	feed    *vfs.Feed
	started time.Time

	calls  sync.WaitGroup  // that are being answered
	group  sync.WaitGroup  // of what the accounts and the status page do
	ctx    context.Context // of the replicas and the hub; ended by Close
	cancel context.CancelFunc
	idle   chan struct{} // closed when the last mount is gone
	ended  chan struct{} // closed when every lock is free

	mu       sync.Mutex
	accounts map[string]*account
	mounts   map[string]*mount // by mount point
	closing  bool              // takes no more mounts
	closed   bool              // takes no more calls
	conv     *conversions      // made at the first mount
	hub      *embedded
	socket   *http.Server
	http     string               // address of the status page
	hooks    map[string]*webhooks // by address
}

// New returns a daemon that holds nothing yet.
func New(cfg Config) *Disk {
	ctx, cancel := context.WithCancel(context.Background())
	return &Disk{
		cfg: cfg, log: cfg.Log, feed: &vfs.Feed{}, started: time.Now(),
		ctx: ctx, cancel: cancel, idle: make(chan struct{}), ended: make(chan struct{}),
		accounts: map[string]*account{}, mounts: map[string]*mount{}, hooks: map[string]*webhooks{},
	}
}

// account is one open account.
type account struct {
	name    string
	slot    uint16
	replica *cache.Replica
	service *service

	converts *engines.Service // guarded by Disk.mu; nil: none, or not asked for yet
	deaf     string           // guarded by Disk.mu; why its webhooks do not come in
}

// file is the configuration as it was last read.
func (d *Disk) file() *config.File {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.cfg.File
}

// HomeDrop is the drop that is the whole disk when nothing is configured.
const HomeDrop = "home"

// Resolve tells which accounts a source needs, and what the root of the tree is: "" is every configured account, or the
// embedded hub's home; else ACCOUNT or ACCOUNT/DROP.
func Resolve(file *config.File, source string) (accounts []string, root vfs.Root, err error) {
	name, drop := cutSource(source)
	switch {
	case source == "" && len(file.Accounts) == 0:
		return []string{config.LocalAccount}, vfs.Root{Account: config.LocalAccount, Drop: HomeDrop}, nil
	case source == "":
		for name := range file.Accounts {
			accounts = append(accounts, name)
		}
		slices.Sort(accounts)
		return accounts, vfs.Root{}, nil
	case name == config.LocalAccount:
	case file.Accounts[name].Service == "":
		return nil, root, fail.New(fail.NotFound, "account "+name, "not configured").WithHint("dropfs accounts lists them; dropfs login " + name + " adds it")
	}
	return []string{name}, vfs.Root{Account: name, Drop: drop}, nil
}

// cutSource takes ACCOUNT/DROP apart; the drop's name may hold a slash nowhere else.
func cutSource(source string) (account, drop string) {
	for i := range source {
		if source[i] == '/' {
			return source[:i], source[i+1:]
		}
	}
	return source, ""
}

// Ensure opens the accounts that are not open yet and starts what each does by itself.
func (d *Disk) Ensure(ctx context.Context, names []string) error {
	for _, name := range names {
		d.mu.Lock()
		have, closing := d.accounts[name] != nil, d.closing
		d.mu.Unlock()
		if closing {
			return errClosing
		}
		if have {
			continue
		}
		a, err := d.openAccount(ctx, name)
		if err != nil {
			return err
		}
		d.mu.Lock()
		d.accounts[name] = a
		d.mu.Unlock()
		d.group.Go(func() {
			if err := a.replica.Run(d.ctx); err != nil && !errors.Is(err, context.Canceled) {
				d.log.WithError(err).WithField("op", "run "+name).Error("the account stopped working")
			}
		})
	}
	return nil
}

// errClosing is a daemon that takes nothing new.
var errClosing = errors.New("the daemon is ending")

// openAccount opens one account: its service, its lock, its replica.
func (d *Disk) openAccount(ctx context.Context, name string) (*account, error) {
	what := "account " + name
	slot, err := slotOf(d.cfg.StateDir, name)
	if err != nil {
		return nil, stateFailure(what, err)
	}
	if name == config.LocalAccount {
		if err := d.openHub(ctx); err != nil {
			f := fail.As(fail.Mount, "embedded hub", err)
			if errors.Is(err, errHubInUse) {
				f = f.WithHint(HubLockedHint)
			}
			return nil, f
		}
	}
	svc, err := d.openService(name)
	if err != nil {
		return nil, fail.As(fail.Config, what, err)
	}
	if name == config.LocalAccount && !d.cfg.Options.ReadOnly {
		if err := ensureHome(ctx, svc); err != nil {
			svc.close()
			return nil, fail.Of("embedded hub", err)
		}
	}
	conf := d.file().Accounts[name]
	o := d.cfg.Options
	r, err := cache.Open(ctx, cache.Config{
		Account: name, Dir: filepath.Join(d.cfg.StateDir, name), Service: svc,
		MaxBytes: o.CacheSize, WriteDelay: o.WriteDelay, Poll: o.Poll, UndeleteWindow: o.UndeleteWindow,
		RemoteDurable: o.RemoteDurable, ReadOnly: o.ReadOnly,
		DropGB: conf.GB, DropDays: conf.Days, Drops: dropIDs(conf),
		UID: uint32(os.Getuid()), GID: uint32(os.Getgid()),
		Classify: vfs.Classify, Log: d.log.WithField("account", name),
	})
	if err != nil {
		svc.close()
		return nil, stateFailure(what, err)
	}
	return &account{name: name, slot: slot, replica: r, service: svc}, nil
}

// What to do about a state directory, and about the data of the embedded hub, in use. A daemon that ends frees the second
// a moment after the first.
const (
	LockedHint    = "unmount there first, or give this one another --state-dir"
	HubLockedHint = "unmount there first: one daemon serves the embedded hub"
)

// stateFailure makes a failure of a state directory that cannot be used.
func stateFailure(what string, err error) error {
	f := fail.As(fail.Mount, what, err)
	if f.Hint != "" {
		return f
	}
	switch {
	case errors.As(err, new(*cache.LockedError)):
		f = f.WithHint(LockedHint)
	case errors.Is(err, os.ErrPermission):
		f = f.WithHint("the state directory must be writable for you; --state-dir names another")
	case isNoRoom(err):
		f = f.WithHint("the state directory needs a disk with room that is not read-only; --state-dir names another")
	}
	return f
}

// Run serves the control socket and the status page, and returns when the last mount is gone or ctx has ended; then it
// has unmounted what was left. Close must follow.
func (d *Disk) Run(ctx context.Context) error {
	select {
	case <-ctx.Done():
		d.log.Info("ending on request")
		return d.unmountAll()
	case <-d.idle:
		return nil
	}
}

// lastWords bounds how long Close waits for answers that are on their way.
const lastWords = 2 * time.Second

// Close waits for the calls under way, stops the accounts and frees their locks, then ends the control socket (D2).
func (d *Disk) Close() error {
	d.mu.Lock()
	d.closing, d.closed = true, true
	hub, socket := d.hub, d.socket
	d.mu.Unlock()
	d.calls.Wait()
	errs := []error{d.closeConversions()}
	d.cancel()
	d.group.Wait()
	for _, a := range d.snapshot() {
		if err := a.replica.Close(); err != nil {
			errs = append(errs, fmt.Errorf("close account %s: %w", a.name, err))
		}
		a.service.close()
		if a.converts != nil {
			a.converts.Close()
		}
	}
	if hub != nil {
		errs = append(errs, hub.close())
	}
	close(d.ended)
	if socket != nil {
		ctx, cancel := context.WithTimeout(context.Background(), lastWords)
		defer cancel()
		if socket.Shutdown(ctx) != nil {
			errs = append(errs, socket.Close())
		}
	}
	return errors.Join(errs...)
}

// Unsent tells what the accounts have not sent.
func (d *Disk) Unsent() (ops int, bytes int64) {
	for _, a := range d.snapshot() {
		n, b := a.replica.Unsent()
		ops, bytes = ops+n, bytes+b
	}
	return ops, bytes
}

// snapshot lists the accounts by name.
func (d *Disk) snapshot() []*account {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := make([]*account, 0, len(d.accounts))
	for _, a := range d.accounts {
		list = append(list, a)
	}
	slices.SortFunc(list, func(a, b *account) int {
		if a.name < b.name {
			return -1
		}
		return 1
	})
	return list
}

// Info tells what the daemon is.
func (d *Disk) Info() control.Info {
	i := control.Info{
		PID: os.Getpid(), Version: Version, StateDir: d.cfg.StateDir, LogFile: d.cfg.LogFile, Started: d.started,
		Accounts: []string{}, Mounts: []control.Mount{},
	}
	for _, a := range d.snapshot() {
		i.Accounts = append(i.Accounts, a.name)
	}
	i.Default, _ = d.cfg.Env.DefaultStateDir()
	d.mu.Lock()
	defer d.mu.Unlock()
	i.HTTP = d.http
	for _, m := range d.mounts {
		if m.server != nil {
			i.Mounts = append(i.Mounts, m.Mount)
		}
	}
	slices.SortFunc(i.Mounts, func(a, b control.Mount) int { return a.Since.Compare(b.Since) })
	return i
}
