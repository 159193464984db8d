package d3test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// Key is what the server takes.
const Key = "d3_live_0123456789abcdef"

// Envelope says how answers are wrapped.
type Envelope string

// The envelopes.
const (
	Data Envelope = "data"
	Bare Envelope = "bare"
	Both Envelope = "both"
)

// Quirks are the ways in which services and documents differ. The zero value is the present generation as its own clients
// read it. They are set while no request is
// under way.
type Quirks struct {
	Prefixes  []string          // nil: /api/v1
	Envelope  Envelope          // "": Data
	Camel     bool              // names in camelCase
	Nulls     bool              // null for what is absent
	Words     map[string]string // for the states queued, running, completed, failed, partially_completed
	Relative  bool              // links without a host
	Elsewhere bool              // links to a second host
	Redirect  bool              // downloads lead to a second host
	QuoteETag bool
	NoObject  bool   // no object_name
	NoResults bool   // a result is no source of another operation
	MinPart   int    // parts but the last must have so many bytes, as S3 has it
	NotFound  string // what is said of paths that are not there, as a page; "": an object
}

// File is one result of an operation, or its failure.
type File struct {
	Body          []byte
	Code, Message string // with a code there is no result
}

// Operation is what was asked of the server.
type Operation struct {
	Action     string
	Names      []string
	Inputs     [][]byte
	Parameters map[string]any
	Notes      map[string]string
}

// Answer is said instead of the true one.
type Answer struct {
	Call   string // "initiate-upload", "put", "complete-upload", "do", "status", "supported-operation", "download"
	After  int    // how many of the calls go well before
	Times  int    // how many are struck; 0: one
	Status int
	Type   string // Content-Type; "": application/json
	Header map[string]string
	Body   string

	seen int
}

// Server is the stand-in. Its fields are set while no request is under way.
type Server struct {
	Quirks Quirks
	// Work does an operation; nil: each input gets a result that names what was done to it.
	Work func(Operation) []File
	// Polls are the states that are told before the end; nil: one "queued", one "running".
	Polls []string
	// Support answers supported-operation; nil: everything is possible, nothing is listed.
	Support func(ext, action string, parameters map[string]any) map[string]any

	t      testing.TB
	api    *httptest.Server
	second *httptest.Server

	mu      sync.Mutex
	answers []*Answer
	calls   map[string]int
	paths   map[string]int
	files   map[string]*file
	tasks   map[string]*task
	last    Operation
	counter int
}

type file struct {
	name     string
	parts    [][]byte
	body     []byte
	complete bool
}

type task struct {
	id    string
	polls int
	files []File
	keys  []string // of the results; of the source where there is none
}

// New starts a server that ends with the test.
func New(t testing.TB) *Server {
	t.Helper()
	s := &Server{t: t, calls: map[string]int{}, paths: map[string]int{}, files: map[string]*file{}, tasks: map[string]*task{}}
	s.api = httptest.NewServer(http.HandlerFunc(s.ServeHTTP))
	s.second = httptest.NewServer(http.HandlerFunc(s.serveElsewhere))
	t.Cleanup(func() {
		for _, srv := range []*httptest.Server{s.api, s.second} {
			srv.CloseClientConnections()
			srv.Close()
		}
	})
	return s
}

// URL is the base of the API; SecondURL the other host.
func (s *Server) URL() string { return s.api.URL }

// SecondURL is the base of a host that must never see the key.
func (s *Server) SecondURL() string { return s.second.URL }

// Say adds answers that are given instead of the true ones.
func (s *Server) Say(as ...Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range as {
		s.answers = append(s.answers, &a)
	}
}

// Calls answers how often a call came, the struck ones counted.
func (s *Server) Calls(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[name]
}

// Paths answers how often a prefix was asked for.
func (s *Server) Paths(prefix string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for p, k := range s.paths {
		if strings.HasPrefix(p, prefix) {
			n += k
		}
	}
	return n
}

// Last is the operation that was asked for last.
func (s *Server) Last() Operation {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

// Lose forgets all files, as a service does when their time is over.
func (s *Server) Lose() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.files)
}

// struck counts a call and answers what is to be said instead.
func (s *Server) struck(call string) *Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[call]++
	for _, a := range s.answers {
		if a.Call != call {
			continue
		}
		if a.seen++; a.seen > a.After && a.seen <= a.After+max(a.Times, 1) {
			return a
		}
	}
	return nil
}

func (s *Server) strike(w http.ResponseWriter, call string) bool {
	a := s.struck(call)
	if a == nil {
		return false
	}
	typ := a.Type
	if typ == "" {
		typ = "application/json"
	}
	w.Header().Set("Content-Type", typ)
	for k, v := range a.Header {
		w.Header().Set(k, v)
	}
	w.WriteHeader(a.Status)
	_, _ = io.WriteString(w, a.Body)
	return true
}

var downloads = regexp.MustCompile(`^(?:/x)?/v1/download/([^/]+)$`)

// ServeHTTP is the API, the store and the downloads; the store's paths begin with /store/.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/store/") {
		s.put(w, r)
		return
	}
	if m := downloads.FindStringSubmatch(r.URL.Path); m != nil {
		if s.Quirks.Redirect {
			http.Redirect(w, r, s.second.URL+"/v1/download/"+m[1]+"?signature=sekrit-of-the-store", http.StatusFound)
			return
		}
		s.download(w, r, m[1])
		return
	}
	s.mu.Lock()
	s.paths[r.URL.Path]++
	s.mu.Unlock()
	prefixes := s.Quirks.Prefixes
	if prefixes == nil {
		prefixes = []string{"/api/v1"}
	}
	for _, p := range prefixes {
		if rest, ok := strings.CutPrefix(r.URL.Path, p+"/"); ok {
			s.call(w, r, rest)
			return
		}
	}
	if s.Quirks.NotFound != "" {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, s.Quirks.NotFound)
		return
	}
	s.fail(w, http.StatusNotFound, "no such route")
}

// serveElsewhere is the second host: T1.
func (s *Server) serveElsewhere(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "" || strings.Contains(fmt.Sprint(r.Header, r.URL), Key) {
		s.t.Errorf("the key goes to another host: %s", r.URL.Path)
	}
	switch m := downloads.FindStringSubmatch(r.URL.Path); {
	case strings.HasPrefix(r.URL.Path, "/store/"):
		s.put(w, r)
	case m != nil:
		s.download(w, r, m[1])
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (s *Server) call(w http.ResponseWriter, r *http.Request, rest string) {
	name, arg, _ := strings.Cut(rest, "/")
	if r.Header.Get("Authorization") != "Bearer "+Key {
		s.t.Errorf("%s without the key", name)
	}
	if s.strike(w, name) {
		return
	}
	var body map[string]any
	if r.Method == http.MethodPost {
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			s.fail(w, http.StatusBadRequest, "no JSON")
			return
		}
	}
	switch r.Method + " " + name {
	case "POST initiate-upload":
		s.initiate(w, body)
	case "POST complete-upload":
		s.completeUpload(w, body)
	case "POST supported-operation":
		s.supported(w, body)
	case "POST do":
		s.do(w, body)
	case "GET status":
		s.status(w, arg)
	default:
		s.fail(w, http.StatusNotFound, "no such route")
	}
}
