package cache_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sort"
	"strings"
	"testing"
	"time"

	"dropfs/cache"
	"dropfs/remote"
	"dropfs/remote/remotetest"
)

// bench is one replica that runs, and what a test needs to drive it.
type bench struct {
	t    *testing.T
	r    *cache.Replica
	fake *remotetest.Fake
	cfg  cache.Config
	stop func()
}

var owner = cache.Caller{UID: 1000, GID: 1000}

// start opens a replica in dir and runs it. The test ends it, or bench.close.
func start(t *testing.T, fake *remotetest.Fake, dir string, edit ...func(*cache.Config)) *bench {
	t.Helper()
	cfg := cache.Config{
		Account: "acc", Dir: dir, Service: fake, Host: "here", UID: 1000, GID: 1000,
		WriteDelay: 10 * time.Millisecond, UndeleteWindow: time.Minute, MaxBytes: 1 << 30,
		Classify: func(name string) cache.Class {
			switch {
			case strings.HasPrefix(name, "._"):
				return cache.Local
			case strings.HasSuffix(name, ".part"):
				return cache.Held
			}
			return cache.Ordinary
		},
	}
	for _, e := range edit {
		e(&cfg)
	}
	r, err := cache.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	b := &bench{t: t, r: r, fake: fake, cfg: cfg}
	ended := false
	b.stop = func() {
		if ended {
			return
		}
		ended = true
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(b.stop)
	return b
}

func (b *bench) at(path string) cache.Ino {
	b.t.Helper()
	a, err := b.r.Resolve(b.t.Context(), path)
	if err != nil {
		b.t.Fatalf("%s: %v", path, err)
	}
	return a.Ino
}

func split(path string) (dir, name string) {
	i := strings.LastIndexByte(path, '/')
	if i < 0 {
		return "", path
	}
	return path[:i], path[i+1:]
}

func (b *bench) mkdir(path string) cache.Ino {
	b.t.Helper()
	dir, name := split(path)
	a, err := b.r.Mkdir(b.t.Context(), b.at(dir), name, 0o755, owner)
	if err != nil {
		b.t.Fatalf("mkdir %s: %v", path, err)
	}
	return a.Ino
}

// put writes a file whole, making it where it is not there.
func (b *bench) put(path, text string) {
	b.t.Helper()
	if err := b.tryPut(path, text); err != nil {
		b.t.Fatalf("write %s: %v", path, err)
	}
}

func (b *bench) tryPut(path, text string) error {
	ctx := b.t.Context()
	dir, name := split(path)
	parent, err := b.r.Resolve(ctx, dir)
	if err != nil {
		return err
	}
	var h *cache.Handle
	a, err := b.r.Lookup(ctx, parent.Ino, name)
	if errors.Is(err, cache.ErrNotExist) {
		h, _, err = b.r.Create(ctx, parent.Ino, name, 0o644, cache.OpenRead|cache.OpenWrite, owner)
	} else if err == nil {
		h, err = b.r.Open(ctx, a.Ino, cache.OpenWrite|cache.OpenTrunc)
	}
	if err != nil {
		return err
	}
	_, err = h.Write(ctx, []byte(text), 0)
	return errors.Join(err, h.Release())
}

func (b *bench) read(path string) string {
	b.t.Helper()
	text, err := b.tryRead(path)
	if err != nil {
		b.t.Fatalf("read %s: %v", path, err)
	}
	return text
}

func (b *bench) tryRead(path string) (string, error) {
	ctx := b.t.Context()
	a, err := b.r.Resolve(ctx, path)
	if err != nil {
		return "", err
	}
	h, err := b.r.Open(ctx, a.Ino, cache.OpenRead)
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	buf := make([]byte, 64<<10)
	for err == nil {
		var n int
		n, err = h.Read(ctx, buf, int64(out.Len()))
		out.Write(buf[:n])
		if n == 0 {
			break
		}
	}
	return out.String(), errors.Join(err, h.Release())
}

func (b *bench) unlink(path string) {
	b.t.Helper()
	dir, name := split(path)
	if err := b.r.Unlink(b.t.Context(), b.at(dir), name); err != nil {
		b.t.Fatalf("unlink %s: %v", path, err)
	}
}

func (b *bench) rename(from, to string) {
	b.t.Helper()
	fd, fn := split(from)
	td, tn := split(to)
	if err := b.r.Rename(b.t.Context(), b.at(fd), fn, b.at(td), tn, 0); err != nil {
		b.t.Fatalf("rename %s %s: %v", from, to, err)
	}
}

func (b *bench) sync() {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 20*time.Second)
	defer cancel()
	if err := b.r.Sync(ctx, nil); err != nil {
		b.t.Fatalf("sync: %v; %+v", err, b.r.Status())
	}
}

// tree lists everything below a path as "path mode content", in order.
func (b *bench) tree(path string) []string {
	b.t.Helper()
	var out []string
	ctx := b.t.Context()
	var walk func(dir cache.Ino, at string)
	walk = func(dir cache.Ino, at string) {
		after := uint64(0)
		for {
			list, err := b.r.ReadDir(ctx, dir, after, 7)
			if err != nil {
				b.t.Fatalf("list %s: %v", at, err)
			}
			if len(list) == 0 {
				return
			}
			for _, e := range list {
				after = e.Cookie
				p := at + e.Name
				switch e.Attr.Mode & 0o170000 {
				case 0o040000:
					out = append(out, fmt.Sprintf("%s/ %o", p, e.Attr.Mode&0o7777))
					walk(e.Attr.Ino, p+"/")
				case 0o120000:
					target, err := b.r.Readlink(ctx, e.Attr.Ino)
					if err != nil {
						b.t.Fatal(err)
					}
					out = append(out, fmt.Sprintf("%s -> %s", p, target))
				default:
					out = append(out, fmt.Sprintf("%s %o %q", p, e.Attr.Mode&0o7777, b.read(strings.TrimPrefix(path+"/"+p, "/"))))
				}
			}
		}
	}
	walk(b.at(path), "")
	sort.Strings(out)
	return out
}

// assets lists what the service holds in the only drop, without sidecars, as "name content", in order.
func (b *bench) assets(drop remote.DropID) []string {
	b.t.Helper()
	list, err := b.fake.Assets(b.t.Context(), drop)
	if err != nil {
		b.t.Fatal(err)
	}
	var out []string
	for _, a := range list.Assets {
		if strings.HasPrefix(a.Name, ".dropfs/") {
			continue
		}
		body, err := b.fake.Fetch(b.t.Context(), a, 0, -1)
		if err != nil {
			b.t.Fatal(err)
		}
		var text bytes.Buffer
		if _, err := text.ReadFrom(body); err != nil {
			b.t.Fatal(err)
		}
		if err := body.Close(); err != nil {
			b.t.Fatal(err)
		}
		out = append(out, fmt.Sprintf("%s %q", a.Name, text.String()))
	}
	sort.Strings(out)
	return out
}

// namesAndBytes makes what tree lists of ordinary files what assets does.
func namesAndBytes(tree []string) []string {
	var out []string
	for _, line := range tree {
		out = append(out, strings.Replace(line, " 644", "", 1))
	}
	return out
}

func (b *bench) dropID(name string) remote.DropID {
	b.t.Helper()
	for _, d := range b.r.Drops(b.t.Context()) {
		if d.Name == name && d.ID != "" {
			return d.ID
		}
	}
	b.t.Fatalf("drop %s is not made", name)
	return ""
}

func equal(t *testing.T, got, want []string) {
	t.Helper()
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("got:\n%s\nwant:\n%s", g, w)
	}
}

// eventually waits for what happens in the background.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("never: %s", what)
}
