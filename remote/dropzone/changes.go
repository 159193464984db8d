package dropzone

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"dropfs/remote"
	"dropfs/remote/httpx"
)

const (
	feedIdle     = 45 * time.Second // a hub gives a sign of life every 15 s
	maxEventSize = 1 << 20          // bytes
)

type wireChange struct {
	Seq      number   `json:"seq"`
	Kind     text     `json:"kind"`
	DropID   text     `json:"dropzoneId"`
	File     wireFile `json:"file"`
	FileID   text     `json:"fileId"`
	Replaces text     `json:"replaces"`
	Drop     wireDrop `json:"dropzone"`
}

// Changes implements remote.Service.
func (c *Client) Changes(ctx context.Context, since int64, fn func(remote.Change) error) error {
	const op = "follow changes"
	if able, err := c.abilities(ctx); err != nil {
		return err
	} else if !able[ableChanges] || c.cfg.Key == "" {
		return unsupported(op)
	}
	req, err := c.request("", "", OpChanges)
	if err != nil {
		return err
	}
	at := strconv.FormatInt(since, 10)
	req.Op, req.StallTimeout = op, feedIdle
	req.Query = url.Values{"since": {at}}
	req.Header = http.Header{"Accept": {"text/event-stream"}, "Last-Event-Id": {at}, "Cache-Control": {"no-cache"}}
	resp, err := c.http.Open(httpx.WithDefaultPriority(ctx, httpx.Poller), req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var fnErr error
	err = readEvents(resp.Body, since, func(ch remote.Change) error {
		fnErr = fn(ch)
		return fnErr
	})
	if fnErr != nil {
		return fnErr
	}
	var re *remote.Error
	if errors.As(err, &re) {
		return err
	}
	kind := remote.ErrUnavailable
	if errors.Is(err, errEvent) {
		kind = remote.ErrProtocol
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return &remote.Error{Kind: kind, Op: op, Err: err}
}

var (
	errEvent   = errors.New("an event that cannot be read")
	errFeedEnd = errors.New("the feed ended")
)

// readEvents reads a stream of events (WHATWG HTML, server-sent events) and calls fn for each, and for each comment with
// a ChangeKeptAlive at the last sequence number. It never returns nil.
func readEvents(r io.Reader, last int64, fn func(remote.Change) error) error {
	br := bufio.NewReaderSize(r, 16<<10)
	var data, id, event []byte
	var size int
	for {
		line, err := readLine(br)
		if err != nil {
			return err
		}
		if size += len(line); size > maxEventSize {
			return errEvent
		}
		if len(line) == 0 {
			if ch, ok := changeOf(event, id, data, last); ok {
				last = max(last, ch.Seq)
				if ch.Kind == remote.ChangeReset {
					last = ch.Seq
				}
				if err := fn(ch); err != nil {
					return err
				}
			}
			data, id, event, size = nil, nil, nil, 0
			continue
		}
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(field) {
		case "": // a comment
			if err := fn(remote.Change{Seq: last, Kind: remote.ChangeKeptAlive}); err != nil {
				return err
			}
		case "data":
			if data != nil {
				data = append(data, '\n')
			}
			data = append(data, value...)
		case "id":
			id = bytes.Clone(value)
		case "event":
			event = bytes.Clone(value)
		}
	}
}

// readLine returns a line without its end, which is LF, CR LF; a bare CR is taken for no end.
func readLine(br *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := br.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull) && len(line) <= maxEventSize:
			continue
		case errors.Is(err, bufio.ErrBufferFull):
			return nil, errEvent
		case errors.Is(err, io.EOF):
			return nil, errFeedEnd
		case err != nil:
			return nil, err
		}
		return bytes.TrimSuffix(line[:len(line)-1], []byte("\r")), nil
	}
}

// changeOf maps an event to the domain; ok is false for none. What is not understood is a reset: list everything again.
func changeOf(event, id, data []byte, last int64) (remote.Change, bool) {
	if len(event) == 0 && len(data) == 0 {
		return remote.Change{}, false
	}
	var w wireChange
	broken := len(data) > 0 && json.Unmarshal(data, &w) != nil
	ch := remote.Change{Seq: last, Kind: remote.ChangeKind(event), Drop: remote.DropID(w.DropID), Replaces: remote.AssetID(w.Replaces)}
	if w.Kind != "" {
		ch.Kind = remote.ChangeKind(w.Kind)
	}
	if n, err := strconv.ParseInt(string(id), 10, 64); err == nil && n >= 0 {
		ch.Seq = n
	}
	if n, ok := w.Seq.whole(); ok {
		ch.Seq = n
	}
	ok := false
	switch ch.Kind {
	case remote.ChangeAsset:
		ch.Asset, ok = w.File.asset(ch.Drop)
	case remote.ChangeAssetGone:
		ch.Asset = remote.Asset{ID: remote.AssetID(first(w.FileID, text(w.File.id()))), Drop: ch.Drop}
		ok = ch.Asset.ID != ""
	case remote.ChangeDrop:
		ch.DropInfo, ok = w.Drop.drop()
		if ch.Drop == "" {
			ch.Drop = ch.DropInfo.ID
		}
	case remote.ChangeDropGone:
		ok = ch.Drop != ""
	case remote.ChangeReset, remote.ChangeKeptAlive:
		ok = true
	}
	if !ok || broken {
		ch = remote.Change{Seq: ch.Seq, Kind: remote.ChangeReset}
	}
	return ch, true
}
