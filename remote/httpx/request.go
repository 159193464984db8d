package httpx

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/sirupsen/logrus"

	"dropfs/remote"
)

// Request is one call. It may be sent several times, so it holds no reader but makes them.
type Request struct {
	Op      string // what is tried, in words: "list assets"; the label of logs and metrics
	Subject string // of what, for people; never a secret

	Method string
	Path   string        // below BaseURL, escaped, beginning with "/"
	URL    remote.Secret // an absolute URL instead of Path: a signed one, sent without credentials and outside the rate limit
	Query  url.Values
	Header http.Header
	Auth   map[string]remote.Secret // further credentials, under the same rule as Config.Auth (X1)
	NoAuth bool                     // no credentials at all
	Hide   []remote.Secret          // further texts that no error may show

	JSON any              // encoded as the body, where not nil
	Body func() io.Reader // a fresh body of Size bytes for each attempt, where not nil
	Size int64            // bytes of Body, exact

	Repeat bool // doing it twice does the same as doing it once (X3)
	// Accept tells which statuses are an answer; nil: 2xx.
	Accept func(status int) bool
	// ErrorKind reads an error's body; a kind "" leaves it to the default. nil: the default, which reads JSON.
	ErrorKind func(status int, h http.Header, body []byte) (kind remote.Kind, message string)
	// NoRedirect makes a redirect an answer like any other, to be accepted or not.
	NoRedirect bool
	Attempts   int // 0: Config.Attempts

	HeaderTimeout, StallTimeout time.Duration // 0: as configured
}

// Response is the answer to a call, its body still to be read.
type Response struct {
	Status int
	Header http.Header
	Size   int64         // bytes of Body as announced; -1: unknown
	Body   io.ReadCloser // its errors are *remote.Error; the caller closes it
	URL    remote.Secret // where the answer came from, after redirects
	Moved  bool          // a redirect led there
}

// Open sends a request and returns once the head of the answer is there. Statuses that are not accepted are errors.
func (c *Client) Open(ctx context.Context, req Request) (*Response, error) {
	var out *Response
	err := c.retry(ctx, &req, func() error {
		var err error
		out, err = c.attempt(ctx, &req)
		return err
	})
	return out, err
}

// Do sends a request and hands the body of the answer, bounded by Config.MaxJSON and unpacked, to decode, which may be nil
// and is called again when the call is tried again. An error of decode that is no *remote.Error is ErrProtocol.
func (c *Client) Do(ctx context.Context, req Request, decode func(r io.Reader) error) (http.Header, error) {
	if req.Header = req.Header.Clone(); req.Header == nil {
		req.Header = http.Header{}
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Accept-Encoding", "gzip")
	var h http.Header
	err := c.retry(ctx, &req, func() error {
		resp, err := c.attempt(ctx, &req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		h = resp.Header
		return c.decode(&req, resp, decode)
	})
	return h, err
}

// decode hands the unpacked body on and reads the little that may be left, so that the connection is used again.
func (c *Client) decode(req *Request, resp *Response, decode func(r io.Reader) error) error {
	seen := &errReader{r: resp.Body}
	var r io.Reader = seen
	if strings.EqualFold(resp.Header.Get("Content-Encoding"), "gzip") {
		z, err := gzip.NewReader(r)
		if err != nil {
			return c.bodyError(req, resp.Status, seen.err, err)
		}
		r = z
	}
	lim := &io.LimitedReader{R: r, N: c.cfg.MaxJSON + 1}
	if decode != nil {
		if err := decode(lim); err != nil {
			if lim.N <= 0 {
				err = fmt.Errorf("more than %d bytes", c.cfg.MaxJSON)
			}
			return c.bodyError(req, resp.Status, seen.err, err)
		}
	}
	_, _ = io.CopyN(io.Discard, r, 64<<10)
	return nil
}

// bodyError is the error of an answer that cannot be read: broken on the way, or not understood.
func (c *Client) bodyError(req *Request, status int, broken, err error) error {
	var re *remote.Error
	if broken != nil && errors.As(broken, &re) {
		return re
	}
	if errors.As(err, &re) {
		e := *re
		if e.Op == "" {
			e.Op, e.Subject = req.Op, req.Subject
		}
		e.Message = c.Clean(req, e.Message)
		return &e
	}
	return &remote.Error{Kind: remote.ErrProtocol, Op: req.Op, Subject: req.Subject, Status: status, Err: c.redact(req, err)}
}

// errReader remembers the error of the reader below, which a decoder may hide.
type errReader struct {
	r   io.Reader
	err error
}

func (e *errReader) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	if err != nil && err != io.EOF {
		e.err = err
	}
	return n, err
}

// JSON returns a decode function for Do that reads one JSON value into v.
func JSON(v any) func(io.Reader) error {
	return func(r io.Reader) error { return json.NewDecoder(r).Decode(v) }
}

// retry runs try until it succeeds, fails for good, or must not be repeated (X3).
func (c *Client) retry(ctx context.Context, req *Request, try func() error) error {
	began, attempts := time.Now(), req.Attempts
	if attempts == 0 {
		attempts = c.cfg.Attempts
	}
	eb := backoff.NewExponentialBackOff()
	eb.InitialInterval, eb.MaxInterval = 100*time.Millisecond, time.Second
	n := 0
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		n++
		err := try()
		if err == nil {
			return struct{}{}, nil
		}
		if n >= attempts || ctx.Err() != nil || !c.again(req, err, time.Since(began)) {
			return struct{}{}, backoff.Permanent(err)
		}
		c.metrics.retries.WithLabelValues(req.Op).Inc()
		c.log.WithFields(logrus.Fields{"op": req.Op, "attempt": n, "err": err}).Debug("request is tried again")
		return struct{}{}, err
	}, backoff.WithBackOff(eb), backoff.WithMaxElapsedTime(0), backoff.WithMaxTries(0))
	if err == nil {
		return nil
	}
	var re *remote.Error
	if errors.As(err, &re) {
		return re
	}
	return c.netError(ctx, req, err)
}

// again tells whether a failed attempt may and should be repeated at once.
func (c *Client) again(req *Request, err error, spent time.Duration) bool {
	var e *remote.Error
	if !errors.As(err, &e) {
		return false
	}
	if e.Kind == remote.ErrRateLimited {
		return e.Status != 0 && spent+e.RetryAfter <= c.cfg.RetryWithin
	}
	if spent > c.cfg.RetryWithin || e.RetryAfter > c.cfg.RetryWithin {
		return false
	}
	switch e.Kind {
	case remote.ErrUnavailable:
		return req.Repeat || unsent(err)
	case remote.ErrProtocol: // a body cut short looks like this
		return req.Repeat && errors.Is(err, io.ErrUnexpectedEOF)
	default:
		return false
	}
}

// encode makes the bytes of Request.JSON; they cannot fail to encode but by a programmer's mistake.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}
