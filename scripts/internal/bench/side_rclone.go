package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"time"
)

const (
	s3Key    = "benchaccess"
	s3Secret = "benchsecret123"
	bucket   = "bench"
)

// rclone is `rclone mount` with a full cache, of a bucket of a local S3 server. It waits as long as dropfs before it sends;
// all else is as it comes.
type rclone struct {
	base
	server *process
	proc   *process
	line   *proxy
	url    string // of the server, over the link if there is one
	rc     string // address of its remote control
	cache  int    // how many caches it has had
}

func (s *rclone) start(ctx context.Context) error {
	if err := s.mkdirs("mnt", "home", "tmp", "run", "s3/"+bucket, "meta"); err != nil {
		return err
	}
	addr, err := freeAddr()
	if err != nil {
		return err
	}
	s.server, err = startProcess(s.path("s3.log"), s.env(), s.peer("versitygw"), "--port", addr, "--access", s3Key, "--secret", s3Secret, "--quiet",
		"posix", "--sidecar", s.path("meta"), s.path("s3"))
	if err != nil {
		return err
	}
	if err := s.server.until(ctx, startTimeout, func() error { return answers(addr) }); err != nil {
		return err
	}
	s.url = "http://" + addr
	if s.link {
		if s.line, err = startProxy(addr, linkDelay, linkRate); err != nil {
			return err
		}
		s.url = "http://" + s.line.addr()
	}
	return s.mount(ctx)
}

func (s *rclone) rcloneEnv() []string {
	return s.env("RCLONE_CONFIG="+os.DevNull, "RCLONE_CONFIG_S_TYPE=s3", "RCLONE_CONFIG_S_PROVIDER=Other", "RCLONE_CONFIG_S_ENDPOINT="+s.url,
		"RCLONE_CONFIG_S_ACCESS_KEY_ID="+s3Key, "RCLONE_CONFIG_S_SECRET_ACCESS_KEY="+s3Secret, "RCLONE_CONFIG_S_REGION=us-east-1")
}

func (s *rclone) mount(ctx context.Context) (err error) {
	s.cache++
	if s.rc, err = freeAddr(); err != nil {
		return err
	}
	s.proc, err = startProcess(s.path("log"), s.rcloneEnv(), s.peer("rclone"), "mount", "s:"+bucket, s.mountpoint(), "--vfs-cache-mode", "full",
		"--cache-dir", s.path("cache"+strconv.Itoa(s.cache)), "--vfs-write-back", "1s", "--rc", "--rc-addr", s.rc, "--rc-no-auth")
	if err != nil {
		return err
	}
	return s.proc.until(ctx, startTimeout, func() error { return isMounted(ctx, s.mountpoint()) })
}

func (s *rclone) files() string { return s.mountpoint() }

// left is how many files are still to be sent.
func (s *rclone) left(ctx context.Context) (int, error) {
	out, err := output(ctx, commandTimeout, s.rcloneEnv(), s.peer("rclone"), "rc", "--url", "http://"+s.rc, "vfs/stats")
	if err != nil {
		return 0, err
	}
	var st struct {
		DiskCache struct {
			UploadsInProgress int `json:"uploadsInProgress"`
			UploadsQueued     int `json:"uploadsQueued"`
		} `json:"diskCache"`
	}
	if err := json.Unmarshal(out, &st); err != nil {
		return 0, err
	}
	return st.DiskCache.UploadsInProgress + st.DiskCache.UploadsQueued, nil
}

func (s *rclone) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	for {
		n, err := s.left(ctx)
		if err != nil {
			return err
		}
		if n == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d files are still to be sent: %w", n, ctx.Err())
		case <-time.After(settleEvery):
		}
	}
}

// remount mounts with a new cache directory.
func (s *rclone) remount(ctx context.Context) error {
	if err := s.settle(ctx); err != nil {
		return err
	}
	s.unmount(ctx)
	return s.mount(ctx)
}

func (s *rclone) peak() int64 { return peakOf(&s.mem, s.proc) }

func (s *rclone) unmount(ctx context.Context) {
	if s.proc == nil {
		return
	}
	_ = s.peak()
	_ = detach(ctx, s.root) // what is left is seen at the end of the run
	s.proc.stop()
	s.proc = nil
}

func (s *rclone) stop(ctx context.Context) {
	s.unmount(ctx)
	s.server.stop()
	s.line.stop()
	s.server, s.line = nil, nil
}
