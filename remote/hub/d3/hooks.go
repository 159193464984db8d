package d3

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"

	"dropfs/remote/hub/store"
	"dropfs/remote/hub/web"
)

// The events that webhooks are told of (wire/d3.md §12).
const (
	operationCompleted = "operation.completed"
	operationFailed    = "operation.failed"
	taskCompleted      = "fileTask.completed"
	taskFailed         = "fileTask.failed"
)

// The headers of the two generations that carry the signature.
const (
	signatureHeader    = "X-Webhook-Signature"
	oldSignatureHeader = "X-D3-Signature"
)

// hookTime bounds one try.
const hookTime = 15 * time.Second

var errPrivate = errors.New("the address is not public")

// count is that of an operation's tasks.
type count struct {
	Total   int `json:"total"`
	Success int `json:"success"`
	Failed  int `json:"failed"`
}

type mainTaskJSON struct {
	ID     string          `json:"id"`
	Action string          `json:"action"`
	Status string          `json:"status"`
	Count  count           `json:"count"`
	Files  []fileJSON      `json:"file_data"`
	Notes  json.RawMessage `json:"notes,omitempty"`
}

type fileTaskJSON struct {
	ID    string          `json:"id"`
	Main  string          `json:"main_task_id"`
	Notes json.RawMessage `json:"notes,omitempty"`
	fileJSON
}

// events makes what webhooks are told when a task finished, and with it, where done, its operation.
func (a *API) events(op store.D3Op, k store.D3Task, done bool) ([]store.D3Event, error) {
	kind := taskCompleted
	if k.Status == store.D3Failed {
		kind = taskFailed
	}
	out := []store.D3Event{a.event(kind, map[string]any{
		"file_task": fileTaskJSON{k.ID, op.ID, op.Notes, fileItem(k, op.Base)},
	})}
	if !done {
		return out, nil
	}
	kind = operationCompleted
	if op.Status == store.D3Failed {
		kind = operationFailed
	}
	main := mainTaskJSON{ID: op.ID, Action: op.Action, Status: op.Status, Notes: op.Notes, Files: []fileJSON{}}
	for _, k := range op.Tasks {
		main.Count.Total++
		if k.Status == store.D3Failed {
			main.Count.Failed++
		} else {
			main.Count.Success++
		}
		main.Files = append(main.Files, fileItem(k, op.Base))
	}
	return append(out, a.event(kind, map[string]any{"main_task": main})), nil
}

func (a *API) event(kind string, payload any) store.D3Event {
	return store.D3Event{Type: kind, Payload: web.Marshal(struct {
		Type      string `json:"type"`
		Timestamp string `json:"timestamp"`
		Payload   any    `json:"payload"`
	}{kind, a.cfg.Now().UTC().Format("2006-01-02T15:04:05.000000Z"), payload})}
}

// Sign is the signature of a body: lower-case hex of its HMAC-SHA256.
func Sign(secret string, body []byte) string {
	h := hmac.New(sha256.New, []byte(secret))
	_, _ = h.Write(body) // a hash never fails
	return hex.EncodeToString(h.Sum(nil))
}

// Deliver tries once to deliver an event, and writes it down (T12). After an error it is to be tried again.
func (a *API) Deliver(ctx context.Context, id int64) error {
	d, err := a.cfg.Store.D3Delivery(ctx, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && d.Done {
		return nil
	}
	if err != nil {
		return err
	}
	try := store.D3Attempt{
		Event: d.Event.Type, URL: d.Hook.URL, Payload: string(d.Event.Payload), Number: d.Attempt + 1, Sent: a.cfg.Now(),
	}
	try.Status, err = a.send(ctx, d)
	if ctx.Err() != nil && try.Status == 0 {
		return err // the hub ends: it was no try
	}
	if try.Succeeded = err == nil; err != nil {
		try.Message = err.Error()
	}
	if err2 := a.cfg.Store.Delivered(ctx, d, try); err2 != nil {
		return err2
	}
	return err
}

func (a *API) send(ctx context.Context, d store.D3Delivery) (status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, hookTime)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, d.Hook.URL, bytes.NewReader(d.Event.Payload))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "dropfs")
	if d.Hook.Secret != "" {
		sig := Sign(d.Hook.Secret, d.Event.Payload)
		r.Header.Set(signatureHeader, sig)
		r.Header.Set(oldSignatureHeader, sig)
	}
	resp, err := a.hooks.Do(r)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // without the address, which may hold a secret
		}
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection can be used again
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return resp.StatusCode, fmt.Errorf("answered %d", resp.StatusCode)
	}
	return resp.StatusCode, nil
}

// hookClient sends to public addresses alone, unless private: what a name means is looked at when it is dialled, so that
// no later answer of a name server leads elsewhere. It follows no redirect and uses no proxy.
func hookClient(private bool) *http.Client {
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	if !private {
		dialer.Control = func(_, address string, _ syscall.RawConn) error {
			ap, err := netip.ParseAddrPort(address)
			if err != nil || !public(ap.Addr()) {
				return errPrivate
			}
			return nil
		}
	}
	return &http.Client{
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSHandshakeTimeout: 10 * time.Second, DisableKeepAlives: true,
			MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// reserved are the networks that are not public, beyond those that netip knows: shared, benchmarking, documentation,
// protocol assignments, former class E, and IPv6 forms that hold an IPv4 address (RFC 6890).
var reserved = []string{
	"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
	"240.0.0.0/4", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/23", "2001:db8::/32", "::/96",
}

// public tells whether an address is one of the internet.
func public(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	for _, text := range reserved {
		if netip.MustParsePrefix(text).Contains(ip) {
			return false
		}
	}
	return ip.IsGlobalUnicast() && !ip.IsPrivate()
}

// maxHookURL bounds the URL of a webhook, in bytes.
const maxHookURL = 2048

// CheckHook tells whether events can be sent to a URL; with private also to an address that is not public. A name is
// looked up only when it is used.
func CheckHook(text string, private bool) error {
	u, err := url.Parse(text)
	if err != nil || len(text) > maxHookURL || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		return errors.New("a webhook is an http or https URL without a user")
	}
	if private {
		return nil
	}
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	if ip, err := netip.ParseAddr(host); err == nil && !public(ip) || host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return errPrivate
	}
	return nil
}
