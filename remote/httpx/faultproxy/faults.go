package faultproxy

import (
	"maps"
	"math/rand/v2"
	"net/http"
	"regexp"
	"sync"
	"time"
)

// Fault is a way in which an exchange goes wrong.
type Fault string

// The faults.
const (
	Refused   Fault = "refused"    // no connection
	BlackHole Fault = "black hole" // no answer, ever
	Reset     Fault = "reset"      // the connection breaks after Rule.After bytes of the answer's body
	Truncate  Fault = "truncate"   // the answer's body ends after Rule.After bytes, although it announced more
	Shorten   Fault = "shorten"    // the same, and the length announced is the wrong one as well
	Status    Fault = "status"     // Rule.Code instead of the answer, with Rule.RetryAfter
	Expired   Fault = "expired"    // what S3 answers to a signed URL that has ended
	WrongETag Fault = "wrong etag" // an ETag that looks like an md5 and is none of these bytes
	Lost      Fault = "lost"       // the request is done and its answer lost
	Replay    Fault = "replay"     // the first answer that was ever seen for this method and URL
	Delay     Fault = "delay"      // Rule.Wait before the request goes on
)

// Rule says which exchanges are struck, and how.
type Rule struct {
	Method string         // "": any
	Path   *regexp.Regexp // matched against the path; nil: any
	Ranged bool           // only requests with a Range header

	Nth    int     // the first match that is struck, from 1; 0: the first
	Times  int     // how many are struck from there on; 0: one where Nth is set, else all
	Chance float64 // of each of these; 0: certain

	Fault      Fault
	After      int64         // bytes of the body that still come: Reset, Truncate, Shorten
	Code       int           // Status; 0: 503
	RetryAfter time.Duration // Status: whole seconds; 0: not said
	Wait       time.Duration // Delay

	seen int
}

// Faults are rules and what they did. All its methods may be called at the same time.
type Faults struct {
	mu    sync.Mutex
	rules []*Rule
	rng   *rand.Rand
	hits  map[Fault]int
	first map[string]*recorded
}

// New returns faults without rules; seed decides the chances.
func New(seed uint64) *Faults {
	return &Faults{rng: rand.New(rand.NewPCG(seed, 0)), hits: map[Fault]int{}, first: map[string]*recorded{}}
}

// Add adds rules; the first that strikes a request wins.
func (f *Faults) Add(rules ...Rule) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range rules {
		f.rules = append(f.rules, &r)
	}
}

// Clear takes all rules away.
func (f *Faults) Clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = nil
}

// Hits returns how often each fault has struck.
func (f *Faults) Hits() map[Fault]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.hits)
}

// strike counts a request on all rules and returns a copy of the one that strikes it.
func (f *Faults) strike(req *http.Request) (Rule, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var hit *Rule
	for _, r := range f.rules {
		if r.matches(req) {
			r.seen++
			if hit == nil && r.due() && (r.Chance == 0 || f.rng.Float64() < r.Chance) {
				hit = r
			}
		}
	}
	if hit == nil {
		return Rule{}, false
	}
	f.hits[hit.Fault]++
	return *hit, true
}

func (r *Rule) matches(req *http.Request) bool {
	return (r.Method == "" || r.Method == req.Method) && (r.Path == nil || r.Path.MatchString(req.URL.Path)) &&
		(!r.Ranged || req.Header.Get("Range") != "")
}

// due tells whether the match that was just counted is one to strike.
func (r *Rule) due() bool {
	begin, times := max(r.Nth, 1), r.Times
	if times == 0 && r.Nth > 0 {
		times = 1
	}
	return r.seen >= begin && (times == 0 || r.seen < begin+times)
}
