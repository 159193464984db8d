package vfs

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"dropfs/cache"
	"dropfs/convert"
	"dropfs/convert/magic"
)

// Conversions makes magic names work: FILE@STEP is FILE converted. Nothing of it runs but by an open for reading, or the
// listing of a directory that a step makes.
type Conversions struct {
	Broker *convert.Broker
	Secret func(name string) (string, error) // nil: there are none
}

// magicBit is set in the numbers of inodes that stand in no replica.
const magicBit Ino = 1 << (slotShift - 1)

// placeholder is the size that stat tells of a result that is not made yet: programs that stat first read on to the end.
const placeholder = 4096

// conjured is an inode behind a magic name: a file, or a directory of them.
type conjured struct {
	ino  Ino
	acc  *account
	base cache.Ino // what it is made of
	up   Ino       // the directory in which it is found
	req  convert.Request
	hide uint32 // permission bits that not all sources have

	key    convert.Key // of a file; "" a directory or a facet
	facet  string      // of a facet
	view   bool        // FILE@
	inView bool        // found in FILE@/
	prefix string      // in a dirop: the directory inside it, with a final slash; "" its top

	members *memberList // of a dirop, shared by its directories
}

func (c *conjured) isDir() bool { return c.key == "" && c.facet == "" }

// memberList is what a dirop holds, asked for once.
type memberList struct {
	mu   sync.Mutex
	list []convert.Member // nil: not asked yet
}

// conjurer holds the inodes of magic names that a front end knows. Its zero value holds none.
type conjurer struct {
	mu    sync.Mutex
	known map[Ino]*conjured // guarded by mu
}

// add enters an inode in the place of the one that is there, if any: what it is found by may have changed, not what it is.
func (j *conjurer) add(c *conjured, what string) *conjured {
	h := sha256.Sum256(binary.BigEndian.AppendUint64([]byte(c.req.Version+"\x00"+string(c.key)+"\x00"+what+"\x00"), uint64(c.base)))
	c.ino = Ino(c.acc.slot)<<slotShift | magicBit | Ino(binary.BigEndian.Uint64(h[:]))&(magicBit-1)
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.known == nil {
		j.known = map[Ino]*conjured{}
	}
	if there := j.known[c.ino]; there != nil && c.members != nil {
		c.members = there.members // asked for once
	}
	j.known[c.ino] = c
	return c
}

func (j *conjurer) get(ino Ino) *conjured {
	if ino&magicBit == 0 || ino>>slotShift == 0 {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.known[ino]
}

func (j *conjurer) forget(ino Ino) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.known, ino)
}

// conjure finds what a magic name in directory p stands for, and enters it; cache.ErrNotExist where it is none. It reads
// the index alone.
func (f *FS) conjure(ctx context.Context, p place, parent Ino, name string) (*conjured, error) {
	c, what, err := f.lookMagic(ctx, p, parent, name)
	if err != nil {
		return nil, err
	}
	return f.magics.add(c, what), nil
}

// lookMagic is conjure that enters nothing; what tells kinds apart that have one key.
func (f *FS) lookMagic(ctx context.Context, p place, parent Ino, name string) (c *conjured, what string, err error) {
	if f.conv == nil || p.acc == nil || p.atAccountRoot() {
		return nil, "", cache.ErrNotExist
	}
	for _, cut := range magic.Cuts(name) {
		if strings.HasPrefix(cut.Base, ".") || Classify(cut.Base) == cache.Local {
			continue
		}
		a, err := p.acc.r.Lookup(ctx, p.ino, cut.Base)
		if errors.Is(err, cache.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, "", err
		}
		if a, err = f.followed(ctx, p, a); err != nil {
			return nil, "", err
		}
		switch a.Mode & typeMask {
		case typeReg:
			return f.lookMagicOf(ctx, p, parent, cut, a)
		case typeDir:
			return f.lookMagicDir(ctx, p, parent, cut, a)
		}
		return nil, "", cache.ErrNotExist
	}
	return nil, "", cache.ErrNotExist
}

// lookMagicOf is lookMagic of a base that is there: the rest must be magic for it.
func (f *FS) lookMagicOf(ctx context.Context, p place, parent Ino, cut magic.Cut, a cache.Attr) (c *conjured, what string, err error) {
	ext := extOf(cut.Base)
	path, err := magic.Parse(cut.Rest, ext)
	if err != nil {
		return nil, "", cache.ErrNotExist
	}
	version, err := p.acc.r.Version(ctx, a.Ino)
	if err != nil {
		return nil, "", err
	}
	c = &conjured{acc: p.acc, base: a.Ino, up: parent, req: convert.Request{
		Version: version, Name: cut.Base, Ext: ext, Size: a.Size, Steps: path.Steps, Store: resultStore{p.acc.r}, Secret: f.conv.Secret, Limits: p.acc.limits, Fallback: p.acc.fallback,
		Registry: p.acc.conv, Fetch: fetch(p.acc.r, a.Ino, cut.Base),
	}}
	switch {
	case path.View:
		c.view = true
		return c, "view", nil
	case path.Facet == infoFacet, path.Facet == linkFacet && p.acc.r.CanLink():
		c.facet = path.Facet
		return c, "facet " + path.Facet, nil
	case path.Facet != "":
		return nil, "", cache.ErrNotExist
	}
	key, _, err := f.conv.Broker.PlanSettled(ctx, c.req)
	if err != nil {
		return nil, "", cache.ErrNotExist
	}
	if path.IsDir() {
		c.members = &memberList{}
		return c, "dir" + string(key), nil
	}
	c.key = key
	return c, "file", nil
}

// extOf is the extension of a name, as magic.Ext; "" where it has none.
func extOf(name string) string { return magic.Ext(strings.TrimPrefix(filepath.Ext(name), ".")) }

// resultStore keeps results in a replica.
type resultStore struct{ r *cache.Replica }

// Has implements convert.Store.
func (s resultStore) Has(key convert.Key) bool {
	_, _, ok, err := s.r.ResultAttr(string(key))
	return ok && err == nil
}

// Open implements convert.Store.
func (s resultStore) Open(ctx context.Context, key convert.Key, path string) (bool, error) {
	return s.r.CopyResult(ctx, string(key), path)
}

// Keep implements convert.Store.
func (s resultStore) Keep(ctx context.Context, key convert.Key, path string, made convert.Made) error {
	about, err := json.Marshal(made)
	if err != nil {
		return err
	}
	return s.r.KeepResult(ctx, string(key), path, made.At, about)
}

// conjuredAttr is what stat tells: of a result that is there its size, of one that is not a placeholder that must not be
// kept.
func (f *FS) conjuredAttr(ctx context.Context, c *conjured) (Attr, error) {
	src, err := c.acc.r.GetAttr(ctx, c.base)
	if err != nil {
		return Attr{}, err
	}
	a := Attr{Ino: c.ino, Volatile: true}
	a.UID, a.GID, a.Nlink = src.UID, src.GID, 1
	a.Atime, a.Mtime, a.Ctime, a.Btime = src.Mtime, src.Mtime, src.Ctime, src.Btime
	readable := src.Mode & 0o444 &^ c.hide // who may not read the source may not read what is made of it
	switch {
	case c.isDir():
		a.Mode, a.Nlink, a.Unsettled = typeDir|readable|readable>>2, 2, true
		return a, nil
	case c.facet == linkFacet: // asked for when it is read
		a.Mode, a.Size, a.Unsettled = typeReg|readable, placeholder, true
		return a, nil
	case c.facet != "":
		text, err := f.facetText(ctx, c)
		a.Mode, a.Size, a.Unsettled = typeReg|readable, int64(len(text)), true
		return a, err
	}
	a.Mode, a.Size, a.Unsettled = typeReg|readable, placeholder, true
	made, _, ok, err := c.acc.r.ResultAttr(string(c.key))
	if err != nil {
		return Attr{}, err
	}
	if ok {
		a.Size, a.Blocks, a.Unsettled = made.Size, made.Blocks, false
	}
	return a, nil
}

// openConjured opens a result, making it where it is not there. ctx bounds the waiting alone.
func (f *FS) openConjured(ctx context.Context, c *conjured) (*Handle, error) {
	if c.isDir() {
		return nil, cache.ErrIsDir
	}
	if c.facet != "" {
		text, err := f.facetText(ctx, c)
		if err != nil {
			return nil, err
		}
		return f.keepHandle(&Handle{f: f, p: place{c.acc, c.base}, text: text}), nil
	}
	if c.inView && !f.browse.may(c.base, c.key, time.Now()) {
		return nil, fmt.Errorf("%s: many different results of one file are opened within seconds: %w", c.req.Name, cache.ErrBusy)
	}
	for range openTries {
		key, err := f.conv.Broker.Do(ctx, c.req) // another than c.key where another engine has come since
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.req.Name, err)
		}
		h, ok, err := c.acc.r.OpenResult(string(key))
		if err != nil {
			return nil, err
		}
		if ok {
			return f.keepHandle(&Handle{f: f, p: place{c.acc, h.Ino()}, h: h}), nil
		}
	}
	return nil, fmt.Errorf("%s: the cache has no room to keep a result: %w", c.req.Name, cache.ErrNoSpace)
}

// browsing keeps a program that opens all that a view shows from having all of it made. Its zero value is ready.
type browsing struct {
	mu    sync.Mutex
	opens map[cache.Ino]map[convert.Key]time.Time // guarded by mu: by base, when each result was opened last
}

// Within browseWindow browseMax different results of one file may be opened through its view.
const (
	browseWindow = 10 * time.Second
	browseMax    = 8
)

// may notes that a result is opened, and tells whether it may be.
func (b *browsing) may(base cache.Ino, key convert.Key, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.opens == nil || len(b.opens) > 1000 {
		b.opens = map[cache.Ino]map[convert.Key]time.Time{}
	}
	keys := b.opens[base]
	if keys == nil {
		keys = map[convert.Key]time.Time{}
		b.opens[base] = keys
	}
	for k, at := range keys {
		if now.Sub(at) > browseWindow {
			delete(keys, k)
		}
	}
	if _, again := keys[key]; !again && len(keys) >= browseMax {
		return false
	}
	keys[key] = now
	return true
}

// IsConversion tells whether an inode is a file behind a magic name that has to be made.
func (f *FS) IsConversion(ino Ino) bool {
	c := f.magics.get(ino)
	return c != nil && c.key != ""
}

// openTries is how often a result is made again that was evicted before it was opened.
const openTries = 3

// convertError answers why a result cannot be had, as far as that is known.
func (f *FS) convertError(c *conjured) error {
	if c.key == "" {
		return nil
	}
	return f.conv.Broker.FailureOf(c.req)
}

// offers lists what can be had of a source.
func (f *FS) offers(c *conjured) []convert.Offer {
	if c.acc.conv != nil {
		return c.acc.conv.Offers(c.req.Ext)
	}
	return f.conv.Broker.Registry().Offers(c.req.Ext)
}

// The facets that are there.
const (
	infoFacet = "info.json"
	linkFacet = "link"
)

// fileFacts is what FILE@info.json tells.
type fileFacts struct {
	Name    string            `json:"name"`
	Size    int64             `json:"size"`
	Mtime   time.Time         `json:"mtime"`
	Version string            `json:"version"`
	State   string            `json:"state"`
	ID      string            `json:"id,omitempty"`
	MD5     string            `json:"md5,omitempty"`
	Type    string            `json:"type,omitempty"`
	Expires *time.Time        `json:"expires,omitempty"`
	Error   string            `json:"error,omitempty"`
	Offers  []string          `json:"offers"`           // what it can be converted into
	Failed  map[string]string `json:"failed,omitempty"` // conversions that were refused, by their steps, and why
	// Running are the conversions of it that are under way.
	Running []convert.Running `json:"running,omitempty"`
}

// facetText makes the text of a facet. But for a link it asks nobody.
func (f *FS) facetText(ctx context.Context, c *conjured) ([]byte, error) {
	if c.facet == linkFacet {
		url, err := c.acc.r.Share(ctx, c.base, false)
		return []byte(url + "\n"), err
	}
	a, err := c.acc.r.GetAttr(ctx, c.base)
	if err != nil {
		return nil, err
	}
	info, err := c.acc.r.Info(ctx, c.base)
	if err != nil {
		return nil, err
	}
	facts := fileFacts{
		Name: c.req.Name, Size: a.Size, Mtime: a.Mtime.UTC(), Version: c.req.Version, State: stateText(info),
		ID: string(info.Asset.ID), MD5: info.Asset.MD5, Type: info.Asset.Type, Error: info.Err, Offers: []string{},
	}
	if !info.Drop.Expires.IsZero() {
		t := info.Drop.Expires.UTC()
		facts.Expires = &t
	}
	facts.Running = f.conv.Broker.StatusOf(c.req.Version)
	for _, o := range f.offers(c) {
		facts.Offers = append(facts.Offers, o.Op)
	}
	facts.Failed = f.conv.Broker.FailuresOf(c.req.Version)
	text, err := json.MarshalIndent(facts, "", "  ")
	return append(text, '\n'), err
}
