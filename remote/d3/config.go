package d3

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"dropfs/remote"
	"dropfs/remote/httpx"
	"dropfs/remote/transfer"

	lru "github.com/hashicorp/golang-lru/v2"
)

// Config says where the service is and how it may be used. Only BaseURL is needed; the key is, by every known service.
type Config struct {
	BaseURL       string // "https://api.dragdropdo.com"; where it ends in /api/v1 or /v1/biz, that prefix is tried first
	Key           remote.Secret
	WebhookSecret remote.Secret // "": webhooks are refused

	SingleMax int64 // bytes that one PUT may carry; 0: 5 GiB (wire/d3.md §11)
	PartSize  int64 // bytes of each part of a larger file, at least 5 MiB; 0: 256 MiB
	Parallel  int   // parts of one upload at a time; 0: 4

	PollFirst time.Duration // between the first two questions for a task's state; 0: 0.5 s
	PollMax   time.Duration // to which that grows; 0: 5 s
	PollGrace time.Duration // how long a wait goes on without an answer; 0: 1 min
	// PollHooked is the least between two questions for a task's state while webhooks arrive; 0: 10 s.
	PollHooked time.Duration

	Held     int           // uploads remembered; 0: 1,024
	HeldFor  time.Duration // 0: 20 h
	AskedFor time.Duration // how long an answer of supported-operation holds; 0: 1 h

	HTTP httpx.Config  // BaseURL and Auth are set here; a zero Rate is 1,000 a minute, a negative one none
	Log  *logrus.Entry // nil: nothing is logged
}

const (
	minPart  = 5 << 20 // S3 takes no smaller part but the last (wire/d3.md §5.4)
	maxPart  = 5 << 30
	maxParts = 100 // that the service's own clients send
	maxJSON  = 16 << 20
)

// Client speaks to one service with one key. All its methods may be called at the same time.
type Client struct {
	cfg   Config
	http  *httpx.Client
	tr    *transfer.Client
	base  *url.URL // with a slash at its end, without a prefix of the API
	root  string   // path of base, escaped, without a slash at its end
	held  *held
	waits *waits
	asked *lru.Cache[string, answered]
	// hooked tells that webhooks arrive: one did, and none has failed to since.
	hooked atomic.Bool

	mu     sync.Mutex
	proven string // the prefix that has answered; "" none yet
	first  string // the prefix to try while none is proven
}

// New checks cfg and returns a client that has sent nothing yet.
func New(cfg Config) (*Client, error) {
	setDefaults(&cfg)
	first := prefixes[0]
	text := strings.TrimRight(cfg.BaseURL, "/")
	for _, p := range prefixes {
		if cut, ok := strings.CutSuffix(text, p); ok {
			text, first = cut, p
			break
		}
	}
	if cfg.PartSize < minPart || cfg.PartSize > maxPart {
		return nil, fmt.Errorf("part size %d: not within 5 MiB and 5 GiB", cfg.PartSize)
	}
	hc := cfg.HTTP
	hc.Auth = nil
	if cfg.Key != "" {
		hc.Auth = map[string]remote.Secret{"Authorization": "Bearer " + cfg.Key}
	}
	base, err := url.Parse(text)
	if err != nil { // the parser's error shows the text, which may hold a secret
		return nil, errors.New("base URL: not an URL")
	}
	// Links lead anywhere within the origin, so that is the transport's base; it refuses what else an URL may hold.
	origin := *base
	origin.Path, origin.RawPath = "", ""
	hc.BaseURL = origin.String()
	base = base.JoinPath("/")
	h, err := httpx.New(hc)
	if err != nil {
		return nil, err
	}
	tr, err := transfer.New(transfer.Config{HTTP: h, Parallel: cfg.Parallel, Targets: 1})
	if err != nil {
		return nil, err
	}
	c := &Client{cfg: cfg, http: h, tr: tr, base: base, root: strings.TrimSuffix(base.EscapedPath(), "/"), first: first, waits: newWaits()}
	if c.held, err = newHeld(cfg.Held, cfg.HeldFor); err != nil {
		return nil, err
	}
	if c.asked, err = lru.New[string, answered](1024); err != nil {
		return nil, err
	}
	return c, nil
}

func setDefaults(cfg *Config) {
	duration := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	duration(&cfg.PollFirst, 500*time.Millisecond)
	duration(&cfg.PollMax, 5*time.Second)
	duration(&cfg.PollGrace, time.Minute)
	duration(&cfg.PollHooked, 10*time.Second)
	duration(&cfg.HeldFor, 20*time.Hour)
	duration(&cfg.AskedFor, time.Hour)
	if cfg.SingleMax <= 0 || cfg.SingleMax > maxPart {
		cfg.SingleMax = maxPart
	}
	if cfg.PartSize == 0 {
		cfg.PartSize = 256 << 20
	}
	if cfg.Held <= 0 {
		cfg.Held = 1024
	}
	if cfg.HTTP.Rate == (httpx.RateLimit{}) {
		cfg.HTTP.Rate = httpx.RateLimit{Events: 1000, Per: time.Minute}
	}
	if cfg.HTTP.MaxJSON == 0 {
		cfg.HTTP.MaxJSON = maxJSON
	}
	if cfg.HTTP.Log == nil {
		cfg.HTTP.Log = cfg.Log
	}
}

// HTTP returns the transport below, for its metrics, bandwidth and rate state.
func (c *Client) HTTP() *httpx.Client { return c.http }

// Close closes the idle connections.
func (c *Client) Close() { c.http.Close() }
