package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"dropfs/cache"
	"dropfs/fs"
	"dropfs/fs/cli/control"
	"dropfs/fs/cli/fail"
	"dropfs/fs/platform"
	"dropfs/fs/vfs"
	"dropfs/remote"
)

// mount is one mounted disk.
type mount struct {
	control.Mount
	root     vfs.Root
	accounts []string
	fs       *vfs.FS
	server   *fs.Server // nil while it is being mounted
}

// firstLook bounds what a mount of a single drop waits for the service.
const firstLook = 20 * time.Second

// Mount opens the accounts that the source needs and mounts them.
func (d *Disk) Mount(ctx context.Context, r control.MountRequest) error {
	what := "mount " + r.Mountpoint
	if err := CheckMountpoint(r.Mountpoint); err != nil {
		return err
	}
	names, root, err := Resolve(d.file(), r.Source)
	if err != nil {
		return err
	}
	if err := d.Ensure(ctx, names); err != nil {
		return err
	}
	m := &mount{
		Mount: control.Mount{Mountpoint: r.Mountpoint, Source: r.Source, ReadOnly: r.ReadOnly || d.cfg.Options.ReadOnly, Since: time.Now()},
		root:  root, accounts: names,
	}
	if err := d.reserve(m); err != nil {
		return err
	}
	if err := d.attach(ctx, m, r.AllowOther); err != nil {
		d.release(m)
		return mountFailure(what, err)
	}
	go func() {
		if err := m.server.Wait(); err != nil {
			d.log.WithError(err).WithField("path", r.Mountpoint).Error("handles could not be released")
		}
		d.release(m)
	}()
	d.log.WithField("path", r.Mountpoint).Info("mounted")
	return nil
}

// attach makes the tree and mounts it.
func (d *Disk) attach(ctx context.Context, m *mount, allowOther bool) error {
	c := vfs.Config{Root: m.root, ReadOnly: m.ReadOnly, Feed: d.feed, Convert: d.openConversions(), Log: d.log}
	for _, a := range d.snapshot() {
		for _, name := range m.accounts {
			if a.name == name {
				c.Accounts = append(c.Accounts, d.shownAccount(a))
			}
		}
	}
	look, cancel := context.WithTimeout(ctx, firstLook)
	defer cancel()
	tree, err := vfs.New(look, c)
	if err != nil {
		return err
	}
	server, err := fs.Mount(ctx, fs.Config{
		VFS: tree, Mountpoint: m.Mountpoint, AllowOther: allowOther, ReadOnly: m.ReadOnly,
		Source: m.Source, FlushOnClose: d.cfg.Options.RemoteDurable, Log: d.log,
	})
	if err != nil {
		return errors.Join(err, tree.Close())
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	m.fs, m.server = tree, server
	return nil
}

// reserve takes the mount point (D1).
func (d *Disk) reserve(m *mount) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closing {
		return errClosing
	}
	if d.mounts[m.Mountpoint] != nil {
		return fail.New(fail.Mount, "mount "+m.Mountpoint, "already mounted there")
	}
	d.mounts[m.Mountpoint] = m
	return nil
}

// release forgets a mount; with the last one the daemon ends.
func (d *Disk) release(m *mount) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.mounts[m.Mountpoint] == m {
		delete(d.mounts, m.Mountpoint)
	}
	if len(d.mounts) == 0 && !d.closing {
		d.closing = true
		close(d.idle)
	}
}

// servers are the mounts that serve.
func (d *Disk) servers() []*fs.Server {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []*fs.Server
	for _, m := range d.mounts {
		if m.server != nil {
			out = append(out, m.server)
		}
	}
	return out
}

// unmountAll takes every mount away, detaching those in use, and waits for those that are not.
func (d *Disk) unmountAll() error {
	d.mu.Lock()
	d.closing = true
	d.mu.Unlock()
	var errs []error
	for _, s := range d.servers() {
		err := s.Unmount(false)
		if errors.Is(err, platform.ErrBusy) {
			d.log.WithField("path", s.Mountpoint()).Warn("in use while the daemon ends: detached")
			err = s.Unmount(true)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// CheckMountpoint tells why a path cannot be mounted on.
func CheckMountpoint(path string) error {
	what := "mount " + path
	mounts, err := platform.Mounts()
	if err != nil {
		return fail.As(fail.Mount, what, err)
	}
	for _, m := range mounts {
		if m.Path != path {
			continue
		}
		if m.Type == "fuse.dropfs" {
			return fail.New(fail.Mount, what, "already mounted there").WithHint("dropfs unmount " + path + " takes it away")
		}
		break // another file system there is a directory like any
	}
	st, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fail.New(fail.Mount, what, "there is no such directory").WithHint("make it: mkdir -p " + path)
	case err != nil:
		return fail.New(fail.Mount, what, reason(err))
	case !st.IsDir():
		return fail.New(fail.Mount, what, "not a directory")
	}
	entries, err := readSome(path)
	switch {
	case err != nil:
		return fail.New(fail.Mount, what, reason(err))
	case len(entries) > 0:
		return fail.New(fail.Mount, what, "the directory is not empty").WithHint("what is in it would be hidden: mount on an empty directory")
	}
	return nil
}

// readSome returns a name of a directory, if it has one.
func readSome(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	names, err := f.Readdirnames(1)
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	return names, err
}

// reason is an error without the operation and path that the message names already.
func reason(err error) string {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}

// CheckFUSE tells what is missing for a mount by this process.
func CheckFUSE() error {
	if err := platform.CheckDevice(); err != nil {
		return mountFailure("mount", err)
	}
	if !platform.Privileged() {
		if _, err := platform.Helper(); err != nil {
			return mountFailure("mount", err)
		}
	}
	return nil
}

// mountFailure makes a failure of a mount that did not come about, with what to do.
func mountFailure(what string, err error) error {
	f := fail.As(fail.Mount, what, err)
	if f.Hint != "" {
		return f
	}
	f.Why = strings.TrimPrefix(f.Why, what+": ")
	switch {
	case errors.Is(err, platform.ErrNoDevice), errors.Is(err, platform.ErrNoHelper):
		// The platform's own words end with what to do, in brackets.
		if head, tail, ok := strings.Cut(f.Why, " ("); ok {
			f.Why, f.Hint = head, strings.TrimSuffix(tail, ")")
		}
	case errors.Is(err, cache.ErrNotExist), errors.Is(err, remote.ErrNotFound):
		f.Code = fail.NotFound
		f.Hint = "dropfs drop list shows the drops there are"
	case errors.Is(err, context.DeadlineExceeded), fail.CodeOf(err) == fail.Unreachable:
		f.Code = fail.Unreachable
		f.Hint = "a drop that was never listed here needs its service once"
	case errors.Is(err, remote.ErrCredentials):
		f.Code = fail.Credentials
	case strings.Contains(err.Error(), "user_allow_other"):
		f.Hint = "put the line user_allow_other into /etc/fuse.conf, or leave --allow-other out"
	}
	return f
}

// find returns the mount that an absolute path lies on, the longest first, and the path below it.
func (d *Disk) find(path string) (*mount, string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var best *mount
	for _, m := range d.mounts {
		if m.server != nil && (path == m.Mountpoint || strings.HasPrefix(path, strings.TrimSuffix(m.Mountpoint, "/")+"/")) &&
			(best == nil || len(m.Mountpoint) > len(best.Mountpoint)) {
			best = m
		}
	}
	if best == nil {
		return nil, "", fail.New(fail.NotFound, path, "not on a disk of this daemon")
	}
	rel, err := filepath.Rel(best.Mountpoint, path)
	if err != nil {
		return nil, "", err
	}
	if rel == "." {
		rel = ""
	}
	return best, rel, nil
}

// place is a file or directory of one account, by its path below the account's root.
type place struct {
	acc  *account
	path string // "" is the account's root
}

// locate translates an absolute path into places: one, or, for a root that lists accounts, each of them.
func (d *Disk) locate(path string) ([]place, error) {
	m, rel, err := d.find(path)
	if err != nil {
		return nil, err
	}
	all := d.snapshot()
	named := func(name string) *account {
		for _, a := range all {
			if a.name == name {
				return a
			}
		}
		return nil
	}
	switch {
	case m.root.Account != "":
		return []place{{named(m.root.Account), filepath.Join(m.root.Drop, rel)}}, nil
	case rel == "":
		var out []place
		for _, name := range m.accounts {
			out = append(out, place{named(name), ""})
		}
		return out, nil
	}
	name, rest, _ := strings.Cut(rel, "/")
	acc := named(name)
	if acc == nil {
		return nil, fail.New(fail.NotFound, path, "no such account on this disk")
	}
	return []place{{acc, rest}}, nil
}

// ino finds the inode of a place.
func (p place) ino(ctx context.Context) (cache.Ino, error) {
	if p.path == "" {
		return cache.RootIno, nil
	}
	a, err := p.acc.replica.Resolve(ctx, p.path)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", p.path, err)
	}
	return a.Ino, nil
}

// shown is the absolute path under which a path of an account is seen, on the mount made last; without one it begins with
// the account's name.
func (d *Disk) shown(account, path string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	best, since := filepath.Join(account, path), time.Time{}
	for _, m := range d.mounts {
		if m.Since.Before(since) {
			continue
		}
		switch {
		case m.root.Account == "":
			best, since = filepath.Join(m.Mountpoint, account, path), m.Since
		case m.root.Account != account:
		case m.root.Drop == "":
			best, since = filepath.Join(m.Mountpoint, path), m.Since
		case path == m.root.Drop:
			best, since = m.Mountpoint, m.Since
		default:
			if rest, ok := strings.CutPrefix(path, m.root.Drop+"/"); ok {
				best, since = filepath.Join(m.Mountpoint, rest), m.Since
			}
		}
	}
	return best
}
