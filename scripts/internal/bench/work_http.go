package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

const (
	httpChunk   = 4 << 20 // bytes of one ranged GET
	httpFlight  = 8       // of them under way
	httpTimeout = 2 * time.Minute
)

// hubClient is a plain HTTP client of a hub that shares nothing with dropfs.
type hubClient struct {
	base   string // of the API
	key    string
	client *http.Client
}

func newHubClient(base, key string) *hubClient {
	return &hubClient{base, key, &http.Client{Timeout: httpTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: httpFlight}}}
}

// call makes one request and reads what the answer calls data; into may be nil.
func (h *hubClient) call(ctx context.Context, method, path, body string, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, h.base+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("x-api-key", h.key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := h.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s: %.200s", method, path, resp.Status, b)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(b, &struct {
		Data any `json:"data"`
	}{into})
}

// item is a drop or a file.
type item struct {
	ID   string `json:"_id"`
	Name string `json:"name"`
	Size int64  `json:"size"`
}

// find finds an item by name in a listing.
func (h *hubClient) find(ctx context.Context, path, name string) (item, error) {
	var list []item
	if err := h.call(ctx, http.MethodGet, path, "", &list); err != nil {
		return item{}, err
	}
	for _, i := range list {
		if i.Name == name {
			return i, nil
		}
	}
	return item{}, fmt.Errorf("%s: nothing is called %q", path, name)
}

// readHTTP fetches the large file by ranged GETs. "first" is the milliseconds until the first page came over a connection
// that had to be made.
func readHTTP(t task) (figures, error) {
	ctx, cancel := context.WithTimeout(context.Background(), httpTimeout)
	defer cancel()
	look := newHubClient(t.URL, t.Key)
	drop, err := look.find(ctx, "/dropzones", t.Drop)
	if err != nil {
		return nil, err
	}
	file, err := look.find(ctx, "/dropzones/"+drop.ID+"/files", bigName)
	if err != nil {
		return nil, err
	}
	if file.Size != t.Bytes {
		return nil, fmt.Errorf("%s has %d bytes of %d", bigName, file.Size, t.Bytes)
	}
	h := newHubClient(t.URL, t.Key)
	start := time.Now()
	if err := h.get(ctx, file.ID, 0, page); err != nil {
		return nil, err
	}
	out := figures{"first": time.Since(start).Seconds() * 1e3}
	next, done := make(chan int64), make(chan error, httpFlight)
	for range httpFlight {
		go func() {
			var err error
			for off := range next {
				if err == nil {
					err = h.get(ctx, file.ID, off, min(off+httpChunk, t.Bytes))
				}
			}
			done <- err
		}()
	}
	start = time.Now()
	for off := int64(0); off < t.Bytes; off += httpChunk {
		next <- off
	}
	close(next)
	for range httpFlight {
		err = errors.Join(err, <-done)
	}
	out["rate"] = megabytes(t.Bytes, start)
	return out, err
}

// get fetches [off, end) of a file and throws it away.
func (h *hubClient) get(ctx context.Context, id string, off, end int64) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.base+"/files/"+id+"/download", nil)
	if err != nil {
		return err
	}
	req.Header.Set("x-api-key", h.key)
	req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", off, end-1))
	resp, err := h.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	n, err := io.Copy(io.Discard, resp.Body)
	if err == nil && (resp.StatusCode != http.StatusPartialContent || n != end-off) {
		err = fmt.Errorf("range [%d, %d): %s with %d bytes", off, end, resp.Status, n)
	}
	return err
}
