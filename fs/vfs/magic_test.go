package vfs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"dropfs/cache"
	"dropfs/convert"
	"dropfs/convert/magic"
)

// shouter is an engine of this test's own: it writes texts in capitals, and counts how often it is asked.
type shouter struct {
	runs, lists atomic.Int64
	held        chan struct{} // a run of a slow text says so here, and is let go here
}

func (*shouter) Name() string    { return "shouter" }
func (*shouter) Version() string { return "1" }

func (*shouter) Edges() []convert.Edge {
	return []convert.Edge{
		{Op: "md", From: "txt", To: "md", Options: []string{"lang"}},
		{Op: "html", From: "md", To: "html"},
		{Op: "pages", From: "txt", Options: []string{"format"}},
		{Op: "zip", From: "*", To: "zip", Many: true},
		{Op: "merge", From: "txt", To: "pdf", Many: true},
	}
}

func (s *shouter) Run(_ context.Context, job convert.Job) error {
	s.runs.Add(1)
	var b []byte
	for _, src := range job.Sources {
		text, err := os.ReadFile(src.Path)
		if err != nil {
			return err
		}
		if job.Edge.Many {
			b = fmt.Appendf(b, "%s:", src.Name)
		}
		b = append(b, text...)
	}
	if strings.Contains(string(b), "slow") {
		job.Came(0.5)
		s.held <- struct{}{}
		<-s.held
	}
	if strings.Contains(string(b), "broken") {
		return fmt.Errorf("%w: it says so itself", convert.ErrBroken)
	}
	return os.WriteFile(job.Out, []byte(strings.ToUpper(string(b))+job.Step.Key()), 0o600)
}

func (s *shouter) List(_ context.Context, job convert.Job) ([]convert.Member, error) {
	s.lists.Add(1)
	stem := strings.TrimSuffix(job.Sources[0].Name, filepath.Ext(job.Sources[0].Name))
	var out []convert.Member
	for i := range 3 {
		step := magic.Step{Op: "md", Options: magic.Options{"lang": fmt.Sprint(i + 1)}}
		out = append(out, convert.Member{Name: fmt.Sprintf("%s-%03d.md", stem, i+1), Step: step, Size: -1})
	}
	return append(out, convert.Member{Name: "deep/er/x.md", Step: magic.Step{Op: "md"}}, convert.Member{Name: "../evil"}), nil
}

// newMagic is a file system of one drop on which magic names work.
func newMagic(t *testing.T) (*FS, *shouter, *cache.Replica) {
	t.Helper()
	e := &shouter{held: make(chan struct{})}
	b, err := convert.NewBroker(convert.BrokerConfig{Registry: convert.NewRegistry(e), Dir: filepath.Join(t.TempDir(), "runs")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	r := newReplica(t, "acc")
	for !r.CanLink() { // until the service's abilities are known
		runtime.Gosched()
	}
	return newFS(t, Config{
		Accounts: []Account{{Name: "acc", Replica: r}}, Root: Root{Account: "acc", Drop: "home"}, Convert: &Conversions{Broker: b},
	}), e, r
}

func readAll(t *testing.T, f *FS, ino Ino) string {
	t.Helper()
	h, err := f.Open(t.Context(), ino, cache.OpenRead)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1<<16)
	n, err := h.Read(t.Context(), buf, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Release(); err != nil {
		t.Fatal(err)
	}
	return string(buf[:n])
}

func TestV7ReadingConverts(t *testing.T) {
	f, e, _ := newMagic(t)
	makeFile(t, f, RootIno, "a.txt", "some text")
	before := lookup(t, f, "a.txt@md")
	if before.Size != placeholder || !before.Unsettled || !before.Volatile || before.Mode != typeReg|0o444 || before.Blocks != 0 {
		t.Errorf("before it is made: %+v", before)
	}
	if e.runs.Load() != 0 {
		t.Error("looking converts")
	}
	if got := readAll(t, f, before.Ino); got != "SOME TEXT@md" {
		t.Errorf("read %q", got)
	}
	after := lookup(t, f, "a.txt@md")
	if after.Ino != before.Ino || after.Size != 12 || after.Unsettled {
		t.Errorf("after it is made: %+v, was %d", after, before.Ino)
	}
	if got := readAll(t, f, lookup(t, f, "a.txt@md.md").Ino); got != "SOME TEXT@md" || e.runs.Load() != 1 {
		t.Errorf("another spelling: %q, %d runs", got, e.runs.Load())
	}
	if got := readAll(t, f, lookup(t, f, "a.txt@md@html").Ino); got != "SOME TEXT@MD@html" || e.runs.Load() != 2 {
		t.Errorf("chain: %q, %d runs", got, e.runs.Load())
	}
	// A new version of the source is another result.
	h, err := f.Open(t.Context(), lookup(t, f, "a.txt").Ino, cache.OpenWrite|cache.OpenTrunc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Write(t.Context(), []byte("new"), 0); err != nil {
		t.Fatal(err)
	}
	if err := h.Release(); err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, f, lookup(t, f, "a.txt@md").Ino); got != "NEW@md" {
		t.Errorf("of the new version: %q", got)
	}
}

func TestV7Resolving(t *testing.T) {
	f, e, _ := newMagic(t)
	dir, err := f.Mkdir(t.Context(), RootIno, "d", 0o755, me)
	if err != nil {
		t.Fatal(err)
	}
	// The first is made while it means nothing yet.
	for _, name := range []string{"a.txt@html", "a.txt", "x@y.txt", ".hidden.txt", "._junk.txt", "b.exe"} {
		makeFile(t, f, RootIno, name, "text")
	}
	makeFile(t, f, dir.Ino, "in.txt", "text")
	if a := lookup(t, f, "a.txt@html"); a.Volatile || a.Size != 4 {
		t.Errorf("a real entry gives way: %+v", a)
	}
	for _, name := range []string{"a.txt@md", "a.txt@.md", "x@y.txt@md", "d/in.txt@md", "a.txt@", "a.txt@pages", "a.txt@info.json"} {
		lookup(t, f, name)
	}
	for _, name := range []string{
		"a.txt@png", "a.txt@nosuch", "a.txt@md,dpi=96", "a.txt@md.html", "b.txt@md", "b.exe@md", "d@md", "d@", "nosuch@zip", ".hidden.txt@md", "._junk.txt@md",
		"a.txt@md@md@md@md@md", "a.txt@send", "@md", "a.txt@@", "a@md",
	} {
		if _, err := f.Lookup(t.Context(), RootIno, name); !errors.Is(err, cache.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := list(t, f, RootIno); slices.ContainsFunc(got, func(n string) bool { return strings.HasSuffix(n, "@md") }) {
		t.Errorf("listed %q", got)
	}
	if e.runs.Load()+e.lists.Load() != 0 {
		t.Error("something was converted")
	}
}

func TestV7TakesNoChange(t *testing.T) {
	f, e, _ := newMagic(t)
	makeFile(t, f, RootIno, "a.txt", "text")
	makeFile(t, f, RootIno, "b", "text")
	m := lookup(t, f, "a.txt@md")
	ctx := t.Context()
	_, _, err := f.Create(ctx, RootIno, "a.txt@md", 0o644, cache.OpenWrite, me)
	wantErr(t, "create", err, cache.ErrReadOnly)
	_, err = f.Mkdir(ctx, RootIno, "a.txt@md", 0o755, me)
	wantErr(t, "mkdir", err, cache.ErrReadOnly)
	_, err = f.Symlink(ctx, RootIno, "a.txt@md", "x", me)
	wantErr(t, "symlink", err, cache.ErrReadOnly)
	_, err = f.Open(ctx, m.Ino, cache.OpenRead|cache.OpenWrite)
	wantErr(t, "open for writing", err, cache.ErrReadOnly)
	size := int64(0)
	_, err = f.SetAttr(ctx, m.Ino, cache.SetAttr{Size: &size})
	wantErr(t, "truncate", err, cache.ErrReadOnly)
	wantErr(t, "unlink", f.Unlink(ctx, RootIno, "a.txt@md"), cache.ErrReadOnly)
	wantErr(t, "rmdir", f.Rmdir(ctx, RootIno, "a.txt@"), cache.ErrReadOnly)
	wantErr(t, "rename onto", f.Rename(ctx, RootIno, "b", RootIno, "a.txt@md", 0), cache.ErrReadOnly)
	wantErr(t, "rename from", f.Rename(ctx, RootIno, "a.txt@md", RootIno, "c", 0), cache.ErrCrossDrop)
	_, err = f.Link(ctx, m.Ino, RootIno, "c")
	wantErr(t, "link from", err, cache.ErrCrossDrop)
	view := lookup(t, f, "a.txt@")
	_, _, err = f.Create(ctx, view.Ino, "x", 0o644, cache.OpenWrite, me)
	wantErr(t, "create in a view", err, cache.ErrReadOnly)
	wantErr(t, "setxattr", f.SetXattr(ctx, m.Ino, "user.x", nil, 0), cache.ErrReadOnly)
	makeFile(t, f, RootIno, "icon@2x.png", "an ordinary name")
	makeFile(t, f, RootIno, "a.txt@example.com", "another")
	if e.runs.Load() != 0 {
		t.Error("something was converted")
	}
}

func TestV7Directories(t *testing.T) {
	f, e, _ := newMagic(t)
	makeFile(t, f, RootIno, "a.txt", "text")
	if got := list(t, f, lookup(t, f, "a.txt@").Ino); !slices.Equal(got, []string{"a.html", "a.md", "info.json", "link", "pages"}) {
		t.Errorf("view lists %q", got)
	}
	if e.runs.Load()+e.lists.Load() != 0 {
		t.Error("listing a view does something")
	}
	for _, name := range []string{"a.txt@link", "a.txt@/link"} {
		if got := readAll(t, f, lookup(t, f, name).Ino); !strings.HasPrefix(got, "https://fake.invalid/file") {
			t.Errorf("%s is %q", name, got)
		}
	}
	if got := readAll(t, f, lookup(t, f, "a.txt@/a.html").Ino); got != "TEXT@MD@html" {
		t.Errorf("in the view: %q", got)
	}
	runs := e.runs.Load()
	pages := lookup(t, f, "a.txt@pages")
	if !pages.IsDir() || pages.Mode&0o777 != 0o555 {
		t.Errorf("pages: %+v", pages)
	}
	for range 2 {
		if got := list(t, f, pages.Ino); !slices.Equal(got, []string{"a-001.md", "a-002.md", "a-003.md", "deep"}) {
			t.Errorf("pages lists %q", got)
		}
	}
	if e.runs.Load() != runs || e.lists.Load() != 1 {
		t.Errorf("listing pages: %d runs, %d lists", e.runs.Load()-runs, e.lists.Load())
	}
	if got := readAll(t, f, lookup(t, f, "a.txt@pages/a-002.md").Ino); got != "TEXT@md,lang=2" {
		t.Errorf("page 2: %q", got)
	}
	if got := readAll(t, f, lookup(t, f, "a.txt@pages/deep/er/x.md").Ino); got != "TEXT@md" {
		t.Errorf("in a directory of it: %q", got)
	}
	if up, err := f.Parent(t.Context(), lookup(t, f, "a.txt@pages/deep/er").Ino); err != nil || up != lookup(t, f, "a.txt@pages/deep").Ino {
		t.Errorf("up is %d, %v", up, err)
	}
	for _, name := range []string{"a-004.md", "evil", ".."} {
		if _, err := f.Lookup(t.Context(), pages.Ino, name); !errors.Is(err, cache.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestV7DirectoriesAsSources(t *testing.T) {
	f, e, _ := newMagic(t)
	dir, err := f.Mkdir(t.Context(), RootIno, "album", 0o755, me)
	if err != nil {
		t.Fatal(err)
	}
	sub, err := f.Mkdir(t.Context(), dir.Ino, "sub", 0o755, me)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"10.txt", "9.txt", "x.jpg", "._junk"} {
		makeFile(t, f, dir.Ino, name, name[:1])
	}
	makeFile(t, f, sub.Ino, "deep.txt", "d")
	if _, err := f.Symlink(t.Context(), dir.Ino, "link.txt", "9.txt", me); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"album@zip":                  "9.TXT:910.TXT:1SUB/DEEP.TXT:DX.JPG:X@zip",
		"album@zip,glob=*%2Ejpg.zip": "X.JPG:X@zip",
		"album@merge,glob=*%2Etxt":   "9.TXT:910.TXT:1@merge",
	} {
		if got := readAll(t, f, lookup(t, f, name).Ino); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	runs := e.runs.Load()
	readAll(t, f, lookup(t, f, "album@zip").Ino)
	if e.runs.Load() != runs {
		t.Error("made twice")
	}
	makeFile(t, f, sub.Ino, "more.txt", "m")
	if got := readAll(t, f, lookup(t, f, "album@zip").Ino); !strings.Contains(got, "SUB/MORE.TXT:M") {
		t.Errorf("after a change below: %q", got)
	}
	if _, err := f.SetAttr(t.Context(), lookup(t, f, "album/10.txt").Ino, cache.SetAttr{Mode: new(uint32(0o600))}); err != nil {
		t.Fatal(err)
	}
	if m := lookup(t, f, "album@zip"); m.Mode != typeReg|0o400 {
		t.Errorf("with a file that others may not read: mode %o", m.Mode)
	}
	for _, name := range []string{"album@merge", "album@md", "album@pages", "album@zip,glob=*%2Egif"} {
		if _, err := f.Lookup(t.Context(), RootIno, name); !errors.Is(err, cache.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestV7Symlinks(t *testing.T) {
	f, _, _ := newMagic(t)
	dir, err := f.Mkdir(t.Context(), RootIno, "d", 0o755, me)
	if err != nil {
		t.Fatal(err)
	}
	makeFile(t, f, dir.Ino, "real.txt", "text")
	for path, target := range map[string]string{
		"here.txt": "d/real.txt", "twice.txt": "here.txt", "d/up.txt": "../d/real.txt", "dirlink": "d",
		"abs.txt": "/etc/passwd", "out.txt": "../../etc/passwd", "gone.txt": "nosuch", "self.txt": "self.txt",
	} {
		parent, name := RootIno, path
		if rest, ok := strings.CutPrefix(path, "d/"); ok {
			parent, name = dir.Ino, rest
		}
		if _, err := f.Symlink(t.Context(), parent, name, target, me); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"here.txt@md", "twice.txt@md", "d/up.txt@md"} {
		if got := readAll(t, f, lookup(t, f, name).Ino); got != "TEXT@md" {
			t.Errorf("%s is %q", name, got)
		}
	}
	lookup(t, f, "dirlink@zip")
	for _, name := range []string{"abs.txt@md", "out.txt@md", "gone.txt@md", "self.txt@md"} {
		if _, err := f.Lookup(t.Context(), RootIno, name); !errors.Is(err, cache.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBrowsing(t *testing.T) {
	var b browsing
	now := time.Unix(1000, 0)
	for i := range browseMax {
		if !b.may(1, convert.Key(fmt.Sprint(i)), now) {
			t.Fatalf("open %d refused", i)
		}
	}
	for _, c := range []struct {
		base cache.Ino
		key  convert.Key
		at   time.Duration
		want bool
	}{
		{1, "more", time.Second, false},
		{1, "0", time.Second, true}, // again
		{2, "more", time.Second, true},
		{1, "more", browseWindow + time.Millisecond, true},
	} {
		if got := b.may(c.base, c.key, now.Add(c.at)); got != c.want {
			t.Errorf("%d %s after %v: %v", c.base, c.key, c.at, got)
		}
	}
}

func TestNatural(t *testing.T) {
	want := []string{"a", "a01", "a1", "a2", "a10", "a10b", "b", "z9/x", "z10/a"}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, natural)
	if !slices.Equal(got, want) {
		t.Errorf("ordered %q, want %q", got, want)
	}
}

func TestV7Failure(t *testing.T) {
	f, e, _ := newMagic(t)
	makeFile(t, f, RootIno, "a.txt", "broken")
	m := lookup(t, f, "a.txt@md")
	for range 3 {
		_, err := f.Open(t.Context(), m.Ino, cache.OpenRead)
		wantErr(t, "open", err, convert.ErrBroken)
	}
	if e.runs.Load() != 1 {
		t.Errorf("tried %d times", e.runs.Load())
	}
	if v, err := f.GetXattr(t.Context(), m.Ino, xattrError); err != nil || !strings.Contains(string(v), "it says so itself") {
		t.Errorf("%s is %q, %v", xattrError, v, err)
	}
	var facts fileFacts
	if err := json.Unmarshal([]byte(readAll(t, f, lookup(t, f, "a.txt@info.json").Ino)), &facts); err != nil {
		t.Fatal(err)
	}
	if why := facts.Failed["md"]; !strings.Contains(why, "it says so itself") || facts.Size != 6 || facts.Name != "a.txt" {
		t.Errorf("info.json tells %+v", facts)
	}
	chain := lookup(t, f, "a.txt@md@html") // whose first step has failed already
	_, err := f.Open(t.Context(), chain.Ino, cache.OpenRead)
	wantErr(t, "open of a chain", err, convert.ErrBroken)
	if v, err := f.GetXattr(t.Context(), chain.Ino, xattrError); err != nil || !strings.Contains(string(v), "it says so itself") {
		t.Errorf("%s of a chain is %q, %v", xattrError, v, err)
	}
}

// TestV7InfoTellsWhatIsUnderWay reads info.json of a file while it is converted.
func TestV7InfoTellsWhatIsUnderWay(t *testing.T) {
	f, e, _ := newMagic(t)
	makeFile(t, f, RootIno, "a.txt", "slow")
	makeFile(t, f, RootIno, "b.txt", "other")
	info := func(name string) (facts fileFacts) {
		t.Helper()
		if err := json.Unmarshal([]byte(readAll(t, f, lookup(t, f, name+"@info.json").Ino)), &facts); err != nil {
			t.Fatal(err)
		}
		return facts
	}
	done := make(chan error)
	go func() {
		h, err := f.Open(t.Context(), lookup(t, f, "a.txt@md").Ino, cache.OpenRead)
		if err == nil {
			err = h.Release()
		}
		done <- err
	}()
	<-e.held
	if r := info("a.txt").Running; len(r) != 1 || r[0].Name != "a.txt@md" || r[0].Phase != convert.PhaseConverting || r[0].Part != 0.5 || r[0].Waiting != 1 {
		t.Errorf("under way: %+v", r)
	}
	if r := info("b.txt").Running; len(r) != 0 {
		t.Errorf("of another file: %+v", r)
	}
	e.held <- struct{}{}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if r := info("a.txt").Running; len(r) != 0 {
		t.Errorf("afterwards: %+v", r)
	}
}

func TestV7SecretsOfTheSourceStay(t *testing.T) {
	f, _, _ := newMagic(t)
	a := makeFile(t, f, RootIno, "a.txt", "text")
	mode := uint32(0o600)
	if _, err := f.SetAttr(t.Context(), a.Ino, cache.SetAttr{Mode: &mode}); err != nil {
		t.Fatal(err)
	}
	if m := lookup(t, f, "a.txt@md"); m.Mode != typeReg|0o400 || m.UID != a.UID {
		t.Errorf("a result has mode %o of %d", m.Mode, m.UID)
	}
	if m := lookup(t, f, "a.txt@"); m.Mode != typeDir|0o500 {
		t.Errorf("a view has mode %o", m.Mode)
	}
}
