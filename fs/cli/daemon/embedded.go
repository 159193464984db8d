package daemon

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/sirupsen/logrus"

	"dropfs/fs/cli/config"
	"dropfs/remote"
	"dropfs/remote/hub"
)

// embedded is the hub inside the daemon.
type embedded struct {
	hub       *hub.Hub
	key       remote.Secret
	listener  *memListener
	transport *http.Transport
	server    *http.Server
	lock      *HubLock
	cancel    context.CancelFunc
	running   sync.WaitGroup
}

// openHub starts the embedded hub, once.
func (d *Disk) openHub(ctx context.Context) error {
	if d.hub != nil {
		return nil
	}
	data, err := d.cfg.Env.DataDir()
	if err != nil {
		return err
	}
	h, err := openEmbedded(ctx, data, d.log.WithField("account", config.LocalAccount))
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hub = h
	return nil
}

// openEmbedded opens the hub whose data is below dir, with a key of its own.
func openEmbedded(ctx context.Context, dir string, log *logrus.Entry) (*embedded, error) {
	data := filepath.Join(dir, "hub")
	lock, err := LockHub(data)
	if err != nil {
		return nil, err
	}
	key, err := embeddedKey(filepath.Join(dir, "hub.key"))
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	h, err := hub.Open(ctx, hub.Config{DataDir: data, Keys: []hub.KeySpec{{Key: key, GBMonths: -1, Embedded: true}}, PublicURL: "http://" + localHost, Log: log})
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	e := &embedded{hub: h, key: key, listener: newMemListener(), server: h.Server(), lock: lock, cancel: cancel}
	e.transport = e.listener.transport()
	e.running.Go(func() {
		if err := h.Run(run); err != nil {
			log.WithError(err).Error("the embedded hub stopped looking after itself")
		}
	})
	e.running.Go(func() {
		if err := e.server.Serve(e.listener); !errors.Is(err, http.ErrServerClosed) {
			log.WithError(err).Error("the embedded hub stopped answering")
		}
	})
	return e, nil
}

// baseURL is where the hub's API is for a client that goes through transport.
func (e *embedded) baseURL() string { return "http://" + localHost + "/api/v1" }

// close ends the hub. Its clients must be done.
func (e *embedded) close() error {
	e.cancel()
	e.transport.CloseIdleConnections()
	err := e.server.Close()
	e.running.Wait()
	return errors.Join(err, e.hub.Close(), e.lock.Close())
}

// embeddedKey returns the key of the embedded hub, made at first use and kept beside its data.
func embeddedKey(path string) (remote.Secret, error) {
	key, err := config.ReadKeyFile(path)
	if err == nil && key != "" {
		return key, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	key = remote.Secret(rand.Text() + rand.Text())
	return key, config.WriteFile(path, []byte(key.Reveal()+"\n"), 0o600)
}

// ensureHome makes the drop home of the embedded hub, if it is not there.
func ensureHome(ctx context.Context, svc remote.Service) error {
	drops, err := svc.Drops(ctx)
	if err != nil {
		return err
	}
	for _, d := range drops {
		if d.Name == HomeDrop {
			return nil
		}
	}
	_, err = svc.CreateDrop(ctx, remote.DropSpec{Name: HomeDrop, GB: 1, Days: 30})
	return err
}

// errHubInUse is a hub's data directory that another process holds.
var errHubInUse = errors.New("is in use")

// HubLock holds the data directory of a hub for this process.
type HubLock struct{ f *os.File }

// LockHub takes a hub's data directory, which is made when it is not there; that of another process is an error.
func LockHub(dir string) (*HubLock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "hub.lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		owner := make([]byte, 64)
		n, _ := f.ReadAt(owner, 0)
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%s %w by process %s", dir, errHubInUse, owner[:n])
		}
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := f.Truncate(0); err == nil {
		_, _ = fmt.Fprintf(f, "%d", os.Getpid()) // only for messages
	}
	return &HubLock{f}, nil
}

// Close frees the directory.
func (l *HubLock) Close() error { return l.f.Close() }
