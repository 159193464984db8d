package httpx

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"
	"golang.org/x/time/rate"

	"dropfs/remote"
)

// Config says where a service is and how it may be used. Only BaseURL is needed.
type Config struct {
	BaseURL   string                   // http or https, without query; a trailing slash means nothing
	Auth      map[string]remote.Secret // header name to value: sent to the origin of BaseURL and nowhere else (X1)
	UserAgent string                   // "" is "dropfs"
	Log       *logrus.Entry            // nil: nothing is logged

	RoundTripper http.RoundTripper // nil: a transport of its own, closed by Close

	Rate      RateLimit // requests to the service; the zero value is none but what the service announces
	RateState RateState // as Client.RateState gave it before the last stop
	// RateFile keeps the RateState over restarts, of one client alone: New reads it where RateState is zero, and it is written
	// by Close and whenever the service asks to wait for more than a second. "": nothing is kept.
	RateFile string

	ConnectTimeout time.Duration // 0: 2 s
	HeaderTimeout  time.Duration // from the last byte sent to the answer's head; 0: 20 s
	StallTimeout   time.Duration // without a byte of a body, either way; 0: 20 s
	Attempts       int           // tries of one call, the first included; 0: 3
	RetryWithin    time.Duration // no new try begins later than this after the call began; 0: 2 s
	MaxWait        time.Duration // longest wait for a turn in the rate limit; 0: 30 s

	LimitUp, LimitDown int64 // bytes a second over all bodies; 0: none

	MaxJSON  int64                // bytes of a decoded answer; 0: 256 MiB
	Registry *prometheus.Registry // where the metrics are registered; nil: one of its own
}

// Client sends requests to one service. All its methods may be called at the same time.
type Client struct {
	cfg     Config
	base    *url.URL
	rt      http.RoundTripper
	own     *http.Transport // rt, where it was made here
	log     *logrus.Entry
	bucket  *bucket
	rate    rateFile
	up      *rate.Limiter
	down    *rate.Limiter
	reg     *prometheus.Registry
	metrics *metrics
}

// New checks cfg and returns a client that has done nothing yet.
func New(cfg Config) (*Client, error) {
	base, err := url.Parse(strings.TrimRight(cfg.BaseURL, "/"))
	switch {
	case err != nil: // the parser's error shows the text, which may hold a secret
		return nil, errors.New("base URL: not an URL")
	case base.Scheme != "http" && base.Scheme != "https", base.Host == "":
		return nil, errors.New("base URL: neither http:// nor https:// with a host")
	case base.User != nil, base.RawQuery != "", base.Fragment != "":
		return nil, errors.New("base URL: user, query or fragment in it")
	}
	for name, v := range cfg.Auth {
		if err := checkHeader(name, v.Reveal()); err != nil {
			return nil, err
		}
	}
	setDefaults(&cfg)
	kept := rateFile{path: cfg.RateFile}
	if cfg.RateState == (RateState{}) {
		cfg.RateState = kept.read()
	}
	c := &Client{
		cfg: cfg, base: base, rt: cfg.RoundTripper, log: cfg.Log, bucket: newBucket(cfg.Rate, cfg.RateState),
		up: byteLimiter(cfg.LimitUp), down: byteLimiter(cfg.LimitDown), reg: cfg.Registry,
	}
	c.rate.path = cfg.RateFile
	if c.rt == nil {
		c.own = newTransport(cfg)
		c.rt = c.own
	}
	if c.log == nil {
		l := logrus.New()
		l.SetLevel(logrus.PanicLevel)
		c.log = logrus.NewEntry(l)
	}
	if c.reg == nil {
		c.reg = prometheus.NewRegistry()
	}
	if c.metrics, err = newMetrics(c.reg); err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	return c, nil
}

func setDefaults(cfg *Config) {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&cfg.ConnectTimeout, 2*time.Second)
	def(&cfg.HeaderTimeout, 20*time.Second)
	def(&cfg.StallTimeout, 20*time.Second)
	def(&cfg.RetryWithin, 2*time.Second)
	def(&cfg.MaxWait, 30*time.Second)
	if cfg.Attempts == 0 {
		cfg.Attempts = 3
	}
	if cfg.UserAgent == "" {
		cfg.UserAgent = "dropfs"
	}
	if cfg.MaxJSON == 0 {
		cfg.MaxJSON = 256 << 20
	}
}

// newTransport is tuned for many small requests and a few long bodies at one or two hosts.
func newTransport(cfg Config) *http.Transport {
	dial := &net.Dialer{Timeout: cfg.ConnectTimeout, KeepAlive: 15 * time.Second}
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dial.DialContext,
		TLSHandshakeTimeout:   cfg.ConnectTimeout + 3*time.Second,
		MaxIdleConns:          128,
		MaxIdleConnsPerHost:   64,
		IdleConnTimeout:       90 * time.Second,
		ExpectContinueTimeout: time.Second,
		DisableCompression:    true, // a range of a compressed body is of no use
		ForceAttemptHTTP2:     true,
		ReadBufferSize:        64 << 10,
		WriteBufferSize:       64 << 10,
	}
}

// checkHeader refuses what cannot be a header, without showing the value.
func checkHeader(name, value string) error {
	if name == "" || strings.ContainsAny(name, " \t\r\n:\x00") {
		return fmt.Errorf("header %q: not a name", name)
	}
	if strings.ContainsFunc(value, func(r rune) bool { return r < 0x20 && r != '\t' || r == 0x7f }) {
		return fmt.Errorf("header %s: a control character in its value", name)
	}
	return nil
}

// BaseURL returns the base, without a trailing slash.
func (c *Client) BaseURL() string { return c.base.String() }

// Registry returns where the client's metrics are.
func (c *Client) Registry() *prometheus.Registry { return c.reg }

// RateState returns what is left of the rate limit, to be kept over a restart.
func (c *Client) RateState() RateState { return c.bucket.state() }

// SetBandwidth changes the limits in bytes a second, for transfers under way too; 0: none.
func (c *Client) SetBandwidth(up, down int64) {
	setByteLimit(c.up, up)
	setByteLimit(c.down, down)
}

// Close closes the idle connections and keeps the rate state. The client stays usable.
func (c *Client) Close() {
	c.keepRate()
	if c.own != nil {
		c.own.CloseIdleConnections()
	}
}

// Priority orders the calls that wait for their turn in the rate limit.
type Priority int

// The priorities: somebody waits for a read; a write was acknowledged and has to leave; a poll may come later.
const (
	Reader Priority = iota
	Writer
	Poller
)

type priorityKey struct{}

// WithPriority has the calls under ctx take their turn with p.
func WithPriority(ctx context.Context, p Priority) context.Context {
	return context.WithValue(ctx, priorityKey{}, p)
}

// WithDefaultPriority is WithPriority where ctx has none yet.
func WithDefaultPriority(ctx context.Context, p Priority) context.Context {
	if _, ok := ctx.Value(priorityKey{}).(Priority); ok {
		return ctx
	}
	return WithPriority(ctx, p)
}

func priorityOf(ctx context.Context) Priority {
	if p, ok := ctx.Value(priorityKey{}).(Priority); ok {
		return p
	}
	return Writer
}
