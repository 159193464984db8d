package cloud

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"dropfs/convert"
	"dropfs/remote"
	"dropfs/remote/d3"
)

// Run implements convert.Engine: the sources are sent, unless the service holds them, the action is done, and the result
// fetched to job.Out.
func (e *Engine) Run(ctx context.Context, job convert.Job) error {
	op, secrets, err := e.operation(job)
	if err != nil {
		return err
	}
	now := time.Now()
	wait, ok := e.budget.take(now)
	if !ok {
		return fmt.Errorf("%w: %d within an hour, the next in %v", convert.ErrBudget, e.cfg.PerHour, wait.Round(time.Second))
	}
	e.keepSpent() // before it is begun: a process that is killed has spent it
	p := &progress{tell: job.Progress}
	for _, s := range job.Sources {
		p.total += s.Size
	}
	task, sources, err := e.do(ctx, job, op, p)
	if err != nil {
		if errors.Is(err, errNotBegun) {
			e.budget.giveBack(now)
			e.keepSpent()
		}
		return failure(ctx, err, secrets)
	}
	if task.State == d3.Failed {
		return failed(task, secrets)
	}
	p.at(readyPart)
	job.At(convert.PhaseDownloading)
	if err := e.take(ctx, job, task, sources, secrets); err != nil {
		return failure(ctx, err, secrets)
	}
	p.at(1)
	return nil
}

// keepSpent writes down what was begun. Where that fails this process counts on by itself.
func (e *Engine) keepSpent() {
	if err := e.budget.keep(); err != nil {
		e.cfg.Log.WithError(err).Warn("what was converted within the hour is not kept")
	}
}

// errNotBegun marks the error of an operation that surely was not begun.
var errNotBegun = errors.New("not begun")

// notBegun is such an error; its text is that of the cause.
type notBegun struct{ err error }

func (n notBegun) Error() string   { return n.err.Error() }
func (n notBegun) Unwrap() []error { return []error{errNotBegun, n.err} }

// do sends the sources and has the operation done. Where the service has lost what it held, or does not take it for a
// source, all is sent once more.
func (e *Engine) do(ctx context.Context, job convert.Job, op d3.Operation, p *progress) (d3.Task, []source, error) {
	var sources []source
	var id d3.TaskID
	for try := 1; ; try++ {
		var err error
		job.At(convert.PhaseUploading)
		if sources, err = e.send(ctx, job, p); err != nil {
			return d3.Task{}, nil, notBegun{err}
		}
		op.Files = nil
		for _, s := range sources {
			op.Files = append(op.Files, s.key)
		}
		id, err = e.cfg.Client.Do(ctx, op)
		again := errors.Is(err, remote.ErrNotFound) || errors.Is(err, remote.ErrInvalid) && !p.moved()
		switch {
		case again && try == 1:
			e.cfg.Client.Forget(op.Files...)
			continue
		case errors.Is(err, remote.ErrUnavailable), errors.Is(err, remote.ErrProtocol):
			return d3.Task{}, nil, err // it may have been
		case err != nil:
			return d3.Task{}, nil, notBegun{err}
		}
		break
	}
	p.at(sentPart)
	task, err := e.cfg.Client.Watch(ctx, id, func(t d3.Task) { p.stands(job, t) })
	if err == nil && task.State == d3.Failed && errors.Is(failed(task, nil), convert.ErrUnreachable) {
		e.cfg.Client.Forget(op.Files...) // it may have lost them
	}
	return task, sources, err
}

// source is a file at the service.
type source struct {
	key d3.FileKey
	sum string // of its content
}

// send sends the sources, several at a time, and answers them in order.
func (e *Engine) send(ctx context.Context, job convert.Job, p *progress) ([]source, error) {
	called, err := names(job)
	if err != nil {
		return nil, err
	}
	sent := make([]source, len(job.Sources))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(e.cfg.Parallel)
	for i, s := range job.Sources {
		g.Go(func() error {
			var err error
			sent[i], err = e.sendOne(ctx, s, called[i], p)
			return err
		})
	}
	return sent, g.Wait()
}

// sendOne sends one source. Its version is the sum of its content, so that what the service holds is known whoever asks.
func (e *Engine) sendOne(ctx context.Context, s convert.Source, name string, p *progress) (source, error) {
	f, err := os.Open(s.Path)
	if err != nil {
		return source{}, fmt.Errorf("source: %w", err)
	}
	defer f.Close()
	sum, size, err := sumOf(ctx, f)
	if err != nil {
		return source{}, fmt.Errorf("source: %w", err)
	}
	key, err := e.cfg.Client.Upload(ctx, d3.Input{Version: sum, Name: name, Size: size, Src: f, Progress: p.sent})
	return source{key, sum}, err
}

// sumOf reads a file from its start to its end.
func sumOf(ctx context.Context, f *os.File) (sum string, size int64, err error) {
	h := sha256.New()
	size, err = io.Copy(h, readUntil{ctx, io.NewSectionReader(f, 0, math.MaxInt64)})
	return hex.EncodeToString(h.Sum(nil)), size, err
}

// readUntil reads until a context ends.
type readUntil struct {
	ctx context.Context
	r   io.Reader
}

func (r readUntil) Read(p []byte) (int, error) {
	if err := context.Cause(r.ctx); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}
