package corpus

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// packages are Debian packages, fetched and unpacked below a directory; none is installed.
type packages struct {
	dir   string
	fetch sync.Once
	why   map[string]error // by package that could not be had
}

const fetchLimit = 3 * time.Minute

// root answers the directory that a package was unpacked into, as / would be. Without it a test is skipped.
func (p *packages) root(t *testing.T, name string) string {
	t.Helper()
	p.fetch.Do(p.fetchAll)
	if err := p.why[name]; err != nil {
		t.Skipf("the package %s cannot be had: %v", name, err)
	}
	return filepath.Join(p.dir, "root", name)
}

// fetchAll fetches what this run needs, at once where that goes.
func (p *packages) fetchAll() {
	p.why = map[string]error{}
	names := needed()
	if err := p.download(nil, names...); err != nil {
		// One may not be of this release, or the machine's lists may be old: lists of our own, and one after the other.
		state := filepath.Join(p.dir, "state")
		own := []string{"-o", "Dir::State::Lists=" + filepath.Join(state, "lists"), "-o", "Dir::Cache=" + filepath.Join(state, "cache")}
		if err := os.MkdirAll(filepath.Join(state, "lists", "partial"), 0o755); err != nil {
			own = nil
		}
		if err := os.MkdirAll(filepath.Join(state, "cache", "archives", "partial"), 0o755); err != nil || apt(p.dir, append(own, "update")...) != nil {
			own = nil
		}
		for _, name := range names {
			p.why[name] = p.download(own, name)
		}
	}
	for _, name := range names {
		if p.why[name] == nil {
			p.why[name] = p.unpack(name)
		}
	}
}

func (p *packages) download(options []string, names ...string) error {
	return apt(p.dir, append(append(options, "download"), names...)...)
}

// apt runs apt-get in a directory. It needs no rights for what is done here.
func apt(dir string, args ...string) error {
	_, err := outside(dir, nil, "apt-get", append([]string{"-q", "-o", "APT::Sandbox::User="}, args...)...)
	return err
}

// unpack puts the files of a package below root.
func (p *packages) unpack(name string) error {
	found, err := filepath.Glob(filepath.Join(p.dir, name+"_*.deb"))
	if err != nil || len(found) != 1 {
		return fmt.Errorf("%d files of it, %w", len(found), err)
	}
	root := filepath.Join(p.dir, "root", name)
	if err := os.MkdirAll(root, 0o755); err != nil {
		return err
	}
	_, err = outside(p.dir, nil, "dpkg-deb", "-x", found[0], root)
	return err
}

// outside runs a program that is no engine and answers what it prints. Where it is missing the error is exec.ErrNotFound.
func outside(dir string, env []string, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), fetchLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), append(env, "LC_ALL=C.UTF-8")...)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		said := strings.TrimSpace(errs.String())
		return string(out), fmt.Errorf("%s %.300q: %w: %.500s", filepath.Base(name), args, err, said[max(0, len(said)-500):])
	}
	return string(out), nil
}
