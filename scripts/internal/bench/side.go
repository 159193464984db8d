package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"
)

// side is one of those that are compared.
type side interface {
	// start makes the side with nothing in it; it answers in a directory that is there and empty.
	start(ctx context.Context) error
	// files is the directory that is worked in.
	files() string
	// settle returns when nothing is left to send.
	settle(ctx context.Context) error
	// remount takes the side away and brings it back with an empty cache. errNoCache: it has none.
	remount(ctx context.Context) error
	// peak is the memory of the process that is the disk, in bytes, at most so far; 0 for none.
	peak() int64
	// stop ends all processes of the side. It may be called at any time.
	stop(ctx context.Context)
}

// counter is a side whose server tells how many requests it has answered.
type counter interface {
	requests(ctx context.Context) (float64, error)
}

// errNoCache is a side that has no cache to empty.
var errNoCache = errors.New("has no cache")

// settleTimeout bounds how long what was written may take to be sent.
const settleTimeout = 5 * time.Minute

// The sides, by name.
const (
	sideBare        = "bare"
	sideLoopback    = "loopback"
	sidePassthrough = "passthrough"
	sideDropfs      = "dropfs"
	sideServed      = "dropfs-tcp"
	sideRclone      = "rclone"
	sideHTTP        = "http" // a client, no disk: the bar of reading what is not here
)

func sideNames() []string {
	return []string{sideBare, sideLoopback, sidePassthrough, sideDropfs, sideServed, sideRclone, sideHTTP}
}

// newSide makes a side whose files are all below dir.
func newSide(name, dir string, c config) side {
	b := base{bin: c.bin, peers: c.peers, root: dir, link: c.link}
	switch name {
	case sideLoopback, sidePassthrough:
		return &loopback{base: b, passthrough: name == sidePassthrough}
	case sideDropfs:
		return &dropfs{base: b}
	case sideServed:
		return &served{dropfs: dropfs{base: b}}
	case sideRclone:
		return &rclone{base: b}
	}
	return &bare{b}
}

// missing tells what a side needs and does not have; "" for nothing.
func missing(name string, c config) string {
	var needs []string
	dir := c.bin
	switch name {
	case sideLoopback, sidePassthrough:
		needs = []string{"loopback"}
	case sideDropfs, sideServed, sideHTTP:
		needs = []string{"dropfs"}
	case sideRclone:
		if c.peers == "" {
			return "there are no peers"
		}
		needs, dir = []string{"rclone", "versitygw"}, c.peers
	}
	for _, n := range needs {
		if _, err := os.Stat(filepath.Join(dir, n)); err != nil {
			return filepath.Join(dir, n) + " is missing"
		}
	}
	if name == sidePassthrough && os.Getuid() != 0 {
		return "passthrough needs root"
	}
	return ""
}

// base is what all sides have.
type base struct {
	bin   string
	peers string
	root  string
	link  bool
	mem   int64 // peak of processes that have ended
}

func (b *base) program(name string) string { return filepath.Join(b.bin, name) }
func (b *base) peer(name string) string    { return filepath.Join(b.peers, name) }
func (b *base) path(name string) string    { return filepath.Join(b.root, name) }
func (b *base) mountpoint() string         { return b.path("mnt") }

// mkdirs makes directories below the root.
func (b *base) mkdirs(names ...string) error {
	for _, n := range names {
		if err := os.MkdirAll(b.path(n), 0o700); err != nil {
			return err
		}
	}
	return nil
}

// env is an environment in which programs keep everything below the root.
func (b *base) env(more ...string) []string {
	return append([]string{
		"PATH=" + os.Getenv("PATH") + ":/usr/sbin:/sbin", "HOME=" + b.path("home"), "TMPDIR=" + b.path("tmp"),
		"XDG_RUNTIME_DIR=" + b.path("run"), "LC_ALL=C.UTF-8", "TZ=UTC",
	}, more...)
}

// bare is a directory of the disk below.
type bare struct{ base }

func (s *bare) start(context.Context) error   { return s.mkdirs("mnt") }
func (s *bare) files() string                 { return s.mountpoint() }
func (s *bare) settle(context.Context) error  { return nil }
func (s *bare) remount(context.Context) error { return errNoCache }
func (s *bare) peak() int64                   { return 0 }
func (s *bare) stop(context.Context)          {}

// convert makes what a magic name stands for by hand.
func (s *bare) convert(ctx context.Context, name string) error {
	if err := s.mkdirs("home", "tmp", "run"); err != nil {
		return err
	}
	_, err := output(ctx, workTimeout, s.env(), s.program("dropfs"), "convert", filepath.Join(s.files(), name), "-")
	return err
}

// loopback is a directory of the disk below through go-fuse.
type loopback struct {
	base
	passthrough bool
	proc        *process
}

func (s *loopback) start(ctx context.Context) error {
	if err := s.mkdirs("mnt", "data", "home", "tmp"); err != nil {
		return err
	}
	return s.mount(ctx)
}

func (s *loopback) mount(ctx context.Context) (err error) {
	args := []string{s.path("data"), s.mountpoint()}
	if s.passthrough {
		args = append([]string{"--passthrough"}, args...)
	}
	if s.proc, err = startProcess(s.path("log"), s.env(), s.program("loopback"), args...); err != nil {
		return err
	}
	return s.proc.until(ctx, startTimeout, func() error { return isMounted(ctx, s.mountpoint()) })
}

func (s *loopback) files() string                { return s.mountpoint() }
func (s *loopback) settle(context.Context) error { return nil }

// remount empties what the kernel and the daemon hold of names and attributes.
func (s *loopback) remount(ctx context.Context) error {
	s.stop(ctx)
	return s.mount(ctx)
}

func (s *loopback) peak() int64 { return peakOf(&s.mem, s.proc) }

func (s *loopback) stop(context.Context) {
	_ = s.peak()
	s.proc.stop()
	s.proc = nil
}

// peakOf adds what a process uses to what others have used.
func peakOf(mem *int64, p *process) int64 {
	if p != nil {
		*mem = max(*mem, p.look())
	}
	return *mem
}
