package remotetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"dropfs/remote"
)

// FakeConfig says what kind of service a Fake is. The zero value has every ability and no limits.
type FakeConfig struct {
	Caps          *remote.Caps  // nil: AllCaps
	MultipartFrom int64         // bytes from which uploads have parts; 0: 64 MiB
	PartSize      int64         // bytes of a part; 0: 16 MiB
	URLLifetime   time.Duration // of upload URLs; 0: they end only by ExpireURLs
	MaxSize       int64         // bytes a new drop may hold; 0: GB × 10⁹, or no limit where GB is 0
	MaxFileSize   int64         // bytes one asset may have; 0: no limit
	KeptEvents    int           // events the change feed remembers; 0: 10,000

	NoChecksums bool // assets tell neither ETag nor MD5, as the public service
	NoSeq       bool // assets tell no Seq, as the public service

	Now func() time.Time // nil: time.Now
}

// AllCaps returns every ability.
func AllCaps() remote.Caps {
	return remote.Caps{
		ListDrops: true, DeleteDrop: true, RenameDrop: true, Multipart: true, Copy: true, Rename: true, Replace: true,
		Changes: true, DupNames: true, PublicLink: true,
	}
}

// LeastCaps returns the abilities of the public Dropzone service: none, but that names may repeat.
func LeastCaps() remote.Caps { return remote.Caps{DupNames: true} }

// Fake is a remote.Service in memory. All its methods may be called at the same time.
type Fake struct {
	cfg FakeConfig

	mu       sync.Mutex
	caps     remote.Caps
	offline  bool
	latency  time.Duration
	hook     func(ctx context.Context, method, subject string) error
	faults   []*fault
	calls    map[string]int
	seq      int64
	lastID   int
	urlGen   int // upload URLs of an older generation have ended
	drops    map[remote.DropID]*fakeDrop
	assets   map[remote.AssetID]*fakeAsset
	uploads  map[remote.AssetID]*fakeUpload
	stale    map[remote.DropID]*staleListing
	events   []remote.Change
	keptFrom int64         // events with a Seq at or below it are forgotten
	wake     chan struct{} // closed and replaced when there is news for the feeds
	feedGen  int           // feeds of an older generation are broken
}

type fakeDrop struct {
	info remote.Drop
}

type fakeAsset struct {
	info remote.Asset
	data []byte
}

type fakeUpload struct {
	up   remote.Upload
	data []byte
	full bool // the single body has arrived
}

type staleListing struct {
	left int
	list remote.Listing
}

// fault is one injected failure: nth counts down to the call that it strikes; 0 strikes every call.
type fault struct {
	method string
	nth    int
	err    error
	lose   bool // the work is done and the answer is lost
}

var _ remote.Service = (*Fake)(nil)

// NewFake returns an empty service.
func NewFake(cfg FakeConfig) *Fake {
	if cfg.MultipartFrom == 0 {
		cfg.MultipartFrom = 64 << 20
	}
	if cfg.PartSize == 0 {
		cfg.PartSize = 16 << 20
	}
	if cfg.KeptEvents == 0 {
		cfg.KeptEvents = 10_000
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	caps := AllCaps()
	if cfg.Caps != nil {
		caps = *cfg.Caps
	}
	return &Fake{
		cfg: cfg, caps: caps, calls: map[string]int{}, drops: map[remote.DropID]*fakeDrop{},
		assets: map[remote.AssetID]*fakeAsset{}, uploads: map[remote.AssetID]*fakeUpload{},
		stale: map[remote.DropID]*staleListing{}, wake: make(chan struct{}),
	}
}

// fail makes an error of kind k; call adds the operation and its subject.
func fail(k remote.Kind, format string, args ...any) *remote.Error {
	return &remote.Error{Kind: k, Message: fmt.Sprintf(format, args...)}
}

// call runs do under the lock as one call of method, with everything that may befall it on the way.
func call[T any](ctx context.Context, f *Fake, method, subject string, do func() (T, *remote.Error)) (T, error) {
	var zero T
	lost, err := f.enter(ctx, method, subject)
	if err != nil {
		return zero, err
	}
	f.mu.Lock()
	out, e := do()
	f.mu.Unlock()
	switch {
	case e != nil:
		e.Op, e.Subject = method, subject
		return zero, e
	case lost != nil:
		return zero, asError(method, subject, lost)
	}
	return out, nil
}

// enter counts the call and lets faults strike. It returns the error to answer after the work is done, or the one to
// answer instead of it.
func (f *Fake) enter(ctx context.Context, method, subject string) (lost, err error) {
	f.mu.Lock()
	f.calls[method]++
	latency, hook := f.latency, f.hook
	f.mu.Unlock()
	if latency > 0 {
		t := time.NewTimer(latency)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, asError(method, subject, err)
	}
	if hook != nil {
		if err := hook(ctx, method, subject); err != nil {
			return nil, asError(method, subject, err)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.offline {
		return nil, asError(method, subject, fail(remote.ErrUnavailable, "offline"))
	}
	hit := f.strikeLocked(method)
	switch {
	case hit == nil:
		return nil, nil
	case hit.lose:
		return hit.err, nil
	}
	return nil, asError(method, subject, hit.err)
}

// strikeLocked counts the call on every fault of method and returns the first that strikes it.
func (f *Fake) strikeLocked(method string) *fault {
	var hit *fault
	f.faults = slices.DeleteFunc(f.faults, func(x *fault) bool {
		if x.method != method && x.method != "*" {
			return false
		}
		if x.nth == 0 {
			if hit == nil {
				hit = x
			}
			return false
		}
		x.nth--
		if x.nth > 0 {
			return false
		}
		if hit == nil {
			hit = x
		}
		return true
	})
	return hit
}

// asError makes any error the *remote.Error that the border promises.
func asError(method, subject string, err error) error {
	var e *remote.Error
	if errors.As(err, &e) {
		c := *e
		if c.Op == "" {
			c.Op, c.Subject = method, subject
		}
		return &c
	}
	var k remote.Kind
	if errors.As(err, &k) {
		return &remote.Error{Kind: k, Op: method, Subject: subject}
	}
	return &remote.Error{Kind: remote.ErrUnavailable, Op: method, Subject: subject, Err: err}
}

// newIDLocked returns an id that no other thing has. Ids sort in the order they were given.
func (f *Fake) newIDLocked(prefix string) string {
	f.lastID++
	return fmt.Sprintf("%s%08d", prefix, f.lastID)
}

// emitLocked appends a change to the feed under the next sequence number, which it returns.
func (f *Fake) emitLocked(c remote.Change) int64 {
	if c.Seq == 0 {
		f.seq++
		c.Seq = f.seq
	}
	f.events = append(f.events, c)
	if over := len(f.events) - f.cfg.KeptEvents; over > 0 {
		f.keptFrom = f.events[over-1].Seq
		f.events = slices.Clone(f.events[over:])
	}
	f.wakeLocked()
	return c.Seq
}

func (f *Fake) wakeLocked() {
	close(f.wake)
	f.wake = make(chan struct{})
}

// Calls returns how often each method was called, failed calls included. Each body or part that Send puts on the wire
// counts as "Send.part" as well.
func (f *Fake) Calls() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.calls)
}

// ResetCalls sets all counts to zero.
func (f *Fake) ResetCalls() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.calls)
}

// AssetsNamed returns the assets of a drop with this name, in the order they were confirmed.
func (f *Fake) AssetsNamed(drop remote.DropID, name string) []remote.Asset {
	return slices.DeleteFunc(f.Listing(drop), func(a remote.Asset) bool { return a.Name != name })
}

// Listing returns all assets of a drop, in the order they were confirmed; it is no call and cannot fail.
func (f *Fake) Listing(drop remote.DropID) []remote.Asset {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.listLocked(drop)
}

// Names returns the names of a drop's assets joined by spaces, sorted: short to compare in a test.
func (f *Fake) Names(drop remote.DropID) string {
	var names []string
	for _, a := range f.Listing(drop) {
		names = append(names, a.Name)
	}
	sort.Strings(names)
	return strings.Join(names, " ")
}

// Bytes returns a copy of an asset's content, nil where there is no such asset.
func (f *Fake) Bytes(id remote.AssetID) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	a := f.assets[id]
	if a == nil {
		return nil
	}
	if a.data == nil {
		return []byte{}
	}
	return bytes.Clone(a.data)
}

// Uploads returns the uploads that were started and neither confirmed nor given up, in the order they were started.
func (f *Fake) Uploads() []remote.Upload {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]remote.Upload, 0, len(f.uploads))
	for _, u := range f.uploads {
		out = append(out, cloneUpload(u.up))
	}
	slices.SortFunc(out, func(a, b remote.Upload) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return out
}
