package vfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sirupsen/logrus"

	"dropfs/cache"
	"dropfs/remote"
	"dropfs/remote/remotetest"
)

var me = cache.Caller{UID: 1000, GID: 1000}

// newReplica opens a replica of a service in memory that has one drop, "home".
func newReplica(t *testing.T, account string) *cache.Replica {
	t.Helper()
	fake := remotetest.NewFake(remotetest.FakeConfig{})
	home := fake.MakeDrop(remote.DropSpec{Name: "home", GB: 1, Days: 30})
	l := logrus.New()
	l.SetOutput(io.Discard)
	r, err := cache.Open(t.Context(), cache.Config{
		Account: account, Dir: t.TempDir(), Service: fake, Host: "here", Classify: Classify,
		Drops: map[string]remote.DropID{"home": home.ID}, Log: logrus.NewEntry(l),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := r.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		cancel()
		wg.Wait()
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func newFS(t *testing.T, c Config) *FS {
	t.Helper()
	f, err := New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func wantErr(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

func lookup(t *testing.T, f *FS, path string) Attr {
	t.Helper()
	a, err := f.GetAttr(t.Context(), RootIno)
	for name := range strings.SplitSeq(path, "/") {
		if err == nil && name != "" {
			a, err = f.Lookup(t.Context(), a.Ino, name)
		}
	}
	if err != nil {
		t.Fatalf("lookup %s: %v", path, err)
	}
	return a
}

func makeFile(t *testing.T, f *FS, parent Ino, name, text string) Attr {
	t.Helper()
	h, a, err := f.Create(t.Context(), parent, name, 0o644, cache.OpenRead|cache.OpenWrite, me)
	if err != nil {
		t.Fatalf("create %s: %v", name, err)
	}
	if _, err := h.Write(t.Context(), []byte(text), 0); err != nil {
		t.Fatal(err)
	}
	if err := h.Release(); err != nil {
		t.Fatal(err)
	}
	return a
}

func list(t *testing.T, f *FS, ino Ino) []string {
	t.Helper()
	d, err := f.OpenDir(t.Context(), ino)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	last := uint64(0)
	for {
		e, ok, err := d.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			slices.Sort(names)
			return names
		}
		if e.Cookie <= last || e.Cookie < firstCookie {
			t.Errorf("cookie %d behind %d", e.Cookie, last)
		}
		last = e.Cookie
		if a, err := f.Lookup(t.Context(), ino, e.Name); err != nil || a.Ino != e.Attr.Ino {
			t.Errorf("%q: listed as %d, found as %d, %v", e.Name, e.Attr.Ino, a.Ino, err)
		}
		names = append(names, e.Name)
	}
}

func TestNewRefuses(t *testing.T) {
	r := newReplica(t, "a")
	for _, c := range []struct {
		name string
		c    Config
	}{
		{"no replica", Config{Accounts: []Account{{Name: "a"}}}},
		{"one name twice", Config{Accounts: []Account{{Name: "a", Replica: r}, {Name: "a", Replica: r}}}},
		{"one slot twice", Config{Accounts: []Account{{Name: "a", Replica: r, Slot: 7}, {Name: "b", Replica: r, Slot: 7}}}},
		{"slot too large", Config{Accounts: []Account{{Name: "a", Replica: r, Slot: 1 << 15}}}},
		{"no such account", Config{Root: Root{Account: "x"}}},
		{"drop of no account", Config{Root: Root{Drop: "x"}}},
		{"no such drop", Config{Accounts: []Account{{Name: "a", Replica: r}}, Root: Root{Account: "a", Drop: "none"}}},
	} {
		if _, err := New(t.Context(), c.c); err == nil {
			t.Errorf("%s: taken", c.name)
		}
	}
}

func TestV1RootIsOneAndNothingElse(t *testing.T) {
	a, b := newReplica(t, "a"), newReplica(t, "b")
	accounts := []Account{{Name: "a", Replica: a}, {Name: "b", Replica: b, Slot: 9}}
	for _, c := range []struct {
		root Root
		path string // of drop "home" of account a
		list []string
	}{
		{Root{}, "a/home", []string{"a", "b"}},
		{Root{Account: "a"}, "home", []string{"home"}},
		{Root{Account: "a", Drop: "home"}, "", nil},
	} {
		f := newFS(t, Config{Accounts: accounts, Root: c.root})
		root, err := f.GetAttr(t.Context(), RootIno)
		if err != nil || root.Ino != RootIno || !root.IsDir() {
			t.Errorf("%+v: root %d, %v", c.root, root.Ino, err)
		}
		if got := list(t, f, RootIno); c.list != nil && !slices.Equal(got, c.list) {
			t.Errorf("%+v: lists %q, want %q", c.root, got, c.list)
		}
		home := lookup(t, f, c.path)
		if (home.Ino == RootIno) != (c.path == "") {
			t.Errorf("%+v: %q is %d", c.root, c.path, home.Ino)
		}
		file := makeFile(t, f, home.Ino, fmt.Sprintf("in %q", c.path), "x")
		if file.Ino == RootIno || uint64(file.Ino)>>slotShift != 1 {
			t.Errorf("%+v: file is %#x", c.root, file.Ino)
		}
		if again, err := f.GetAttr(t.Context(), file.Ino); err != nil || again.Ino != file.Ino {
			t.Errorf("%+v: %#x found again as %#x, %v", c.root, file.Ino, again.Ino, err)
		}
		if up, err := f.Parent(t.Context(), home.Ino); err != nil || (up == RootIno) == (c.path == "a/home") {
			t.Errorf("%+v: parent of home is %d, %v", c.root, up, err)
		}
	}
	f := newFS(t, Config{Accounts: accounts})
	if ino := lookup(t, f, "b/home").Ino; uint64(ino)>>slotShift != 9 {
		t.Errorf("slot of b: %#x", ino)
	}
	_, err := f.GetAttr(t.Context(), 77<<slotShift|5)
	wantErr(t, "inode of no account", err, cache.ErrStale)
}

func TestListOfAccountsTakesNoChange(t *testing.T) {
	f := newFS(t, Config{Accounts: []Account{{Name: "a", Replica: newReplica(t, "a")}}})
	ctx := t.Context()
	mode := uint32(0o700)
	_, err := f.Mkdir(ctx, RootIno, "x", 0o755, me)
	wantErr(t, "mkdir", err, cache.ErrPerm)
	_, _, err = f.Create(ctx, RootIno, "x", 0o644, cache.OpenWrite, me)
	wantErr(t, "create", err, cache.ErrPerm)
	wantErr(t, "rmdir", f.Rmdir(ctx, RootIno, "a"), cache.ErrPerm)
	wantErr(t, "rename", f.Rename(ctx, RootIno, "a", RootIno, "b", 0), cache.ErrPerm)
	_, err = f.SetAttr(ctx, RootIno, cache.SetAttr{Mode: &mode})
	wantErr(t, "chmod", err, cache.ErrPerm)
	wantErr(t, "setxattr", f.SetXattr(ctx, RootIno, "user.a", nil, 0), cache.ErrPerm)
	_, err = f.Lookup(ctx, RootIno, "none")
	wantErr(t, "lookup", err, cache.ErrNotExist)
	lookup(t, f, "a/home")
	if st, err := f.StatFS(ctx, RootIno); err != nil || st.Free > st.Total {
		t.Errorf("statfs %+v, %v", st, err)
	}
}

func TestV2NothingMovesBetweenAccounts(t *testing.T) {
	f := newFS(t, Config{Accounts: []Account{{Name: "a", Replica: newReplica(t, "a")}, {Name: "b", Replica: newReplica(t, "b")}}})
	a, b := lookup(t, f, "a/home"), lookup(t, f, "b/home")
	file := makeFile(t, f, a.Ino, "f", "x")
	other := makeFile(t, f, b.Ino, "g", "y")
	wantErr(t, "rename", f.Rename(t.Context(), a.Ino, "f", b.Ino, "f", 0), cache.ErrCrossDrop)
	_, err := f.Link(t.Context(), file.Ino, b.Ino, "f")
	wantErr(t, "link", err, cache.ErrCrossDrop)
	h1, err := f.Open(t.Context(), file.Ino, cache.OpenRead)
	if err != nil {
		t.Fatal(err)
	}
	h2, err := f.Open(t.Context(), other.Ino, cache.OpenWrite)
	if err != nil {
		t.Fatal(err)
	}
	_, err = h1.CopyTo(t.Context(), 0, h2, 0, 1)
	wantErr(t, "copy", err, cache.ErrCrossDrop)
}

func TestAccountRoot(t *testing.T) {
	f := newFS(t, Config{Accounts: []Account{{Name: "a", Replica: newReplica(t, "a")}}, Root: Root{Account: "a"}})
	ctx := t.Context()
	home := lookup(t, f, "home")
	makeFile(t, f, home.Ino, "f", "x")
	if _, err := f.Mkdir(ctx, home.Ino, "dir", 0o755, me); err != nil {
		t.Fatal(err)
	}
	_, _, err := f.Create(ctx, RootIno, "file", 0o644, cache.OpenWrite, me)
	wantErr(t, "create", err, cache.ErrPerm)
	_, _, err = f.Create(ctx, RootIno, ".hidden", 0o644, cache.OpenWrite, me)
	wantErr(t, "create of a desktop's file", err, cache.ErrPerm)
	_, err = f.Symlink(ctx, RootIno, "l", "t", me)
	wantErr(t, "symlink", err, cache.ErrPerm)
	_, err = f.Mknod(ctx, RootIno, "p", 0o010644, 0, me)
	wantErr(t, "mkfifo", err, cache.ErrPerm)
	wantErr(t, "file to the root", f.Rename(ctx, home.Ino, "f", RootIno, "f", 0), cache.ErrPerm)
	wantErr(t, "directory to the root", f.Rename(ctx, home.Ino, "dir", RootIno, "dir", 0), cache.ErrCrossDrop)
	for name := range desktopNames {
		_, err = f.Mkdir(ctx, RootIno, name, 0o755, me)
		wantErr(t, "mkdir "+name, err, cache.ErrPerm)
	}
	for name := range reservedNames {
		_, err = f.Mkdir(ctx, RootIno, name, 0o755, me)
		wantErr(t, "mkdir "+name, err, cache.ErrPerm)
	}
	_, err = f.Mkdir(ctx, RootIno, "api@1gb", 0o755, me)
	wantErr(t, "mkdir of a reserved word with a size", err, cache.ErrPerm)
	_, err = f.Mkdir(ctx, RootIno, "\xff", 0o755, me)
	wantErr(t, "mkdir of what is no text", err, cache.ErrPerm)

	if _, err = f.Mkdir(ctx, RootIno, "plain", 0o755, me); err != nil {
		t.Fatal(err)
	}
	sized, err := f.Mkdir(ctx, RootIno, "sized@2gb,90d", 0o750, me)
	if err != nil {
		t.Fatal(err)
	}
	if got := lookup(t, f, "sized"); got.Ino != sized.Ino || got.Mode&0o7777 != 0o750 || got.UID != me.UID {
		t.Errorf("sized: %+v, made as %d", got, sized.Ino)
	}
	_, err = f.Lookup(ctx, RootIno, "sized@2gb,90d")
	wantErr(t, "the name with its size", err, cache.ErrNotExist)
	if _, err = f.Mkdir(ctx, RootIno, ".Trash-1000", 0o700, me); err != nil {
		t.Fatal(err)
	}
	if got := list(t, f, RootIno); !slices.Equal(got, []string{".Trash-1000", "home", "plain", "sized"}) {
		t.Errorf("lists %q", got)
	}
	wantErr(t, "drop into a drop", f.Rename(ctx, RootIno, "plain", home.Ino, "plain", 0), cache.ErrCrossDrop)
	wantErr(t, "drop to a local name", f.Rename(ctx, RootIno, "plain", RootIno, ".plain", 0), cache.ErrCrossDrop)
	wantErr(t, "drop to a reserved word", f.Rename(ctx, RootIno, "plain", RootIno, "api", 0), cache.ErrPerm)
	if err := f.Rename(ctx, RootIno, "plain", RootIno, "renamed", 0); err != nil {
		t.Error(err)
	}
	if err := f.Rmdir(ctx, RootIno, "renamed"); err != nil {
		t.Error(err)
	}
	wantErr(t, "rmdir of a full drop", f.Rmdir(ctx, RootIno, "home"), cache.ErrNotEmpty)

	said := f.Refusals()
	if len(said) == 0 || len(said) > refusalsKept || said[len(said)-1].Name != "api" || said[len(said)-1].Reason == "" {
		t.Errorf("refusals %+v", said)
	}
}

func TestV3SidecarDirectoryIsHidden(t *testing.T) {
	f := newFS(t, Config{Accounts: []Account{{Name: "a", Replica: newReplica(t, "a")}}, Root: Root{Account: "a"}})
	ctx := t.Context()
	home := lookup(t, f, "home")
	_, err := f.Mkdir(ctx, home.Ino, sidecarDir, 0o755, me)
	wantErr(t, "mkdir", err, cache.ErrPerm)
	_, _, err = f.Create(ctx, home.Ino, sidecarDir, 0o644, cache.OpenWrite, me)
	wantErr(t, "create", err, cache.ErrPerm)
	_, err = f.Lookup(ctx, home.Ino, sidecarDir)
	wantErr(t, "lookup", err, cache.ErrNotExist)
	wantErr(t, "rmdir", f.Rmdir(ctx, home.Ino, sidecarDir), cache.ErrNotExist)
	makeFile(t, f, home.Ino, "f", "x")
	wantErr(t, "rename to it", f.Rename(ctx, home.Ino, "f", home.Ino, sidecarDir, 0), cache.ErrPerm)
	wantErr(t, "rename of it", f.Rename(ctx, home.Ino, sidecarDir, home.Ino, "f", 0), cache.ErrNotExist)
	dir, err := f.Mkdir(ctx, home.Ino, "deeper", 0o755, me)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Mkdir(ctx, dir.Ino, sidecarDir, 0o755, me); err != nil {
		t.Errorf("deeper it is a name like any other: %v", err)
	}
	if got := list(t, f, dir.Ino); !slices.Equal(got, []string{sidecarDir}) {
		t.Errorf("deeper: %q", got)
	}
}

func TestV4ReadOnly(t *testing.T) {
	r := newReplica(t, "a")
	rw := newFS(t, Config{Accounts: []Account{{Name: "a", Replica: r}}, Root: Root{Account: "a", Drop: "home"}})
	file := makeFile(t, rw, RootIno, "f", "x")
	f := newFS(t, Config{Accounts: []Account{{Name: "a", Replica: r}}, Root: Root{Account: "a", Drop: "home"}, ReadOnly: true})
	ctx := t.Context()
	size := int64(0)
	for what, fn := range map[string]func() error{
		"mkdir":       func() error { _, err := f.Mkdir(ctx, RootIno, "d", 0o755, me); return err },
		"mknod":       func() error { _, err := f.Mknod(ctx, RootIno, "p", 0o010644, 0, me); return err },
		"create":      func() error { _, _, err := f.Create(ctx, RootIno, "g", 0o644, cache.OpenWrite, me); return err },
		"tmpfile":     func() error { _, _, err := f.TmpFile(ctx, RootIno, 0o644, cache.OpenWrite, me); return err },
		"symlink":     func() error { _, err := f.Symlink(ctx, RootIno, "l", "t", me); return err },
		"link":        func() error { _, err := f.Link(ctx, file.Ino, RootIno, "g"); return err },
		"unlink":      func() error { return f.Unlink(ctx, RootIno, "f") },
		"rmdir":       func() error { return f.Rmdir(ctx, RootIno, "f") },
		"rename":      func() error { return f.Rename(ctx, RootIno, "f", RootIno, "g", 0) },
		"setattr":     func() error { _, err := f.SetAttr(ctx, file.Ino, cache.SetAttr{Size: &size}); return err },
		"setxattr":    func() error { return f.SetXattr(ctx, file.Ino, "user.a", nil, 0) },
		"removexattr": func() error { return f.RemoveXattr(ctx, file.Ino, "user.a") },
		"open":        func() error { _, err := f.Open(ctx, file.Ino, cache.OpenWrite); return err },
		"truncate":    func() error { _, err := f.Open(ctx, file.Ino, cache.OpenRead|cache.OpenTrunc); return err },
	} {
		wantErr(t, what, fn(), cache.ErrReadOnly)
	}
	h, err := f.Open(ctx, file.Ino, cache.OpenRead)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4)
	if n, err := h.Read(ctx, buf, 0); n != 1 || err != nil {
		t.Errorf("read %d, %v", n, err)
	}
	_, err = h.Write(ctx, buf, 0)
	wantErr(t, "write", err, cache.ErrReadOnly)
	wantErr(t, "allocate", h.Allocate(ctx, 0, 0, 9), cache.ErrReadOnly)
}

func TestV5HandlesEndOnce(t *testing.T) {
	f, err := New(t.Context(), Config{Accounts: []Account{{Name: "a", Replica: newReplica(t, "a")}}, Root: Root{Account: "a", Drop: "home"}})
	if err != nil {
		t.Fatal(err)
	}
	h, a, err := f.Create(t.Context(), RootIno, "f", 0o644, cache.OpenWrite, me)
	if err != nil {
		t.Fatal(err)
	}
	h2, err := f.Open(t.Context(), a.Ino, cache.OpenRead)
	if err != nil {
		t.Fatal(err)
	}
	if h2.Ino() != a.Ino {
		t.Errorf("handle of %d says %d", a.Ino, h2.Ino())
	}
	if err := errors.Join(h.Release(), h.Release(), f.Close(), h2.Release()); err != nil {
		t.Error(err)
	}
	if len(f.handles) != 0 {
		t.Errorf("%d handles left", len(f.handles))
	}
}

func TestV6FeedTellsTheOthers(t *testing.T) {
	r := newReplica(t, "a")
	var feed Feed
	accounts := []Account{{Name: "a", Replica: r}}
	whole := newFS(t, Config{Accounts: accounts, Feed: &feed})
	drop := newFS(t, Config{Accounts: accounts, Root: Root{Account: "a", Drop: "home"}, Feed: &feed})
	var mu sync.Mutex
	var told []Event
	whole.SetNotify(func(e Event) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, e)
	})
	drop.SetNotify(func(e Event) { t.Errorf("the one who changed it is told %+v", e) })
	home := lookup(t, whole, "a/home")
	has := func(what string, e Event) {
		t.Helper()
		mu.Lock()
		defer mu.Unlock()
		if !slices.Contains(told, e) {
			t.Errorf("%s: %+v not among %+v", what, e, told)
		}
		told = nil
	}
	file := makeFile(t, drop, RootIno, "f", "x")
	has("create", Event{Kind: EventEntry, Parent: home.Ino, Name: "f"})
	mode := uint32(0o600)
	if _, err := drop.SetAttr(t.Context(), file.Ino, cache.SetAttr{Mode: &mode}); err != nil {
		t.Fatal(err)
	}
	has("chmod", Event{Kind: EventInode, Ino: file.Ino})
	if err := drop.Rename(t.Context(), RootIno, "f", RootIno, "g", 0); err != nil {
		t.Fatal(err)
	}
	has("rename", Event{Kind: EventEntry, Parent: home.Ino, Name: "g"})
	if err := drop.Unlink(t.Context(), RootIno, "g"); err != nil {
		t.Fatal(err)
	}
	has("unlink", Event{Kind: EventEntry, Parent: home.Ino, Name: "g"})
}

func TestXattrs(t *testing.T) {
	f := newFS(t, Config{Accounts: []Account{{Name: "a", Replica: newReplica(t, "a")}}, Root: Root{Account: "a"}})
	ctx := t.Context()
	home := lookup(t, f, "home")
	file := makeFile(t, f, home.Ino, "f", "x")
	for name, want := range map[string]error{
		"user.a": cache.ErrNoAttr, "trusted.a": cache.ErrNoAttr, "security.capability": cache.ErrNoAttr, "user.dropfs.error": cache.ErrNoAttr,
		"user.dropfs.none": cache.ErrNoAttr, "security.selinux": cache.ErrUnsupported, "system.posix_acl_access": cache.ErrUnsupported,
		"system.posix_acl_default": cache.ErrUnsupported, "other.a": cache.ErrUnsupported, "a": cache.ErrUnsupported, "user.": cache.ErrInvalid,
	} {
		_, err := f.GetXattr(ctx, file.Ino, name)
		wantErr(t, "get "+name, err, want)
	}
	for name, want := range map[string]error{
		"user.dropfs.state": cache.ErrPerm, "user.dropfs.new": cache.ErrPerm, "security.selinux": cache.ErrUnsupported, "system.a": cache.ErrUnsupported,
		"user.a": nil, "trusted.a": nil, "security.capability": nil, "user.mime_type": nil,
	} {
		wantErr(t, "set "+name, f.SetXattr(ctx, file.Ino, name, []byte("v"), 0), want)
	}
	names, err := f.ListXattr(ctx, file.Ino)
	if err != nil || !slices.Equal(names, []string{"security.capability", "trusted.a", "user.a"}) {
		t.Errorf("listed %q, %v", names, err)
	}
	if v, err := f.GetXattr(ctx, file.Ino, "user.mime_type"); err != nil || string(v) != "v" {
		t.Errorf("MIME type %q, %v", v, err)
	}
	if v, err := f.GetXattr(ctx, file.Ino, "user.dropfs.state"); err != nil || len(v) == 0 {
		t.Errorf("state %q, %v", v, err)
	}
	if v, err := f.GetXattr(ctx, home.Ino, "user.dropfs.id"); err != nil || len(v) == 0 {
		t.Errorf("id of the drop %q, %v", v, err)
	}
	if err := f.RemoveXattr(ctx, file.Ino, "user.a"); err != nil {
		t.Error(err)
	}
	wantErr(t, "remove again", f.RemoveXattr(ctx, file.Ino, "user.a"), cache.ErrNoAttr)
}

func TestLargerThanTheDropIsTooLarge(t *testing.T) {
	f := newFS(t, Config{Accounts: []Account{{Name: "a", Replica: newReplica(t, "a")}}, Root: Root{Account: "a", Drop: "home"}})
	ctx := t.Context()
	file := makeFile(t, f, RootIno, "f", "x")
	st, err := f.StatFS(ctx, RootIno)
	if err != nil || st.Total <= 0 {
		t.Fatalf("statfs %+v, %v", st, err)
	}
	size := st.Total + 1
	_, err = f.SetAttr(ctx, file.Ino, cache.SetAttr{Size: &size})
	wantErr(t, "truncate", err, cache.ErrTooLarge)
	h, err := f.Open(ctx, file.Ino, cache.OpenWrite)
	if err != nil {
		t.Fatal(err)
	}
	_, err = h.Write(ctx, []byte("x"), st.Total)
	wantErr(t, "write", err, cache.ErrTooLarge)
	wantErr(t, "allocate", h.Allocate(ctx, 0, 0, st.Total+1), cache.ErrTooLarge)
}

func TestStateText(t *testing.T) {
	for want, i := range map[string]cache.FileInfo{
		"clean":               {State: cache.StateClean},
		"uploading 43%":       {State: cache.StateUploading, Percent: 43},
		"error: drop is full": {State: cache.StateFailed, Err: "drop is full"},
		"cold":                {State: cache.StateCold},
	} {
		if got := stateText(i); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestSetIDBits(t *testing.T) {
	f := newFS(t, Config{Accounts: []Account{{Name: "a", Replica: newReplica(t, "a")}}, Root: Root{Account: "a", Drop: "home"}})
	ctx := t.Context()
	file := makeFile(t, f, RootIno, "f", "x")
	dir, err := f.Mkdir(ctx, RootIno, "d", 0o755, me)
	if err != nil {
		t.Fatal(err)
	}
	pipe, err := f.Mknod(ctx, RootIno, "p", 0o010644, 0, me)
	if err != nil {
		t.Fatal(err)
	}
	uid := uint32(5)
	for _, c := range []struct {
		what string
		ino  Ino
		mode uint32
		fn   func(Ino) error
		want uint32
	}{
		{"chown", file.Ino, 0o6755, func(i Ino) error { _, err := f.SetAttr(ctx, i, cache.SetAttr{UID: &uid}); return err }, 0o755},
		{"chown, no group-execute", file.Ino, 0o6745, func(i Ino) error { _, err := f.SetAttr(ctx, i, cache.SetAttr{UID: &uid}); return err }, 0o2745},
		{"chown of a directory", dir.Ino, 0o6755, func(i Ino) error { _, err := f.SetAttr(ctx, i, cache.SetAttr{UID: &uid}); return err }, 0o6755},
		{"chown of a FIFO", pipe.Ino, 0o6755, func(i Ino) error { _, err := f.SetAttr(ctx, i, cache.SetAttr{UID: &uid}); return err }, 0o755},
		{"chown of a FIFO, no group-execute", pipe.Ino, 0o6745, func(i Ino) error { _, err := f.SetAttr(ctx, i, cache.SetAttr{UID: &uid}); return err }, 0o2745},
		{"write", file.Ino, 0o6755, func(i Ino) error { return f.KillPriv(ctx, i) }, 0o755},
		{"write of a plain file", file.Ino, 0o644, func(i Ino) error { return f.KillPriv(ctx, i) }, 0o644},
	} {
		if _, err := f.SetAttr(ctx, c.ino, cache.SetAttr{Mode: &c.mode}); err != nil {
			t.Fatal(err)
		}
		if err := c.fn(c.ino); err != nil {
			t.Errorf("%s: %v", c.what, err)
		}
		if a, err := f.GetAttr(ctx, c.ino); err != nil || a.Mode&0o7777 != c.want {
			t.Errorf("%s: mode %o, %v; want %o", c.what, a.Mode&0o7777, err, c.want)
		}
	}
}
