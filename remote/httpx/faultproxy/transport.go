package faultproxy

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Transport returns a RoundTripper that strikes what goes through base.
func (f *Faults) Transport(base http.RoundTripper) http.RoundTripper {
	return &transport{f: f, base: base}
}

type transport struct {
	f    *Faults
	base http.RoundTripper
}

// recorded is an answer kept for Replay.
type recorded struct {
	status int
	header http.Header
	body   []byte
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	r, hit := t.f.strike(req)
	if !hit {
		return t.pass(req)
	}
	switch r.Fault {
	case Refused:
		closeBody(req)
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	case BlackHole:
		closeBody(req)
		<-req.Context().Done()
		return nil, req.Context().Err()
	case Status:
		return r.answer(req), nil
	case Expired:
		r.Code = http.StatusForbidden
		return r.answer(req), nil
	case Delay:
		select {
		case <-time.After(r.Wait):
		case <-req.Context().Done():
			closeBody(req)
			return nil, req.Context().Err()
		}
	case Replay:
		t.f.mu.Lock()
		old := t.f.first[replayKey(req)]
		t.f.mu.Unlock()
		if old != nil {
			closeBody(req)
			return old.response(req), nil
		}
	default: // the answer is spoilt
	}
	resp, err := t.pass(req)
	if err != nil {
		return nil, err
	}
	return r.spoil(resp)
}

// pass does the exchange and keeps the first answer to each GET that is short enough.
func (t *transport) pass(req *http.Request) (*http.Response, error) {
	resp, err := t.base.RoundTrip(req)
	if err != nil || req.Method != http.MethodGet || resp.StatusCode != http.StatusOK || resp.ContentLength > 1<<20 ||
		strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		return resp, err
	}
	t.f.mu.Lock()
	_, known := t.f.first[replayKey(req)]
	t.f.mu.Unlock()
	if known {
		return resp, nil
	}
	head, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20+1))
	if err == nil && len(head) <= 1<<20 {
		t.f.mu.Lock()
		t.f.first[replayKey(req)] = &recorded{resp.StatusCode, resp.Header.Clone(), head}
		t.f.mu.Unlock()
	}
	resp.Body = &joined{Reader: io.MultiReader(bytes.NewReader(head), &failing{resp.Body, err}), Closer: resp.Body}
	return resp, nil
}

func replayKey(req *http.Request) string { return req.URL.Path + "?" + req.URL.RawQuery }

type joined struct {
	io.Reader
	io.Closer
}

// failing gives err where there is one, else goes on with r.
type failing struct {
	r   io.Reader
	err error
}

func (f *failing) Read(p []byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	return f.r.Read(p)
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
}

func (r *recorded) response(req *http.Request) *http.Response {
	return &http.Response{
		StatusCode: r.status, Status: strconv.Itoa(r.status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: req,
		Header: r.header.Clone(), Body: io.NopCloser(bytes.NewReader(r.body)), ContentLength: int64(len(r.body)),
	}
}

// answer is what the server never said. The request's body is read first, as a server that refuses late does.
func (r Rule) answer(req *http.Request) *http.Response {
	if req.Body != nil {
		_, _ = io.Copy(io.Discard, req.Body)
		closeBody(req)
	}
	code := r.Code
	if code == 0 {
		code = http.StatusServiceUnavailable
	}
	h := http.Header{"Content-Type": {"application/json"}}
	body := fmt.Sprintf(`{"status":"error","message":"injected %d"}`, code)
	if r.Fault == Expired {
		h.Set("Content-Type", "application/xml")
		body = "<?xml version=\"1.0\"?>\n<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
	}
	if r.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(r.RetryAfter.Seconds())))
	}
	return (&recorded{code, h, []byte(body)}).response(req)
}

// spoil damages an answer on its way back.
func (r Rule) spoil(resp *http.Response) (*http.Response, error) {
	reset := &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
	switch r.Fault {
	case Lost:
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		return nil, reset
	case Reset:
		resp.Body = &joined{Reader: io.MultiReader(io.LimitReader(resp.Body, r.After), &failing{err: reset}), Closer: resp.Body}
	case Truncate:
		resp.Body = &joined{
			Reader: io.MultiReader(io.LimitReader(resp.Body, r.After), &failing{err: io.ErrUnexpectedEOF}), Closer: resp.Body,
		}
	case Shorten:
		if resp.ContentLength > r.After {
			resp.ContentLength = r.After
			resp.Header.Set("Content-Length", strconv.FormatInt(r.After, 10))
		}
		resp.Body = &joined{Reader: io.LimitReader(resp.Body, r.After), Closer: resp.Body}
	case WrongETag:
		resp.Header.Set("ETag", `"00000000000000000000000000000bad"`)
	default: // it has struck before the exchange
	}
	return resp, nil
}
