package web

import (
	"net/http"
	"path"
	"strings"
)

// HandlerFunc answers a request or says why not.
type HandlerFunc func(w http.ResponseWriter, r *http.Request) error

// Mux routes like http.ServeMux, whose patterns it takes, but every error is written by one function (W1), trailing and
// doubled slashes do not matter, and OPTIONS is answered for every route.
type Mux struct {
	inner   *http.ServeMux
	methods []string
	fail    func(w http.ResponseWriter, r *http.Request, err error)
}

// NewMux makes an empty Mux; fail writes errors in the wire's shape.
func NewMux(fail func(w http.ResponseWriter, r *http.Request, err error)) *Mux {
	return &Mux{inner: http.NewServeMux(), fail: fail, methods: []string{
		http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
	}}
}

// Handle adds a route; GET patterns answer HEAD as well.
func (m *Mux) Handle(pattern string, fn HandlerFunc) {
	m.inner.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		if rec, ok := w.(*Recorder); ok {
			rec.Route = r.Pattern
		}
		if err := fn(w, r); err != nil {
			m.fail(w, r, err)
		}
	})
}

// ServeHTTP implements http.Handler.
func (m *Mux) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r = clean(r)
	if _, pattern := m.inner.Handler(r); pattern != "" {
		m.inner.ServeHTTP(w, r)
		return
	}
	allowed := m.allowed(r)
	switch {
	case len(allowed) == 0:
		m.fail(w, r, Fail(http.StatusNotFound, "There is nothing at this address."))
	case r.Method == http.MethodOptions:
		w.Header().Set("Allow", strings.Join(append(allowed, http.MethodOptions), ", "))
		w.WriteHeader(http.StatusNoContent)
	default:
		w.Header().Set("Allow", strings.Join(append(allowed, http.MethodOptions), ", "))
		m.fail(w, r, Fail(http.StatusMethodNotAllowed, "This method is not possible here."))
	}
}

// allowed returns the methods that the path has a route for.
func (m *Mux) allowed(r *http.Request) []string {
	var found []string
	probe := *r
	for _, method := range m.methods {
		probe.Method = method
		if _, pattern := m.inner.Handler(&probe); pattern != "" {
			found = append(found, method)
		}
	}
	return found
}

// clean gives the path the form that the patterns have.
func clean(r *http.Request) *http.Request {
	p := path.Clean("/" + r.URL.Path)
	if p == r.URL.Path {
		return r
	}
	u := *r.URL
	u.Path, u.RawPath = p, ""
	c := *r
	c.URL = &u
	return &c
}
