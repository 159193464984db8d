package d3

import (
	"context"
	"errors"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"dropfs/convert"
	"dropfs/remote/hub/objects"
	"dropfs/remote/hub/store"
	"dropfs/remote/hub/web"
)

// Config is what an API works with. Every field but the marked ones is needed.
type Config struct {
	Store       *store.Store
	Objects     objects.Store
	Presign     bool              // single uploads go to the object store itself, and results come from it
	Convert     *convert.Registry // nil: nothing is supported
	URLSecret   []byte            // 32 bytes, signs upload URLs
	PublicURL   string            // may be ""
	BehindProxy bool
	Keep        time.Duration // of uploads and results
	Scratch     string        // directory for conversions, which exists; "" where Convert is nil
	Limiter     *web.Limiter  // nil: none
	RateText    string        // how the limit is told; may be ""
	HashKey     func(text string) string
	// PrivateHooks lets webhooks be at addresses that are not public.
	PrivateHooks bool
	Now          func() time.Time
	TellEvery    time.Duration // between two words about the progress of a task; 0: 1 s
	Log          *logrus.Entry
	// Step is called with the name of a step that is done; nil: nothing. Tests die in it.
	Step func(name string)
}

// API answers the wire and does its jobs.
type API struct {
	cfg    Config
	mux    *web.Mux
	signer objects.Signer
	hooks  *http.Client
}

// New makes an API.
func New(cfg Config) *API {
	if cfg.Step == nil {
		cfg.Step = func(string) {}
	}
	if cfg.TellEvery == 0 {
		cfg.TellEvery = time.Second
	}
	if cfg.Convert == nil {
		cfg.Convert = convert.NewRegistry()
	}
	a := &API{cfg: cfg, signer: objects.Signer{Secret: cfg.URLSecret, Now: cfg.Now}, hooks: hookClient(cfg.PrivateHooks)}
	a.mux = web.NewMux(a.fail)
	for _, prefix := range prefixes {
		for _, route := range a.calls() {
			a.mux.Handle(route.method+" "+prefix+route.path, a.keyed(route.fn))
		}
	}
	a.mux.Handle("PUT /v1/upload/{file}", a.put)
	a.mux.Handle("GET /v1/download/{file}", a.download)
	a.mux.Handle("POST /mcp", a.keyed(newTools(a).serve))
	a.mux.Handle("POST /v1/developer/generate-api-key", a.keyed(a.generateKey))
	a.mux.Handle("POST /v1/developer/webhooks", a.keyed(a.addHook))
	a.mux.Handle("GET /v1/developer/webhooks", a.keyed(a.listHooks))
	a.mux.Handle("DELETE /v1/developer/webhook/{hook}", a.keyed(a.deleteHook))
	a.mux.Handle("GET /v1/developer/webhooks/audit", a.keyed(a.audit))
	return a
}

var prefixes = []string{"/api/v1", "/v1/biz", "/v1/external"}

// call answers a request of a key.
type call func(w http.ResponseWriter, r *http.Request, key store.Key) error

type route struct {
	method, path string
	fn           call
}

// calls are the routes below each prefix (T1).
func (a *API) calls() []route {
	return []route{
		{"POST", "/initiate-upload", a.initiate},
		{"POST", "/upload", a.initiate},
		{"POST", "/complete-upload", a.complete},
		{"POST", "/supported-operation", a.supported},
		{"GET", "/supported-operation", a.supported},
		{"POST", "/do", a.operate},
		{"GET", "/status/{main}", a.status},
		{"GET", "/status/{main}/{key}", a.status},
	}
}

// shared are the first words below /api/v1 that are this wire's and not Dropzone's.
var shared = []string{"initiate-upload", "upload", "complete-upload", "supported-operation", "do", "status"}

// Owns tells whether a path is one of this wire.
func Owns(p string) bool {
	words := strings.SplitN(strings.TrimPrefix(path.Clean("/"+p), "/"), "/", 4)
	return words[0] == "v1" || words[0] == "mcp" || len(words) > 2 && words[0] == "api" && words[1] == "v1" && slices.Contains(shared, words[2])
}

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.mux.ServeHTTP(w, r) }

// keyed finds the key of a request, and applies its rate limit (T2). The hub's own key has none.
func (a *API) keyed(fn call) web.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		key, err := a.key(r.Context(), credential(r))
		if a.cfg.Limiter != nil && !key.Embedded {
			if err := a.cfg.Limiter.Allow(w, r, key.ID); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
		return fn(w, r, key)
	}
}

// credential is the key as one of the three generations sends it, "" none.
func credential(r *http.Request) string {
	scheme, token, _ := strings.Cut(strings.TrimSpace(r.Header.Get("Authorization")), " ")
	if token = strings.TrimSpace(token); strings.EqualFold(scheme, "Bearer") && token != "" {
		return token
	}
	for _, name := range []string{"X-D3-Api-Key", "X-Api-Key"} {
		if v := strings.TrimSpace(r.Header.Get(name)); v != "" {
			return v
		}
	}
	return ""
}

func (a *API) key(ctx context.Context, text string) (store.Key, error) {
	if text == "" {
		return store.Key{}, &failure{http.StatusUnauthorized, "unauthorized", "An API key is required.", nil}
	}
	k, err := a.cfg.Store.KeyByHash(ctx, a.cfg.HashKey(text))
	if errors.Is(err, store.ErrNotFound) {
		return store.Key{}, &failure{http.StatusUnauthorized, "unauthorized", "The API key is not valid.", nil}
	}
	return k, err
}

func (a *API) base(r *http.Request) string {
	return web.BaseURL(r, a.cfg.PublicURL, a.cfg.BehindProxy)
}
