package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
)

const (
	hubKey  = "bench-key"
	hubDrop = "bench"
	hubGB   = 4 // of the drop; no drop can be larger
)

// dropfs is a disk with the hub inside the daemon: no configuration at all.
type dropfs struct {
	base
	source   []string // of the mount
	proc     *process
	lifetime int // how often it was mounted
}

func (s *dropfs) start(ctx context.Context) error {
	if err := s.mkdirs("mnt", "home", "tmp", "run"); err != nil {
		return err
	}
	return s.mount(ctx)
}

// stateEnv is the environment with the state directory of the present lifetime.
func (s *dropfs) stateEnv() []string {
	return s.env("XDG_STATE_HOME="+s.path("state"+strconv.Itoa(s.lifetime)), "XDG_DATA_HOME="+s.path("data"), "XDG_CONFIG_HOME="+s.path("config"))
}

func (s *dropfs) mount(ctx context.Context) (err error) {
	s.lifetime++
	args := append([]string{"mount", "--foreground"}, s.source...)
	if s.proc, err = startProcess(s.path("log"), s.stateEnv(), s.program("dropfs"), append(args, s.mountpoint())...); err != nil {
		return err
	}
	return s.proc.until(ctx, startTimeout, func() error { return isMounted(ctx, s.mountpoint()) })
}

func (s *dropfs) files() string { return s.mountpoint() }

func (s *dropfs) settle(ctx context.Context) error {
	_, err := output(ctx, settleTimeout, s.stateEnv(), s.program("dropfs"), "sync", "--timeout", settleTimeout.String(), s.mountpoint())
	return err
}

// remount mounts with a new state directory.
func (s *dropfs) remount(ctx context.Context) error {
	if err := s.settle(ctx); err != nil {
		return err
	}
	s.unmount(ctx)
	return s.mount(ctx)
}

func (s *dropfs) peak() int64 { return peakOf(&s.mem, s.proc) }

func (s *dropfs) stop(ctx context.Context) { s.unmount(ctx) }

func (s *dropfs) unmount(ctx context.Context) {
	if s.proc == nil {
		return
	}
	_ = s.peak()
	// It exits with 8 where something is unsent, and waits for ever where a private mount namespace has a copy of the mount.
	if _, err := output(ctx, endTimeout, s.stateEnv(), s.program("dropfs"), "unmount", s.mountpoint()); err != nil {
		_ = detach(ctx, s.root) // what is left is seen at the end of the run
	}
	s.proc.stop()
	s.proc = nil
}

// served is a disk of a hub that is another process, over TCP.
type served struct {
	dropfs
	hub  *process
	addr string // of the hub itself
	url  string // of its API, over the link if there is one
	line *proxy
}

func (s *served) start(ctx context.Context) (err error) {
	if err := s.mkdirs("home", "tmp", "run", "config/dropfs", "hub"); err != nil {
		return err
	}
	if s.addr, err = freeAddr(); err != nil {
		return err
	}
	public := "http://" + s.addr
	if s.link {
		if s.line, err = startProxy(s.addr, linkDelay, linkRate); err != nil {
			return err
		}
		public = "http://" + s.line.addr()
	}
	s.url = public + "/api/v1"
	s.hub, err = startProcess(s.path("hub.log"), s.env(), s.program("dropfs"), "serve", "--listen", s.addr, "--data", s.path("hub"),
		"--api-key", hubKey, "--public-url", public)
	if err != nil {
		return err
	}
	if err := s.hub.until(ctx, startTimeout, func() error { return answers(s.addr) }); err != nil {
		return err
	}
	drop := fmt.Sprintf(`{"gb":%d,"days":30,"name":%q}`, hubGB, hubDrop)
	if err := newHubClient(s.url, hubKey).call(ctx, http.MethodPost, "/dropzones", drop, nil); err != nil {
		return err
	}
	text := fmt.Sprintf("[accounts.hub]\nservice = \"dropzone\"\nurl = %q\napi_key = %q\n", s.url, hubKey)
	if err := os.WriteFile(s.path("config/dropfs/config.toml"), []byte(text), 0o600); err != nil {
		return err
	}
	s.source = []string{"hub/" + hubDrop}
	return s.dropfs.start(ctx)
}

func (s *served) stop(ctx context.Context) {
	s.unmount(ctx)
	s.hub.stop()
	s.line.stop()
	s.hub, s.line = nil, nil
}

// requests adds up what the hub has answered, but for what it was asked here.
func (s *served) requests(ctx context.Context) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.addr+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return 0, err
	}
	return countRequests(string(b))
}

// errNoCount is metrics without a count.
var errNoCount = errors.New("the hub counts no requests")

// countRequests adds up the requests in metrics of Prometheus's text format.
func countRequests(text string) (sum float64, err error) {
	found := false
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "dropfs_hub_requests_total{") || strings.Contains(line, `/metrics"`) {
			continue
		}
		f := strings.Fields(line)
		v, err := strconv.ParseFloat(f[len(f)-1], 64)
		if err != nil {
			return 0, err
		}
		sum, found = sum+v, true
	}
	if !found {
		return 0, errNoCount
	}
	return sum, nil
}
