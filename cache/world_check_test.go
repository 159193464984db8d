package cache_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"dropfs/cache"
	"dropfs/cache/refresh"
	"dropfs/remote"
)

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// check compares everything with the model. whole: also cold files are read through the replica; else their bytes are
// looked up at the service.
func (w *world) check(t *rapid.T, whole bool) {
	a, err := w.r.GetAttr(context.Background(), cache.RootIno)
	if err != nil {
		t.Fatalf("root: %v", err)
	}
	w.root.ino = cache.RootIno
	w.checkNode(t, "", w.root, a, whole)
	for _, h := range w.handles {
		a, err := w.r.GetAttr(context.Background(), h.h.Ino())
		if err != nil {
			t.Fatalf("open file %d: %v", h.h.Ino(), err)
		}
		if a.Size != int64(len(h.n.data)) || int(a.Nlink) != w.links(h.n) {
			t.Fatalf("open file %d: size %d, %d links, want %d, %d", a.Ino, a.Size, a.Nlink, len(h.n.data), w.links(h.n))
		}
		if h.flags&cache.OpenRead != 0 {
			w.checkBytes(t, fmt.Sprintf("open file %d", a.Ino), h.h, h.n)
		}
	}
}

func (w *world) checkNode(t *rapid.T, path string, n *mnode, a cache.Attr, whole bool) {
	if n.ino != 0 && n.ino != a.Ino {
		t.Fatalf("%s: inode %d, was %d", path, a.Ino, n.ino)
	}
	n.ino = a.Ino
	if n.loose {
		n.mode, n.mtime, n.loose = a.Mode&0o7777, a.Mtime, false
	}
	kind := map[uint32]byte{0o040000: 'd', 0o100000: 'f', 0o120000: 'l'}[a.Mode&0o170000]
	if kind != n.kind || a.Mode&0o7777 != n.mode {
		t.Fatalf("%q: %c %o, want %c %o", path, kind, a.Mode&0o7777, n.kind, n.mode)
	}
	if !a.Mtime.Equal(n.mtime) {
		t.Fatalf("%q: mtime %v, want %v", path, a.Mtime, n.mtime)
	}
	w.checkXattrs(t, path, n)
	switch n.kind {
	case 'd':
		w.checkDir(t, path, n, a, whole)
	case 'l':
		if target, err := w.r.Readlink(context.Background(), a.Ino); err != nil || target != n.target {
			t.Fatalf("%q: leads to %q, %v, want %q", path, target, err, n.target)
		}
	case 'f':
		if links := w.links(n); int(a.Nlink) != links || a.Size != int64(len(n.data)) {
			t.Fatalf("%q: %d links, %d bytes, want %d, %d", path, a.Nlink, a.Size, links, len(n.data))
		}
		w.checkFile(t, path, n, whole)
	}
}

func (w *world) checkXattrs(t *rapid.T, path string, n *mnode) {
	names, err := w.r.ListXattr(context.Background(), n.ino)
	if err != nil {
		t.Fatalf("%q: xattrs: %v", path, err)
	}
	got := map[string]string{}
	for _, name := range names {
		v, err := w.r.GetXattr(context.Background(), n.ino, name)
		if err != nil {
			t.Fatalf("%q: xattr %s: %v", path, name, err)
		}
		got[name] = string(v)
	}
	if n.bared {
		n.xattrs, n.bared = got, false
	}
	if !maps.Equal(got, n.xattrs) {
		t.Fatalf("%q: xattrs %q, want %q", path, got, n.xattrs)
	}
}

func (w *world) checkDir(t *rapid.T, path string, n *mnode, a cache.Attr, whole bool) {
	links := uint32(2)
	got := map[string]cache.Attr{}
	for after := uint64(0); ; {
		list, err := w.r.ReadDir(context.Background(), a.Ino, after, 5)
		if errors.Is(err, remote.ErrUnavailable) { // a fault of opLose struck the first listing; it is told once
			list, err = w.r.ReadDir(context.Background(), a.Ino, after, 5)
		}
		if err != nil {
			t.Fatalf("%q: list: %v", path, err)
		}
		if len(list) == 0 {
			break
		}
		for _, e := range list {
			if _, twice := got[e.Name]; twice {
				t.Fatalf("%q: %q is listed twice", path, e.Name)
			}
			got[e.Name], after = e.Attr, e.Cookie
		}
	}
	a, err := w.r.GetAttr(context.Background(), a.Ino) // the first listing changed it
	if err != nil {
		t.Fatalf("%q: %v", path, err)
	}
	if g, want := sortedKeys(got), sortedKeys(n.kids); !slices.Equal(g, want) {
		t.Fatalf("%q holds %q, want %q", path, g, want)
	}
	for _, name := range sortedKeys(n.kids) {
		k := n.kids[name]
		if k.kind == 'd' {
			links++
		}
		b, err := w.r.Lookup(context.Background(), a.Ino, name)
		if err != nil || b.Ino != got[name].Ino || b.Size != got[name].Size || b.Mode != got[name].Mode || !b.Mtime.Equal(got[name].Mtime) {
			t.Fatalf("%q/%q: listed as %+v, looked up as %+v, %v", path, name, got[name], b, err)
		}
		w.checkNode(t, strings.TrimPrefix(path+"/"+name, "/"), k, b, whole)
	}
	if a.Nlink != links {
		t.Fatalf("%q: %d links, want %d", path, a.Nlink, links)
	}
}

func (w *world) checkFile(t *rapid.T, path string, n *mnode, whole bool) {
	info, err := w.r.Info(context.Background(), n.ino)
	if err != nil {
		t.Fatalf("%q: info: %v", path, err)
	}
	if info.State == cache.StateCold && (w.offline || !whole) {
		if got := w.fake.Bytes(info.Asset.ID); !bytes.Equal(got, n.data) {
			t.Fatalf("%q: cold, and the service has %s, want %s", path, brief(got), brief(n.data))
		}
		return
	}
	h, err := w.r.Open(context.Background(), n.ino, cache.OpenRead)
	if err != nil {
		t.Fatalf("%q: open: %v", path, err)
	}
	w.checkBytes(t, path, h, n)
	if err := h.Release(); err != nil {
		t.Fatalf("%q: release: %v", path, err)
	}
}

func (w *world) checkBytes(t *rapid.T, path string, h *cache.Handle, n *mnode) {
	got := make([]byte, len(n.data)+10)
	k, err := h.Read(context.Background(), got, 0)
	if w.offline && isOffline(err) {
		return
	}
	if err != nil {
		t.Fatalf("%q: read: %v", path, err)
	}
	if !bytes.Equal(got[:k], n.data) {
		t.Fatalf("%q: holds %s, want %s", path, brief(got[:k]), brief(n.data))
	}
}

// brief shows bytes as runs: 'a'*3.
func brief(b []byte) string {
	var out []string
	for i := 0; i < len(b); {
		j := i
		for j < len(b) && b[j] == b[i] {
			j++
		}
		out = append(out, fmt.Sprintf("%q*%d", b[i], j-i))
		i = j
	}
	return fmt.Sprintf("%d bytes %s", len(b), strings.Join(out, " "))
}

func isOffline(err error) bool {
	return errors.Is(err, cache.ErrOffline) || errors.Is(err, remote.ErrUnavailable)
}

// checkService compares what the service has with the model. All must have been sent.
func (w *world) checkService(t *rapid.T) {
	if ops, n := w.r.Unsent(); ops != 0 || n != 0 {
		t.Fatalf("%d changes of %d bytes unsent after sync: %+v", ops, n, w.r.Status())
	}
	ids := w.dropIDs()
	for _, drop := range sortedKeys(w.root.kids) {
		if !sent(drop) {
			continue
		}
		id, ok := ids[drop]
		if !ok {
			t.Fatalf("drop %q is not made; %v", drop, ids)
		}
		var want, got []string
		walkFrom("", w.root.kids[drop], func(p string, n *mnode) {
			if n.kind == 'f' && sent(drop+"/"+p) {
				want = append(want, fmt.Sprintf("%q %s", wire(p), brief(n.data)))
			}
		})
		for _, a := range w.fake.Listing(id) {
			if !strings.HasPrefix(a.Name, ".dropfs/") {
				got = append(got, fmt.Sprintf("%q %s", a.Name, brief(w.fake.Bytes(a.ID))))
			}
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Fatalf("service has in %q\n%s\nwant\n%s", drop, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	if ups := w.fake.Uploads(); len(ups) > 0 && !w.faults {
		t.Fatalf("uploads left on the service: %+v", ups)
	}
}

func wire(path string) string { return refresh.EncodePath(strings.Split(path, "/")) }

// sync sends everything and compares the service.
func (w *world) sync(t *rapid.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	if err := w.r.Sync(ctx, nil); err != nil {
		t.Fatalf("sync: %v: %+v", err, w.r.Status())
	}
	for i := range w.trash {
		w.trash[i].sure = false
	}
	w.checkService(t)
}
