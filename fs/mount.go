package fs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	gofs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/sirupsen/logrus"

	"dropfs/fs/platform"
	"dropfs/fs/vfs"
)

// Config is what a mount is made of.
type Config struct {
	VFS        *vfs.FS
	Mountpoint string // a directory that is there
	Source     string // what the table of mounts names as mounted; "" is dropfs
	AllowOther bool   // other users may enter; the kernel checks permissions in any case
	ReadOnly   bool   // also set where VFS is
	// FlushOnClose makes close(2) wait for the replica, as a durability of "remote" needs.
	FlushOnClose bool
	Debug        bool          // log each request of the kernel
	Log          *logrus.Entry // nil: discarded
}

// Server is a mount that answers.
type Server struct {
	fuse       *fuse.Server
	mountpoint string
	dev        uint64 // platform.Mount.Dev
	notify     *notifier
	done       chan struct{}

	mu  sync.Mutex
	err error // of closing the VFS; read after done
}

const (
	maxWrite      = 1 << 20 // bytes of one request
	maxBackground = 64      // read-ahead requests under way
)

// Mount mounts and returns when the disk answers. The goroutines that it starts end when the mount is taken away, by
// Unmount or from outside; Wait returns after them. The VFS is then closed: what was open is released.
//
// ctx bounds the mounting alone. The errors of package platform say what was missing.
func Mount(ctx context.Context, c Config) (*Server, error) {
	if c.Log == nil {
		l := logrus.New()
		l.SetOutput(io.Discard)
		c.Log = logrus.NewEntry(l)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	mp, err := checkMountpoint(c.Mountpoint)
	if err != nil {
		return nil, err
	}
	if err := platform.CheckDevice(); err != nil {
		return nil, err
	}
	s := &server{vfs: c.VFS, log: c.Log, flush: c.FlushOnClose}
	opts := c.options()
	rfs := &raw{RawFileSystem: gofs.NewNodeFS(&node{s: s}, opts), s: s}
	fsrv, err := attach(rfs, mp, c, &opts.MountOptions)
	if err != nil {
		return nil, err
	}

	q := newNotifier(c.Log)
	c.VFS.SetNotify(q.add)
	srv := &Server{fuse: fsrv, mountpoint: mp, notify: q, done: make(chan struct{})}
	var wg sync.WaitGroup
	wg.Go(func() { q.run(fsrv) })
	go func() {
		defer close(srv.done)
		fsrv.Serve()
		c.VFS.SetNotify(nil)
		q.close()
		wg.Wait()
		srv.setErr(c.VFS.Close())
	}()
	if err := fsrv.WaitMount(); err != nil {
		return nil, errors.Join(fmt.Errorf("mount %s: %w", mp, err), srv.Unmount(true))
	}
	at, err := platform.MountAt(mp)
	if err != nil {
		return nil, errors.Join(err, srv.Unmount(true))
	}
	srv.dev = at.Dev
	return srv, nil
}

// checkMountpoint answers the absolute path of a directory that can be mounted on.
func checkMountpoint(path string) (string, error) {
	mp, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	st, err := os.Stat(mp)
	if err != nil {
		return "", err
	}
	if !st.IsDir() {
		return "", fmt.Errorf("%s: not a directory", mp)
	}
	if mp, err = filepath.EvalSymlinks(mp); err != nil {
		return "", err
	}
	return mp, nil
}

// options are those of go-fuse. The time-outs stay nil, because go-fuse replaces a time-out of 0 in a reply by them; only
// that of names that are not there is set, for such a reply has no other place for it.
func (c *Config) options() *gofs.Options {
	negative := keep
	return &gofs.Options{
		MountOptions: fuse.MountOptions{
			AllowOther:               c.AllowOther,
			Options:                  []string{"default_permissions"},
			FsName:                   c.source(),
			Name:                     "dropfs",
			MaxWrite:                 maxWrite,
			MaxBackground:            maxBackground,
			EnableSymlinkCaching:     true,
			ExplicitDataCacheControl: true,
			ExtraCapabilities:        fuse.CAP_ATOMIC_O_TRUNC | platform.KillPriv,
			DisabledCapabilities:     fuse.CAP_WRITEBACK_CACHE,
			Debug:                    c.Debug,
			Logger:                   log.New(logWriter{c.Log, c.Debug}, "", 0),
			PanicHandler: func(v any) fuse.Status {
				c.Log.WithField("err", v).Errorf("request panicked\n%s", debug.Stack())
				return fuse.EIO
			},
		},
		NegativeTimeout: &negative,
		NullPermissions: true,
		RootStableAttr:  &gofs.StableAttr{Ino: uint64(vfs.RootIno)},
		ExternalNodeID:  true,
	}
}

// source is c.Source as an option of a mount can carry it.
func (c *Config) source() string {
	if c.Source == "" {
		return "dropfs"
	}
	return strings.Map(func(r rune) rune {
		if r == ',' || r == '\\' || r < ' ' {
			return '_'
		}
		return r
	}, c.Source)
}

// attach mounts: by itself where the process may, else through the helper, which adds nosuid and nodev.
func attach(rfs fuse.RawFileSystem, mp string, c Config, o *fuse.MountOptions) (*fuse.Server, error) {
	readOnly := c.ReadOnly || c.VFS.ReadOnly()
	if platform.Privileged() {
		o.DirectMountStrict = true
		o.DirectMountFlags = platform.DirectFlags(readOnly)
		srv, err := fuse.NewServer(rfs, mp, o)
		if err != nil {
			return nil, fmt.Errorf("mount %s: %w", mp, err)
		}
		return srv, nil
	}
	opts := []string{"default_permissions", "fsname=" + c.source(), "subtype=dropfs", fmt.Sprintf("max_read=%d", maxWrite)}
	if c.AllowOther {
		opts = append(opts, "allow_other")
	}
	if readOnly {
		opts = append(opts, "ro")
		o.Options = append(o.Options, "ro")
	}
	fd, err := platform.MountHelper(mp, opts)
	if err != nil {
		return nil, fmt.Errorf("mount %s: %w", mp, err)
	}
	where := mp
	if fd >= 0 {
		where = fmt.Sprintf("/dev/fd/%d", fd) // go-fuse's own way of saying that it is mounted already
	}
	srv, err := fuse.NewServer(rfs, where, o)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("mount %s: %w", mp, err), platform.Unmount(mp, true))
	}
	return srv, nil
}

// Mountpoint is the absolute path of the mount.
func (s *Server) Mountpoint() string { return s.mountpoint }

// Done is closed when the mount is gone and its handles are released.
func (s *Server) Done() <-chan struct{} { return s.done }

// Settle waits until the kernel knows of every change that came from elsewhere before; ctx bounds it.
func (s *Server) Settle(ctx context.Context) { s.notify.settle(ctx) }

// Wait returns when the mount is gone and its handles are released, with the first error of releasing them.
func (s *Server) Wait() error {
	<-s.done
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

func (s *Server) setErr(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// Unmount takes the mount away, here and in other mount namespaces, and waits until it is gone. While something below is in use it answers platform.ErrBusy;
// lazy detaches it in any case and does not wait, for it ends when its last user does. Of a mount that is gone already it
// answers nil.
func (s *Server) Unmount(lazy bool) error {
	select {
	case <-s.done:
		return nil
	default:
	}
	err := platform.Unmount(s.mountpoint, lazy)
	if errors.Is(err, platform.ErrNotMount) {
		err = nil // somebody else did, and the connection is about to end
	}
	if err != nil || lazy {
		return err
	}
	select {
	case <-s.done:
	case <-time.After(lingers): // a copy in another mount namespace, made before, keeps it alive
		if err := platform.Abort(s.dev); err != nil {
			return fmt.Errorf("%s: another mount namespace shows it still: %w", s.mountpoint, err)
		}
	}
	return s.Wait()
}

// lingers is how long a file system may live on after it was unmounted.
const lingers = 2 * time.Second

// logWriter passes go-fuse's own lines on.
type logWriter struct {
	log   *logrus.Entry
	debug bool
}

// Write logs one line: each request where that was asked for, else only what go-fuse finds odd.
func (w logWriter) Write(p []byte) (int, error) {
	level := logrus.WarnLevel
	if w.debug {
		level = logrus.DebugLevel
	}
	w.log.WithField("kind", strings.TrimSpace(string(p))).Log(level, "fuse")
	return len(p), nil
}
