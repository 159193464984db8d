package dropzone

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"dropfs/remote/hub/store"
	"dropfs/remote/hub/web"
)

// heartbeat is how often a feed without news says that it lives.
const heartbeat = 15 * time.Second

// eventsPage is how many events are read at once.
const eventsPage = 200

// changeJSON is one event of the feed.
type changeJSON struct {
	Seq        int64         `json:"seq"`
	Kind       string        `json:"kind"`
	DropzoneID string        `json:"dropzoneId,omitempty"`
	File       *fileJSON     `json:"file,omitempty"`
	FileID     string        `json:"fileId,omitempty"`
	Replaces   string        `json:"replaces,omitempty"`
	Dropzone   *dropzoneJSON `json:"dropzone,omitempty"`
}

// changes is the feed: server-sent events of one dropzone, or of all that a key owns.
func (a *API) changes(w http.ResponseWriter, r *http.Request) error {
	c, err := a.caller(r)
	if err != nil {
		return err
	}
	var owner, drop string
	if c.header == "" && c.key != nil {
		owner = c.key.ID
	} else {
		d, err := a.drop(r.Context(), c, access{permission: dropList, byID: true})
		if err != nil {
			return err
		}
		drop = d.ID
	}
	since, err := sinceOf(r)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // a proxy must not hold it back
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	s := stream{a: a, w: w, base: a.base(r), owner: owner, drop: drop, since: since}
	if err := s.run(r.Context()); err != nil && r.Context().Err() == nil {
		a.cfg.Log.WithError(err).Debug("change feed ended")
	}
	return nil
}

// sinceOf reads where to go on: the header that an EventSource sends after a break, else the parameter.
func sinceOf(r *http.Request) (int64, error) {
	text := r.Header.Get("Last-Event-ID")
	if text == "" {
		text = r.URL.Query().Get("since")
	}
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, web.Fail(http.StatusBadRequest, "since must be a whole number, not negative.")
	}
	return n, nil
}

// stream is one follower.
type stream struct {
	a           *API
	w           http.ResponseWriter
	base        string
	owner, drop string
	since       int64
}

func (s *stream) run(ctx context.Context) error {
	if err := s.start(ctx); err != nil {
		return err
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		// Taken before the table is read, so that nothing is missed in between.
		next := s.a.cfg.Feed.next()
		if err := s.send(ctx); err != nil {
			return err
		}
		select {
		case <-next:
		case <-beat.C:
			if err := s.write(changeJSON{Seq: s.since, Kind: "alive"}); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		case <-s.a.cfg.Feed.done:
			return nil
		}
	}
}

// start answers a reset where the feed cannot tell what happened behind since.
func (s *stream) start(ctx context.Context) error {
	last, err := s.a.cfg.Store.LastSeq(ctx)
	if err != nil {
		return err
	}
	pruned, err := s.a.cfg.Store.Pruned(ctx)
	if err != nil {
		return err
	}
	if s.since > 0 && s.since >= pruned && s.since <= last {
		_, err := fmt.Fprint(s.w, ": connected\n\n")
		s.flush()
		return err
	}
	s.since = last
	return s.write(changeJSON{Seq: last, Kind: "reset"})
}

// send writes all events behind since.
func (s *stream) send(ctx context.Context) error {
	for {
		events, err := s.a.cfg.Store.Events(ctx, s.since, s.owner, s.drop, eventsPage)
		if err != nil {
			return err
		}
		for _, e := range events {
			if err := s.write(s.change(ctx, e)); err != nil {
				return err
			}
			s.since = e.Seq
		}
		if len(events) < eventsPage {
			return nil
		}
	}
}

func (s *stream) change(ctx context.Context, e store.Event) changeJSON {
	c := changeJSON{Seq: e.Seq, Kind: e.Kind, DropzoneID: e.Drop, FileID: e.FileID, Replaces: e.Replaces}
	if e.File != nil {
		item := fileItem(*e.File)
		c.File, c.FileID = &item, e.File.ID
	}
	if e.DropInfo != nil {
		free, err := s.a.free(ctx, *e.DropInfo)
		if err != nil {
			free = 0
		}
		d := dropzone(*e.DropInfo, s.base, free)
		c.Dropzone = &d
	}
	return c
}

// write sends one event. A heartbeat has no id: it is not a place to go on from.
func (s *stream) write(c changeJSON) error {
	if c.Kind != "alive" {
		if _, err := fmt.Fprintf(s.w, "id: %d\n", c.Seq); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(s.w, "event: %s\ndata: %s\n\n", c.Kind, web.Marshal(c))
	s.flush()
	return err
}

func (s *stream) flush() {
	if f, ok := s.w.(http.Flusher); ok {
		f.Flush()
	}
}
