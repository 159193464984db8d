package transfer

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"dropfs/remote"
	"dropfs/remote/httpx"

	lru "github.com/hashicorp/golang-lru/v2"
)

// Client moves bytes through one httpx.Client. All its methods may be called at the same time.
type Client struct {
	http     *httpx.Client
	parallel int
	attempts int
	targets  *lru.Cache[remote.AssetID, target]
	etags    *lru.Cache[remote.AssetID, string] // as downloads answered them, where listings tell none
}

// New returns a client that has done nothing yet.
func New(cfg Config) (*Client, error) {
	c := &Client{http: cfg.HTTP, parallel: cfg.Parallel, attempts: cfg.Attempts}
	if c.parallel == 0 {
		c.parallel = 4
	}
	if c.attempts == 0 {
		c.attempts = 3
	}
	if cfg.Targets == 0 {
		cfg.Targets = 4096
	}
	var err error
	if c.targets, err = lru.New[remote.AssetID, target](cfg.Targets); err != nil {
		return nil, err
	}
	if c.etags, err = lru.New[remote.AssetID, string](cfg.Targets); err != nil {
		return nil, err
	}
	return c, nil
}

// ErrDone is what a Renew returns for an upload that the service has whole already.
var ErrDone = errors.New("the upload is complete")

// Renew answers an upload with fresh URLs, and with the ETags of the parts that the service has.
type Renew func(ctx context.Context, up remote.Upload) (remote.Upload, error)

// Send sends what of up has not arrived, as remote.Service.Send says. renew nil: the service gives no second URL.
func (c *Client) Send(ctx context.Context, up remote.Upload, src io.ReaderAt, renew Renew, record func(remote.Upload) error, progress func(int64)) (remote.Upload, error) {
	if progress == nil {
		progress = func(int64) {}
	}
	s := &sending{c: c, up: clone(up), src: src, renew: renew, record: record, progress: progress}
	if err := checkParts(up); err != nil {
		return up, err
	}
	if s.stale(time.Now()) && renew != nil {
		if err := s.refresh(ctx, s.gen); err != nil {
			return s.result(err)
		}
	}
	if s.up.PartSize == 0 {
		return s.result(s.sendPart(ctx, -1))
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(c.parallel)
	for i := range s.up.Parts {
		if s.arrived(i) {
			continue
		}
		g.Go(func() error {
			if s.arrived(i) {
				return nil
			}
			return s.sendPart(gctx, i)
		})
		if gctx.Err() != nil {
			break
		}
	}
	return s.result(g.Wait())
}

// checkParts refuses an upload whose parts do not make up its bytes: the service, or the journal, told nonsense.
func checkParts(up remote.Upload) error {
	bad := up.Spec.Size < 0 || up.PartSize < 0
	if up.PartSize > 0 {
		want := max((up.Spec.Size+up.PartSize-1)/up.PartSize, 1)
		bad = bad || int64(len(up.Parts)) != want
		for i, p := range up.Parts {
			bad = bad || p.N != i+1
		}
	}
	if bad {
		return &remote.Error{Kind: remote.ErrProtocol, Op: "send bytes", Subject: up.Spec.Name, Message: "parts that do not fit the size"}
	}
	return nil
}

// sending is one upload under way.
type sending struct {
	c        *Client
	src      io.ReaderAt
	renew    Renew
	record   func(remote.Upload) error
	progress func(int64)

	mu   sync.Mutex
	up   remote.Upload
	gen  int // how often the URLs were renewed
	done bool
}

func clone(up remote.Upload) remote.Upload {
	up.Parts, up.Header = slices.Clone(up.Parts), maps.Clone(up.Header)
	return up
}

func (s *sending) result(err error) (remote.Upload, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if errors.Is(err, ErrDone) {
		err = nil
	}
	return clone(s.up), err
}

func (s *sending) arrived(i int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.done || s.up.Parts[i].ETag != ""
}

// stale tells whether the URLs have ended, or one that is needed is missing.
func (s *sending) stale(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.up.Expires.IsZero() && !now.Before(s.up.Expires) {
		return true
	}
	if s.up.PartSize == 0 {
		return s.up.URL == ""
	}
	return slices.ContainsFunc(s.up.Parts, func(p remote.Part) bool { return p.ETag == "" && p.URL == "" })
}

// piece describes part i as things are, -1 being the one body, and the generation of its URL.
func (s *sending) piece(i int) (piece, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := piece{
		url: s.up.URL, method: s.up.Method, header: maps.Clone(s.up.Header), mime: s.up.Spec.Type, src: s.src,
		size: s.up.Spec.Size, progress: s.progress, subject: s.up.Spec.Name,
	}
	if p.mime == "" {
		p.mime = "application/octet-stream"
	}
	if i >= 0 {
		p.url, p.off = s.up.Parts[i].URL, int64(i)*s.up.PartSize
		p.size = min(s.up.PartSize, s.up.Spec.Size-p.off)
	}
	return p, s.gen
}

// sendPart sends one part, again where that may help, and records that it arrived.
func (s *sending) sendPart(ctx context.Context, i int) error {
	for try := 1; ; try++ {
		p, gen := s.piece(i)
		etag, err := s.c.put(ctx, p)
		if err == nil && i >= 0 && etag == "" {
			err = &remote.Error{Kind: remote.ErrProtocol, Op: "send bytes", Subject: p.subject, Message: "a part without an ETag"}
		}
		if err == nil {
			return s.note(i, etag)
		}
		if try >= s.c.attempts || permanent(err) || ctx.Err() != nil {
			return err
		}
		if errors.Is(err, remote.ErrExpiredURL) {
			if s.renew == nil {
				return err
			}
			if err := s.refresh(ctx, gen); err != nil {
				return err
			}
			continue
		}
		if err := pause(ctx, max(remote.RetryAfterOf(err), time.Duration(try)*200*time.Millisecond)); err != nil {
			return &remote.Error{Kind: remote.ErrUnavailable, Op: "send bytes", Subject: p.subject, Err: err}
		}
	}
}

// pause waits, at most ten seconds: what must wait longer is the caller's to try again.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(min(d, 10*time.Second))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// note records that part i has arrived (F4).
func (s *sending) note(i int, etag string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i >= 0 {
		s.up.Parts[i].ETag = etag
	}
	return s.recordLocked()
}

func (s *sending) recordLocked() error {
	err := s.record(clone(s.up))
	if err == nil {
		return nil
	}
	var re *remote.Error
	if errors.As(err, &re) {
		return err
	}
	return &remote.Error{Kind: remote.ErrUnavailable, Op: "record upload", Subject: s.up.Spec.Name, Err: err}
}

// refresh renews the URLs, unless another part has done so since generation gen.
func (s *sending) refresh(ctx context.Context, gen int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gen != gen {
		return nil
	}
	up, err := s.renew(ctx, clone(s.up))
	if errors.Is(err, ErrDone) {
		s.done = true
		return ErrDone
	}
	if err != nil {
		return err
	}
	if up.PartSize != s.up.PartSize || len(up.Parts) != len(s.up.Parts) {
		return &remote.Error{Kind: remote.ErrProtocol, Op: "renew upload", Subject: s.up.Spec.Name, Message: "other parts than before"}
	}
	if err := checkParts(up); err != nil {
		return err
	}
	for i := range up.Parts { // F2
		if up.Parts[i].ETag == "" {
			up.Parts[i].ETag = s.up.Parts[i].ETag
		}
	}
	s.up = clone(up)
	s.gen++
	return s.recordLocked()
}
