package cloud

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"dropfs/convert"
	"dropfs/convert/magic"
	"dropfs/remote/d3"
)

// Config is what an Engine works with. Client is required.
type Config struct {
	Client   *d3.Client
	Exts     []string      // the extensions that are asked about; nil: every format of package magic
	PerHour  int           // conversions begun within an hour; 0: any number
	Spent    string        // the file that keeps for the next process what was begun, of one Engine alone; "": none
	Version  string        // of the service, as part of the keys of results; "": "1"
	AskedFor time.Duration // how long what the service says of an extension holds; 0: 1 h
	Parallel int           // questions, and sources of one conversion, under way at a time; 0: 4
	Known    string        // the file that keeps what the service said for the next process; "": none
	Log      *logrus.Entry // nil: discarded
}

// Engine is the service. All its methods may be called at the same time.
type Engine struct {
	cfg    Config
	budget *budget
	want   chan struct{} // holds a word when Edges missed something
	asking chan struct{} // held by who asks

	once    sync.Once
	settled chan struct{} // closed when the service was asked, or known from before

	mu    sync.Mutex
	known map[string]ability // by extension
	fresh time.Time          // until when all of known holds; zero: something is missing
	edges []convert.Edge     // all of known; replaced, never changed
}

var (
	_ convert.Engine  = (*Engine)(nil)
	_ convert.Settler = (*Engine)(nil)
)

// common are the extensions that are asked about first.
var common = []string{"pdf", "docx", "xlsx", "pptx", "jpg", "png", "txt", "mp4", "mp3"}

// New makes an engine that knows what Config.Known and Config.Spent have kept. It starts nothing.
func New(c Config) (*Engine, error) {
	if c.Client == nil {
		return nil, errors.New("no client")
	}
	if c.Exts == nil {
		c.Exts = append(slices.Clone(common), magic.Formats()...)
	}
	var exts []string
	for _, ext := range c.Exts {
		if ext = magic.Ext(ext); !slices.Contains(exts, ext) {
			exts = append(exts, ext)
		}
	}
	c.Exts = exts
	if c.Version == "" {
		c.Version = "1"
	}
	if c.AskedFor <= 0 {
		c.AskedFor = time.Hour
	}
	if c.Parallel <= 0 {
		c.Parallel = 4
	}
	if c.Log == nil {
		l := logrus.New()
		l.SetLevel(logrus.PanicLevel)
		c.Log = logrus.NewEntry(l)
	}
	b, err := openBudget(c.PerHour, c.Spent, time.Now())
	if err != nil {
		c.Log.WithError(err).Warn("what was converted within the hour is not known; it counts as spent")
	}
	e := &Engine{
		cfg: c, budget: b, want: make(chan struct{}, 1), asking: make(chan struct{}, 1),
		settled: make(chan struct{}), known: map[string]ability{},
	}
	e.recall()
	return e, nil
}

// Name implements convert.Engine.
func (*Engine) Name() string { return "d3" }

// Version implements convert.Engine. The service tells none.
func (e *Engine) Version() string { return e.cfg.Version }

// Edges implements convert.Engine: what is known of the service now (C1). What is not, or no longer, is left to Background.
func (e *Engine) Edges() []convert.Edge {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !time.Now().Before(e.fresh) {
		select {
		case e.want <- struct{}{}:
		default:
		}
	}
	return e.edges[:len(e.edges):len(e.edges)]
}

// Settled implements convert.Settler.
func (e *Engine) Settled() <-chan struct{} { return e.settled }

func (e *Engine) settle() { e.once.Do(func() { close(e.settled) }) }

// Left tells how many conversions may be begun now; -1: any number.
func (e *Engine) Left() int { return e.budget.left(time.Now()) }

const (
	firstPause = 30 * time.Second // after a question that was not answered
	maxPause   = 5 * time.Minute
)

// Background asks what Edges misses, when somebody has called it, until ctx ends; then it returns nil. What is known stays
// known while the service does not answer.
func (e *Engine) Background(ctx context.Context) error {
	pause := firstPause
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-e.want:
		}
		err := e.Refresh(ctx)
		if err == nil {
			pause = firstPause
			continue
		}
		if ctx.Err() != nil {
			return nil
		}
		e.cfg.Log.WithError(err).WithField("wait", pause).Warn("conversion service does not tell what it can do")
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		pause = min(2*pause, maxPause)
	}
}
