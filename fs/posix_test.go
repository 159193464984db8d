//go:build linux

package fs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// posixRules is our own table of what a disk must do. A rule that a foreign suite found broken becomes a line here.
var posixRules = []struct {
	name string
	root bool // needs to be root
	fn   func(t *testing.T, dir string)
}{
	{"rename over", false, ruleRenameOver},
	{"rename flags", false, ruleRenameFlags},
	{"rename of two links to one inode", false, ruleRenameSameInode},
	{"rename of a directory moves its tree", false, ruleRenameTree},
	{"open while another renames over", false, ruleOpenDuringRename},
	{"descriptor of what was renamed over", false, ruleRenamedOverFD},
	{"size right after close", false, ruleSizeAfterClose},
	{"unlinked but open", false, ruleUnlinkedOpen},
	{"removed directory that is open", false, ruleRemovedDir},
	{"descriptor of a directory that was renamed over", false, ruleRenamedOverDir},
	{"O_TMPFILE", false, ruleTmpfile},
	{"open flags", false, ruleOpenFlags},
	{"O_APPEND from many", false, ruleAppend},
	{"O_DIRECT and O_SYNC", false, ruleDirect},
	{"holes", false, ruleHoles},
	{"fallocate", false, ruleFallocate},
	{"truncate", false, ruleTruncate},
	{"mmap", false, ruleMmap},
	{"copy_file_range", false, ruleCopyRange},
	{"names", false, ruleNames},
	{"directory stream under change", false, ruleReaddirChange},
	{"seekdir", false, ruleSeekdir},
	{"link counts", false, ruleLinkCounts},
	{"symlinks", false, ruleSymlinks},
	{"times", false, ruleTimes},
	{"times of parents", false, ruleParentTimes},
	{"mtime stays after close", false, ruleMtimeAfterClose},
	{"birth", false, ruleBtime},
	{"xattrs", false, ruleXattrs},
	{"locks", false, ruleLocks},
	{"special files", false, ruleSpecial},
	{"program", false, ruleProgram},
	{"sync and statfs", false, ruleSync},
	{"signals do not cut requests short", false, ruleSignals},
	{"set-id bits fall", true, ruleSetID},
	{"set-group-id directories", true, ruleSetGIDDir},
	{"sticky directories", true, ruleSticky},
	{"permissions", true, rulePermissions},
	{"devices", true, ruleDevices},
}

func TestPosixRules(t *testing.T) {
	d := startDaemon(t, daemonSpec{AllowOther: os.Getuid() == 0})
	for i, r := range posixRules {
		t.Run(r.name, func(t *testing.T) {
			if r.root && os.Getuid() != 0 {
				t.Skip("needs to be root")
			}
			dir := d.path(fmt.Sprintf("rule%d", i))
			must(t, os.Mkdir(dir, 0o755))
			r.fn(t, dir)
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func want(t *testing.T, what string, err, errno error) {
	t.Helper()
	if !errors.Is(err, errno) {
		t.Errorf("%s: %v, want %v", what, err, errno)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(text), 0o644))
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	return string(b)
}

func stat(t *testing.T, path string) unix.Stat_t {
	t.Helper()
	var st unix.Stat_t
	must(t, unix.Lstat(path, &st))
	return st
}

func ruleRenameOver(t *testing.T, dir string) {
	p := func(n string) string { return filepath.Join(dir, n) }
	write(t, p("f"), "f")
	write(t, p("g"), "g")
	must(t, os.MkdirAll(p("full/x"), 0o755))
	must(t, os.Mkdir(p("empty"), 0o755))
	must(t, os.Mkdir(p("d"), 0o755))
	want(t, "directory over a full one", unix.Rename(p("d"), p("full")), unix.ENOTEMPTY)
	want(t, "directory over a file", unix.Rename(p("d"), p("f")), unix.ENOTDIR)
	want(t, "file over a directory", unix.Rename(p("f"), p("empty")), unix.EISDIR)
	want(t, "directory into itself", unix.Rename(p("full"), p("full/x/y")), unix.EINVAL)
	want(t, "what is not there", unix.Rename(p("none"), p("g")), unix.ENOENT)
	want(t, "file to a name with a slash", unix.Rename(p("f"), p("none")+"/"), unix.ENOTDIR)
	must(t, unix.Rename(p("d"), p("empty")))
	must(t, unix.Rename(p("f"), p("g")))
	if read(t, p("g")) != "f" {
		t.Error("content did not move")
	}
	_, err := os.Lstat(p("f"))
	want(t, "old name", err, unix.ENOENT)
	_, err = os.Lstat(p("d"))
	want(t, "old directory", err, unix.ENOENT)
}

func ruleRenameFlags(t *testing.T, dir string) {
	p := func(n string) string { return filepath.Join(dir, n) }
	ren := func(a, b string, flags uint) error {
		return unix.Renameat2(unix.AT_FDCWD, p(a), unix.AT_FDCWD, p(b), flags)
	}
	write(t, p("a"), "a")
	write(t, p("b"), "b")
	must(t, os.MkdirAll(p("d/e"), 0o755))
	want(t, "NOREPLACE", ren("a", "b", unix.RENAME_NOREPLACE), unix.EEXIST)
	want(t, "both flags", ren("a", "b", unix.RENAME_NOREPLACE|unix.RENAME_EXCHANGE), unix.EINVAL)
	want(t, "EXCHANGE with nothing", ren("a", "none", unix.RENAME_EXCHANGE), unix.ENOENT)
	must(t, ren("a", "c", unix.RENAME_NOREPLACE))
	must(t, ren("c", "b", unix.RENAME_EXCHANGE))
	if read(t, p("c")) != "b" || read(t, p("b")) != "a" {
		t.Error("files not exchanged")
	}
	must(t, ren("b", "d", unix.RENAME_EXCHANGE))
	if read(t, p("d")) != "a" {
		t.Error("file not where the directory was")
	}
	if st, err := os.Stat(p("b/e")); err != nil || !st.IsDir() {
		t.Errorf("directory not where the file was: %v", err)
	}
	if n := stat(t, dir).Nlink; n != 3 {
		t.Errorf("link count %d of the parent, want 3", n)
	}
}

func ruleRenameSameInode(t *testing.T, dir string) {
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	write(t, a, "x")
	must(t, os.Link(a, b))
	must(t, unix.Rename(a, b))
	if stat(t, a).Nlink != 2 || stat(t, b).Nlink != 2 {
		t.Error("rename of one link over the other changed something")
	}
}

func ruleRenameTree(t *testing.T, dir string) {
	must(t, os.MkdirAll(filepath.Join(dir, "a/b/c"), 0o755))
	write(t, filepath.Join(dir, "a/b/c/f"), "deep")
	must(t, os.Mkdir(filepath.Join(dir, "z"), 0o755))
	ino := stat(t, filepath.Join(dir, "a/b/c/f")).Ino
	must(t, os.Rename(filepath.Join(dir, "a"), filepath.Join(dir, "z/a")))
	if read(t, filepath.Join(dir, "z/a/b/c/f")) != "deep" || stat(t, filepath.Join(dir, "z/a/b/c/f")).Ino != ino {
		t.Error("the tree did not move as it was")
	}
	if n := stat(t, dir).Nlink; n != 3 {
		t.Errorf("link count of the old parent %d, want 3", n)
	}
	if n := stat(t, filepath.Join(dir, "z")).Nlink; n != 3 {
		t.Errorf("link count of the new parent %d, want 3", n)
	}
}

func ruleOpenDuringRename(t *testing.T, dir string) {
	target := filepath.Join(dir, "config")
	write(t, target, "0")
	var stop atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		defer stop.Store(true)
		for i := range 300 {
			tmp := filepath.Join(dir, "config.tmp")
			if err := os.WriteFile(tmp, fmt.Appendf(nil, "%d", i), 0o644); err != nil {
				t.Error(err)
				return
			}
			if err := os.Rename(tmp, target); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for !stop.Load() {
		b, err := os.ReadFile(target)
		if err != nil || len(b) == 0 {
			t.Errorf("read %q, %v", b, err)
			break
		}
	}
	wg.Wait()
}

func ruleRenamedOverFD(t *testing.T, dir string) {
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	write(t, a, "new")
	write(t, b, "old content")
	f, err := os.Open(b)
	must(t, err)
	defer f.Close()
	must(t, os.Rename(a, b))
	var st unix.Stat_t
	must(t, unix.Fstat(int(f.Fd()), &st))
	if st.Size != 11 || st.Nlink != 0 {
		t.Errorf("size %d, links %d; want 11, 0", st.Size, st.Nlink)
	}
	buf := make([]byte, 20)
	n, err := f.ReadAt(buf, 0)
	if string(buf[:n]) != "old content" {
		t.Errorf("read %q, %v", buf[:n], err)
	}
	if read(t, b) != "new" {
		t.Error("the name does not lead to the new content")
	}
}

// close returns before the daemon has heard of it; what stat tells meanwhile, the kernel keeps.
func ruleSizeAfterClose(t *testing.T, dir string) {
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 300 {
				p := filepath.Join(dir, fmt.Sprintf("f%d-%d", w, i%7))
				size := 1 + i*7
				if err := os.WriteFile(p, make([]byte, size), 0o644); err != nil {
					t.Error(err)
					return
				}
				for range 3 {
					var st unix.Stat_t
					if err := unix.Stat(p, &st); err != nil || st.Size != int64(size) {
						t.Errorf("size %d, %v; want %d", st.Size, err, size)
						return
					}
				}
			}
		})
	}
	wg.Wait()
}

func ruleUnlinkedOpen(t *testing.T, dir string) {
	p := filepath.Join(dir, "f")
	f, err := os.OpenFile(p, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	must(t, err)
	defer f.Close()
	_, err = f.WriteString("before")
	must(t, err)
	must(t, os.Remove(p))
	_, err = f.WriteString(" and after")
	must(t, err)
	must(t, f.Truncate(12))
	must(t, f.Sync())
	must(t, f.Chmod(0o640))
	var st unix.Stat_t
	must(t, unix.Fstat(int(f.Fd()), &st))
	if st.Nlink != 0 || st.Size != 12 || st.Mode&0o777 != 0o640 {
		t.Errorf("links %d, size %d, mode %o", st.Nlink, st.Size, st.Mode)
	}
	buf := make([]byte, 20)
	n, _ := f.ReadAt(buf, 0)
	if string(buf[:n]) != "before and a" {
		t.Errorf("read %q", buf[:n])
	}
	write(t, p, "another")
	if read(t, p) != "another" {
		t.Error("the name is not free again")
	}
}

func ruleRemovedDir(t *testing.T, dir string) {
	p := filepath.Join(dir, "d")
	must(t, os.Mkdir(p, 0o755))
	fd, err := unix.Open(p, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	must(t, err)
	defer unix.Close(fd)
	must(t, unix.Rmdir(p))
	var st unix.Stat_t
	must(t, unix.Fstat(fd, &st))
	if st.Nlink != 0 {
		t.Errorf("links %d", st.Nlink)
	}
	_, err = unix.Openat(fd, "f", unix.O_CREAT|unix.O_WRONLY, 0o644)
	want(t, "create in it", err, unix.ENOENT)
	buf := make([]byte, 4096)
	if n, err := unix.Getdents(fd, buf); err != nil && !errors.Is(err, unix.ENOENT) {
		t.Errorf("getdents: %d, %v", n, err)
	}
}

func ruleRenamedOverDir(t *testing.T, dir string) {
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	must(t, os.Mkdir(a, 0o755))
	must(t, os.Mkdir(b, 0o700))
	write(t, filepath.Join(a, "f"), "x")
	fd, err := unix.Open(b, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	must(t, err)
	defer unix.Close(fd)
	must(t, unix.Rename(a, b))
	var st unix.Stat_t
	must(t, unix.Fstat(fd, &st))
	if st.Nlink != 0 || st.Mode&0o777 != 0o700 {
		t.Errorf("links %d, mode %o; want 0, 700", st.Nlink, st.Mode&0o777)
	}
	if _, err := unix.Openat(fd, "f", unix.O_RDONLY, 0); !errors.Is(err, unix.ENOENT) {
		t.Errorf("the old directory has the new one's file: %v", err)
	}
	if read(t, filepath.Join(b, "f")) != "x" {
		t.Error("the name does not lead to the new directory")
	}
}

func ruleTmpfile(t *testing.T, dir string) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR, 0o600)
	must(t, err)
	defer unix.Close(fd)
	_, err = unix.Write(fd, []byte("nameless"))
	must(t, err)
	var st unix.Stat_t
	must(t, unix.Fstat(fd, &st))
	if st.Nlink != 0 {
		t.Errorf("links %d before it has a name", st.Nlink)
	}
	p := filepath.Join(dir, "named")
	must(t, unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fd), unix.AT_FDCWD, p, unix.AT_SYMLINK_FOLLOW))
	if read(t, p) != "nameless" {
		t.Error("content lost on the way to its name")
	}
	must(t, unix.Fstat(fd, &st))
	if st.Nlink != 1 {
		t.Errorf("links %d with a name", st.Nlink)
	}
	fd2, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_EXCL, 0o600)
	must(t, err)
	defer unix.Close(fd2)
	err = unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fd2), unix.AT_FDCWD, p+"2", unix.AT_SYMLINK_FOLLOW)
	want(t, "name for an O_EXCL one", err, unix.ENOENT)
	names, err := os.ReadDir(dir)
	must(t, err)
	if len(names) != 1 {
		t.Errorf("%d entries, want the one that was named", len(names))
	}
}

func ruleOpenFlags(t *testing.T, dir string) {
	p := filepath.Join(dir, "f")
	write(t, p, "text")
	for _, c := range []struct {
		what  string
		path  string
		flags int
		errno error
	}{
		{"O_EXCL", p, unix.O_CREAT | unix.O_EXCL | unix.O_WRONLY, unix.EEXIST},
		{"write to a directory", dir, unix.O_WRONLY, unix.EISDIR},
		{"create over a directory", dir, unix.O_CREAT | unix.O_RDWR, unix.EISDIR},
		{"O_DIRECTORY of a file", p, unix.O_DIRECTORY, unix.ENOTDIR},
		{"below a file", p + "/x", unix.O_RDONLY, unix.ENOTDIR},
		{"what is not there", p + "none", unix.O_RDONLY, unix.ENOENT},
	} {
		fd, err := unix.Open(c.path, c.flags, 0o644)
		if err == nil {
			unix.Close(fd)
		}
		want(t, c.what, err, c.errno)
	}
	f, err := os.OpenFile(p, os.O_WRONLY|os.O_TRUNC, 0)
	must(t, err)
	if st := stat(t, p); st.Size != 0 {
		t.Errorf("size %d after O_TRUNC", st.Size)
	}
	_, err = f.Read(make([]byte, 1))
	want(t, "read of a write-only descriptor", err, unix.EBADF)
	must(t, f.Close())
	// A file without permissions is made and written by its maker.
	f, err = os.OpenFile(p+"0", os.O_CREATE|os.O_WRONLY, 0)
	must(t, err)
	_, err = f.WriteString("x")
	must(t, err)
	must(t, f.Close())
	if m := stat(t, p+"0").Mode & 0o7777; m != 0 {
		t.Errorf("mode %o", m)
	}
}

func ruleAppend(t *testing.T, dir string) {
	p := filepath.Join(dir, "log")
	var wg sync.WaitGroup
	const writers, lines = 4, 100
	for w := range writers {
		wg.Go(func() {
			f, err := os.OpenFile(p, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
			if err != nil {
				t.Error(err)
				return
			}
			defer f.Close()
			for i := range lines {
				if _, err := fmt.Fprintf(f, "%d %03d\n", w, i); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	got := strings.Split(strings.TrimSuffix(read(t, p), "\n"), "\n")
	slices.Sort(got)
	if got = slices.Compact(got); len(got) != writers*lines {
		t.Errorf("%d distinct lines, want %d", len(got), writers*lines)
	}
	// A mapping of a descriptor that appends writes where it is mapped.
	f, err := os.OpenFile(p, os.O_RDWR|os.O_APPEND, 0)
	must(t, err)
	defer f.Close()
	m, err := unix.Mmap(int(f.Fd()), 0, 6, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	must(t, err)
	m[0] = 'X'
	must(t, unix.Msync(m, unix.MS_SYNC))
	must(t, unix.Munmap(m))
	if s := read(t, p); s[0] != 'X' || len(s) != writers*lines*6 {
		t.Errorf("mapping of an appending descriptor: begins %q, %d bytes", s[:6], len(s))
	}
}

func ruleDirect(t *testing.T, dir string) {
	p := filepath.Join(dir, "direct")
	block := alignedBlock(1 << 16)
	for i := range block {
		block[i] = byte(i * 7)
	}
	for _, c := range []struct {
		what  string
		flags int
	}{{"O_DIRECT", unix.O_DIRECT}, {"O_SYNC", unix.O_SYNC}, {"O_DSYNC", unix.O_DSYNC}, {"both", unix.O_DIRECT | unix.O_SYNC}} {
		fd, err := unix.Open(p, unix.O_RDWR|unix.O_CREAT|c.flags, 0o644)
		must(t, err)
		if n, err := unix.Pwrite(fd, block, 4096); n != len(block) || err != nil {
			t.Errorf("%s: wrote %d, %v", c.what, n, err)
		}
		got := alignedBlock(1 << 16)
		if n, err := unix.Pread(fd, got, 4096); n != len(got) || err != nil || !bytes.Equal(got, block) {
			t.Errorf("%s: read %d, %v", c.what, n, err)
		}
		m, err := unix.Mmap(fd, 4096, 4096, unix.PROT_READ, unix.MAP_SHARED)
		if err != nil {
			t.Errorf("%s: mmap: %v", c.what, err)
		} else {
			if !bytes.Equal(m, block[:4096]) {
				t.Errorf("%s: the mapping differs", c.what)
			}
			must(t, unix.Munmap(m))
		}
		must(t, unix.Close(fd))
	}
	// What one writes past the cache, another reads through it.
	if got := read(t, p); !bytes.Equal([]byte(got[4096:]), block) {
		t.Error("a cached read differs")
	}
}

func alignedBlock(n int) []byte {
	b, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		panic(err)
	}
	return b
}

func ruleHoles(t *testing.T, dir string) {
	f, err := os.Create(filepath.Join(dir, "sparse"))
	must(t, err)
	defer f.Close()
	const at = 4 << 20
	_, err = f.WriteAt([]byte("data"), at)
	must(t, err)
	must(t, f.Truncate(2*at))
	for _, c := range []struct {
		what   string
		off    int64
		whence int
		want   int64
		errno  error
	}{
		{"data from the begin", 0, unix.SEEK_DATA, at, nil},
		{"hole at the begin", 0, unix.SEEK_HOLE, 0, nil},
		{"hole behind the data", at, unix.SEEK_HOLE, at + 4096, nil},
		{"no more data", at + 1<<20, unix.SEEK_DATA, 0, unix.ENXIO},
		{"hole at the end", 2*at - 1, unix.SEEK_HOLE, 2*at - 1, nil},
		{"behind the end", 2*at + 1, unix.SEEK_HOLE, 0, unix.ENXIO},
		{"at the end", 2 * at, unix.SEEK_DATA, 0, unix.ENXIO},
	} {
		got, err := unix.Seek(int(f.Fd()), c.off, c.whence)
		if c.errno != nil {
			want(t, c.what, err, c.errno)
		} else if err != nil || got != c.want {
			t.Errorf("%s: %d, %v; want %d", c.what, got, err, c.want)
		}
	}
	if st := stat(t, f.Name()); st.Blocks*512 > 1<<20 {
		t.Errorf("%d blocks for 4 bytes", st.Blocks)
	}
}

func ruleFallocate(t *testing.T, dir string) {
	f, err := os.Create(filepath.Join(dir, "f"))
	must(t, err)
	defer f.Close()
	fd := int(f.Fd())
	_, err = f.Write(bytes.Repeat([]byte{1}, 16384))
	must(t, err)
	must(t, unix.Fallocate(fd, unix.FALLOC_FL_KEEP_SIZE, 0, 1<<20))
	if s := stat(t, f.Name()).Size; s != 16384 {
		t.Errorf("size %d after KEEP_SIZE", s)
	}
	must(t, unix.Fallocate(fd, unix.FALLOC_FL_KEEP_SIZE|unix.FALLOC_FL_PUNCH_HOLE, 4096, 4096))
	must(t, unix.Fallocate(fd, unix.FALLOC_FL_ZERO_RANGE, 8192, 100))
	must(t, unix.Fallocate(fd, 0, 0, 20000))
	expect := bytes.Repeat([]byte{1}, 16384)
	clear(expect[4096:8292])
	expect = append(expect, make([]byte, 20000-16384)...)
	if got := read(t, f.Name()); got != string(expect) {
		t.Error("content differs")
	}
	want(t, "punch without KEEP_SIZE", unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE, 0, 4096), unix.EOPNOTSUPP)
	want(t, "collapse", unix.Fallocate(fd, unix.FALLOC_FL_COLLAPSE_RANGE, 0, 4096), unix.EOPNOTSUPP)
	want(t, "nothing", unix.Fallocate(fd, 0, 0, 0), unix.EINVAL)
}

func ruleTruncate(t *testing.T, dir string) {
	p := filepath.Join(dir, "f")
	write(t, p, "0123456789")
	f, err := os.OpenFile(p, os.O_RDWR, 0)
	must(t, err)
	defer f.Close()
	must(t, os.Truncate(p, 4))
	must(t, f.Truncate(8))
	if got := read(t, p); got != "0123\x00\x00\x00\x00" {
		t.Errorf("%q", got)
	}
	want(t, "negative", unix.Truncate(p, -1), unix.EINVAL)
	want(t, "directory", unix.Truncate(dir, 0), unix.EISDIR)
	_, err = f.WriteAt([]byte("z"), 5000)
	must(t, err)
	if got := read(t, p); len(got) != 5001 || strings.Trim(got[4:5000], "\x00") != "" {
		t.Errorf("%d bytes, or the gap is not zero", len(got))
	}
}

func ruleMmap(t *testing.T, dir string) {
	p := filepath.Join(dir, "f")
	write(t, p, strings.Repeat("a", 8192))
	f, err := os.OpenFile(p, os.O_RDWR, 0)
	must(t, err)
	shared, err := unix.Mmap(int(f.Fd()), 0, 8192, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	must(t, err)
	private, err := unix.Mmap(int(f.Fd()), 0, 8192, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE)
	must(t, err)
	private[1] = 'P'
	copy(shared, "shared")
	must(t, unix.Msync(shared, unix.MS_SYNC))
	if got := read(t, p); got[:8] != "sharedaa" {
		t.Errorf("after msync %q", got[:8])
	}
	_, err = f.WriteAt([]byte("W"), 4096)
	must(t, err)
	if shared[4096] != 'W' {
		t.Error("a write is not seen in the mapping")
	}
	must(t, f.Close()) // the mapping lives on
	copy(shared[4097:], "late")
	must(t, unix.Munmap(shared))
	must(t, unix.Munmap(private))
	if got := read(t, p); got[4096:4101] != "Wlate" || len(got) != 8192 {
		t.Errorf("after munmap %q, %d bytes", got[4096:4101], len(got))
	}
}

func ruleCopyRange(t *testing.T, dir string) {
	text := strings.Repeat("0123456789abcdef", 8192)
	write(t, filepath.Join(dir, "src"), text)
	src, err := os.Open(filepath.Join(dir, "src"))
	must(t, err)
	defer src.Close()
	dst, err := os.OpenFile(filepath.Join(dir, "dst"), os.O_RDWR|os.O_CREATE, 0o644)
	must(t, err)
	defer dst.Close()
	so, do := int64(16), int64(5000)
	n, err := unix.CopyFileRange(int(src.Fd()), &so, int(dst.Fd()), &do, 100000, 0)
	must(t, err)
	got := read(t, dst.Name())
	if n <= 0 || got != strings.Repeat("\x00", 5000)+text[16:16+n] {
		t.Errorf("copied %d, destination has %d bytes", n, len(got))
	}
	so = int64(len(text))
	if n, err = unix.CopyFileRange(int(src.Fd()), &so, int(dst.Fd()), nil, 10, 0); n != 0 || err != nil {
		t.Errorf("at the end: %d, %v", n, err)
	}
}

func ruleNames(t *testing.T, dir string) {
	names := []string{
		strings.Repeat("n", 255), "line\nbreak", "\xff\xfe\x80", "caf\u00e9", "cafe\u0301", " ", "-rf", "a@png", "\u241b41",
		"x\x01\x7f", strings.Repeat("\u00e9", 127), "...", "Ω", "ω",
	}
	for _, n := range names {
		write(t, filepath.Join(dir, n), n)
	}
	entries, err := os.ReadDir(dir)
	must(t, err)
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
		if s := read(t, filepath.Join(dir, e.Name())); s != e.Name() {
			t.Errorf("%q holds %q", e.Name(), s)
		}
	}
	slices.Sort(got)
	slices.Sort(names)
	if !slices.Equal(got, names) {
		t.Errorf("listed %q\nwant   %q", got, names)
	}
	want(t, "256 bytes", os.WriteFile(filepath.Join(dir, strings.Repeat("n", 256)), nil, 0o644), unix.ENAMETOOLONG)
	_, err = os.Lstat(filepath.Join(dir, strings.Repeat("n", 256)))
	want(t, "stat of 256 bytes", err, unix.ENAMETOOLONG)
}

// listFD reads names with getdents from where fd stands, at most one buffer of n bytes.
func listFD(t *testing.T, fd, n int) (names []string, end bool) {
	t.Helper()
	buf := make([]byte, n)
	k, err := unix.Getdents(fd, buf)
	must(t, err)
	_, _, names = unix.ParseDirent(buf[:k], -1, nil)
	return names, k == 0
}

func ruleReaddirChange(t *testing.T, dir string) {
	const stay = 150
	for i := range stay {
		write(t, filepath.Join(dir, fmt.Sprintf("stay%03d", i)), "")
		write(t, filepath.Join(dir, fmt.Sprintf("go%03d", i)), "")
	}
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	must(t, err)
	defer unix.Close(fd)
	seen := map[string]int{}
	for round := 0; ; round++ {
		names, end := listFD(t, fd, 1024)
		if end {
			break
		}
		for _, n := range names {
			seen[n]++
		}
		if round < stay {
			must(t, os.Remove(filepath.Join(dir, fmt.Sprintf("go%03d", stay-1-round))))
			write(t, filepath.Join(dir, fmt.Sprintf("new%03d", round)), "")
		}
	}
	for i := range stay {
		if n := seen[fmt.Sprintf("stay%03d", i)]; n != 1 {
			t.Errorf("stay%03d listed %d times", i, n)
		}
	}
	for n, times := range seen {
		if times > 1 {
			t.Errorf("%s listed %d times", n, times)
		}
	}
}

func ruleSeekdir(t *testing.T, dir string) {
	for i := range 200 {
		write(t, filepath.Join(dir, fmt.Sprintf("f%03d", i)), "")
	}
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	must(t, err)
	defer unix.Close(fd)
	listFD(t, fd, 1024)
	pos, err := unix.Seek(fd, 0, 1)
	must(t, err)
	first, _ := listFD(t, fd, 1024)
	for {
		if _, end := listFD(t, fd, 8192); end {
			break
		}
	}
	_, err = unix.Seek(fd, pos, 0)
	must(t, err)
	again, _ := listFD(t, fd, 1024)
	// How many fit into a buffer is the kernel's business; what comes first is not.
	if n := min(len(first), len(again)); n == 0 || !slices.Equal(first[:n], again[:n]) {
		t.Errorf("%q\n%q", first, again)
	}
	_, err = unix.Seek(fd, 0, 0)
	must(t, err)
	write(t, filepath.Join(dir, "late"), "")
	var all []string
	for {
		names, end := listFD(t, fd, 8192)
		if end {
			break
		}
		all = append(all, names...)
	}
	if len(all) != 201 || !slices.Contains(all, "late") {
		t.Errorf("%d entries after rewinddir", len(all))
	}
}

func ruleLinkCounts(t *testing.T, dir string) {
	p := func(n string) string { return filepath.Join(dir, n) }
	if n := stat(t, dir).Nlink; n != 2 {
		t.Errorf("empty directory: %d", n)
	}
	must(t, os.Mkdir(p("d"), 0o755))
	if n := stat(t, dir).Nlink; n != 3 {
		t.Errorf("with a directory: %d", n)
	}
	write(t, p("a"), "x")
	must(t, os.Link(p("a"), p("b")))
	must(t, os.Link(p("b"), p("d/c")))
	if a, c := stat(t, p("a")), stat(t, p("d/c")); a.Nlink != 3 || c.Nlink != 3 || a.Ino != c.Ino {
		t.Errorf("links %d %d, inodes %d %d", a.Nlink, c.Nlink, a.Ino, c.Ino)
	}
	write(t, p("d/c"), "through another name")
	if read(t, p("a")) != "through another name" {
		t.Error("links differ in content")
	}
	must(t, os.Remove(p("a")))
	if n := stat(t, p("b")).Nlink; n != 2 {
		t.Errorf("after unlink: %d", n)
	}
	must(t, os.RemoveAll(p("d")))
	if n := stat(t, dir).Nlink; n != 2 {
		t.Errorf("after rmdir: %d", n)
	}
	want(t, "link to a directory", os.Link(dir, p("no")), unix.EPERM)
	want(t, "link over what is there", os.Link(p("b"), p("b")), unix.EEXIST)
	want(t, "unlink of a directory", unix.Unlink(dir), unix.EISDIR)
	want(t, "rmdir of a file", unix.Rmdir(p("b")), unix.ENOTDIR)
	want(t, "rmdir of a full directory", unix.Rmdir(dir), unix.ENOTEMPTY)
	want(t, "mkdir over a file", unix.Mkdir(p("b"), 0o755), unix.EEXIST)
}

func ruleSymlinks(t *testing.T, dir string) {
	for i, target := range []string{"x", "../a/b", "/" + strings.Repeat("t", 4094), "line\nbreak", "\xff"} {
		p := filepath.Join(dir, fmt.Sprintf("l%d", i))
		must(t, os.Symlink(target, p))
		if got, err := os.Readlink(p); err != nil || got != target {
			t.Errorf("%.20q: %.20q, %v", target, got, err)
		}
		if st := stat(t, p); st.Size != int64(len(target)) || st.Mode != unix.S_IFLNK|0o777 {
			t.Errorf("size %d, mode %o", st.Size, st.Mode)
		}
	}
	p := filepath.Join(dir, "loop")
	must(t, os.Symlink("loop", p))
	_, err := os.Open(p)
	want(t, "loop", err, unix.ELOOP)
	write(t, filepath.Join(dir, "x"), "found")
	if read(t, filepath.Join(dir, "l0")) != "found" {
		t.Error("link not followed")
	}
	_, err = unix.Open(filepath.Join(dir, "l0"), unix.O_NOFOLLOW, 0)
	want(t, "O_NOFOLLOW", err, unix.ELOOP)
	must(t, os.Link(filepath.Join(dir, "l0"), filepath.Join(dir, "hard")))
	if st := stat(t, filepath.Join(dir, "hard")); st.Nlink != 2 || st.Mode&unix.S_IFMT != unix.S_IFLNK {
		t.Error("hard link to a symbolic link")
	}
}

func ruleTimes(t *testing.T, dir string) {
	p := filepath.Join(dir, "f")
	write(t, p, "x")
	for _, c := range []struct {
		what  string
		ts    [2]unix.Timespec
		a, m  unix.Timespec
		moves bool // both are the present
	}{
		{"nanoseconds", [2]unix.Timespec{{Sec: 1, Nsec: 2}, {Sec: 1e9, Nsec: 999999999}}, unix.Timespec{Sec: 1, Nsec: 2}, unix.Timespec{Sec: 1e9, Nsec: 999999999}, false},
		{"omit atime", [2]unix.Timespec{{Nsec: unix.UTIME_OMIT}, {Sec: 77, Nsec: 7}}, unix.Timespec{Sec: 1, Nsec: 2}, unix.Timespec{Sec: 77, Nsec: 7}, false},
		{"omit mtime", [2]unix.Timespec{{Sec: 5}, {Nsec: unix.UTIME_OMIT}}, unix.Timespec{Sec: 5}, unix.Timespec{Sec: 77, Nsec: 7}, false},
		{"omit both", [2]unix.Timespec{{Nsec: unix.UTIME_OMIT}, {Nsec: unix.UTIME_OMIT}}, unix.Timespec{Sec: 5}, unix.Timespec{Sec: 77, Nsec: 7}, false},
		{"before 1970", [2]unix.Timespec{{Sec: -5, Nsec: 1}, {Sec: -1e9}}, unix.Timespec{Sec: -5, Nsec: 1}, unix.Timespec{Sec: -1e9}, false},
		{"after 2106", [2]unix.Timespec{{Sec: 1 << 33}, {Sec: 1 << 33}}, unix.Timespec{Sec: 1 << 33}, unix.Timespec{Sec: 1 << 33}, false},
		{"now", [2]unix.Timespec{{Nsec: unix.UTIME_NOW}, {Nsec: unix.UTIME_NOW}}, unix.Timespec{}, unix.Timespec{}, true},
	} {
		must(t, unix.UtimesNanoAt(unix.AT_FDCWD, p, c.ts[:], 0))
		st := stat(t, p)
		if c.moves {
			if d := time.Since(time.Unix(st.Mtim.Unix())); d < -time.Second || d > time.Minute {
				t.Errorf("%s: %v ago", c.what, d)
			}
		} else if st.Atim != c.a || st.Mtim != c.m {
			t.Errorf("%s: %v %v, want %v %v", c.what, st.Atim, st.Mtim, c.a, c.m)
		}
		if d := time.Since(time.Unix(st.Ctim.Unix())); d < -time.Second || d > time.Minute {
			t.Errorf("%s: ctime %v ago", c.what, d)
		}
	}
	l := filepath.Join(dir, "l")
	must(t, os.Symlink("f", l))
	must(t, unix.UtimesNanoAt(unix.AT_FDCWD, l, []unix.Timespec{{Sec: 3}, {Sec: 4}}, unix.AT_SYMLINK_NOFOLLOW))
	if st := stat(t, l); st.Mtim.Sec != 4 {
		t.Errorf("link: %v", st.Mtim)
	}
}

func ruleParentTimes(t *testing.T, dir string) {
	p := filepath.Join(dir, "x")
	past := []unix.Timespec{{Sec: 100}, {Sec: 100}}
	for _, c := range []struct {
		what string
		fn   func() error
	}{
		{"create", func() error { return os.WriteFile(p, nil, 0o644) }},
		{"link", func() error { return os.Link(p, p+"2") }},
		{"rename", func() error { return os.Rename(p, p+"3") }},
		{"unlink", func() error { return os.Remove(p + "2") }},
		{"symlink", func() error { return os.Symlink("a", p+"4") }},
		{"mkdir", func() error { return os.Mkdir(p+"5", 0o755) }},
		{"rmdir", func() error { return os.Remove(p + "5") }},
		{"mkfifo", func() error { return unix.Mkfifo(p+"6", 0o644) }},
	} {
		must(t, unix.UtimesNanoAt(unix.AT_FDCWD, dir, past, 0))
		must(t, c.fn())
		if st := stat(t, dir); st.Mtim.Sec == 100 || st.Ctim.Sec == 100 {
			t.Errorf("%s leaves the times of the directory", c.what)
		}
	}
}

func ruleMtimeAfterClose(t *testing.T, dir string) {
	p := filepath.Join(dir, "f")
	f, err := os.Create(p)
	must(t, err)
	_, err = f.WriteString("x")
	must(t, err)
	must(t, unix.UtimesNanoAt(unix.AT_FDCWD, p, []unix.Timespec{{Sec: 50}, {Sec: 60, Nsec: 7}}, 0))
	must(t, f.Close())
	deadline := time.Now().Add(300 * time.Millisecond)
	for time.Now().Before(deadline) {
		if st := stat(t, p); st.Mtim != (unix.Timespec{Sec: 60, Nsec: 7}) {
			t.Fatalf("mtime moved to %v", st.Mtim)
		}
		time.Sleep(10 * time.Millisecond) // the release of the descriptor and the upload happen meanwhile
	}
}

func ruleBtime(t *testing.T, dir string) {
	p := filepath.Join(dir, "f")
	before := time.Now().Add(-2 * time.Second)
	write(t, p, "x")
	birth := func() time.Time {
		var stx unix.Statx_t
		must(t, unix.Statx(unix.AT_FDCWD, p, 0, unix.STATX_BTIME|unix.STATX_BASIC_STATS, &stx))
		if stx.Mask&unix.STATX_BTIME == 0 {
			t.Fatal("no time of birth")
		}
		if stx.Size != 1 || stx.Nlink != 1 || stx.Mode != unix.S_IFREG|0o644 {
			t.Errorf("size %d, links %d, mode %o", stx.Size, stx.Nlink, stx.Mode)
		}
		return time.Unix(stx.Btime.Sec, int64(stx.Btime.Nsec))
	}
	b := birth()
	if b.Before(before) || b.After(time.Now().Add(time.Second)) {
		t.Errorf("born %v", b)
	}
	must(t, unix.UtimesNanoAt(unix.AT_FDCWD, p, []unix.Timespec{{Sec: 50}, {Sec: 60}}, 0))
	must(t, os.Chmod(p, 0o644))
	if !birth().Equal(b) {
		t.Error("the time of birth moved")
	}
}
