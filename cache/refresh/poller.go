package refresh

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/time/rate"
)

// PollConfig is what a Poller works with. Fetch is required; every other zero value is replaced by the default given.
type PollConfig struct {
	// Fetch lists a drop and merges the listing. It is never called twice at a time for one drop (M7).
	Fetch func(ctx context.Context, drop int64) error

	Min       time.Duration // between two polls of a drop in use; 10 s
	Max       time.Duration // of an idle one; 5 min
	FeedMin   time.Duration // the same while a change feed tells what happens; 5 min
	FeedMax   time.Duration // 10 min
	Parallel  int           // drops fetched at the same time; 4
	PerMinute float64       // polls a minute over all drops, RefreshNow and Join not counted; 60

	Log *logrus.Entry    // nil: silent
	Now func() time.Time // nil: time.Now
}

// ErrNoDrop is what waiting for a drop answers that is not, or no longer, polled.
var ErrNoDrop = errors.New("drop is not refreshed")

// Poller decides when each drop is listed. All methods may be called at the same time. One mutex guards it, and is never
// held while Fetch runs.
type Poller struct {
	cfg    PollConfig
	budget *rate.Limiter
	wake   chan struct{} // capacity 1

	mu      sync.Mutex
	drops   map[int64]*polled
	running int
	feed    bool
	offline bool
}

// polled is one drop. Poller.mu guards it.
type polled struct {
	id       int64
	interval time.Duration
	began    time.Time // of the last fetch
	next     time.Time // of the next poll
	used     bool      // since the last fetch began
	failed   bool      // the last fetch
	again    bool      // poll at once when the present fetch ends
	cur      *flight   // under way
	want     *flight   // asked for, not begun
	cancel   context.CancelFunc
	gone     bool
}

// flight is one fetch that callers may wait for; err is set before done is closed.
type flight struct {
	done chan struct{}
	err  error
}

// NewPoller makes a poller without drops. It starts nothing.
func NewPoller(cfg PollConfig) *Poller {
	if cfg.Fetch == nil {
		panic("refresh: PollConfig.Fetch is required")
	}
	defaults := func(d *time.Duration, otherwise time.Duration) {
		if *d <= 0 {
			*d = otherwise
		}
	}
	defaults(&cfg.Min, 10*time.Second)
	defaults(&cfg.Max, 5*time.Minute)
	defaults(&cfg.FeedMin, 5*time.Minute)
	defaults(&cfg.FeedMax, 10*time.Minute)
	cfg.Max, cfg.FeedMax = max(cfg.Min, cfg.Max), max(cfg.FeedMin, cfg.FeedMax)
	if cfg.Parallel <= 0 {
		cfg.Parallel = 4
	}
	if cfg.PerMinute <= 0 {
		cfg.PerMinute = 60
	}
	if cfg.Log == nil {
		l := logrus.New()
		l.SetLevel(logrus.PanicLevel)
		cfg.Log = logrus.NewEntry(l)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Poller{
		cfg: cfg, wake: make(chan struct{}, 1), drops: map[int64]*polled{},
		budget: rate.NewLimiter(rate.Limit(cfg.PerMinute/60), max(1, int(cfg.PerMinute/6))),
	}
}

// Add polls a drop from now on, beginning at once; one that is polled already is left as it is.
func (p *Poller) Add(drop int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.drops[drop] == nil {
		p.drops[drop] = &polled{id: drop, interval: p.least(), next: p.cfg.Now()}
		p.signal()
	}
}

// Remove ends the polling of a drop, and a fetch that is under way; who waits gets ErrNoDrop.
func (p *Poller) Remove(drop int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	d := p.drops[drop]
	if d == nil {
		return
	}
	delete(p.drops, drop)
	d.gone = true
	if d.want != nil {
		d.want.end(ErrNoDrop)
	}
	if d.cur != nil {
		d.cancel()
	}
}

// Use marks a drop as in use: it is polled at the shortest interval again. It is cheap.
func (p *Poller) Use(drop int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	d := p.drops[drop]
	if d == nil || d.used {
		return
	}
	d.used = true
	d.interval = p.least()
	if soon := d.began.Add(d.interval); soon.Before(d.next) && d.cur == nil {
		d.next = soon
		p.signal()
	}
}

// SetFeed tells whether a change feed reports what happens: while it does, polls are for safety only. When it ends
// every drop is polled soon.
func (p *Poller) SetFeed(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.feed == on {
		return
	}
	p.feed = on
	for _, d := range p.drops {
		d.interval = p.least()
		d.next = d.began.Add(p.jitter(d.interval))
	}
	p.signal()
}

// PollAll has every drop polled at once: nothing is known of what happened to them.
func (p *Poller) PollAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range p.drops {
		d.next = p.cfg.Now()
		d.again = d.cur != nil // what runs may have begun before
	}
	p.signal()
}

// SetOnline pauses polling, or takes it up again with every drop whose poll fell due meanwhile. RefreshNow and Join go on
// in any case.
func (p *Poller) SetOnline(online bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.offline = !online
	p.signal()
}

// RefreshNow waits for a fetch of the drop that begins after the call, and returns its error, the context's, or
// ErrNoDrop.
func (p *Poller) RefreshNow(ctx context.Context, drop int64) error { return p.await(ctx, drop, false) }

// Join is RefreshNow that is content with a fetch that is already under way.
func (p *Poller) Join(ctx context.Context, drop int64) error { return p.await(ctx, drop, true) }

func (p *Poller) await(ctx context.Context, drop int64, join bool) error {
	p.mu.Lock()
	d := p.drops[drop]
	if d == nil {
		p.mu.Unlock()
		return ErrNoDrop
	}
	f := d.cur
	if f == nil || !join {
		if d.want == nil {
			d.want = &flight{done: make(chan struct{})}
			p.signal()
		}
		f = d.want
	}
	p.mu.Unlock()
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
