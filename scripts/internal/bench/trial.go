package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"time"
)

// workTimeout bounds one measurement.
const workTimeout = 3 * time.Minute

// trial is one side in one round.
type trial struct {
	ctx    context.Context //nolint:containedctx // of the round; the steps share a signature
	c      config
	name   string
	side   side
	broken map[string]bool // steps that failed, whose files are not to be relied upon
}

// work has another process do a task and waits for it.
func (t *trial) work(k task) (figures, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	arg, err := json.Marshal(k)
	if err != nil {
		return nil, err
	}
	out, err := output(t.ctx, workTimeout, os.Environ(), self, workVerb, string(arg))
	if err != nil {
		return nil, err
	}
	var f figures
	err = json.Unmarshal(out, &f)
	return f, err
}

// named is a task in a directory of the side.
func (t *trial) task(kind, dir string) task {
	return task{
		Kind: kind, Dir: filepath.Join(t.side.files(), dir), Bytes: t.c.sizes.fileSize, Files: t.c.sizes.files, Threads: 1, Span: t.c.sizes.span,
	}
}

// rate does a task and puts its rate in a row.
func (t *trial) rate(id string, k task) (figures, error) {
	f, err := t.work(k)
	return figures{id: f["rate"]}, err
}

func (t *trial) tree(id, dir string, threads int) (figures, error) {
	k := t.task("create", dir)
	k.Threads = threads
	return t.rate(id, k)
}

func (t *trial) walk() (figures, error)      { return t.rate(rowWalk, t.task("walk", "one")) }
func (t *trial) readSmall() (figures, error) { return t.rate(rowReadSmall, t.task("readsmall", "one")) }
func (t *trial) rename() (figures, error)    { return t.rate(rowRename, t.task("rename", "one")) }
func (t *trial) unlink() (figures, error)    { return t.rate(rowUnlink, t.task("unlink", "four")) }

func (t *trial) big(id, kind string) (figures, error) {
	k := t.task(kind, "")
	k.Bytes = t.c.sizes.bigBytes
	return t.rate(id, k)
}

// drain writes small files and waits until all are sent. It is for sides that send.
func (t *trial) drain() (figures, error) {
	switch t.side.(type) {
	case *bare, *loopback:
		return nil, nil
	}
	before, counted := t.count()
	k := t.task("create", "sent")
	k.Files = t.c.sizes.drain
	start := time.Now()
	if _, err := t.work(k); err != nil {
		return nil, err
	}
	if err := t.side.settle(t.ctx); err != nil {
		return nil, err
	}
	f := figures{rowDrain: per(k.Files, start)}
	if after, ok := t.count(); ok && counted {
		f[rowRequests] = (after - before) / float64(k.Files)
	}
	return f, nil
}

// count is what the side's server has answered, where it tells.
func (t *trial) count() (float64, bool) {
	s, ok := t.side.(counter)
	if !ok {
		return 0, false
	}
	n, err := s.requests(t.ctx)
	if err != nil {
		t.c.log("%s: %v", t.name, err)
	}
	return n, err == nil
}

func (t *trial) memory() (figures, error) {
	n := t.side.peak()
	if n == 0 {
		return nil, nil
	}
	return figures{rowPeakMemory: float64(n) / (1 << 20)}, nil
}

// remount empties the cache of the side.
func (t *trial) remount() (figures, error) {
	err := t.side.remount(t.ctx)
	if errors.Is(err, errNoCache) {
		return nil, nil
	}
	return nil, err
}

func (t *trial) coldWalk() (figures, error) {
	if _, ok := t.side.(*bare); ok {
		return nil, nil
	}
	f, err := t.work(t.task("walk", "one"))
	return figures{rowColdWalk: f["first"]}, err
}

func (t *trial) coldRead() (figures, error) {
	switch t.side.(type) {
	case *bare, *loopback:
		return nil, nil
	}
	k := t.task("coldread", "")
	k.Bytes = t.c.sizes.bigBytes
	f, err := t.work(k)
	return figures{rowColdRead: f["rate"], rowColdFirst: f["first"]}, err
}

// magic reads a picture in another format. On the bare disk the engine is run by hand, which makes it each time.
func (t *trial) magic() (figures, error) {
	k := t.task("picture", "")
	k.Bytes = t.c.sizes.pixels
	disk := false
	var hand *bare
	switch s := t.side.(type) {
	case *bare:
		hand = s
	case *dropfs, *served:
		disk = true
	}
	if !disk && (hand == nil || missing(sideDropfs, t.c) != "") {
		return nil, nil
	}
	if _, err := t.work(k); err != nil {
		return nil, err
	}
	if disk {
		k.Kind = "converted"
		f, err := t.work(k)
		return figures{rowMagic: f["first"], rowMagicAgain: f["again"]}, err
	}
	f := figures{}
	for _, id := range []string{rowMagic, rowMagicAgain} {
		start := time.Now()
		if err := hand.convert(t.ctx, pictureName+pictureStep); err != nil {
			return nil, err
		}
		f[id] = time.Since(start).Seconds() * 1e3
	}
	return f, nil
}

// http measures a plain client of the hub of a side, in the step that reads with an empty cache.
func (t *trial) http(s *served) (figures, error) {
	f, err := t.work(task{Kind: "httpread", Bytes: t.c.sizes.bigBytes, URL: s.url, Key: hubKey, Drop: hubDrop})
	return figures{rowColdRead: f["rate"], rowColdFirst: f["first"]}, err
}
