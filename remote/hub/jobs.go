package hub

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"dropfs/remote/hub/d3"
	"dropfs/remote/hub/dropzone"
	"dropfs/remote/hub/store"
	"dropfs/remote/hub/web"
)

// DefaultKeep is how long uploads and results of the D3 wire are kept where Config does not say it.
const DefaultKeep = 24 * time.Hour

// defaultD3Rate is the limit of the D3 wire where Config does not say it.
var defaultD3Rate = Rate{Requests: 1000, Per: time.Minute}

// newD3 makes the D3 wire, and the queue of its jobs where there are engines. local tells that objects are in a directory
// of the hub's own.
func (h *Hub) newD3(ctx context.Context, local bool) (*d3.API, error) {
	secret, err := h.store.Secret(ctx, "d3")
	if err != nil {
		return nil, err
	}
	rate, said := h.cfg.Rate["d3"]
	if !said {
		rate = defaultD3Rate
	}
	api := d3.New(d3.Config{
		Store: h.store, Objects: h.objects, Presign: !local, Convert: h.cfg.Convert, URLSecret: secret,
		PublicURL: h.cfg.PublicURL, BehindProxy: h.cfg.BehindProxy, Keep: h.cfg.Keep, Scratch: h.scratch(),
		Limiter: web.NewLimiter(rate, h.cfg.BehindProxy, h.cfg.Now), RateText: rateText(rate), HashKey: dropzone.HashKey,
		PrivateHooks: h.cfg.PrivateHooks, Now: h.cfg.Now, TellEvery: h.cfg.tellEvery, Log: h.log, Step: h.cfg.step,
	})
	if h.cfg.Convert == nil {
		return api, nil
	}
	if err := os.MkdirAll(h.scratch(), 0o700); err != nil {
		return nil, err
	}
	id, err := workerID(filepath.Join(h.cfg.DataDir, "worker-id"))
	if err != nil {
		return nil, err
	}
	workers := h.cfg.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	h.jobs, err = h.store.OpenJobs(ctx, store.JobsConfig{
		ID: id, Workers: workers, Task: api.Task, Deliver: api.Deliver, Wait: h.cfg.jobWait, Poll: h.cfg.jobPoll,
		Log: slog.New(riverLog{h.log}),
	})
	return api, err
}

// scratch is where conversions run.
func (h *Hub) scratch() string { return filepath.Join(h.cfg.DataDir, "scratch") }

// rateText writes a rate as the D3 wire tells it; "" is no limit.
func rateText(r Rate) string {
	if r.Requests <= 0 || r.Per <= 0 {
		return ""
	}
	per := r.Per.String()
	for unit, letter := range map[time.Duration]string{time.Second: "s", time.Minute: "m", time.Hour: "h"} {
		if r.Per == unit {
			per = letter
		}
	}
	return strconv.Itoa(r.Requests) + "/" + per
}

// workerID is the name of the hub of a data directory among all that do jobs. It stays, so that a hub that died knows
// which jobs it was at.
func workerID(path string) (string, error) {
	b, err := os.ReadFile(path)
	if id := strings.TrimSpace(string(b)); err == nil && id != "" && len(id) < 100 {
		return id, nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	id := "hub-" + rand.Text()
	if err := os.WriteFile(path+".new", []byte(id+"\n"), 0o600); err != nil {
		return "", err
	}
	return id, os.Rename(path+".new", path)
}

// runJobs does jobs until ctx ends. What conversions of a dead process have left goes first.
func (h *Hub) runJobs(ctx context.Context) error {
	left, err := os.ReadDir(h.scratch())
	if err != nil {
		return fmt.Errorf("scratch: %w", err)
	}
	for _, e := range left {
		if err := os.RemoveAll(filepath.Join(h.scratch(), e.Name())); err != nil {
			return fmt.Errorf("scratch: %w", err)
		}
	}
	return h.jobs.Run(ctx)
}

// known tells which keys are objects of the hub, and whether their bytes are all there.
func (h *Hub) known(ctx context.Context, keys []string) (map[string]bool, error) {
	all, err := h.store.Known(ctx, keys)
	if err != nil {
		return nil, err
	}
	more, err := h.store.KnownD3(ctx, keys)
	for k, v := range more {
		all[k] = v
	}
	return all, err
}

// riverLog hands what the queue says to the hub's log: its warnings and errors.
type riverLog struct{ log *logrus.Entry }

// Enabled implements slog.Handler.
func (riverLog) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }

// Handle implements slog.Handler.
func (l riverLog) Handle(_ context.Context, r slog.Record) error {
	e := l.log.WithField("kind", r.Message)
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "err" || a.Key == "error" {
			e = e.WithField("err", a.Value.String())
		}
		return true
	})
	if r.Level >= slog.LevelError {
		e.Error("queue of jobs")
	} else {
		e.Warn("queue of jobs")
	}
	return nil
}

// WithAttrs implements slog.Handler.
func (l riverLog) WithAttrs([]slog.Attr) slog.Handler { return l }

// WithGroup implements slog.Handler.
func (l riverLog) WithGroup(string) slog.Handler { return l }
