package httpx

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"dropfs/remote"
)

const (
	maxErrorBody    = 64 << 10 // bytes read of an error's body
	maxMessageRunes = 300
)

// KindOfStatus maps a status that is no success to the kind it most likely means. wire/dropzone.md §5 fixes 402 and 413.
func KindOfStatus(status int) remote.Kind {
	switch status {
	case http.StatusUnauthorized:
		return remote.ErrCredentials
	case http.StatusPaymentRequired:
		return remote.ErrPayment
	case http.StatusForbidden:
		return remote.ErrDenied
	case http.StatusNotFound, http.StatusGone:
		return remote.ErrNotFound
	case http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return remote.ErrUnsupported
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusMisdirectedRequest:
		return remote.ErrUnavailable
	case http.StatusConflict:
		return remote.ErrConflict
	case http.StatusPreconditionFailed, http.StatusRequestedRangeNotSatisfiable:
		return remote.ErrChanged
	case http.StatusRequestEntityTooLarge, http.StatusInsufficientStorage:
		return remote.ErrQuota
	case http.StatusTooManyRequests:
		return remote.ErrRateLimited
	}
	switch {
	case status >= 500:
		return remote.ErrUnavailable
	case status >= 400:
		return remote.ErrInvalid
	}
	return remote.ErrProtocol
}

// statusError makes the error of an answer that is no success, reading a bounded part of its body.
func (c *Client) statusError(req *Request, resp *http.Response) *remote.Error {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	e := &remote.Error{
		Kind: KindOfStatus(resp.StatusCode), Op: req.Op, Subject: req.Subject, Status: resp.StatusCode,
		RetryAfter: retryAfter(resp.Header),
	}
	if req.ErrorKind != nil {
		if kind, message := req.ErrorKind(resp.StatusCode, resp.Header, body); kind != "" {
			e.Kind, e.Message = kind, c.Clean(req, message)
			return e
		}
	}
	if message, ok := messageOf(body); ok {
		e.Message = c.Clean(req, message)
		return e
	}
	// A page for people is the word of a proxy or a portal, not of the service: what it says about the state of things
	// must not be acted on.
	if isHTML(resp.Header, body) && resp.StatusCode < 500 && resp.StatusCode != http.StatusTooManyRequests {
		e.Kind, e.Message = remote.ErrProtocol, "a page for people instead of an answer"
	}
	return e
}

func isHTML(h http.Header, body []byte) bool {
	ct, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	if ct == "text/html" || ct == "application/xhtml+xml" {
		return true
	}
	head := bytes.ToLower(bytes.TrimSpace(body[:min(len(body), 256)]))
	return bytes.HasPrefix(head, []byte("<!doctype html")) || bytes.HasPrefix(head, []byte("<html"))
}

// messageOf finds the service's words in the body of an error; ok where the body is a JSON object at all.
func messageOf(body []byte) (message string, ok bool) {
	var m map[string]json.RawMessage
	if json.Unmarshal(body, &m) != nil {
		return "", false
	}
	for _, key := range []string{"message", "reason", "error", "detail"} {
		var s string
		if json.Unmarshal(m[key], &s) == nil && s != "" {
			return s, true
		}
		var inner struct{ Message string }
		if json.Unmarshal(m[key], &inner) == nil && inner.Message != "" {
			return inner.Message, true
		}
	}
	return "", true
}

// netError makes the error of an attempt that got no answer, or lost it on the way. ctx is the attempt's.
func (c *Client) netError(ctx context.Context, req *Request, err error) *remote.Error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, errStalled) {
		err = cause
	}
	var re *remote.Error
	if errors.As(err, &re) {
		e := *re
		e.Op, e.Subject = req.Op, req.Subject
		return &e
	}
	return &remote.Error{Kind: remote.ErrUnavailable, Op: req.Op, Subject: req.Subject, Err: c.redact(req, err)}
}

// unsent tells whether err proves that no byte of the request reached the service.
func unsent(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	return errors.As(err, &op) && op.Op == "dial" || errors.As(err, &dns)
}

// redacted is an error whose text is cleaned; its cause stays visible to errors.Is and errors.As.
type redacted struct {
	text string
	err  error
}

func (r *redacted) Error() string { return r.text }
func (r *redacted) Unwrap() error { return r.err }

// redact takes secrets out of an error's text. An *url.Error, whose fields hold the whole URL, is left out of the chain.
func (c *Client) redact(req *Request, err error) error {
	var ue *url.Error
	for errors.As(err, &ue) {
		err = ue.Err
	}
	text := c.Clean(req, err.Error())
	if text == err.Error() {
		return err
	}
	return &redacted{text: text, err: err}
}

var urlText = regexp.MustCompile(`(?i)(https?://)[^\s"'<>]+`)

// Clean makes words of a service or an error fit to be shown (X2): one line, shortened, without credentials, and of URLs
// only scheme and host.
func (c *Client) Clean(req *Request, s string) string {
	for _, secret := range c.secrets(req) {
		if len(secret) >= 4 {
			s = strings.ReplaceAll(s, secret, "***")
			if esc := url.QueryEscape(secret); esc != secret {
				s = strings.ReplaceAll(s, esc, "***")
			}
		}
	}
	s = urlText.ReplaceAllStringFunc(s, func(u string) string {
		p, err := url.Parse(u)
		if err != nil {
			return "***"
		}
		return p.Scheme + "://" + p.Host + "/***"
	})
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError {
			return ' '
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > maxMessageRunes {
		s = string(r[:maxMessageRunes]) + "…"
	}
	return s
}

// secrets lists the texts that must not be shown in connection with req.
func (c *Client) secrets(req *Request) []string {
	var out []string
	for _, v := range c.cfg.Auth {
		out = append(out, v.Reveal())
	}
	if req == nil {
		return out
	}
	for _, v := range req.Auth {
		out = append(out, v.Reveal())
	}
	for _, v := range req.Hide {
		out = append(out, v.Reveal())
	}
	if req.URL != "" {
		out = append(out, req.URL.Reveal())
		if u, err := url.Parse(req.URL.Reveal()); err == nil && u.RawQuery != "" {
			out = append(out, u.RawQuery)
			for _, vs := range u.Query() {
				for _, v := range vs {
					if len(v) >= 16 {
						out = append(out, v)
					}
				}
			}
		}
	}
	return out
}
