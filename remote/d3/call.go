package d3

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"

	"dropfs/remote"
	"dropfs/remote/httpx"
)

// prefixes are those of the two generations in use (wire/d3.md §1), the present one first.
var prefixes = []string{"/api/v1", "/v1/biz"}

// call sends a request to path below the prefix that the service has, trying the other where the first is not known there.
// What has answered is proven and used from then on, until the service speaks of that path as of one it never had.
func (c *Client) call(ctx context.Context, r httpx.Request, path string, decode func(io.Reader) error) error {
	prefix, proven := c.prefix()
	spoke, err := c.at(ctx, prefix, r, path, decode)
	if !routeUnknown(err) {
		c.note(prefix, spoke, err)
		return err
	}
	if proven && spoke { // it speaks of the task or the file
		return err
	}
	other := prefixes[0]
	if prefix == other {
		other = prefixes[1]
	}
	spoke2, err2 := c.at(ctx, other, r, path, decode)
	switch {
	case !routeUnknown(err2):
		c.note(other, spoke2, err2)
		return err2
	case spoke2 && !spoke:
		return err2
	}
	return err
}

// at sends one request under one prefix; spoke tells that an error came as the JSON object that only the API itself answers.
func (c *Client) at(ctx context.Context, prefix string, r httpx.Request, path string, decode func(io.Reader) error) (spoke bool, err error) {
	r.Path = c.root + prefix + path
	r.Hide = append([]remote.Secret{c.cfg.Key}, r.Hide...)
	r.ErrorKind = func(status int, h http.Header, body []byte) (remote.Kind, string) {
		_, spoke = parseObject(body)
		return apiError(status, h, body)
	}
	_, err = c.http.Do(ctx, r, decode)
	return spoke, err
}

func (c *Client) prefix() (prefix string, proven bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.proven != "" {
		return c.proven, true
	}
	return c.first, false
}

// note remembers a prefix under which the API itself has answered. A refusal of the key may be a gateway's.
func (c *Client) note(prefix string, spoke bool, err error) {
	if err != nil {
		s := statusOf(err)
		if !spoke || s < 400 || s >= 500 || s == http.StatusUnauthorized || s == http.StatusForbidden {
			return
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.proven = prefix
}

func statusOf(err error) int {
	var e *remote.Error
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}

// routeUnknown tells whether an error may mean that the service has no such path at all.
func routeUnknown(err error) bool {
	s := statusOf(err)
	return s == http.StatusNotFound || s == http.StatusMethodNotAllowed
}

// validID refuses what would change the path it stands in, or cannot be an id: they are opaque (wire/d3.md §4).
func validID(s string) bool {
	return s != "" && s != "." && s != ".." && len(s) <= 512 && utf8.ValidString(s) &&
		!strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r == 0x7f })
}
