package daemon

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"dropfs/fs/cli/engines"
)

// webhooks is an address at which the conversion services of one account or of several say that something has ended. They
// are words alone: nothing is kept of them, and where they do not come the services are asked.
type webhooks struct {
	accounts []*account // guarded by Disk.mu
}

// Bounds of a webhook, whose caller nobody knows before it was read.
const (
	webhookTime   = 15 * time.Second
	webhookHeader = 16 << 10 // bytes
)

// receiveWebhooks takes the webhooks of an account in at an address, until the daemon ends.
func (d *Disk) receiveWebhooks(a *account, addr string) {
	d.mu.Lock()
	w := d.hooks[addr]
	first := w == nil
	if first {
		w = &webhooks{}
		d.hooks[addr] = w
	}
	w.accounts = append(w.accounts, a)
	d.mu.Unlock()
	if !first {
		return
	}
	err := d.serveWebhooks(w, addr)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ctx.Err() != nil {
		return
	}
	d.log.WithError(err).WithField("kind", "webhook").Warn("webhooks do not come in; the conversion service is asked instead")
	delete(d.hooks, addr)
	for _, a := range w.accounts {
		a.deaf = "webhooks do not come in at " + addr + ": " + err.Error()
	}
}

// serveWebhooks returns when the daemon ends, or with an error.
func (d *Disk) serveWebhooks(w *webhooks, addr string) error {
	var lc net.ListenConfig
	l, err := lc.Listen(d.ctx, "tcp", addr)
	if err != nil {
		return err
	}
	d.log.WithField("kind", "webhook").WithField("path", l.Addr().String()).Info("webhooks come in")
	srv := &http.Server{
		Handler:     engines.Webhooks(func() []*engines.Service { return d.hooked(w) }),
		ReadTimeout: webhookTime, WriteTimeout: webhookTime, IdleTimeout: webhookTime, MaxHeaderBytes: webhookHeader,
	}
	stop := context.AfterFunc(d.ctx, func() { _ = srv.Close() })
	defer stop()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return d.ctx.Err()
}

// hooked are the services whose webhooks come in at an address.
func (d *Disk) hooked(w *webhooks) []*engines.Service {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make([]*engines.Service, 0, len(w.accounts))
	for _, a := range w.accounts {
		out = append(out, a.converts)
	}
	return out
}

// deafness says why the webhooks of an account do not come in.
func (d *Disk) deafness(a *account) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if a.deaf == "" {
		return nil
	}
	return []string{a.deaf}
}
