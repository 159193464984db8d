package d3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"dropfs/remote"
	"dropfs/remote/httpx"
)

// resolve makes a link of the service absolute: docs and services differ (wire/d3.md §9).
func (c *Client) resolve(link string) (*url.URL, error) {
	u, err := c.base.Parse(strings.TrimSpace(link))
	switch {
	case err != nil || link == "":
		return nil, errors.New("no URL")
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return nil, errors.New("neither http:// nor https:// with a host")
	}
	u.User, u.Fragment, u.RawFragment = nil, "", ""
	return u, nil
}

// fetching is the request for a link: with the key at the service's own origin, without it anywhere else (B1).
func (c *Client) fetching(link remote.Secret) (httpx.Request, error) {
	r := httpx.Request{Op: "fetch result", Method: http.MethodGet, Repeat: true, Hide: []remote.Secret{c.cfg.Key, link}}
	u, err := c.resolve(link.Reveal())
	if err != nil {
		return r, &remote.Error{Kind: remote.ErrProtocol, Op: r.Op, Message: "a link that leads nowhere"}
	}
	if !c.own(u) {
		r.URL = remote.Secret(u.String())
		return r, nil
	}
	if r.Path = u.EscapedPath(); r.Path == "" {
		r.Path = "/"
	}
	if u.RawQuery != "" {
		r.Path += "?" + u.RawQuery
		r.Hide = append(r.Hide, remote.Secret(u.RawQuery))
	}
	return r, nil
}

// own tells whether an URL is of the service's origin. The transport checks the same again.
func (c *Client) own(u *url.URL) bool {
	port := func(u *url.URL) string {
		switch {
		case u.Port() != "":
			return u.Port()
		case strings.EqualFold(u.Scheme, "https"):
			return "443"
		}
		return "80"
	}
	return strings.EqualFold(u.Scheme, c.base.Scheme) && strings.EqualFold(u.Hostname(), c.base.Hostname()) && port(u) == port(c.base)
}

// maxFetches is how many tries one result gets.
const maxFetches = 4

// Download writes the result behind a file's link to dst, an empty file, and answers how many bytes it has; over maxBytes:
// ErrTooLarge. A connection that breaks is taken up where it broke if the answer had a strong ETag, else from the start.
// After an error dst holds anything. ErrNotFound, ErrDenied: the link may have ended, and Status may tell a new one.
func (c *Client) Download(ctx context.Context, f File, dst *os.File, maxBytes int64) (int64, error) {
	if f.Link == "" {
		return 0, &remote.Error{Kind: remote.ErrProtocol, Op: "fetch result", Message: "a result without a link"}
	}
	r, err := c.fetching(f.Link)
	if err != nil {
		return 0, err
	}
	var at resume
	for try := 1; ; try++ {
		err := c.fetch(ctx, r, dst, maxBytes, &at)
		if err == nil {
			return at.off, nil
		}
		again := errors.Is(err, remote.ErrUnavailable) && !errors.Is(err, errLocal)
		if !again || try >= maxFetches || ctx.Err() != nil {
			return 0, err
		}
	}
}

// resume is how far a download came, and of which version.
type resume struct {
	off  int64
	etag string // strong, with its quotes; "" none
}

var errLocal = errors.New("result cannot be written")

func (c *Client) fetch(ctx context.Context, r httpx.Request, dst *os.File, maxBytes int64, at *resume) error {
	fail := func(k remote.Kind, message string) error { return &remote.Error{Kind: k, Op: r.Op, Message: message} }
	r.Header = http.Header{"Accept-Encoding": {"identity"}}
	if at.off > 0 && at.etag != "" {
		r.Header.Set("Range", fmt.Sprintf("bytes=%d-", at.off))
		r.Header.Set("If-Range", at.etag)
	}
	resp, err := c.http.Open(ctx, r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if enc := resp.Header.Get("Content-Encoding"); enc != "" && !strings.EqualFold(enc, "identity") {
		return fail(remote.ErrProtocol, "an encoding that was not asked for")
	}
	if resp.Status == http.StatusPartialContent {
		if !strings.HasPrefix(resp.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", at.off)) || at.off == 0 {
			return fail(remote.ErrProtocol, "another range than asked for")
		}
	} else {
		if err := dst.Truncate(0); err != nil {
			return &remote.Error{Kind: remote.ErrUnavailable, Op: r.Op, Err: errors.Join(errLocal, err)}
		}
		*at = resume{}
		if e := resp.Header.Get("ETag"); strings.HasPrefix(e, `"`) && len(e) < 512 {
			at.etag = e
		}
	}
	if resp.Size > maxBytes-at.off {
		return fail(remote.ErrTooLarge, fmt.Sprintf("more than %d bytes", maxBytes))
	}
	n, err := copyTo(dst, at.off, io.LimitReader(resp.Body, maxBytes-at.off+1))
	at.off += n
	switch {
	case err != nil:
		var re *remote.Error
		if errors.As(err, &re) {
			return re
		}
		return &remote.Error{Kind: remote.ErrUnavailable, Op: r.Op, Err: errors.Join(errLocal, err)}
	case at.off > maxBytes:
		return fail(remote.ErrTooLarge, fmt.Sprintf("more than %d bytes", maxBytes))
	}
	return nil
}

func copyTo(dst *os.File, off int64, src io.Reader) (int64, error) {
	return io.CopyBuffer(io.NewOffsetWriter(dst, off), src, make([]byte, 256<<10))
}
