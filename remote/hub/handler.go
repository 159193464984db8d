package hub

import (
	"errors"
	"fmt"
	"log"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/cors"
	"github.com/sirupsen/logrus"

	"dropfs/remote/hub/d3"
	"dropfs/remote/hub/dropzone"
	"dropfs/remote/hub/objects"
	"dropfs/remote/hub/web"
)

// newHandler puts the wires together. dir is nil where objects are elsewhere.
func (h *Hub) newHandler(api, conversions http.Handler, dir *objects.Dir) http.Handler {
	own := web.NewMux(func(w http.ResponseWriter, r *http.Request, err error) {
		var e *web.Error
		var status *objects.StatusError
		switch {
		case errors.As(err, &e):
		case errors.As(err, &status):
			e = &web.Error{Status: status.Status, Message: status.Message}
		default:
			e = &web.Error{Status: http.StatusInternalServerError, Message: "An unexpected error occurred."}
		}
		if e.Status >= 500 && r.Context().Err() == nil {
			h.log.WithError(err).WithField("op", r.Pattern).Error("request failed")
		}
		web.WriteError(w, e)
	})
	own.Handle("GET /healthz", h.healthz)
	metrics := promhttp.HandlerFor(h.metrics.registry, promhttp.HandlerOpts{})
	own.Handle("GET /metrics", func(w http.ResponseWriter, r *http.Request) error {
		metrics.ServeHTTP(w, r)
		return nil
	})
	if dir != nil {
		own.Handle("PUT /objects/{key}", func(w http.ResponseWriter, r *http.Request) error {
			return dir.ServePut(w, r, r.PathValue("key"))
		})
	}
	wires := map[string]http.Handler{"api": api, "cdn": api, "link": api}
	route := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d3.Owns(r.URL.Path) {
			conversions.ServeHTTP(w, r)
			return
		}
		head, _, _ := strings.Cut(strings.TrimLeft(r.URL.Path, "/"), "/")
		if wire, ok := wires[head]; ok {
			wire.ServeHTTP(w, r)
			return
		}
		own.ServeHTTP(w, r)
	})
	return h.observed(h.recovered(browsers().Handler(route)))
}

// keysOnly answers for a hub that was opened without a data directory.
func keysOnly() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		web.WriteError(w, web.Fail(http.StatusServiceUnavailable, "This hub has no data directory."))
	})
}

// browsers lets pages of any origin use the hub, without cookies.
func browsers() *cors.Cors {
	return cors.New(cors.Options{
		AllowedOrigins: []string{"*"},
		AllowedMethods: []string{
			http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
			http.MethodOptions,
		},
		AllowedHeaders: []string{"*"},
		ExposedHeaders: []string{
			"ETag", "Content-Range", "Location", "Content-Disposition", "Content-Length", "Accept-Ranges", "Retry-After",
			"RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", dropzone.AbilitiesHeader,
			dropzone.SequenceHeader,
		},
		MaxAge: 86400,
	})
}

// observed counts and logs each request, without its path, whose ids are credentials, and without its query (W2).
func (h *Hub) observed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		rec := web.NewRecorder(w)
		body := &web.Body{} // of a request that has none
		if r.Body != nil && r.Body != http.NoBody {
			body = web.NewBody(r.Body, w)
			r.Body = body
		}
		rec.Header().Set(dropzone.AbilitiesHeader, dropzone.Abilities)
		next.ServeHTTP(rec, r)
		if rec.Status == 0 {
			rec.WriteHeader(http.StatusOK)
		}
		took := time.Since(began)
		h.metrics.count(r.Method, rec.Route, rec.Status, body.Received, rec.Sent, took)
		if h.log.Logger.IsLevelEnabled(logrus.DebugLevel) {
			h.log.WithFields(logrus.Fields{
				"op": r.Method + " " + rec.Route, "kind": rec.Status, "dur": took, "bytes": body.Received + rec.Sent,
				"path": queryNames(r),
			}).Debug("request")
		}
	})
}

// queryNames is the query without its values.
func queryNames(r *http.Request) string {
	var names []string
	for name := range r.URL.Query() {
		names = append(names, name)
	}
	slices.Sort(names)
	return "?" + strings.Join(names, "&")
}

// recovered answers a panic like any other error of its wire (W1).
func (h *Hub) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p == http.ErrAbortHandler { //nolint:errorlint // the value itself, as net/http has it
				panic(p)
			}
			h.log.WithField("err", fmt.Sprint(p)).WithField("op", r.Pattern).Error("panic in a request")
			h.log.Debug(string(debug.Stack()))
			if rec, ok := w.(*web.Recorder); ok && rec.Status != 0 {
				panic(http.ErrAbortHandler) // half an answer is out: break it off
			}
			if d3.Owns(r.URL.Path) {
				d3.WriteUnexpected(w)
				return
			}
			web.WriteError(w, web.Fail(http.StatusInternalServerError, "An unexpected error occurred."))
		}()
		next.ServeHTTP(w, r)
	})
}

// healthz says whether the hub can answer.
func (h *Hub) healthz(w http.ResponseWriter, r *http.Request) error {
	if err := h.store.Ping(r.Context()); err != nil {
		return &web.Error{Status: http.StatusServiceUnavailable, Message: "The database does not answer.", Err: err}
	}
	w.Header().Set("Cache-Control", "no-store")
	web.WriteJSON(w, http.StatusOK, map[string]string{"status": "success", "message": "ok"})
	return nil
}

// Server returns an http.Server for the hub, without an address: a client may be slow, but not stand still (W3).
func (h *Hub) Server() *http.Server {
	return &http.Server{
		Handler:           h.handler,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          log.New(lineWriter{h.log}, "", 0),
	}
}

// lineWriter hands what net/http says to the hub's log.
type lineWriter struct{ log *logrus.Entry }

func (l lineWriter) Write(p []byte) (int, error) {
	l.log.WithField("err", strings.TrimSpace(string(p))).Debug("http server")
	return len(p), nil
}
