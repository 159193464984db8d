package cache_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"pgregory.net/rapid"

	"dropfs/cache"
	"dropfs/remote"
	"dropfs/remote/remotetest"
)

// world is a replica and the model that it is compared with.
type world struct {
	base string // holds the state directories
	runs int
	fake *remotetest.Fake
	caps remotetest.FakeConfig
	edit func(*cache.Config)

	r    *cache.Replica
	cfg  cache.Config
	line *line
	end  func() error

	root    *mnode
	handles []*mhandle
	trash   []mtrash
	offline bool
	faults  bool // faults were injected: the service may hold reservations of lost answers
}

// mnode is an inode of the model.
type mnode struct {
	kind   byte // 'd', 'f', 'l'
	mode   uint32
	mtime  time.Time
	loose  bool // a kill or another machine decided on mode and mtime: taken over when seen next
	bare   bool // its asset is a stranger's: mode and attributes are known here alone until they change
	bared  bool // they are taken over when seen next
	data   []byte
	target string
	xattrs map[string]string
	kids   map[string]*mnode
	ino    cache.Ino // 0: not seen yet
}

// mhandle is an open file of the model.
type mhandle struct {
	h     *cache.Handle
	n     *mnode
	flags cache.OpenFlags
}

// mtrash is a deleted file. sure: nothing has happened since that could take it away.
type mtrash struct {
	path string
	n    *mnode
	sure bool
}

func newWorld(t *rapid.T, base string, caps remotetest.FakeConfig, edit func(*cache.Config)) *world {
	w := &world{base: base, caps: caps, edit: edit, fake: remotetest.NewFake(caps)}
	w.root = &mnode{kind: 'd', mode: 0o755, kids: map[string]*mnode{}, loose: true}
	w.open(t, w.newDir(t))
	t.Cleanup(func() {
		if err := w.close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return w
}

func (w *world) newDir(t *rapid.T) string {
	w.runs++
	dir := filepath.Join(w.base, fmt.Sprint(w.runs))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// classify is the classes of names in all tests.
func classify(name string) cache.Class {
	switch {
	case strings.HasPrefix(name, "._"):
		return cache.Local
	case strings.HasSuffix(name, ".part"):
		return cache.Held
	}
	return cache.Ordinary
}

// open opens and runs a replica in dir.
func (w *world) open(t *rapid.T, dir string) {
	w.line = newLine(w.fake)
	w.cfg = cache.Config{
		Account: "acc", Dir: dir, Service: w.line, Host: "here", UID: 1000, GID: 1000,
		WriteDelay: 10 * time.Millisecond, UndeleteWindow: time.Minute, MaxBytes: 1 << 30, Classify: classify,
	}
	if w.edit != nil {
		w.edit(&w.cfg)
	}
	r, err := cache.Open(context.Background(), w.cfg)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	w.r = r
	w.end = func() error {
		cancel()
		return errors.Join(<-done, r.Close())
	}
}

// close releases what is open and stops the replica.
func (w *world) close() error {
	if w.end == nil {
		return nil
	}
	var errs []error
	for _, h := range w.handles {
		errs = append(errs, h.h.Release())
	}
	w.handles = nil
	errs = append(errs, w.end())
	w.end = nil
	return errors.Join(errs...)
}

// kill leaves the replica as SIGKILL does and opens another one on what it left.
func (w *world) kill(t *rapid.T) {
	w.line.cut()
	dir := w.newDir(t)
	if err := w.r.Freeze(func() error { return copyState(w.cfg.Dir, dir) }); err != nil {
		t.Fatalf("kill: %v", err)
	}
	for _, h := range w.handles {
		if h.flags&cache.OpenWrite != 0 {
			h.n.loose = true
		}
	}
	_ = w.close() // it is dead: what it says means nothing
	w.open(t, dir)
}

// copyState copies a state directory but for the lock.
func copyState(from, to string) error {
	return filepath.WalkDir(from, func(path string, d os.DirEntry, err error) error {
		if errors.Is(err, os.ErrNotExist) {
			return nil // evicted meanwhile
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, rel), 0o700)
		case rel == "lock" || strings.HasSuffix(rel, "-shm"):
			return nil
		}
		return copyFile(path, filepath.Join(to, rel))
	})
}

func copyFile(from, to string) error {
	src, err := os.Open(from)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = src.Close() }() // only read
	info, err := src.Stat()
	if err != nil {
		return err
	}
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	if err = errors.Join(err, dst.Close()); err != nil {
		return err
	}
	return os.Chtimes(to, info.ModTime(), info.ModTime())
}

// at finds a path in the model; nil: nothing is there.
func (w *world) at(path string) *mnode {
	n := w.root
	for _, name := range strings.Split(path, "/") {
		if path == "" {
			break
		}
		if n == nil || n.kind != 'd' {
			return nil
		}
		n = n.kids[name]
	}
	return n
}

// links counts the names of a node.
func (w *world) links(n *mnode) int {
	sum := 0
	w.walk(func(_ string, k *mnode) {
		if k == n {
			sum++
		}
	})
	return sum
}

// walk calls fn for everything below the root, in order of paths.
func (w *world) walk(fn func(path string, n *mnode)) { walkFrom("", w.root, fn) }

func walkFrom(path string, n *mnode, fn func(string, *mnode)) {
	for _, name := range sortedKeys(n.kids) {
		p := strings.TrimPrefix(path+"/"+name, "/")
		fn(p, n.kids[name])
		walkFrom(p, n.kids[name], fn)
	}
}

// paths lists what is in the model and satisfies ok.
func (w *world) paths(ok func(path string, n *mnode) bool) []string {
	var out []string
	w.walk(func(p string, n *mnode) {
		if ok(p, n) {
			out = append(out, p)
		}
	})
	return out
}

// sent tells whether what is at a path goes to the service.
func sent(path string) bool {
	parts := strings.Split(path, "/")
	for i, c := range parts {
		if i > 0 && classify(c) == cache.Local {
			return false
		}
	}
	return parts[0] != "" && parts[0][0] != '.'
}

func isOpen(w *world, n *mnode) bool {
	for _, h := range w.handles {
		if h.n == n {
			return true
		}
	}
	return false
}

func (w *world) dropIDs() map[string]remote.DropID {
	out := map[string]remote.DropID{}
	for _, d := range w.r.Drops(context.Background()) {
		if d.ID != "" {
			out[d.Name] = d.ID
		}
	}
	return out
}
