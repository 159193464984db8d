package web

import (
	"net"
	"net/http"
	"strconv"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

// Rate is how many requests are allowed in a while; the zero value is no limit.
type Rate struct {
	Requests int
	Per      time.Duration
}

// Limiter holds one token bucket for each caller. It is kept for the ones seen last.
type Limiter struct {
	rate        Rate
	behindProxy bool
	now         func() time.Time
	buckets     *lru.Cache[string, *rate.Limiter]
}

// limiterCallers is how many callers are remembered; one forgotten begins with a full bucket.
const limiterCallers = 10_000

// NewLimiter makes a Limiter, nil where r is no limit.
func NewLimiter(r Rate, behindProxy bool, now func() time.Time) *Limiter {
	if r.Requests <= 0 || r.Per <= 0 {
		return nil
	}
	buckets, err := lru.New[string, *rate.Limiter](limiterCallers)
	if err != nil {
		panic("the size is positive: " + err.Error())
	}
	return &Limiter{rate: r, behindProxy: behindProxy, now: now, buckets: buckets}
}

// Allow takes one request of who (a credential; "": the client's address) from the bucket, and says in RateLimit headers
// what is left. A 429 is an *Error.
func (l *Limiter) Allow(w http.ResponseWriter, r *http.Request, who string) error {
	if who == "" {
		who = "ip " + l.address(r)
	}
	fresh := rate.NewLimiter(rate.Limit(float64(l.rate.Requests)/l.rate.Per.Seconds()), l.rate.Requests)
	b, known, _ := l.buckets.PeekOrAdd(who, fresh)
	if !known {
		b = fresh
	} else {
		l.buckets.Get(who) // it was seen now
	}
	now := l.now()
	ok := b.AllowN(now, 1)
	left := max(b.TokensAt(now), 0)
	perToken := l.rate.Per.Seconds() / float64(l.rate.Requests)
	h := w.Header()
	h.Set("RateLimit-Limit", strconv.Itoa(l.rate.Requests))
	h.Set("RateLimit-Remaining", strconv.Itoa(int(left)))
	h.Set("RateLimit-Reset", strconv.Itoa(int((float64(l.rate.Requests)-left)*perToken+0.999)))
	if ok {
		return nil
	}
	wait := time.Duration((1 - left) * perToken * float64(time.Second))
	return &Error{Status: http.StatusTooManyRequests, Message: "Too many requests.", RetryAfter: max(wait, time.Second)}
}

func (l *Limiter) address(r *http.Request) string {
	if l.behindProxy {
		if v := first(r.Header.Get("X-Forwarded-For")); v != "" {
			return v
		}
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
