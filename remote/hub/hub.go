package hub

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"dropfs/convert"
	"dropfs/remote"
	"dropfs/remote/hub/dropzone"
	"dropfs/remote/hub/objects"
	"dropfs/remote/hub/store"
	"dropfs/remote/hub/web"
)

// IDAccess says whether the id of a dropzone is a credential.
type IDAccess int

// The zero value allows it, as the service does.
const (
	IDAllowed IDAccess = iota
	IDRefused          // only keys and what "anyone" may
)

// KeySpec is a key given on the command line.
type KeySpec struct {
	Key      remote.Secret
	GBMonths float64 // negative: unlimited
	Embedded bool    // free of all limits; its drops never expire and are as large as the disk
}

// Rate is how many requests a caller may make in a while; the zero value is no limit.
type Rate = web.Rate

// Config is what a hub is made of. DataDir is needed, but where keys alone are looked after in a Database; every other
// zero value is a safe default.
type Config struct {
	DataDir     string          // made if absent, mode 0700
	Objects     string          // "": DataDir/objects; a directory; or s3://KEY:SECRET@host:port/bucket?tls=false&region=R
	Database    string          // "": DataDir/hub.db; or a SQLite file, by its path or sqlite://PATH
	PublicURL   string          // as clients see the hub; "": from each request
	BehindProxy bool            // believe X-Forwarded headers
	Keys        []KeySpec       //
	IDAccess    IDAccess        //
	URLLifetime time.Duration   // of signed URLs; 0: 15 minutes
	Grace       time.Duration   // from the end of an upload URL to the end of its reservation; 0: URLLifetime
	PartsGrace  time.Duration   // the same for uploads in parts; 0: 24 hours
	Rate        map[string]Rate // by protocol: "dropzone"; "d3", which has 1000 a minute where it is absent
	Log         *logrus.Entry   // nil: nothing is logged
	Now         func() time.Time

	Convert *convert.Registry // what the D3 wire can do; nil: nothing
	Workers int               // conversions at the same time; 0: as many as there are processors
	Keep    time.Duration     // of uploads and results of the D3 wire; 0: DefaultKeep
	// PrivateHooks lets webhooks be at addresses that are not public: who has a key can then reach what the hub can.
	PrivateHooks bool

	jobWait                   func(n int) time.Duration // as in store.JobsConfig, like the next; tests wait less
	jobPoll, tellEvery        time.Duration
	step                      func(name string) // called after each step of an upload; tests die in it
	multipartMin, partSizeMin int64             // as in dropzone.Config; tests use small ones
}

// Hub is an open hub.
type Hub struct {
	cfg     Config
	log     *logrus.Entry
	store   *store.Store
	objects objects.Store
	feed    *dropzone.Feed
	metrics *metrics
	handler http.Handler
	collect chan struct{} // holds one wish to collect garbage
	jobs    *store.Jobs   // nil where there are no engines
}

// Open opens the hub's database and objects, and makes the keys of cfg.
func Open(ctx context.Context, cfg Config) (*Hub, error) {
	cfg = withDefaults(cfg)
	db := strings.TrimPrefix(cfg.Database, "sqlite://")
	switch {
	case strings.Contains(db, "://"):
		return nil, errors.New("hub: only SQLite databases are possible, by the path of their file")
	case db == "" && cfg.DataDir == "":
		return nil, errors.New("hub: no data directory")
	case db == "":
		db = filepath.Join(cfg.DataDir, "hub.db")
	}
	spool := filepath.Join(cfg.DataDir, "spool")
	if cfg.DataDir != "" {
		if err := os.MkdirAll(spool, 0o700); err != nil {
			return nil, fmt.Errorf("hub: %w", err)
		}
	}
	st, err := store.OpenSQLite(ctx, db, cfg.Now)
	if err != nil {
		return nil, fmt.Errorf("hub: %w", err)
	}
	h := &Hub{
		cfg: cfg, log: cfg.Log, store: st, feed: dropzone.NewFeed(), metrics: newMetrics(),
		collect: make(chan struct{}, 1),
	}
	if err := st.PrepareD3(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("hub: %w", err), st.Close())
	}
	if cfg.DataDir == "" {
		h.handler = keysOnly()
		return h, nil
	}
	if err := h.assemble(ctx, spool); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return h, nil
}

func withDefaults(cfg Config) Config {
	if cfg.URLLifetime <= 0 {
		cfg.URLLifetime = 15 * time.Minute
	}
	if cfg.Grace <= 0 {
		cfg.Grace = cfg.URLLifetime
	}
	if cfg.PartsGrace <= 0 {
		cfg.PartsGrace = 24 * time.Hour
	}
	if cfg.Keep <= 0 {
		cfg.Keep = DefaultKeep
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		quiet := logrus.New()
		quiet.SetLevel(logrus.PanicLevel)
		cfg.Log = logrus.NewEntry(quiet)
	}
	if cfg.step == nil {
		cfg.step = func(string) {}
	}
	return cfg
}

// assemble makes objects, keys and the handler.
func (h *Hub) assemble(ctx context.Context, spool string) error {
	urls, err := h.store.Secret(ctx, "objects")
	if err != nil {
		return fmt.Errorf("hub: %w", err)
	}
	links, err := h.store.Secret(ctx, "links")
	if err != nil {
		return fmt.Errorf("hub: %w", err)
	}
	dir, err := h.openObjects(ctx, objects.Signer{Secret: urls, Now: h.cfg.Now})
	if err != nil {
		return fmt.Errorf("hub: %w", err)
	}
	for _, k := range h.cfg.Keys {
		if err := h.ensureKey(ctx, k); err != nil {
			return fmt.Errorf("hub: %w", err)
		}
	}
	api := dropzone.New(dropzone.Config{
		Store: h.store, Objects: h.objects, LinkSecret: links, MultipartMin: h.cfg.multipartMin, PartSizeMin: h.cfg.partSizeMin,
		PublicURL: h.cfg.PublicURL, BehindProxy: h.cfg.BehindProxy, NoIDAccess: h.cfg.IDAccess == IDRefused,
		URLLifetime: h.cfg.URLLifetime, Grace: h.cfg.Grace, PartsGrace: h.cfg.PartsGrace, Spool: spool, Feed: h.feed,
		Limiter: web.NewLimiter(h.cfg.Rate["dropzone"], h.cfg.BehindProxy, h.cfg.Now),
		Now:     h.cfg.Now, Log: h.log, Step: h.cfg.step,
		Sweep: func(ctx context.Context) error {
			_, err := h.store.Sweep(ctx)
			h.wishCollect(ctx)
			return err
		},
		Collect: h.wishCollect,
	})
	d3, err := h.newD3(ctx, dir != nil)
	if err != nil {
		return fmt.Errorf("hub: %w", err)
	}
	h.handler = h.newHandler(api, d3, dir)
	return nil
}

// openObjects opens the store of bytes; the directory is answered where it is one.
func (h *Hub) openObjects(ctx context.Context, signer objects.Signer) (*objects.Dir, error) {
	if strings.HasPrefix(h.cfg.Objects, "s3://") {
		cfg, err := objects.ParseS3(h.cfg.Objects, os.Getenv)
		if err != nil {
			return nil, err
		}
		cfg.Now = h.cfg.Now
		h.objects, err = objects.OpenS3(ctx, cfg)
		return nil, err
	}
	if strings.Contains(h.cfg.Objects, "://") {
		return nil, errors.New("objects are kept in a directory or in s3://")
	}
	path := h.cfg.Objects
	if path == "" {
		path = filepath.Join(h.cfg.DataDir, "objects")
	}
	dir, err := objects.OpenDir(objects.DirConfig{Path: path, Signer: signer, Wanted: h.wanted, Step: h.cfg.step})
	h.objects = dir
	return dir, err
}

// wanted tells whether bytes may still arrive for a file.
func (h *Hub) wanted(ctx context.Context, key string) error {
	f, err := h.store.File(ctx, key)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return &objects.StatusError{Status: http.StatusNotFound, Message: "There is no such upload."}
	case err != nil:
		return err
	case !f.Pending():
		return &objects.StatusError{Status: http.StatusConflict, Message: "The upload is already confirmed."}
	}
	return nil
}

// wishCollect asks Run to remove garbage soon.
func (h *Hub) wishCollect(context.Context) {
	select {
	case h.collect <- struct{}{}:
	default: // a wish is waiting already
	}
}

// Handler answers all requests of the hub.
func (h *Hub) Handler() http.Handler { return h.handler }

// Close ends the change feeds and closes the database. Requests and Run must have ended, but for the feeds.
func (h *Hub) Close() error {
	h.feed.Close()
	var err error
	if h.jobs != nil {
		err = h.jobs.Close()
	}
	return errors.Join(err, h.store.Close())
}
