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
	"strings"

	"dropfs/remote"
)

// maxWebhook is how many bytes of a webhook are read.
const maxWebhook = 1 << 20

// Webhook is where the service may send its events, to be served under an address that it can reach. It checks the
// signature and wakes who waits for a task that the event names (B6). Without Config.WebhookSecret it refuses all.
func (c *Client) Webhook() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			w.WriteHeader(http.StatusMethodNotAllowed)
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
		case !signed(c.cfg.WebhookSecret, r.Header, body):
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		ids, ok := readWebhook(body)
		if !ok {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		for _, id := range ids {
			c.waits.wake(id)
		}
		w.WriteHeader(http.StatusNoContent)
	})
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

// readWebhook lists all that may be a task in an event: only operation.completed is documented whole, so every string
// under a name that ends in "id" counts.
func readWebhook(body []byte) (ids []TaskID, ok bool) {
	var v map[string]any
	if json.Unmarshal(body, &v) != nil || v == nil {
		return nil, false
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
	return ids, true
}
