package cli

import (
	"strings"
	"testing"
)

// TestKeyCreateWebhook: a key is made with its webhook, or not at all where that is none.
func TestKeyCreateWebhook(t *testing.T) {
	h := newHome(t)
	data := h.path("hub")
	create := []string{"key", "create", "team", "--data", data}
	h.refuses(2, "belongs to --webhook", append(create, "--webhook-secret", "s")...)
	for _, url := range []string{"nonsense", "ftp://example.com/", "https://user:pass@example.com/"} {
		h.refuses(2, "http or https", append(create, "--webhook", url)...)
	}
	if out := h.ok("key", "list", "--data", data); strings.Contains(out, "team") {
		t.Errorf("a key was made all the same: %q", out)
	}
	key := strings.TrimSpace(h.ok(append(create, "--webhook", "https://hooks.example.com/x", "--webhook-secret", "whsec_s")...))
	if len(key) < 16 {
		t.Errorf("key %q", key)
	}
	h.refuses(2, "duration", "serve", "--data", data, "--listen", "127.0.0.1:0", "--keep", "never")
}
