package cache_test

import (
	"bytes"
	"context"
	"errors"
	"path"
	"strings"
	"time"

	"pgregory.net/rapid"

	"dropfs/cache"
)

var bg = context.Background()

// The names of the model: ordinary, local-only, held, and such as a service cannot hold.
var modelNames = []string{"f", "g", "h.txt", "d", "e", "._local", "x.part", "\xff\n", "ü"}

var modelSizes = []int{1, 0, 3, 4096, 5000, 70_000}

// pick draws one of list; "" skips the step.
func pick(t *rapid.T, label string, list []string) string {
	if len(list) == 0 {
		t.Skip("nothing for " + label)
	}
	return rapid.SampledFrom(list).Draw(t, label)
}

// dirs are the directories in which files may be: not the root.
func (w *world) dirs() []string {
	return w.paths(func(p string, n *mnode) bool { return n.kind == 'd' })
}

func (w *world) files() []string {
	return w.paths(func(p string, n *mnode) bool { return n.kind == 'f' })
}

func (w *world) below() []string {
	return w.paths(func(p string, n *mnode) bool { return strings.Contains(p, "/") })
}

func (w *world) newPath(t *rapid.T) (p string, dir *mnode, name string) {
	d := pick(t, "dir", w.dirs())
	name = rapid.SampledFrom(modelNames).Draw(t, "name")
	return d + "/" + name, w.at(d), name
}

// bytesOf draws content: one byte value, repeated.
func bytesOf(t *rapid.T) []byte {
	n := rapid.SampledFrom(modelSizes).Draw(t, "size")
	return bytes.Repeat([]byte{rapid.ByteRange('a', 'z').Draw(t, "byte")}, n)
}

// expect compares an error with what the model says; it answers whether the step was done.
func (w *world) expect(t *rapid.T, what string, err error, want error) bool {
	if want == nil && w.offline && isOffline(err) {
		return false // it needed bytes that are not here; nothing may have changed
	}
	if !errors.Is(err, want) {
		t.Fatalf("%s: %v, want %v", what, err, want)
	}
	return err == nil
}

func touch(n *mnode) { n.mtime = time.Now() }

// parentOf finds the directory of a path of the model.
func (w *world) parentOf(p string) (*mnode, string) {
	dir := path.Dir(p)
	if dir == "." {
		dir = ""
	}
	return w.at(dir), path.Base(p)
}

func (w *world) opMkdrop(t *rapid.T) {
	name := rapid.SampledFrom([]string{"a", "b", ".x"}).Draw(t, "drop")
	_, err := w.r.Mkdir(bg, cache.RootIno, name, 0o755, owner)
	if w.root.kids[name] != nil {
		w.expect(t, "mkdir "+name, err, cache.ErrExist)
		return
	}
	if w.expect(t, "mkdir "+name, err, nil) {
		w.root.kids[name] = &mnode{kind: 'd', mode: 0o755, mtime: time.Now(), kids: map[string]*mnode{}}
		touch(w.root)
	}
}

func (w *world) opMkdir(t *rapid.T) {
	p, dir, name := w.newPath(t)
	mode := rapid.SampledFrom([]uint32{0o755, 0o700, 0o1777}).Draw(t, "mode")
	_, err := w.r.Mkdir(bg, dir.ino, name, mode, owner)
	if dir.kids[name] != nil {
		w.expect(t, "mkdir "+p, err, cache.ErrExist)
		return
	}
	if w.expect(t, "mkdir "+p, err, nil) {
		dir.kids[name] = &mnode{kind: 'd', mode: mode, mtime: time.Now(), kids: map[string]*mnode{}}
		touch(dir)
	}
}

func (w *world) opCreate(t *rapid.T) {
	p, dir, name := w.newPath(t)
	mode := rapid.SampledFrom([]uint32{0o644, 0o600, 0o755, 0o444}).Draw(t, "mode")
	h, a, err := w.r.Create(bg, dir.ino, name, mode, cache.OpenRead|cache.OpenWrite, owner)
	if dir.kids[name] != nil {
		w.expect(t, "create "+p, err, cache.ErrExist)
		return
	}
	if !w.expect(t, "create "+p, err, nil) {
		return
	}
	n := &mnode{kind: 'f', mode: mode, mtime: time.Now(), ino: a.Ino}
	dir.kids[name] = n
	touch(dir)
	if text := bytesOf(t); len(text) > 0 {
		if _, err := h.Write(bg, text, 0); err != nil {
			t.Fatalf("write %q: %v", p, err)
		}
		n.data = text
	}
	if rapid.Bool().Draw(t, "keep open") {
		w.handles = append(w.handles, &mhandle{h: h, n: n, flags: cache.OpenRead | cache.OpenWrite})
		return
	}
	if err := h.Release(); err != nil {
		t.Fatalf("release %q: %v", p, err)
	}
}

func (w *world) opOpen(t *rapid.T) {
	p := pick(t, "file", w.files())
	flags := rapid.SampledFrom([]cache.OpenFlags{
		cache.OpenRead, cache.OpenRead | cache.OpenWrite, cache.OpenWrite | cache.OpenAppend, cache.OpenRead | cache.OpenWrite | cache.OpenTrunc,
	}).Draw(t, "flags")
	n := w.at(p)
	h, err := w.r.Open(bg, n.ino, flags)
	if !w.expect(t, "open "+p, err, nil) {
		return
	}
	if flags&cache.OpenTrunc != 0 {
		n.data = nil
		touch(n)
	}
	w.handles = append(w.handles, &mhandle{h: h, n: n, flags: flags})
}

func (w *world) opClose(t *rapid.T) {
	if len(w.handles) == 0 {
		t.Skip("nothing is open")
	}
	i := rapid.IntRange(0, len(w.handles)-1).Draw(t, "handle")
	if err := w.handles[i].h.Release(); err != nil {
		t.Fatalf("release: %v", err)
	}
	w.handles = append(w.handles[:i:i], w.handles[i+1:]...)
}

// onHandle runs fn with a handle that has the flags: one that is open or one for this step.
func (w *world) onHandle(t *rapid.T, flags cache.OpenFlags, fn func(h *mhandle)) {
	var open []*mhandle
	for _, h := range w.handles {
		if h.flags&flags == flags {
			open = append(open, h)
		}
	}
	if len(open) > 0 && rapid.Bool().Draw(t, "open handle") {
		fn(open[rapid.IntRange(0, len(open)-1).Draw(t, "handle")])
		return
	}
	p := pick(t, "file", w.files())
	h, err := w.r.Open(bg, w.at(p).ino, flags)
	if err != nil {
		t.Fatalf("open %q: %v", p, err)
	}
	fn(&mhandle{h: h, n: w.at(p), flags: flags})
	if err := h.Release(); err != nil {
		t.Fatalf("release %q: %v", p, err)
	}
}

// put writes b at off into the bytes of a file.
func put(data, b []byte, off int) []byte {
	out := append([]byte{}, data...)
	if grow := off + len(b) - len(out); grow > 0 && len(b) > 0 {
		out = append(out, make([]byte, grow)...)
	}
	copy(out[min(off, len(out)):], b)
	return out
}

func drawOffset(t *rapid.T, label string, n *mnode) int {
	if rapid.Bool().Draw(t, label+" at page") {
		return rapid.IntRange(0, len(n.data)/4096+1).Draw(t, label) * 4096
	}
	return rapid.IntRange(0, len(n.data)+100).Draw(t, label)
}

func (w *world) opWrite(t *rapid.T) {
	w.onHandle(t, cache.OpenWrite, func(h *mhandle) {
		off, b := drawOffset(t, "offset", h.n), bytesOf(t)
		k, err := h.h.Write(bg, b, int64(off))
		if !w.expect(t, "write", err, nil) {
			return
		}
		if k != len(b) {
			t.Fatalf("wrote %d of %d", k, len(b))
		}
		if h.flags&cache.OpenAppend != 0 {
			off = len(h.n.data)
		}
		if len(b) > 0 {
			h.n.data = put(h.n.data, b, off)
			touch(h.n)
		}
	})
}

func (w *world) opAppend(t *rapid.T) {
	w.onHandle(t, cache.OpenWrite|cache.OpenAppend, func(h *mhandle) {
		b := append(bytesOf(t), '.')
		if _, err := h.h.Write(bg, b, 0); w.expect(t, "append", err, nil) {
			h.n.data = put(h.n.data, b, len(h.n.data))
			touch(h.n)
		}
	})
}

func (w *world) opAllocate(t *rapid.T) {
	mode := rapid.SampledFrom([]uint32{0x03, 0x10, 0x11, 0, 1}).Draw(t, "mode")
	w.onHandle(t, cache.OpenWrite, func(h *mhandle) {
		off, n := drawOffset(t, "offset", h.n), rapid.IntRange(1, 9000).Draw(t, "length")
		if err := h.h.Allocate(bg, mode, int64(off), int64(n)); !w.expect(t, "allocate", err, nil) {
			return
		}
		data := append([]byte{}, h.n.data...)
		if mode&1 == 0 && off+n > len(data) {
			data = append(data, make([]byte, off+n-len(data))...)
		}
		if mode&0x12 != 0 && off < len(data) {
			clear(data[off:min(off+n, len(data))])
		}
		h.n.data = data
		touch(h.n)
	})
}

func (w *world) opTruncate(t *rapid.T) {
	p := pick(t, "file", w.files())
	n := w.at(p)
	size := rapid.SampledFrom([]int{0, 1, 4096, 6000, len(n.data) / 2, len(n.data) + 1}).Draw(t, "size")
	to := int64(size)
	_, err := w.r.SetAttr(bg, n.ino, cache.SetAttr{Size: &to})
	if w.expect(t, "truncate "+p, err, nil) {
		n.data = append(append([]byte{}, n.data[:min(size, len(n.data))]...), make([]byte, max(size-len(n.data), 0))...)
		touch(n)
	}
}

func (w *world) opRead(t *rapid.T) {
	w.onHandle(t, cache.OpenRead, func(h *mhandle) {
		off, n := drawOffset(t, "offset", h.n), rapid.IntRange(0, 9000).Draw(t, "length")
		p := make([]byte, n)
		k, err := h.h.Read(bg, p, int64(off))
		if !w.expect(t, "read", err, nil) {
			return
		}
		want := h.n.data[min(off, len(h.n.data)):min(off+n, len(h.n.data))]
		if !bytes.Equal(p[:k], want) {
			t.Fatalf("read %d at %d: %s, want %s", n, off, brief(p[:k]), brief(want))
		}
	})
}

func (w *world) opFsync(t *rapid.T) {
	w.onHandle(t, cache.OpenWrite, func(h *mhandle) {
		if err := h.h.Fsync(bg, rapid.Bool().Draw(t, "data")); err != nil {
			t.Fatalf("fsync: %v", err)
		}
	})
}

func (w *world) opCopy(t *rapid.T) {
	w.onHandle(t, cache.OpenRead, func(src *mhandle) {
		w.onHandle(t, cache.OpenWrite, func(dst *mhandle) {
			if dst.flags&cache.OpenAppend != 0 || src.n == dst.n {
				return
			}
			n := rapid.SampledFrom([]int{100_000, 10, 4096}).Draw(t, "length")
			off, to := drawOffset(t, "offset", src.n), drawOffset(t, "target", dst.n)
			k, err := src.h.CopyTo(bg, int64(off), dst.h, int64(to), int64(n))
			if !w.expect(t, "copy", err, nil) {
				return
			}
			b := src.n.data[min(off, len(src.n.data)):min(off+n, len(src.n.data))]
			if int(k) != len(b) {
				t.Fatalf("copied %d, want %d", k, len(b))
			}
			if k > 0 {
				dst.n.data = put(dst.n.data, b, to)
				touch(dst.n)
			}
		})
	})
}

func (w *world) opChmod(t *rapid.T) {
	p := pick(t, "path", w.below())
	n := w.at(p)
	var s cache.SetAttr
	if rapid.Bool().Draw(t, "mode or time") {
		mode := rapid.SampledFrom([]uint32{0o640, 0o777, 0o400}).Draw(t, "mode")
		s.Mode, n.mode = &mode, mode
	} else {
		at := time.Unix(rapid.Int64Range(1, 2_000_000_000).Draw(t, "time"), 123456789)
		s.Mtime, n.mtime = &at, at
	}
	if _, err := w.r.SetAttr(bg, n.ino, s); err != nil {
		t.Fatalf("setattr %q: %v", p, err)
	}
}

func (w *world) opXattr(t *rapid.T) {
	p := pick(t, "path", w.below())
	n := w.at(p)
	name := rapid.SampledFrom([]string{"user.a", "user.b"}).Draw(t, "attribute")
	_, has := n.xattrs[name]
	if has && rapid.Bool().Draw(t, "remove") {
		if err := w.r.RemoveXattr(bg, n.ino, name); err != nil {
			t.Fatalf("remove xattr of %q: %v", p, err)
		}
		delete(n.xattrs, name)
		return
	}
	value := rapid.SampledFrom([]string{"", "v", "other"}).Draw(t, "value")
	flags := rapid.SampledFrom([]cache.XattrFlags{0, cache.XattrCreate, cache.XattrReplace}).Draw(t, "flags")
	var want error
	switch {
	case flags == cache.XattrCreate && has:
		want = cache.ErrExist
	case flags == cache.XattrReplace && !has:
		want = cache.ErrNoAttr
	}
	if w.expect(t, "setxattr "+p, w.r.SetXattr(bg, n.ino, name, []byte(value), flags), want) {
		if n.xattrs == nil {
			n.xattrs = map[string]string{}
		}
		n.xattrs[name] = value
	}
}

func (w *world) opSymlink(t *rapid.T) {
	p, dir, name := w.newPath(t)
	target := rapid.SampledFrom([]string{"f", "../g", "/etc/\xfe"}).Draw(t, "target")
	_, err := w.r.Symlink(bg, dir.ino, name, target, owner)
	if dir.kids[name] != nil {
		w.expect(t, "symlink "+p, err, cache.ErrExist)
		return
	}
	if w.expect(t, "symlink "+p, err, nil) {
		dir.kids[name] = &mnode{kind: 'l', mode: 0o777, mtime: time.Now(), target: target}
		touch(dir)
	}
}

func dropOf(p string) string {
	d, _, _ := strings.Cut(p, "/")
	if d[0] == '.' {
		return "" // no drop
	}
	return d
}

func (w *world) opLink(t *rapid.T) {
	src := pick(t, "file", w.files())
	p, dir, name := w.newPath(t)
	_, err := w.r.Link(bg, w.at(src).ino, dir.ino, name)
	switch {
	case dir.kids[name] != nil:
		w.expect(t, "link "+p, err, cache.ErrExist)
	case dropOf(src) != dropOf(p):
		w.expect(t, "link "+p, err, cache.ErrCrossDrop)
	case w.expect(t, "link "+p, err, nil):
		dir.kids[name] = w.at(src)
		touch(dir)
	}
}

func (w *world) opUnlink(t *rapid.T) {
	p := pick(t, "path", w.below())
	dir, name := w.parentOf(p)
	n := dir.kids[name]
	err := w.r.Unlink(bg, dir.ino, name)
	if n.kind == 'd' {
		w.expect(t, "unlink "+p, err, cache.ErrIsDir)
		return
	}
	if !w.expect(t, "unlink "+p, err, nil) {
		return
	}
	if n.kind == 'f' && w.links(n) == 1 && sent(p) && classify(name) == cache.Ordinary && len(n.data) > 0 {
		w.trash = append(w.trash, mtrash{path: p, n: n, sure: !isOpen(w, n)})
	}
	delete(dir.kids, name)
	touch(dir)
}

func (w *world) opUndelete(t *rapid.T) {
	if len(w.trash) == 0 {
		t.Skip("nothing deleted")
	}
	x := w.trash[len(w.trash)-1]
	w.trash = w.trash[:len(w.trash)-1]
	dir, name := w.parentOf(x.path)
	err := w.r.Undelete(bg, x.path)
	switch {
	case dir == nil, dir.kind != 'd':
		if err == nil {
			t.Fatalf("undelete %q: where to?", x.path)
		}
	case dir.kids[name] != nil:
		w.expect(t, "undelete "+x.path, err, cache.ErrExist)
	case err != nil && (!x.sure || w.links(x.n) > 0):
	case w.expect(t, "undelete "+x.path, err, nil):
		dir.kids[name] = x.n
		touch(dir)
	}
}

func (w *world) opRmdir(t *rapid.T) {
	p := pick(t, "path", w.below())
	dir, name := w.parentOf(p)
	n := dir.kids[name]
	err := w.r.Rmdir(bg, dir.ino, name)
	switch {
	case n.kind != 'd':
		w.expect(t, "rmdir "+p, err, cache.ErrNotDir)
	case len(n.kids) > 0:
		w.expect(t, "rmdir "+p, err, cache.ErrNotEmpty)
	case w.expect(t, "rmdir "+p, err, nil):
		delete(dir.kids, name)
		touch(dir)
	}
}

func (w *world) opRename(t *rapid.T) {
	from := pick(t, "from", w.below())
	to := ""
	if rapid.Bool().Draw(t, "over") {
		to = pick(t, "to", w.below())
	} else {
		to, _, _ = w.newPath(t)
	}
	flags := rapid.SampledFrom([]cache.RenameFlags{0, cache.RenameNoReplace, cache.RenameExchange}).Draw(t, "flags")
	fd, fn := w.parentOf(from)
	td, tn := w.parentOf(to)
	src, dst := fd.kids[fn], td.kids[tn]
	err := w.r.Rename(bg, fd.ino, fn, td.ino, tn, flags)
	want := renameError(from, to, src, dst, flags)
	if !w.expect(t, "rename "+from+" to "+to, err, want) || src == dst {
		return
	}
	delete(fd.kids, fn)
	td.kids[tn] = src
	if flags == cache.RenameExchange {
		fd.kids[fn] = dst
	}
	touch(fd)
	touch(td)
}

// renameError is what rename(2) answers.
func renameError(from, to string, src, dst *mnode, flags cache.RenameFlags) error {
	inside := func(p, dir string) bool { return strings.HasPrefix(p, dir+"/") }
	switch {
	case src.kind == 'd' && inside(to, from):
		return cache.ErrInvalid
	case flags == cache.RenameExchange && dst == nil:
		return cache.ErrNotExist
	case flags == cache.RenameExchange && dst.kind == 'd' && inside(from, to):
		return cache.ErrInvalid
	case flags == cache.RenameExchange, dst == nil:
		return nil
	case flags == cache.RenameNoReplace:
		return cache.ErrExist
	case src == dst:
		return nil
	case src.kind == 'd' && dst.kind != 'd':
		return cache.ErrNotDir
	case src.kind != 'd' && dst.kind == 'd':
		return cache.ErrIsDir
	case dst.kind == 'd' && len(dst.kids) > 0:
		return cache.ErrNotEmpty
	}
	return nil
}
