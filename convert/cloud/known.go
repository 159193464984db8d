package cloud

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"dropfs/convert"
	"dropfs/convert/magic"
	"dropfs/remote"
	"dropfs/remote/d3"
)

// ability is what the service can do with one extension.
type ability struct {
	edges []convert.Edge
	// spelled is how the service writes a target that we write otherwise.
	spelled map[string]string
	at      time.Time // when it was asked
}

// missingLocked lists the extensions of which nothing is known, or nothing fresh.
func (e *Engine) missingLocked(now time.Time) []string {
	var out []string
	for _, ext := range e.cfg.Exts {
		if a, ok := e.known[ext]; !ok || now.Sub(a.at) >= e.cfg.AskedFor {
			out = append(out, ext)
		}
	}
	return out
}

// Refresh asks about every extension of which nothing fresh is known, and returns when all is known, or with the first
// error. What was answered before it counts.
func (e *Engine) Refresh(ctx context.Context) error {
	select {
	case e.asking <- struct{}{}:
		defer func() { <-e.asking }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	e.mu.Lock()
	missing := e.missingLocked(time.Now())
	e.mu.Unlock()
	defer e.settle()
	if len(missing) > 0 {
		defer e.keep()
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(e.cfg.Parallel)
	for _, ext := range missing {
		g.Go(func() error {
			if gctx.Err() != nil {
				return context.Cause(ctx) // nil where the error of another is told
			}
			a, err := e.ask(gctx, ext)
			if err != nil {
				return failure(ctx, err, nil)
			}
			e.learn(ext, a)
			return nil
		})
	}
	return g.Wait()
}

// learn puts an answer into force.
func (e *Engine) learn(ext string, a ability) {
	a.at = time.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.known[ext] = a
	e.foldLocked(a.at)
}

// foldLocked makes what is told of all that is known.
func (e *Engine) foldLocked(now time.Time) {
	e.fresh = time.Time{}
	if len(e.missingLocked(now)) == 0 {
		for _, a := range e.known {
			if end := a.at.Add(e.cfg.AskedFor); e.fresh.IsZero() || end.Before(e.fresh) {
				e.fresh = end
			}
		}
	}
	var all []convert.Edge
	for _, ext := range slices.Sorted(maps.Keys(e.known)) {
		all = append(all, e.known[ext].edges...)
	}
	e.edges = all
}

// ask asks what can be done with one extension. A refusal that only says no is an answer.
func (e *Engine) ask(ctx context.Context, ext string) (ability, error) {
	a := ability{spelled: map[string]string{}}
	s, ok, err := e.supported(ctx, d3.Question{Ext: ext})
	if err != nil || !ok {
		return a, err
	}
	actions := s.Actions
	slices.Sort(actions)
	for _, action := range slices.Compact(slices.Clone(actions)) {
		var edges []convert.Edge
		switch string(action) {
		case string(d3.Convert):
			edges, err = e.askConvert(ctx, ext, a.spelled)
		case magic.Compress:
			edges, err = e.askCompress(ctx, ext)
		case magic.OCR, magic.Thumb:
			edges, err = e.askOther(ctx, ext, action)
		case magic.Lock, magic.Unlock:
			edges = []convert.Edge{{Op: string(action), From: ext, To: "=", Options: []string{"secret"}, Cost: cost}}
		case magic.ResetPassword:
			edges = []convert.Edge{{Op: magic.ResetPassword, From: ext, To: "=", Options: []string{"new_secret", "secret"}, Cost: cost}}
		case magic.Merge:
			edges = []convert.Edge{{Op: magic.Merge, From: ext, To: "pdf", Many: true, Cost: cost, Loss: 1}}
		case magic.Zip, "create_zip":
			edges = []convert.Edge{{Op: magic.Zip, From: ext, To: "zip", Many: true, Cost: cost}}
		}
		if err != nil {
			return a, err
		}
		a.edges = append(a.edges, edges...)
	}
	slices.SortStableFunc(a.edges, func(x, y convert.Edge) int { return cmp.Compare(x.Op, y.Op) })
	a.edges = slices.CompactFunc(a.edges, func(x, y convert.Edge) bool { return x.Op == y.Op })
	return a, nil
}

// cost is that of everything: two transfers, and the service's turn.
const cost = 100

// supported asks one question; ok is false where the service says no, in whatever way.
func (e *Engine) supported(ctx context.Context, q d3.Question) (s d3.Support, ok bool, err error) {
	s, err = e.cfg.Client.Supported(ctx, q)
	if errors.Is(err, remote.ErrInvalid) || errors.Is(err, remote.ErrUnsupported) || errors.Is(err, remote.ErrNotFound) {
		return s, false, nil
	}
	return s, err == nil && s.Supported, err
}

func (e *Engine) askConvert(ctx context.Context, ext string, spelled map[string]string) ([]convert.Edge, error) {
	s, ok, err := e.supported(ctx, d3.Question{Ext: ext, Action: d3.Convert})
	if err != nil || !ok {
		return nil, err
	}
	var out []convert.Edge
	for _, to := range s.To {
		one := magic.Ext(to)
		if one == ext || !slices.Contains(magic.Formats(), one) || (magic.Step{Op: one}).Kind() != magic.Format {
			continue
		}
		if one != to && !slices.Contains(s.To, one) {
			spelled[one] = to
		}
		out = append(out, convert.Edge{Op: one, From: ext, To: one, Options: ours(s.For(to), "format"), Cost: cost, Loss: loss(ext, one)})
	}
	return out, nil
}

func (e *Engine) askCompress(ctx context.Context, ext string) ([]convert.Edge, error) {
	s, ok, err := e.supported(ctx, d3.Question{Ext: ext, Action: d3.Compress})
	if err != nil || !ok {
		return nil, err
	}
	options := ours(s.For(""), "format", "level")
	all := true
	for _, level := range []string{"low", "recommended", "high"} {
		all = all && slices.Contains(s.Levels, level)
	}
	if all {
		options = append(options, "level")
	}
	return []convert.Edge{{Op: magic.Compress, From: ext, To: "=", Options: options, Cost: cost, Loss: 1}}, nil
}

// askOther asks for an action that only a hub has.
func (e *Engine) askOther(ctx context.Context, ext string, action d3.Action) ([]convert.Edge, error) {
	s, ok, err := e.supported(ctx, d3.Question{Ext: ext, Action: action})
	if err != nil || !ok {
		return nil, err
	}
	op := string(action)
	edge := convert.Edge{Op: op, From: ext, To: magic.Step{Op: op}.Output(ext), Options: ours(s.For("")), Cost: cost, Loss: 10}
	if op == magic.OCR {
		edge.Loss = 100
	}
	return []convert.Edge{edge}, nil
}

// ours are the options of package magic among the parameters that a service lists (C2), but those that are not its business.
func ours(listed []string, without ...string) []string {
	without = append(without, "via", "glob", "secret", "new_secret")
	var out []string
	for _, key := range magic.Keys() {
		if slices.Contains(listed, key) && !slices.Contains(without, key) {
			out = append(out, key)
		}
	}
	return out
}

var (
	plain     = []string{"txt", "md", "csv", "tsv", "json", "yaml", "toml", "xml", "html"}
	documents = []string{"docx", "doc", "odt", "rtf", "epub", "pptx", "odp", "ppt", "xlsx", "ods", "xls"}
)

// loss is a guess: the service does not say how it converts.
func loss(from, to string) int {
	switch {
	case slices.Contains(plain, from) && slices.Contains(plain, to):
		return 1
	case to == "html":
		return 10
	case slices.Contains(plain, to):
		return 100
	case from == "pdf" && slices.Contains(documents, to):
		return 10
	}
	return 1
}
