package d3

import (
	"context"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// held remembers which content the service holds, and lets one upload of a content go on at a time (B4).
type held struct {
	ttl time.Duration

	mu    sync.Mutex
	known *lru.Cache[string, heldKey]
	under map[string]chan struct{} // uploads under way, by content; closed at their end
}

type heldKey struct {
	key   FileKey
	until time.Time
}

func newHeld(size int, ttl time.Duration) (*held, error) {
	known, err := lru.New[string, heldKey](size)
	if err != nil {
		return nil, err
	}
	return &held{ttl: ttl, known: known, under: map[string]chan struct{}{}}, nil
}

// enter answers the key of a content that is held, or waits for its upload under way; with "" it is the caller's to upload,
// and to tell done how that ended ("" it failed).
func (h *held) enter(ctx context.Context, content string) (key FileKey, done func(FileKey), err error) {
	for {
		h.mu.Lock()
		if k, ok := h.known.Get(content); ok {
			if time.Now().Before(k.until) {
				h.mu.Unlock()
				return k.key, nil, nil
			}
			h.known.Remove(content)
		}
		other := h.under[content]
		if other == nil {
			mine := make(chan struct{})
			h.under[content] = mine
			h.mu.Unlock()
			return "", func(key FileKey) { h.leave(content, key, mine) }, nil
		}
		h.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return "", nil, context.Cause(ctx)
		}
	}
}

func (h *held) leave(content string, key FileKey, mine chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.under, content)
	close(mine)
	if key != "" {
		h.known.Add(content, heldKey{key, time.Now().Add(h.ttl)})
	}
}

// hold remembers a content that came to be at the service otherwise than by an upload.
func (h *held) hold(content string, key FileKey) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.known.Add(content, heldKey{key, time.Now().Add(h.ttl)})
}

// forget drops every content under these keys.
func (h *held) forget(keys []FileKey) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, content := range h.known.Keys() {
		k, _ := h.known.Peek(content)
		for _, key := range keys {
			if k.key == key {
				h.known.Remove(content)
			}
		}
	}
}
