package cache_test

import (
	"errors"
	"strings"
	"time"

	"pgregory.net/rapid"

	"dropfs/cache"
	"dropfs/remote"
)

func (w *world) opSync(t *rapid.T) {
	if w.offline {
		if err := w.r.Sync(bg, nil); err != nil && !isOffline(err) {
			t.Fatalf("sync offline: %v", err)
		}
		return
	}
	w.sync(t)
}

func (w *world) opSyncOne(t *rapid.T) {
	p := pick(t, "path", w.paths(func(string, *mnode) bool { return true }))
	err := w.r.Sync(bg, []cache.Ino{w.at(p).ino})
	if err != nil && !(isOffline(err) && (w.offline || !w.r.Status().Online)) {
		t.Fatalf("sync %q: %v", p, err)
	}
	for i := range w.trash {
		w.trash[i].sure = false
	}
}

func (w *world) opOffline(t *rapid.T) {
	w.offline = !w.offline
	w.fake.SetOffline(w.offline)
	for i := range w.trash {
		w.trash[i].sure = false
	}
	if !w.offline { // until the replica notices
		time.Sleep(time.Minute)
		for i := range w.trash {
			w.trash[i].sure = false
		}
	}
}

func (w *world) opSleep(t *rapid.T) {
	d := rapid.SampledFrom([]time.Duration{50 * time.Millisecond, 2 * time.Second, 40 * time.Second, 5 * time.Minute}).Draw(t, "for")
	time.Sleep(d)
	for i := range w.trash {
		w.trash[i].sure = false
	}
}

func (w *world) opRestart(t *rapid.T) {
	dir := w.cfg.Dir
	if err := w.close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	w.open(t, dir)
}

func (w *world) opKill(t *rapid.T) { w.kill(t) }

func (w *world) opPrune(t *rapid.T) {
	if err := w.r.CachePrune(bg, rapid.SampledFrom([]int64{0, 100_000}).Draw(t, "to")); err != nil {
		t.Fatalf("prune: %v", err)
	}
	for i := range w.trash {
		w.trash[i].sure = false
	}
}

// opLose has the next call of a kind fail, or be done with its answer lost.
func (w *world) opLose(t *rapid.T) {
	method := rapid.SampledFrom([]string{"StartUpload", "Send", "Send.part", "Confirm", "Delete", "Confirm.copy", "Rename", "CreateDrop", "Assets", "Drops"}).Draw(t, "method")
	if method == "CreateDrop" && w.caps.Caps != nil { // a service that cannot list its drops cannot be asked whether it made one
		w.fake.Fail(method, 1, &remote.Error{Kind: remote.ErrUnavailable, Status: 503})
		return
	}
	w.faults = true
	switch rapid.IntRange(0, 2).Draw(t, "how") {
	case 0:
		w.fake.Lose(method, 1)
	case 1:
		w.fake.Fail(method, 1, &remote.Error{Kind: remote.ErrUnavailable, Status: 503})
	case 2:
		w.fake.Fail(method, 1, &remote.Error{Kind: remote.ErrUnavailable})
	}
}

// opFresh throws the state directory away: what a new one shows comes from the service alone.
func (w *world) opFresh(t *rapid.T) {
	w.online(t)
	for _, h := range w.handles {
		if err := h.h.Release(); err != nil {
			t.Fatalf("release: %v", err)
		}
	}
	w.handles = nil
	w.sync(t)
	ids := map[string]remote.DropID{}
	for name, id := range w.dropIDs() {
		ids[name] = id
	}
	if err := w.close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	w.forgetLocal()
	edit := w.edit
	w.edit = func(c *cache.Config) {
		if edit != nil {
			edit(c)
		}
		c.Drops = ids
	}
	w.open(t, w.newDir(t))
	w.edit = edit
}

// forgetLocal takes from the model what only the state directory held.
func (w *world) forgetLocal() {
	w.trash = nil
	w.root.loose = true
	for name, k := range w.root.kids {
		k.loose = true // a drop's own directory is in no sidecar
		if !sent(name) {
			delete(w.root.kids, name)
		}
	}
	var prune func(path string, n *mnode)
	prune = func(path string, n *mnode) {
		n.ino = 0
		if n.bare {
			n.loose, n.bare, n.bared = true, false, true
		}
		if n.kind == 'd' {
			n.loose = true
		}
		for name, k := range n.kids {
			if p := path + "/" + name; !sent(p[1:]) {
				delete(n.kids, name)
			} else {
				prune(p, k)
			}
		}
	}
	prune("", w.root)
}

// online makes the service be there and what was done be on it.
func (w *world) online(t *rapid.T) {
	if w.offline {
		w.opOffline(t)
	}
}

// settled sends everything and lists everything, so that what comes from elsewhere meets nothing unsent.
func (w *world) settled(t *rapid.T) {
	w.online(t)
	w.sync(t)
	time.Sleep(time.Millisecond) // a listing says nothing of what was confirmed at the same instant
	w.refresh(t)
}

func (w *world) refresh(t *rapid.T) {
	for name := range w.dropIDs() {
		for try := 0; ; try++ {
			err := w.r.Refresh(bg, w.root.kids[name].ino)
			if err == nil {
				break
			}
			if try == 5 {
				t.Fatalf("refresh %s: %v", name, err)
			}
			time.Sleep(time.Minute) // a fault that was injected
		}
	}
}

func (w *world) opRefresh(t *rapid.T) {
	if w.offline {
		t.Skip("offline")
	}
	w.refresh(t)
}

// sentFiles are the files that the service has, by path.
func (w *world) sentFiles() []string {
	return w.paths(func(p string, n *mnode) bool { return n.kind == 'f' && sent(p) && strings.Contains(p, "/") })
}

// assetAt finds the asset of a path.
func (w *world) assetAt(t *rapid.T, p string) remote.Asset {
	drop, rest, _ := strings.Cut(p, "/")
	list := w.fake.AssetsNamed(w.dropIDs()[drop], wire(rest))
	if len(list) != 1 {
		t.Fatalf("%q: %d assets", p, len(list))
	}
	return list[0]
}

func (w *world) opForeignPut(t *rapid.T) {
	p, dir, name := w.newPath(t)
	if dir.kids[name] != nil || !sent(p) {
		t.Skip("nothing for a stranger")
	}
	w.settled(t)
	text := bytesOf(t)
	drop, rest, _ := strings.Cut(p, "/")
	w.fake.Put(w.dropIDs()[drop], wire(rest), text)
	n := &mnode{kind: 'f', mode: 0o644, mtime: time.Now(), data: text}
	w.refresh(t)
	dir.kids[name] = n
	touch(dir)
}

func (w *world) opForeignDelete(t *rapid.T) {
	p := pick(t, "file", w.sentFiles())
	w.settled(t)
	a := w.assetAt(t, p)
	w.fake.Remove(a.ID)
	w.refresh(t)
	dir, name := w.parentOf(p)
	delete(dir.kids, name)
	touch(dir)
}

func (w *world) opForeignReplace(t *rapid.T) {
	p := pick(t, "file", w.sentFiles())
	w.settled(t)
	a := w.assetAt(t, p)
	text := append(bytesOf(t), "replaced"...)
	// In one step, as far as a listing goes: the feed may tell of one before the other.
	w.fake.Put(a.Drop, a.Name, text)
	w.fake.Remove(a.ID)
	w.refresh(t)
	dir, name := w.parentOf(p)
	old := dir.kids[name]
	dir.kids[name] = &mnode{kind: 'f', mode: old.mode, mtime: time.Now(), data: text, loose: true, bare: true}
	n := dir.kids[name]
	attr, err := w.r.Lookup(bg, dir.ino, name)
	if err != nil {
		t.Fatalf("%q: %v", p, err)
	}
	if attr.Ino == old.ino {
		n.xattrs = old.xattrs
		if isOpen(w, old) || w.links(old) > 0 {
			t.Fatalf("%q: the inode of an open or linked file got another version", p)
		}
	}
	dir.loose = true
}

// opExpire ends a drop: it stays, read-only, until it is forgotten.
func (w *world) opExpire(t *rapid.T) {
	name := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "drop")
	drop := w.root.kids[name]
	if drop == nil || len(w.root.kids) < 2 {
		t.Skip("no drop to end")
	}
	w.settled(t)
	kept := w.handles[:0]
	for _, h := range w.handles {
		at := w.paths(func(p string, n *mnode) bool { return n == h.n })
		if len(at) > 0 && dropOf(at[0]) != name {
			kept = append(kept, h)
			continue
		}
		if err := h.h.Release(); err != nil {
			t.Fatalf("release: %v", err)
		}
	}
	w.handles = kept
	w.sync(t)
	w.fake.ExpireDrop(w.dropIDs()[name])
	if err := w.r.Refresh(bg, drop.ino); err != nil {
		t.Fatalf("refresh %s: %v", name, err)
	}
	if _, err := w.r.Mkdir(bg, drop.ino, "new", 0o755, owner); !errors.Is(err, cache.ErrReadOnly) {
		t.Fatalf("mkdir in a drop that ended: %v", err)
	}
	if err := w.r.ForgetDrop(bg, name); err != nil {
		t.Fatalf("forget %s: %v", name, err)
	}
	delete(w.root.kids, name)
	touch(w.root)
	w.trash = nil
}
