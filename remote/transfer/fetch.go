package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"dropfs/remote"
	"dropfs/remote/httpx"
)

// Source is where an asset's bytes are asked for.
type Source struct {
	Asset   remote.Asset
	Request httpx.Request // the API's download request, without a range
}

// maxSkip is how many bytes are read and thrown away where a server ignores a range.
const maxSkip = 256 << 10

// Fetch opens bytes [off, off+n) of an asset, n < 0 to its end, as remote.Service.Fetch says. A server that knows no
// ranges gives ErrUnsupported for a range further inside than maxSkip: the asset has to be read from its start.
func (c *Client) Fetch(ctx context.Context, src Source, off, n int64) (io.ReadCloser, error) {
	a := src.Asset
	if n < 0 {
		n = a.Size - off
	}
	if off < 0 || n < 0 || off > a.Size-n {
		return nil, src.fail(remote.ErrInvalid, fmt.Sprintf("[%d, +%d) is outside of %d bytes", off, n, a.Size))
	}
	if n == 0 {
		return io.NopCloser(strings.NewReader("")), nil
	}
	resp, err := c.open(ctx, src, off, n)
	if err != nil {
		return nil, err
	}
	body, err := c.check(src, resp, off, n)
	if err != nil {
		_ = resp.Body.Close()
		return nil, err
	}
	return body, nil
}

func (s Source) fail(k remote.Kind, message string) error {
	return &remote.Error{Kind: k, Op: s.Request.Op, Subject: s.Request.Subject, Message: message}
}

// open sends the request: straight to the signed URL behind the API where one is remembered, else along the API.
func (c *Client) open(ctx context.Context, src Source, off, n int64) (*httpx.Response, error) {
	h := src.Request.Header.Clone()
	if h == nil {
		h = http.Header{}
	}
	h.Set("Accept-Encoding", "identity")
	if off > 0 || n < src.Asset.Size {
		h.Set("Range", fmt.Sprintf("bytes=%d-%d", off, off+n-1))
	}
	if etag := c.etagOf(src.Asset); etag != "" {
		h.Set("If-Match", `"`+etag+`"`)
	}
	accept := func(status int) bool { return status == http.StatusOK || status == http.StatusPartialContent }
	t, known := c.targets.Get(src.Asset.ID)
	if known && time.Now().Before(t.expires) && !t.useless {
		resp, err := c.http.Open(ctx, httpx.Request{
			Op: src.Request.Op, Subject: src.Request.Subject, Method: http.MethodGet, URL: t.url, Header: h, Repeat: true,
			Accept: accept, ErrorKind: storeError,
		})
		var e *remote.Error
		if err == nil || !errors.As(err, &e) || !ended(e) {
			return resp, err
		}
		c.targets.Remove(src.Asset.ID)
		if time.Since(t.since) < 5*time.Second { // it never worked alone: do not try again for a while
			c.targets.Add(src.Asset.ID, target{useless: true, expires: time.Now().Add(5 * time.Minute)})
		}
	}
	req := src.Request
	req.Method, req.Header, req.Repeat, req.Accept, req.ErrorKind = http.MethodGet, h, true, accept, xmlError
	resp, err := c.http.Open(ctx, req)
	if err != nil {
		return nil, err
	}
	if resp.Moved {
		c.remember(src.Asset.ID, resp.URL, time.Now())
	}
	return resp, nil
}

// ended tells whether an error of a remembered URL is one that a new URL may mend.
func ended(e *remote.Error) bool {
	switch e.Kind {
	case remote.ErrExpiredURL, remote.ErrDenied, remote.ErrCredentials, remote.ErrNotFound, remote.ErrInvalid, remote.ErrProtocol:
		return true
	default:
		return false
	}
}

// xmlError is for errors at the end of a redirect, which are the store's; those of the API are left to the default.
func xmlError(status int, h http.Header, body []byte) (remote.Kind, string) {
	if code, _ := parseXML(body); code == "" {
		return "", ""
	}
	return storeError(status, h, body)
}

// target is a signed URL that a download was redirected to.
type target struct {
	url     remote.Secret
	since   time.Time
	expires time.Time
	useless bool // it works only along the API
}

// remember keeps a signed URL for its lifetime, or for a minute where it tells none. One without a query is not signed.
func (c *Client) remember(id remote.AssetID, u remote.Secret, now time.Time) {
	if old, ok := c.targets.Peek(id); ok && old.useless && now.Before(old.expires) {
		return
	}
	p, err := url.Parse(u.Reveal())
	if err != nil || p.RawQuery == "" {
		return
	}
	const margin = 10 * time.Second
	expires := now.Add(time.Minute)
	if t, ok := urlExpiry(p.Query()); ok {
		expires = t.Add(-margin)
		if latest := now.Add(time.Hour); expires.After(latest) {
			expires = latest
		}
	}
	if expires.After(now) {
		c.targets.Add(id, target{url: u, since: now, expires: expires})
	}
}

// urlExpiry finds the end of a signed URL in its query: X-Amz-Date + X-Amz-Expires and the like, or an epoch in seconds.
func urlExpiry(q url.Values) (time.Time, bool) {
	lower := map[string]string{}
	for k := range q {
		lower[strings.ToLower(k)] = q.Get(k)
	}
	for _, p := range []string{"x-amz-", "x-goog-"} {
		at, err1 := time.Parse("20060102T150405Z", lower[p+"date"])
		s, err2 := strconv.ParseInt(lower[p+"expires"], 10, 32)
		if err1 == nil && err2 == nil {
			return at.Add(time.Duration(s) * time.Second), true
		}
	}
	for _, k := range []string{"expires", "exp", "se"} {
		if s, err := strconv.ParseInt(lower[k], 10, 64); err == nil && s > 1e9 && s < 1e11 {
			return time.Unix(s, 0), true
		}
		if t, err := time.Parse(time.RFC3339, lower[k]); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// etagOf returns the validator to ask with: the listing's, else what the first download answered.
func (c *Client) etagOf(a remote.Asset) string {
	if a.ETag != "" {
		return a.ETag
	}
	etag, _ := c.etags.Get(a.ID)
	return etag
}

// check holds the head of an answer against what was asked for and wraps its body.
func (c *Client) check(src Source, resp *httpx.Response, off, n int64) (io.ReadCloser, error) {
	a := src.Asset
	if enc := resp.Header.Get("Content-Encoding"); enc != "" && !strings.EqualFold(enc, "identity") {
		return nil, src.fail(remote.ErrProtocol, "an encoding that was not asked for")
	}
	if got := strongETag(resp.Header); got != "" {
		if want := c.etagOf(a); want != "" && want != got {
			return nil, src.fail(remote.ErrChanged, "another version")
		}
		if a.ETag == "" {
			c.etags.Add(a.ID, got)
		}
	}
	b := &exactBody{rc: resp.Body, left: n, src: src}
	whole := off == 0 && n == a.Size
	if resp.Status == http.StatusPartialContent {
		first, last, total, ok := parseContentRange(resp.Header.Get("Content-Range"))
		switch {
		case !ok, first != off, last != off+n-1:
			return nil, src.fail(remote.ErrProtocol, "another range than asked for")
		case total >= 0 && total != a.Size:
			return nil, src.fail(remote.ErrChanged, "another size")
		case resp.Size >= 0 && resp.Size != n:
			return nil, src.fail(remote.ErrCorrupt, "a length that does not fit the range")
		}
	} else {
		switch {
		case resp.Size >= 0 && resp.Size != a.Size:
			return nil, src.fail(remote.ErrCorrupt, fmt.Sprintf("%d bytes where %d are expected", resp.Size, a.Size))
		case off > maxSkip:
			return nil, src.fail(remote.ErrUnsupported, "ranges are not honoured")
		}
		if _, err := io.CopyN(io.Discard, resp.Body, off); err != nil {
			return nil, b.mapError(err)
		}
		b.cut = off+n < a.Size
	}
	if whole && a.Size <= maxSummed && isMD5(a.MD5) {
		b.expectMD5(strings.ToLower(a.MD5))
	}
	return b, nil
}

// strongETag returns an answer's ETag without quotes; "" where there is none or a weak one.
func strongETag(h http.Header) string {
	e := h.Get("ETag")
	if strings.HasPrefix(e, "W/") {
		return ""
	}
	return strings.Trim(e, `"`)
}

var contentRange = regexp.MustCompile(`^bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)$`)

// parseContentRange reads a Content-Range (RFC 9110 §14.4); total is -1 where it is not told.
func parseContentRange(s string) (first, last, total int64, ok bool) {
	m := contentRange.FindStringSubmatch(strings.TrimSpace(s))
	if m == nil {
		return 0, 0, 0, false
	}
	first, _ = strconv.ParseInt(m[1], 10, 64)
	last, _ = strconv.ParseInt(m[2], 10, 64)
	total = -1
	if m[3] != "*" {
		total, _ = strconv.ParseInt(m[3], 10, 64)
	}
	return first, last, total, first <= last && (total < 0 || last < total)
}
