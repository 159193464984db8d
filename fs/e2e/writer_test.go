//go:build linux

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// step is one operation of the writer, and a line of its log: written once before it is tried and once, with Done, when
// the kernel has acknowledged it.
type step struct {
	Do   string
	Path string `json:",omitempty"`
	To   string `json:",omitempty"` // of rename, link, symlink
	Off  int64  `json:",omitempty"` // of write, mmap; the size of truncate
	Len  int64  `json:",omitempty"`
	Seed uint64 `json:",omitempty"` // of the bytes
	Done bool   `json:",omitempty"`
}

// pattern are the bytes that a step writes.
func pattern(seed uint64, n int64) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(seed, seed))
	for i := 0; i < len(b); i += 8 {
		v := r.Uint64()
		for j := i; j < min(i+8, len(b)); j++ {
			b[j] = byte(v >> (8 * (j - i)))
		}
	}
	return b
}

// writer does random operations in a directory and notes on standard output, which no mount is below, what it is about
// to do and what was acknowledged. It ends when the disk is gone. What it begins with are the lines of an earlier one.
type writer struct {
	dir   string
	rng   *rand.Rand
	model *model
	log   *json.Encoder
	open  *os.File // written to again and again, like a log or a database
	node  int      // of open
}

// writerHelper is `writer DIR SEED`, with the log so far on standard input.
func writerHelper(args []string) error {
	seed, err := strconv.ParseUint(args[1], 10, 64)
	if err != nil {
		return err
	}
	w := &writer{dir: args[0], rng: rand.New(rand.NewPCG(seed, 7)), model: newModel(), log: json.NewEncoder(os.Stdout)}
	if err := json.NewDecoder(os.Stdin).Decode(w.model); err != nil {
		return err
	}
	debug.SetPanicOnFault(true) // a store into a mapping whose disk has gone is SIGBUS
	for {
		s, ok := w.choose()
		if !ok {
			continue
		}
		if err := w.log.Encode(s); err != nil {
			return err
		}
		if err := w.try(s); err != nil {
			if errors.Is(err, syscall.ENOTCONN) || errors.Is(err, syscall.ECONNABORTED) || errors.Is(err, syscall.EBADF) || errors.Is(err, syscall.EIO) || errors.Is(err, syscall.ENODEV) {
				return nil
			}
			return fmt.Errorf("%+v: %w", s, err)
		}
		w.model.apply(s)
		s.Done = true
		if err := w.log.Encode(s); err != nil {
			return err
		}
	}
}

// choose makes up the next step, one that POSIX allows; ok is false where what it thought of is not possible now.
func (w *writer) choose() (s step, ok bool) {
	m := w.model
	dirs, files := m.list(fs.ModeDir), m.list(0)
	dir := dirs[w.rng.IntN(len(dirs))]
	fresh := filepath.Join(dir, fmt.Sprintf("%c%d", 'a'+rune(w.rng.IntN(26)), w.rng.IntN(30)))
	file := ""
	if len(files) > 0 {
		file = files[w.rng.IntN(len(files))]
	}
	s = step{Path: file, Seed: w.rng.Uint64()}
	switch n := w.rng.IntN(100); {
	case n < 22 || file == "":
		s.Do, s.Path, s.Len = "create", fresh, w.size()
		return s, m.kind(fresh) == none && len(files) < 200
	case n < 34:
		s.Do, s.Len, s.Off = "write", 1+w.size(), w.rng.Int64N(m.size(file)+1)
	case n < 44:
		s.Do, s.Len = "append", 1+w.rng.Int64N(5000)
	case n < 54: // the way editors save
		s.Do, s.Path, s.To, s.Len = "save", fresh+".new", file, w.size()
		return s, m.kind(fresh+".new") == none
	case n < 60:
		s.Do, s.To = "rename", fresh
		return s, m.kind(fresh) != directory
	case n < 63:
		s.Do, s.Path, s.To = "rename", dir, fresh
		return s, dir != "" && m.kind(fresh) == none && !within(fresh, dir)
	case n < 70:
		s.Do, s.Path = "mkdir", fresh
		return s, m.kind(fresh) == none && len(dirs) < 20
	case n < 76:
		s.Do = "unlink"
	case n < 78:
		s.Do, s.Path = "rmdir", dir
		return s, dir != "" && m.empty(dir)
	case n < 83:
		s.Do, s.Off = "truncate", w.rng.Int64N(m.size(file)*2+1)
	case n < 86:
		s.Do, s.To = "link", fresh
		return s, m.kind(fresh) == none
	case n < 88:
		s.Do, s.Path, s.To = "symlink", fresh, "to/"+strconv.Itoa(w.rng.IntN(100))
		return s, m.kind(fresh) == none
	case n < 91:
		s.Do, s.Off = "chmod", []int64{0o600, 0o644, 0o755}[w.rng.IntN(3)]
	case n < 95:
		s.Do, s.Len = "mmap", 1+w.rng.Int64N(3000)
		if m.size(file) < s.Len {
			return s, false
		}
		s.Off = w.rng.Int64N(m.size(file) - s.Len + 1)
	case n < 97:
		s.Do = "fsync"
	default: // a file that stays open
		s.Do, s.Len = "log", 1+w.rng.Int64N(3000)
	}
	return s, true
}

func (w *writer) size() int64 {
	switch w.rng.IntN(10) {
	case 0:
		return 0
	case 1:
		return w.rng.Int64N(300_000)
	}
	return w.rng.Int64N(9000)
}

// try does a step. A store into a mapping of a disk that is gone is an error like any other.
func (w *writer) try(s step) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = syscall.ENOTCONN
		}
	}()
	path, to := filepath.Join(w.dir, s.Path), filepath.Join(w.dir, s.To)
	switch s.Do {
	case "create":
		return w.put(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0, s)
	case "write":
		return w.put(path, os.O_WRONLY, s.Off, s)
	case "append":
		return w.put(path, os.O_WRONLY|os.O_APPEND, -1, s)
	case "save":
		if err := w.put(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0, s); err != nil {
			return err
		}
		return os.Rename(path, to)
	case "rename":
		return os.Rename(path, to)
	case "mkdir":
		return os.Mkdir(path, 0o755)
	case "unlink", "rmdir":
		return os.Remove(path)
	case "truncate":
		return os.Truncate(path, s.Off)
	case "link":
		return os.Link(path, to)
	case "symlink":
		return os.Symlink(s.To, path)
	case "chmod":
		return os.Chmod(path, fs.FileMode(s.Off))
	case "mmap":
		return w.mmap(path, s)
	case "fsync":
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		return errors.Join(f.Sync(), f.Close())
	case "log":
		return w.appendOpen(path, s)
	}
	return fmt.Errorf("no step %q", s.Do)
}

func (w *writer) put(path string, flags int, off int64, s step) error {
	f, err := os.OpenFile(path, flags, 0o644)
	if err != nil {
		return err
	}
	b := pattern(s.Seed, s.Len)
	if off < 0 {
		_, err = f.Write(b)
	} else {
		_, err = f.WriteAt(b, off)
	}
	return errors.Join(err, f.Close())
}

// mmap stores through a shared mapping; msync hands the stores to the disk.
func (w *writer) mmap(path string, s step) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	m, err := unix.Mmap(int(f.Fd()), 0, int(s.Off+s.Len), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	copy(m[s.Off:], pattern(s.Seed, s.Len))
	return errors.Join(unix.Msync(m, unix.MS_SYNC), unix.Munmap(m))
}

// appendOpen appends to a file that stays open.
func (w *writer) appendOpen(path string, s step) (err error) {
	if w.open == nil || w.model.Names[s.Path] != w.node {
		if w.open != nil {
			if err := w.open.Close(); err != nil {
				return err
			}
		}
		if w.open, err = os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0); err != nil {
			return err
		}
	}
	w.node = w.model.Names[s.Path]
	_, err = w.open.Write(pattern(s.Seed, s.Len))
	return err
}
