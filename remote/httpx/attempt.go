package httpx

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"dropfs/remote"
)

// maxRedirects is how many redirects one attempt follows.
const maxRedirects = 5

// attempt sends a request once, along its redirects.
func (c *Client) attempt(ctx context.Context, req *Request) (*Response, error) {
	target, err := c.target(req)
	if err != nil {
		return nil, &remote.Error{Kind: remote.ErrInvalid, Op: req.Op, Subject: req.Subject, Err: c.redact(req, err)}
	}
	signed := req.URL != ""
	if !signed {
		began := time.Now()
		err := c.bucket.acquire(ctx, priorityOf(ctx), c.cfg.MaxWait)
		if waited := time.Since(began); waited > time.Millisecond {
			c.metrics.waited.Add(waited.Seconds())
		}
		if err != nil {
			return nil, c.netError(ctx, req, err)
		}
	}
	home := !signed && !req.NoAuth
	method := req.Method
	for hop := 0; ; hop++ {
		if !sameOrigin(target, c.base) {
			home = false // for good: a redirect back must not bring the key along (X1)
		}
		resp, err := c.send(ctx, req, method, target, home, signed)
		if err != nil {
			return nil, err
		}
		resp.Moved = hop > 0
		next, follow, err := c.next(req, resp, method, target)
		if err != nil || hop == maxRedirects && follow {
			_ = resp.Body.Close()
			return nil, &remote.Error{
				Kind: remote.ErrProtocol, Op: req.Op, Subject: req.Subject, Status: resp.Status,
				Message: "a redirect that cannot be followed",
			}
		}
		if !follow {
			return c.accept(req, resp, signed)
		}
		_, _ = io.CopyN(io.Discard, resp.Body, 4<<10)
		_ = resp.Body.Close()
		if resp.Status == http.StatusSeeOther && method != http.MethodHead {
			method = http.MethodGet
		}
		target = next
	}
}

// target returns the absolute URL of a request.
func (c *Client) target(req *Request) (*url.URL, error) {
	text := c.base.String() + req.Path
	if req.URL != "" {
		text = req.URL.Reveal()
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, errors.New("not an URL")
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return nil, errors.New("neither http:// nor https:// with a host")
	case req.URL == "" && (!strings.HasPrefix(req.Path, "/") || !sameOrigin(u, c.base)):
		return nil, errors.New("a path that leads to another host")
	}
	u.User, u.Fragment, u.RawFragment = nil, "", ""
	if len(req.Query) > 0 {
		q := u.Query()
		for k, v := range req.Query {
			q[k] = v
		}
		u.RawQuery = q.Encode()
	}
	return u, nil
}

// next tells whether and where to an answer redirects. A call with a body goes along only inside the service, or when the
// URL was a signed one, whose body is meant for whoever the signer names.
func (c *Client) next(req *Request, resp *Response, method string, from *url.URL) (*url.URL, bool, error) {
	switch resp.Status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return nil, false, nil
	}
	if req.NoRedirect {
		return nil, false, nil
	}
	loc, err := from.Parse(resp.Header.Get("Location"))
	if err != nil || resp.Header.Get("Location") == "" || loc.Scheme != "http" && loc.Scheme != "https" || loc.Host == "" {
		return nil, true, errors.New("no place to go")
	}
	loc.User, loc.Fragment, loc.RawFragment = nil, "", ""
	if method != http.MethodGet && method != http.MethodHead {
		keeps := resp.Status == http.StatusTemporaryRedirect || resp.Status == http.StatusPermanentRedirect
		if !keeps || req.URL == "" && !sameOrigin(loc, c.base) {
			return nil, true, errors.New("a body may not go there")
		}
	}
	return loc, true, nil
}

// send is one exchange with one host.
func (c *Client) send(ctx context.Context, req *Request, method string, target *url.URL, home, signed bool) (*Response, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	wd := newWatchdog(cancel)
	hr, body, err := c.build(ctx, req, method, target, home, wd)
	if err != nil {
		cancel(nil)
		return nil, &remote.Error{Kind: remote.ErrInvalid, Op: req.Op, Subject: req.Subject, Err: c.redact(req, err)}
	}
	began := time.Now()
	c.metrics.inFlight.Inc()
	wd.arm(c.headerTimeout(req) + c.cfg.ConnectTimeout)
	resp, err := c.rt.RoundTrip(hr) //nolint:bodyclose // it goes to the caller inside recvBody
	wd.disarm()
	c.metrics.inFlight.Dec()
	var srcErr error
	if body != nil {
		srcErr = body.detach()
		wd.disarm() // it may have been armed by a read that was under way
	}
	status := 0
	if err == nil {
		status = resp.StatusCode
	}
	took := time.Since(began)
	c.metrics.observe(req.Op, status, took)
	if c.log.Logger.IsLevelEnabled(logrus.DebugLevel) {
		c.log.WithFields(logrus.Fields{"op": req.Op, "kind": status, "dur": took}).Debug("request")
	}
	if err != nil {
		e := c.netError(ctx, req, err)
		cancel(nil)
		wd.stop()
		if srcErr != nil && !errors.Is(srcErr, errDetached) {
			e = &remote.Error{Kind: remote.ErrCorrupt, Op: req.Op, Subject: req.Subject, Message: "the source reads short", Err: srcErr}
		}
		return nil, e
	}
	if !signed && status != http.StatusTooManyRequests && sameOrigin(target, c.base) {
		if c.bucket.served(resp.Header) > keptWait {
			c.keepRate()
		}
	}
	rb := &recvBody{
		rc: resp.Body, ctx: ctx, cancel: cancel, wd: wd, lim: c.down, count: c.metrics.down, stall: c.stallTimeout(req),
		wrap: func(err error) error { return c.netError(ctx, req, err) },
	}
	return &Response{Status: status, Header: resp.Header, Size: resp.ContentLength, Body: rb, URL: remote.Secret(target.String())}, nil
}

// build makes the exchange's request. Credentials go into it only when home is set.
func (c *Client) build(ctx context.Context, req *Request, method string, target *url.URL, home bool, wd *watchdog) (*http.Request, *sendBody, error) {
	hr, err := http.NewRequestWithContext(ctx, method, target.String(), http.NoBody)
	if err != nil {
		return nil, nil, errors.New("not a request")
	}
	for k, vs := range req.Header {
		for _, v := range vs {
			if err := checkHeader(k, v); err != nil {
				return nil, nil, err
			}
		}
		hr.Header[http.CanonicalHeaderKey(k)] = vs
	}
	if hr.Header.Get("User-Agent") == "" {
		hr.Header.Set("User-Agent", c.cfg.UserAgent)
	}
	if home {
		for _, set := range []map[string]remote.Secret{c.cfg.Auth, req.Auth} {
			for k, v := range set {
				if err := checkHeader(k, v.Reveal()); err != nil {
					return nil, nil, err
				}
				hr.Header.Set(k, v.Reveal())
			}
		}
	}
	var again func() io.Reader
	size := req.Size
	switch {
	case method == http.MethodGet || method == http.MethodHead:
	case req.JSON != nil:
		b, err := encode(req.JSON)
		if err != nil {
			return nil, nil, err
		}
		again, size = func() io.Reader { return bytes.NewReader(b) }, int64(len(b))
		hr.Header.Set("Content-Type", "application/json")
	case req.Body != nil && size > 0:
		again = req.Body
	}
	if again == nil {
		return hr, nil, nil
	}
	body := &sendBody{
		ctx: ctx, wd: wd, lim: c.up, count: c.metrics.up, stall: c.stallTimeout(req), header: c.headerTimeout(req),
		r: again(), left: size, size: size,
	}
	hr.Body, hr.ContentLength = body, size
	// The transport asks for the body again only where the connection was closed before anything was sent.
	hr.GetBody = func() (io.ReadCloser, error) { return body.again(again) }
	return hr, body, nil
}

// accept turns an answer that is no success into its error.
func (c *Client) accept(req *Request, resp *Response, signed bool) (*Response, error) {
	ok := resp.Status >= 200 && resp.Status < 300
	if req.Accept != nil {
		ok = req.Accept(resp.Status)
	}
	if ok {
		return resp, nil
	}
	defer resp.Body.Close()
	e := c.statusError(req, &http.Response{StatusCode: resp.Status, Header: resp.Header, Body: resp.Body})
	if resp.Status == http.StatusTooManyRequests && !signed {
		if e.RetryAfter = c.bucket.refused(e.RetryAfter); e.RetryAfter > keptWait {
			c.keepRate()
		}
	}
	return nil, e
}

func (c *Client) headerTimeout(req *Request) time.Duration {
	if req.HeaderTimeout != 0 {
		return req.HeaderTimeout
	}
	return c.cfg.HeaderTimeout
}

func (c *Client) stallTimeout(req *Request) time.Duration {
	if req.StallTimeout != 0 {
		return req.StallTimeout
	}
	return c.cfg.StallTimeout
}

// sameOrigin compares scheme, host and port, a default port being the same as none.
func sameOrigin(a, b *url.URL) bool {
	return strings.EqualFold(a.Scheme, b.Scheme) && strings.EqualFold(a.Hostname(), b.Hostname()) && portOf(a) == portOf(b)
}

func portOf(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	if strings.EqualFold(u.Scheme, "https") {
		return "443"
	}
	return "80"
}
