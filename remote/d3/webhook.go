package d3

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"dropfs/remote"
)

// maxWebhook is how many bytes of a webhook are read.
const maxWebhook = 1 << 20

// maxReceived is how many webhooks are read at the same time: who calls is known only after all was read.
const maxReceived = 16

// Webhook is where the service may send its events, to be served under an address that it can reach. Without
// Config.WebhookSecret it refuses all.
func (c *Client) Webhook() http.Handler {
	return Webhooks(func() []*Client { return []*Client{c} })
}

// Webhooks is Webhook for several clients at one address: an event is for those whose secret has signed it.
func Webhooks(clients func() []*Client) http.Handler {
	turns := make(chan struct{}, maxReceived)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		select {
		case turns <- struct{}{}:
			defer func() { <-turns }()
		default:
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxWebhook))
		var large *http.MaxBytesError
		switch {
		case errors.As(err, &large):
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		case err != nil:
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		status := http.StatusUnauthorized
		for _, c := range clients() {
			if !signed(c.cfg.WebhookSecret, r.Header, body) {
				continue
			}
			if c.receive(body) {
				status = http.StatusNoContent
			} else if status == http.StatusUnauthorized {
				status = http.StatusBadRequest
			}
		}
		w.WriteHeader(status)
	})
}

// receive takes an event that is the service's (B6); ok is false where it is none.
func (c *Client) receive(body []byte) (ok bool) {
	o, ok := parseObject(body)
	if !ok {
		return false
	}
	c.hooked.Store(true)
	if t, ok := c.readEnded(o.object("payload").object("maintask")); ok {
		c.waits.wake(t.ID, event{theTask, &t})
		return true
	}
	e := event{about: theTask}
	if strings.HasPrefix(squeeze(o.text("type")), "filetask") {
		e.about = aFile
	}
	for _, id := range taskIDs(body) {
		c.waits.wake(id, e)
	}
	return true
}

// readEnded reads the main_task of an event; ok is false where it does not tell all that status would of a task that has
// ended. Only the beginning of the shape is documented (wire/d3.md §12). A result elsewhere is not taken at its word: who has
// nothing but the secret must not lead us to another host.
func (c *Client) readEnded(o object) (t Task, ok bool) {
	state, known := stateOf(o.text("status"))
	t = Task{ID: TaskID(o.text("id")), State: state}
	if !known || !state.Ended() || !validID(string(t.ID)) {
		return t, false
	}
	for _, raw := range filesOf(o) {
		in, ok := parseObject(raw)
		if !ok || len(t.Files) == maxFiles {
			return t, false
		}
		f := c.readFile(in)
		if f.State == "" || !f.State.Ended() {
			return t, false
		}
		if u, err := url.Parse(f.Link.Reveal()); f.State != Failed && (f.Link == "" || err != nil || !c.own(u)) {
			return t, false
		}
		t.Files = append(t.Files, f)
	}
	total := o.object("count").text("total")
	return t, len(t.Files) > 0 && (total == "" || total == strconv.Itoa(len(t.Files)))
}

// signed checks the HMAC-SHA256 of the raw body (wire/d3.md §12): in either header, hex or base64, with or without
// "sha256=". The comparison takes the same time whatever is wrong.
func signed(secret remote.Secret, h http.Header, body []byte) bool {
	if secret == "" {
		return false
	}
	mac := hmac.New(sha256.New, []byte(secret.Reveal()))
	mac.Write(body)
	want := mac.Sum(nil)
	ok := false
	for _, name := range []string{"X-Webhook-Signature", "X-D3-Signature"} {
		for _, v := range h.Values(name) {
			if got := signature(v); got != nil && hmac.Equal(got, want) {
				ok = true
			}
		}
	}
	return ok
}

// signature reads one header; nil where it is none.
func signature(v string) []byte {
	v = strings.TrimSpace(v)
	if len(v) > 7 && strings.EqualFold(v[:7], "sha256=") {
		v = v[7:]
	}
	if len(v) > 128 {
		return nil
	}
	if b, err := hex.DecodeString(v); err == nil && len(b) == sha256.Size {
		return b
	}
	v = strings.TrimRight(v, "=")
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		if b, err := enc.DecodeString(v); err == nil && len(b) == sha256.Size {
			return b
		}
	}
	return nil
}

// taskIDs lists all that may be a task in an event: only operation.completed is documented, and not whole, so every string
// under a name that ends in "id" counts.
func taskIDs(body []byte) (ids []TaskID) {
	var v map[string]any
	if json.Unmarshal(body, &v) != nil {
		return nil
	}
	var walk func(v any, depth int)
	walk = func(v any, depth int) {
		if depth > 10 {
			return
		}
		switch v := v.(type) {
		case map[string]any:
			for name, in := range v {
				s, isText := in.(string)
				if isText && strings.HasSuffix(squeeze(name), "id") && validID(s) && len(ids) < maxFiles {
					ids = append(ids, TaskID(s))
				}
				walk(in, depth+1)
			}
		case []any:
			for _, in := range v {
				walk(in, depth+1)
			}
		}
	}
	walk(v, 0)
	return ids
}
