package convert_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"dropfs/convert"
	"dropfs/convert/magic"
)

func newBroker(t *testing.T, engines ...convert.Engine) *convert.Broker {
	t.Helper()
	b, err := convert.NewBroker(convert.BrokerConfig{
		Registry: convert.NewRegistry(engines...), Dir: filepath.Join(t.TempDir(), "runs"), Parallel: 4,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// request asks for steps of a file with the bytes of version.
func request(t *testing.T, s convert.Store, version, rest, ext string) convert.Request {
	t.Helper()
	return convert.Request{
		Version: version, Name: "f." + ext, Ext: ext, Steps: steps(t, rest, ext), Store: s,
		Fetch: func(_ context.Context, dir string) ([]convert.Source, error) {
			path := filepath.Join(dir, "in."+ext)
			err := os.WriteFile(path, []byte(version), 0o600)
			return []convert.Source{{Path: path, Name: "f." + ext, Ext: ext, Size: int64(len(version))}}, err
		},
	}
}

func TestV3OneRunHoweverManyWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		e := pdf()
		e.hook = func(ctx context.Context, _ convert.Job) error {
			select {
			case <-release:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		b, s := newBroker(t, e), newShelf(t)
		done, keys := make(chan error, 10), make(chan convert.Key, 10)
		for range 10 {
			go func() {
				k, err := b.Do(t.Context(), request(t, s, "v1", "@png,page=2", "pdf"))
				keys <- k
				done <- err
			}()
			synctest.Wait()
		}
		if st := b.Status(); len(st) != 1 || st[0].Name != "f.pdf@png,page=2" || st[0].Waiting != 10 {
			t.Errorf("under way: %+v", st)
		}
		close(release)
		for range 10 {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		if n := e.runs.Load(); n != 1 {
			t.Errorf("%d runs", n)
		}
		key := <-keys
		if got := s.text(t, key); got != "v1>@png,page=2" {
			t.Errorf("made %q", got)
		}
		if made := s.made[key]; made.Engines != "pdf/1" || made.Size != 14 {
			t.Errorf("made by %+v", made)
		}
		if _, err := b.Do(t.Context(), request(t, s, "v1", "@png,p=2.png", "pdf")); err != nil || e.runs.Load() != 1 {
			t.Errorf("another spelling: %v, %d runs", err, e.runs.Load())
		}
		if _, err := b.Do(t.Context(), request(t, s, "v2", "@png,page=2", "pdf")); err != nil || e.runs.Load() != 2 {
			t.Errorf("another version: %v, %d runs", err, e.runs.Load())
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestV3NobodyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := pdf()
		ended := make(chan struct{})
		e.hook = func(ctx context.Context, _ convert.Job) error {
			<-ctx.Done()
			close(ended)
			return ctx.Err()
		}
		b, s := newBroker(t, e), newShelf(t)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			_, err := b.Do(ctx, request(t, s, "v1", "@png", "pdf"))
			done <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("who left is told %v", err)
		}
		time.Sleep(9 * time.Second)
		select {
		case <-ended:
			t.Error("ended at once")
		default:
		}
		time.Sleep(2 * time.Second)
		<-ended
		synctest.Wait()
		if st := b.Status(); len(st) != 0 {
			t.Errorf("under way: %+v", st)
		}
		e.hook = nil // it says nothing of the conversion
		if _, err := b.Do(t.Context(), request(t, s, "v1", "@png", "pdf")); err != nil {
			t.Error(err)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestChainsShareWhatLiesBetween(t *testing.T) {
	o, p := office(), pdf()
	b, s := newBroker(t, o, p), newShelf(t)
	for _, rest := range []string{"@pdf@png", "@pdf@png,width=80", "@pdf@txt"} {
		if _, err := b.Do(t.Context(), request(t, s, "v", rest, "docx")); err != nil {
			t.Fatal(err)
		}
	}
	if n := o.runs.Load(); n != 1 {
		t.Errorf("the PDF between was made %d times", n)
	}
	key, err := b.Do(t.Context(), request(t, s, "v", "@pdf@png", "docx"))
	if err != nil || s.text(t, key) != "v>@pdf>@png" {
		t.Errorf("%v, %q", err, s.text(t, key))
	}
}

func TestV5Failures(t *testing.T) {
	for _, c := range []struct {
		err   error
		again bool // tried again after half a minute
	}{
		{fmt.Errorf("%w: no xref", convert.ErrBroken), false},
		{convert.ErrLocked, false},
		{convert.ErrUnreachable, true},
		{convert.ErrBudget, true},
		{errors.New("disk full"), true},
	} {
		synctest.Test(t, func(t *testing.T) {
			e := pdf()
			e.hook = func(context.Context, convert.Job) error { return c.err }
			b, s := newBroker(t, e), newShelf(t)
			for range 3 {
				key, err := b.Do(t.Context(), request(t, s, "v", "@png", "pdf"))
				if !errors.Is(err, c.err) || !errors.Is(b.Failure(key), c.err) {
					t.Errorf("%v, remembered %v", err, b.Failure(key))
				}
			}
			if n := e.runs.Load(); n != 1 {
				t.Errorf("%v: tried %d times", c.err, n)
			}
			if list := b.Refusals(); len(list) != 1 || list[0].Name != "f.pdf@png" || b.Counts() != (convert.Counts{Runs: 1, Failed: 1}) {
				t.Errorf("%v: told of %+v, %+v", c.err, list, b.Counts())
			}
			time.Sleep(31 * time.Second)
			e.hook = nil
			if _, err := b.Do(t.Context(), request(t, s, "v", "@png", "pdf")); (err == nil) != c.again {
				t.Errorf("%v: half a minute later %v", c.err, err)
			}
			if _, err := b.Do(t.Context(), request(t, s, "other", "@png", "pdf")); err != nil {
				t.Errorf("%v: another version %v", c.err, err)
			}
			if err := b.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestV6Secrets: a secret that is set anew makes another result, that is had neither from what was kept nor refused by what
// failed, and goes with the secret; what comes of it in a chain as well.
func TestV6Secrets(t *testing.T) {
	e := &engine{name: "locks", version: "1", edges: []convert.Edge{
		{Op: magic.Lock, From: "pdf", To: "=", Options: []string{"secret"}, Cost: 1},
		{Op: "png", From: "pdf", To: "png", Cost: 1},
	}}
	e.hook = func(_ context.Context, job convert.Job) error {
		name := job.Step.Options["secret"]
		if name == "" {
			return nil
		}
		if _, err := job.Secret(name); err != nil {
			return fmt.Errorf("%w: %w", convert.ErrLocked, err)
		}
		return nil
	}
	b, s := newBroker(t, e), newShelf(t)
	value, none := "", errors.New("no such secret")
	for _, steps := range []string{"@lock,secret=team", "@lock,secret=team@png"} {
		do := func() (convert.Key, error) {
			r := request(t, s, "v", steps, "pdf")
			r.Secret = func(string) (string, error) {
				if value == "" {
					return "", none
				}
				return value, nil
			}
			key, err := b.Do(t.Context(), r)
			if planned, _, perr := b.Plan(r); perr != nil || planned != key {
				t.Errorf("%s: planned %s (%v), made %s", steps, planned, perr, key)
			}
			return key, err
		}
		keys := map[convert.Key]string{}
		for _, v := range []string{"", "one", "two", "", "one"} {
			value = v
			key, err := do()
			if v == "" {
				if !errors.Is(err, convert.ErrLocked) || s.Has(key) {
					t.Errorf("%s without the secret: %v", steps, err)
				}
				continue
			}
			if err != nil {
				t.Fatalf("%s with %q: %v", steps, v, err)
			}
			if was, ok := keys[key]; ok && was != v {
				t.Errorf("%s: %q and %q are one", steps, was, v)
			}
			keys[key] = v
		}
		if len(keys) != 2 {
			t.Errorf("%s: %v", steps, keys)
		}
	}
	if n := e.runs.Load(); n != 1+2+2 { // refused, locked twice, drawn twice
		t.Errorf("%d runs", n)
	}
}

// TestFailuresOf: what failed is told by its steps, options and the steps before included, as long as it stands.
func TestFailuresOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := pdf()
		var why error
		e.hook = func(_ context.Context, job convert.Job) error {
			if job.Step.Op == "png" && job.Step.Options["page"] == "" {
				return nil
			}
			return why
		}
		b, s := newBroker(t, e, &engine{name: "p", version: "1", edges: []convert.Edge{{Op: "jpg", From: "png", To: "jpg", Cost: 1}}, hook: e.hook}), newShelf(t)
		for steps, err := range map[string]error{"@png,page=9": convert.ErrBroken, "@png@jpg": convert.ErrUnreachable} {
			why = err
			r := request(t, s, "v", steps, "pdf")
			if _, derr := b.Do(t.Context(), r); !errors.Is(derr, err) || !errors.Is(b.FailureOf(r), err) {
				t.Errorf("%s: %v, remembered %v", steps, derr, b.FailureOf(r))
			}
		}
		got := b.FailuresOf("v")
		if len(got) != 2 || got["png,page=9"] == "" || got["png@jpg"] == "" || len(b.FailuresOf("other")) != 0 {
			t.Errorf("%v", got)
		}
		time.Sleep(31 * time.Second)
		if got := b.FailuresOf("v"); len(got) != 1 || got["png,page=9"] == "" {
			t.Errorf("half a minute later %v", got)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestV4NothingOfAFailure(t *testing.T) {
	for name, hook := range map[string]func(job convert.Job) error{
		"half a file": func(job convert.Job) error {
			return errors.Join(os.WriteFile(job.Out, []byte("half"), 0o600), convert.ErrBroken)
		},
		"a link": func(job convert.Job) error { return os.Symlink("/etc/passwd", job.Out) },
	} {
		t.Run(name, func(t *testing.T) {
			e := pdf()
			e.hook = func(_ context.Context, job convert.Job) error {
				if err := hook(job); err != nil {
					return err
				}
				return errLeave
			}
			b, s := newBroker(t, leaver{e}), newShelf(t)
			key, err := b.Do(t.Context(), request(t, s, "v", "@png", "pdf"))
			if convert.KindOf(err) != convert.ErrBroken || s.Has(key) {
				t.Errorf("%v, kept %v", err, s.Has(key))
			}
		})
	}
}

// leaver is an engine that leaves what its hook made as it is.
type leaver struct{ *engine }

var errLeave = errors.New("leave")

func (l leaver) Run(ctx context.Context, job convert.Job) error {
	if err := l.engine.Run(ctx, job); !errors.Is(err, errLeave) {
		return err
	}
	return nil
}

func TestLimits(t *testing.T) {
	slow := pdf()
	slow.hook = func(ctx context.Context, _ convert.Job) error {
		<-ctx.Done()
		return ctx.Err()
	}
	for name, c := range map[string]struct {
		engine *engine
		limits convert.Limits
		want   convert.Kind
	}{
		"input":  {pdf(), convert.Limits{MaxInput: 3}, convert.ErrTooLarge},
		"output": {pdf(), convert.Limits{MaxOutput: 5}, convert.ErrTooLarge},
		"time":   {slow, convert.Limits{Time: time.Millisecond}, convert.ErrTimeout},
		"none":   {pdf(), convert.Limits{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b, s := newBroker(t, c.engine), newShelf(t)
			r := request(t, s, "four", "@png", "pdf")
			r.Limits = c.limits
			if _, err := b.Do(t.Context(), r); convert.KindOf(err) != c.want {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
	t.Run("nothing is fetched that is too large", func(t *testing.T) {
		b, s := newBroker(t, pdf(), office()), newShelf(t)
		for steps, ext := range map[string]string{"@png": "pdf", "@pages": "docx"} {
			r := request(t, s, "four", steps, ext)
			r.Limits, r.Size = convert.Limits{MaxInput: 3}, 4
			r.Fetch = func(context.Context, string) ([]convert.Source, error) {
				t.Errorf("%s: fetched", steps)
				return nil, convert.ErrBroken
			}
			_, err := b.Do(t.Context(), r)
			if steps == "@pages" {
				_, err = b.List(t.Context(), r)
			}
			if !errors.Is(err, convert.ErrTooLarge) {
				t.Errorf("%s: %v", steps, err)
			}
		}
	})
}

func TestListAndMember(t *testing.T) {
	p := pdf()
	p.members = []convert.Member{{Name: "f-001.png", Step: magic.Step{Op: "png", Options: magic.Options{"page": "1"}}, Size: -1}}
	o := office()
	b, s := newBroker(t, o, p), newShelf(t)
	r := request(t, s, "v", "@pages", "docx")
	members, err := b.List(t.Context(), r)
	if err != nil || len(members) != 1 || members[0].Name != "f-001.png" {
		t.Fatalf("%+v, %v", members, err)
	}
	if p.runs.Load() != 0 {
		t.Error("listing rendered something")
	}
	one, err := b.Member(r, members[0])
	if err != nil {
		t.Fatal(err)
	}
	key, err := b.Do(t.Context(), one)
	if err != nil || s.text(t, key) != "v>@pdf>@png" {
		t.Errorf("%v, %q", err, s.text(t, key))
	}
}

func TestFallback(t *testing.T) {
	for _, c := range []struct {
		err      error
		fallback bool
		want     string // engines; "" the error stays
	}{
		{convert.ErrUnreachable, true, "pdf/1"},
		{convert.ErrBudget, true, "pdf/1"},
		{convert.ErrUnreachable, false, ""},
		{convert.ErrBroken, true, ""},
	} {
		service := &engine{name: "service", version: "1", edges: []convert.Edge{{Op: "png", From: "pdf", To: "png"}}}
		service.hook = func(context.Context, convert.Job) error { return c.err }
		b, s := newBroker(t), newShelf(t)
		r := request(t, s, "v", "@png", "pdf")
		r.Registry, r.Fallback = convert.NewRegistry(pdf()).WithService(service, true), c.fallback
		key, err := b.Do(t.Context(), r)
		if c.want == "" && !errors.Is(err, c.err) || c.want != "" && (err != nil || s.made[key].Engines != c.want || s.text(t, key) != "v>@png") {
			t.Errorf("%v, fallback %v: %v, made by %+v", c.err, c.fallback, err, s.made[key])
		}
	}
}

// late is an engine that offers nothing until it has settled.
type late struct {
	*engine
	settled chan struct{}
}

func (l *late) Settled() <-chan struct{} { return l.settled }

func (l *late) Edges() []convert.Edge {
	select {
	case <-l.settled:
		return l.engine.Edges()
	default:
		return nil
	}
}

// TestPlanSettled: a plan waits for who could change it, but not for a service that would not be asked.
func TestPlanSettled(t *testing.T) {
	newLate := func(to string) *late {
		return &late{&engine{name: "late", version: "1", edges: []convert.Edge{{Op: to, From: "pdf", To: to}}}, make(chan struct{})}
	}
	for name, c := range map[string]struct {
		to             string
		service, first bool
		waits          bool
		ok             bool
	}{
		"only it can":                {to: "docx", waits: true, ok: true},
		"nobody can":                 {to: "mp3", waits: true},
		"another can too":            {to: "png", waits: true, ok: true},
		"a service that goes first":  {to: "png", service: true, first: true, waits: true, ok: true},
		"a service that goes second": {to: "png", service: true, ok: true},
		"it alone, and second":       {to: "docx", service: true, waits: true, ok: true},
	} {
		t.Run(name, func(t *testing.T) {
			b, l := newBroker(t), newLate(c.to)
			if !c.ok {
				l.edges = nil
			}
			registry := convert.NewRegistry(pdf(), l)
			if c.service {
				registry = convert.NewRegistry(pdf()).WithService(l, c.first)
			}
			r := request(t, newShelf(t), "v", "@"+c.to, "pdf")
			r.Registry = registry
			done := make(chan error)
			go func() {
				_, _, err := b.PlanSettled(t.Context(), r)
				done <- err
			}()
			var err error
			waited := false
			select {
			case err = <-done:
			case <-time.After(100 * time.Millisecond):
				waited = true
				close(l.settled)
				err = <-done
			}
			if waited != c.waits || (err == nil) != c.ok {
				t.Errorf("waited %v, %v", waited, err)
			}
		})
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	b := newBroker(t)
	r := request(t, newShelf(t), "v", "@docx", "pdf")
	r.Registry = convert.NewRegistry(newLate("docx"))
	if _, _, err := b.PlanSettled(gone, r); !errors.Is(err, convert.ErrUnsupported) {
		t.Errorf("who asked is gone: %v", err)
	}
}
