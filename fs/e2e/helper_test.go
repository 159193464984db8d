//go:build linux

package e2e

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"dropfs/cache/refresh"
)

// runHelper is this binary as one of the programs that touch a mount (E1).
func runHelper(name string, args []string) error {
	switch name {
	case "snapshot":
		return snapshotHelper(args[0], os.Stdout)
	case "writer":
		return writerHelper(args)
	case "churn":
		return churnHelper(args)
	}
	return fmt.Errorf("no helper %q", name)
}

// helper runs a helper on a machine.
func (m *machine) helper(d time.Duration, name string, args ...string) string {
	m.t.Helper()
	r := run(d, m.dir, append(m.env, helperEnv+"="+name), "", os.Args[0], args...)
	if r.timeout {
		m.dump()
	}
	if r.code != 0 {
		m.t.Fatalf("%s %v: %v", name, args, r)
	}
	return r.out
}

// entry is what a snapshot tells of one name.
type entry struct {
	Path   []byte // any bytes
	Mode   uint32 // st_mode
	Size   int64  // of files
	Mtime  int64  // ns
	Sum    string `json:",omitempty"` // of files
	Target []byte `json:",omitempty"` // of symbolic links
	Nlink  uint64 // of files
	Same   []byte // the first of the names of the same inode
}

// snapshotHelper writes one line of JSON for each name below dir, in the order of names.
func snapshotHelper(dir string, to io.Writer) error {
	w := bufio.NewWriter(to)
	enc := json.NewEncoder(w)
	first := map[uint64]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil || rel == "." {
			return err
		}
		var st syscall.Stat_t
		if err := syscall.Lstat(path, &st); err != nil {
			return fmt.Errorf("lstat %q: %w", path, err)
		}
		e := entry{Path: []byte(rel), Mode: st.Mode, Mtime: st.Mtim.Nano()}
		switch st.Mode & syscall.S_IFMT {
		case syscall.S_IFREG:
			e.Size, e.Nlink = st.Size, uint64(st.Nlink) //nolint:unconvert // narrower elsewhere
			if first[st.Ino] == "" {
				first[st.Ino] = rel
			}
			e.Same = []byte(first[st.Ino])
			if e.Sum, err = sumFile(path); err != nil {
				return err
			}
		case syscall.S_IFLNK:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			e.Target = []byte(target)
		}
		return enc.Encode(e)
	})
	return errors.Join(err, w.Flush())
}

func sumFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("read %q: %w", path, err)
	}
	return hex.EncodeToString(h.Sum(nil)[:8]), nil
}

// tree is a snapshot, by path.
type tree map[string]entry

// snapshot reads all below dir.
func (m *machine) snapshot(dir string) tree {
	m.t.Helper()
	out := tree{}
	dec := json.NewDecoder(strings.NewReader(m.helper(3*time.Minute, "snapshot", dir)))
	for {
		var e entry
		err := dec.Decode(&e)
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			m.t.Fatal(err)
		}
		out[string(e.Path)] = e
	}
}

// files maps the names that the files have on the service to the sums of their bytes.
func (tr tree) files() map[string]string {
	out := map[string]string{}
	for name, e := range tr {
		if e.Mode&syscall.S_IFMT == syscall.S_IFREG {
			out[refresh.EncodePath(strings.Split(name, "/"))] = e.Sum
		}
	}
	return out
}

// compareTrees reports where got is not want. ignore may change what is compared of an entry.
func compareTrees(t *testing.T, got, want tree, ignore func(*entry)) {
	t.Helper()
	wrong := 0
	complain := func(format string, args ...any) {
		if wrong++; wrong <= 20 {
			t.Errorf(format, args...)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		w := want[name]
		g, ok := got[name]
		if !ok {
			complain("%q is missing", name)
			continue
		}
		if ignore != nil {
			ignore(&g)
			ignore(&w)
		}
		if g.describe() != w.describe() {
			complain("%q is\n%s, want\n%s", name, g.describe(), w.describe())
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[name]; !ok {
			complain("%q should not be there: %s", name, got[name].describe())
		}
	}
	if wrong > 20 {
		t.Errorf("… and %d more", wrong-20)
	}
}

func (e entry) describe() string {
	return fmt.Sprintf("mode %o size %d mtime %s sum %s target %q links %d same %q",
		e.Mode, e.Size, time.Unix(0, e.Mtime).UTC().Format("2006-01-02T15:04:05.000000000"), e.Sum, e.Target, e.Nlink, e.Same)
}

// quit has a Go program write its goroutines and end.
func quit(pid int) error { return syscall.Kill(pid, syscall.SIGQUIT) }

func isNotConnected(err error) bool { return errors.Is(err, syscall.ENOTCONN) }
