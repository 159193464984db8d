package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"
)

// cleanTimeout bounds the cleaning up, which an interrupt does not shorten.
const cleanTimeout = 2 * time.Minute

// run measures.
func run(ctx context.Context, c config) (*result, error) {
	rows, steps := plan(c)
	sides, served := c.present()
	if len(sides) == 0 {
		return nil, errors.New("no side is left to measure")
	}
	dir, err := os.MkdirTemp(c.dir, "dropfs-bench")
	if err != nil {
		return nil, err
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return nil, err
	}
	r := newResult(c, rows, sides, served)
	for i := range c.rounds {
		if i > 0 && !pause(ctx, c.sizes.pause) {
			break
		}
		c.log("round %d of %d", i+1, c.rounds)
		rd := &round{c: c, dir: filepath.Join(dir, fmt.Sprint(i)), result: r, index: i, http: served}
		err = rd.run(ctx, sides, steps)
		if err != nil {
			break
		}
	}
	err = errors.Join(err, ctx.Err(), clean(context.WithoutCancel(ctx), dir))
	return r, err
}

// present picks the sides that can run, and whether the plain client is one.
func (c config) present() (sides []string, http bool) {
	for _, name := range sideNames() {
		if !wants(c.sides, name) {
			continue
		}
		if c.link && !slices.Contains([]string{sideServed, sideRclone, sideHTTP}, name) {
			continue
		}
		if why := missing(name, c); why != "" {
			c.log("without %s: %s", name, why)
			continue
		}
		if name == sideHTTP {
			http = slices.Contains(sides, sideServed)
			continue
		}
		sides = append(sides, name)
	}
	return sides, http
}

// pause waits; false when it was interrupted.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// clean removes everything, once nothing is mounted among it (B1).
func clean(ctx context.Context, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, cleanTimeout)
	defer cancel()
	left, err := mountsBelow(ctx, dir)
	if err != nil || len(left) > 0 {
		return errors.Join(fmt.Errorf("%s stays, with mounts %v", dir, left), err)
	}
	return os.RemoveAll(dir)
}

// round is one time that everything is measured.
type round struct {
	c      config
	dir    string
	result *result
	index  int
	http   bool
	trials []*trial
}

// run starts all sides, does the steps on each in turn, and ends the sides. What fails on one side is told and leaves a gap.
func (r *round) run(ctx context.Context, sides []string, steps []step) error {
	defer r.end(context.WithoutCancel(ctx))
	for i := range sides { // another begins each time (B5)
		name := sides[(i+r.index)%len(sides)]
		t := &trial{ctx: ctx, c: r.c, name: name, side: newSide(name, filepath.Join(r.dir, name), r.c), broken: map[string]bool{}}
		r.trials = append(r.trials, t)
		if err := t.side.start(ctx); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			t.side.stop(context.WithoutCancel(ctx))
			r.trials = r.trials[:len(r.trials)-1]
			r.result.fail(name, "start", err)
		}
	}
	for _, s := range steps {
		for _, t := range r.trials {
			if err := ctx.Err(); err != nil {
				return err
			}
			r.step(t, s)
		}
	}
	return nil
}

// step does one step on one side.
func (r *round) step(t *trial, s step) {
	if slices.ContainsFunc(s.needs, func(n string) bool { return t.broken[n] }) {
		t.broken[s.name] = true
		return
	}
	if len(s.rows) > 0 {
		r.quiet(t)
	}
	start := time.Now()
	f, err := s.do(t)
	if err == nil {
		err = t.side.settle(t.ctx)
	}
	if t.ctx.Err() != nil {
		return
	}
	if err != nil {
		t.broken[s.name] = true
		r.result.fail(t.name, s.name, err)
		return
	}
	r.c.log("  %-14s %-12s %6.1f s  %v", s.name, t.name, time.Since(start).Seconds(), f)
	r.result.add(t.name, r.index, f)
	hub, ok := t.side.(*served)
	if !ok || !r.http || !slices.Contains(s.rows, rowColdRead) {
		return
	}
	if f, err = t.http(hub); err != nil {
		r.result.fail(sideHTTP, s.name, err)
		return
	}
	r.result.add(sideHTTP, r.index, f)
}

// quiet has the disk below write what it was given (B3).
func (r *round) quiet(t *trial) {
	if r.c.short || runtime.GOOS != "linux" {
		return
	}
	if _, err := output(t.ctx, commandTimeout, os.Environ(), "sync", "-f", r.dir); err != nil && t.ctx.Err() == nil {
		r.c.log("  %v", err)
	}
}

// end ends all sides (B1).
func (r *round) end(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, cleanTimeout)
	defer cancel()
	for _, t := range r.trials {
		t.side.stop(ctx)
	}
	if err := detach(ctx, r.dir); err != nil {
		r.c.log("%v", err)
	}
}
