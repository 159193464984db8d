package hub

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// change is an event as a client reads it.
type change struct {
	ID, Event string
	Data      struct {
		Seq        int64          `json:"seq"`
		Kind       string         `json:"kind"`
		DropzoneID string         `json:"dropzoneId"`
		FileID     string         `json:"fileId"`
		Replaces   string         `json:"replaces"`
		File       map[string]any `json:"file"`
		Dropzone   map[string]any `json:"dropzone"`
	}
}

// follow opens the feed; each call of next reads one event, without comments.
func (s *site) follow(query string, header map[string]string) (next func() change, stop func()) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), 20*time.Second)
	r, err := http.NewRequestWithContext(ctx, "GET", s.srv.URL+"/api/v1/changes"+query, nil)
	if err != nil {
		s.Fatal(err)
	}
	for k, v := range header {
		r.Header.Set(k, v)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = resp.Body.Close() })
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
		s.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	return func() change {
		s.Helper()
		var c change
		for lines.Scan() {
			name, value, _ := strings.Cut(lines.Text(), ": ")
			switch {
			case name == "id":
				c.ID = value
			case name == "event":
				c.Event = value
			case name == "data":
				if err := json.Unmarshal([]byte(value), &c.Data); err != nil {
					s.Fatal(err)
				}
			case lines.Text() == "" && c.Event != "":
				if c.Event != c.Data.Kind || c.Event != "alive" && c.ID != fmt.Sprint(c.Data.Seq) {
					s.Fatalf("event %+v", c)
				}
				return c
			}
		}
		s.Fatalf("the feed ended: %v", lines.Err())
		return c
	}, cancel
}

func TestChangeFeed(t *testing.T) {
	s := newSite(t, nil)
	auth := map[string]string{"x-api-key": testKey}
	next, stop := s.follow("", auth)
	defer stop()
	reset := next()
	if reset.Event != "reset" {
		t.Fatalf("first event %+v", reset)
	}
	drop := s.drop(1, 30)
	if c := next(); c.Event != "drop" || c.Data.DropzoneID != drop || c.Data.Dropzone["_id"] != drop || c.Data.Seq <= reset.Data.Seq {
		t.Fatalf("%+v", c)
	}
	one := s.upload(drop, "a", "t/t", []byte("x"))
	first := next()
	if first.Event != "asset" || first.Data.File["_id"] != one || first.Data.File["meta"].(map[string]any)["seq"] != float64(first.Data.Seq) {
		t.Fatalf("%+v", first)
	}
	two, url := s.start(drop, "a", "t/t", 1)
	s.put(url, "t/t", []byte("y"))
	s.data(s.withKey("POST", "/api/v1/files/"+two+"/confirm", map[string]any{"replaces": one}))
	if c := next(); c.Event != "asset" || c.Data.Replaces != one || c.Data.File["_id"] != two {
		t.Fatalf("%+v", c)
	}
	s.data(s.withKey("PATCH", "/api/v1/files/"+two, map[string]any{"name": "b"}))
	if c := next(); c.Event != "asset" || c.Data.File["name"] != "b" || c.Data.File["meta"].(map[string]any)["etag"] == "" {
		t.Fatalf("%+v", c)
	}
	pending, _ := s.start(drop, "p", "t/t", 1)
	s.want(s.withKey("DELETE", "/api/v1/files/"+pending, nil), 200) // never was there: no event
	s.want(s.withKey("DELETE", "/api/v1/files/"+two, nil), 200)
	if c := next(); c.Event != "asset.gone" || c.Data.FileID != two || c.Data.DropzoneID != drop {
		t.Fatalf("%+v", c)
	}
	s.want(s.withKey("DELETE", "/api/v1/dropzones/"+drop, nil), 200)
	if c := next(); c.Event != "drop.gone" || c.Data.DropzoneID != drop {
		t.Fatalf("%+v", c)
	}
	// A second follower goes on behind an event, whichever way it says so.
	for _, f := range []func() (func() change, func()){
		func() (func() change, func()) { return s.follow("?since="+first.ID, auth) },
		func() (func() change, func()) {
			return s.follow("?since=0", map[string]string{"x-api-key": testKey, "Last-Event-ID": first.ID})
		},
	} {
		resumed, end := f()
		if c := resumed(); c.Data.Replaces != one {
			t.Fatalf("%+v", c)
		}
		end()
	}
	far, end := s.follow("?since=99999", auth)
	defer end()
	if c := far(); c.Event != "reset" || c.Data.Seq >= 99999 {
		t.Fatalf("a sequence from elsewhere: %+v", c)
	}
	s.want(s.withKey("GET", "/api/v1/changes?since=-1", nil), 400)
}

func TestChangeFeedOfOneDropzone(t *testing.T) {
	s := newSite(t, nil)
	other, drop := s.drop(1, 30), s.drop(1, 30)
	next, stop := s.follow("", map[string]string{"x-dropzone-id": drop})
	defer stop()
	if c := next(); c.Event != "reset" {
		t.Fatalf("%+v", c)
	}
	s.upload(other, "a", "t/t", []byte("x"))
	id := s.upload(drop, "b", "t/t", []byte("x"))
	if c := next(); c.Data.File["_id"] != id {
		t.Fatalf("%+v", c)
	}
}

func TestChangeFeedForgets(t *testing.T) {
	s := newSite(t, nil)
	s.drop(1, 365)
	s.drop(1, 365)
	s.clock.Advance(8 * 24 * time.Hour)
	s.drop(1, 365)
	s.sweep()
	next, stop := s.follow("?since=1", map[string]string{"x-api-key": testKey})
	defer stop()
	if c := next(); c.Event != "reset" || c.Data.Seq != 3 {
		t.Fatalf("%+v", c)
	}
	kept, end := s.follow("?since=2", map[string]string{"x-api-key": testKey})
	defer end()
	if c := kept(); c.Event != "drop" || c.Data.Seq != 3 {
		t.Fatalf("%+v", c)
	}
}

func TestChangesOfAnotherProcess(t *testing.T) {
	s := newSite(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- s.hub.Run(ctx) }()
	next, stop := s.follow("", map[string]string{"x-api-key": testKey})
	defer stop()
	next() // reset
	other, err := Open(t.Context(), Config{DataDir: s.hub.cfg.DataDir})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := other.store.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	d, err := other.store.PutDrop(t.Context(), keys[0], dropSpec("elsewhere"))
	if err != nil {
		t.Fatal(err)
	}
	if c := next(); c.Event != "drop" || c.Data.DropzoneID != d.ID {
		t.Fatalf("%+v", c)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	cancel() // ends Run, and with it the feed
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}
