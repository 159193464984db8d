package objects

import (
	"context"
	"crypto/md5" // an ETag, as S3 has it; no secret rests on it
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// DirConfig is what a Dir is made of.
type DirConfig struct {
	Path   string
	Signer Signer
	// Wanted tells whether bytes for key may arrive: nil, or why not. nil: always.
	Wanted func(ctx context.Context, key string) error
	// Step is called after each step that the package doc names; nil: nothing. Tests die in it.
	Step func(name string)
}

// Dir keeps objects in a directory.
type Dir struct {
	cfg DirConfig

	mu   sync.Mutex
	sums map[string]sum // guarded by mu: MD5 of what has arrived, by path; lost with the process and then computed anew
}

// sum is the MD5 of a file that has arrived, good for that very file as long as size and mtime are the same.
type sum struct {
	md5  string
	file os.FileInfo
}

// sumsMax bounds the memory of sums.
const sumsMax = 4096

var _ Store = (*Dir)(nil)

// OpenDir opens or makes the directory.
func OpenDir(cfg DirConfig) (*Dir, error) {
	if cfg.Step == nil {
		cfg.Step = func(string) {}
	}
	d := &Dir{cfg: cfg, sums: map[string]sum{}}
	for _, sub := range []string{"incoming", "parts", "objects", "tmp"} {
		if err := os.MkdirAll(filepath.Join(cfg.Path, sub), 0o700); err != nil {
			return nil, fmt.Errorf("objects: %w", err)
		}
	}
	return d, nil
}

func (d *Dir) incoming(key string) string { return filepath.Join(d.cfg.Path, "incoming", key) }
func (d *Dir) parts(key string) string    { return filepath.Join(d.cfg.Path, "parts", key) }
func (d *Dir) tmp() string                { return filepath.Join(d.cfg.Path, "tmp") }

func (d *Dir) object(key string) string {
	return filepath.Join(d.cfg.Path, "objects", key[max(0, len(key)-2):], key)
}

// validKey keeps every path inside the directory.
func validKey(key string) bool {
	return len(key) >= 4 && len(key) <= 128 && strings.IndexFunc(key, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '-' && r != '_'
	}) < 0
}

// SignPut implements Store: the URL leads to ServeHTTP, mounted at /objects/.
func (d *Dir) SignPut(_ context.Context, base string, u Upload, part int, expires time.Time) (Signed, error) {
	if part > 0 && u.PartSize <= 0 {
		return Signed{}, errors.New("objects: parts of a size that is not known are not for a directory")
	}
	c := Claim{Method: "PUT", Key: u.Key, Part: part, Size: u.Size, Type: u.Type, Expires: expires}
	if part > 0 {
		// The type belongs to the whole; a part is sent without one, as to S3.
		c.Size, c.Type = u.partLen(part), ""
	}
	return Signed{URL: base + "/objects/" + url.PathEscape(u.Key) + "?" + d.cfg.Signer.Query(c).Encode()}, nil
}

// SignGet implements Store: a directory has no address of its own.
func (d *Dir) SignGet(context.Context, Read, time.Time) (string, error) { return "", nil }

// Free implements Store.
func (d *Dir) Free(context.Context) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(d.cfg.Path, &st); err != nil {
		return 0, fmt.Errorf("statfs %s: %w", d.cfg.Path, err)
	}
	return int64(uint64(st.Bavail) * uint64(st.Bsize)), nil //nolint:unconvert // the types differ by system
}

// Open implements Store.
func (d *Dir) Open(_ context.Context, key string) (io.ReadSeekCloser, error) {
	if !validKey(key) {
		return nil, ErrNotFound
	}
	f, err := os.Open(d.object(key))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", ErrNotFound, key)
	}
	return f, err
}

// Copy implements Store: committed objects never change (O1), so both keys share one file.
func (d *Dir) Copy(_ context.Context, from, to string) error {
	if !validKey(from) || !validKey(to) {
		return ErrNotFound
	}
	dst := d.object(to)
	if err := makeDir(filepath.Dir(dst)); err != nil {
		return err
	}
	err := os.Link(d.object(from), dst)
	switch {
	case errors.Is(err, os.ErrExist):
		return nil // by an earlier try
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%w: %s", ErrNotFound, from)
	case err != nil: // too many links, or none on this file system
		if err := d.copyBytes(d.object(from), dst); err != nil {
			return err
		}
	}
	d.cfg.Step("copy.linked")
	return syncDir(filepath.Dir(dst))
}

func (d *Dir) copyBytes(from, to string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = src.Close() }()
	t, err := d.newTemp()
	if err != nil {
		return err
	}
	defer t.discard()
	// Between two files io.Copy is copy_file_range(2), which shares blocks where the disk can.
	if _, err := io.Copy(t.f, src); err != nil {
		return err
	}
	return t.publish(to)
}

// Put implements Store.
func (d *Dir) Put(_ context.Context, key, _ string, r io.Reader, size int64) (Object, error) {
	if !validKey(key) {
		return Object{}, ErrNotFound
	}
	t, err := d.newTemp()
	if err != nil {
		return Object{}, err
	}
	defer t.discard()
	h := md5.New()
	n, err := io.Copy(io.MultiWriter(t.f, h), r)
	if err != nil {
		return Object{}, fmt.Errorf("object %s: %w", key, err)
	}
	if n != size {
		return Object{}, fmt.Errorf("object %s: %d of %d bytes: %w", key, n, size, ErrMismatch)
	}
	dst := d.object(key)
	if err := makeDir(filepath.Dir(dst)); err != nil {
		return Object{}, err
	}
	if err := t.publish(dst); err != nil {
		return Object{}, err
	}
	digest := hex.EncodeToString(h.Sum(nil))
	return Object{Size: size, ETag: digest, MD5: digest}, syncDir(filepath.Dir(dst))
}

// Delete implements Store.
func (d *Dir) Delete(_ context.Context, key, _ string) error {
	if !validKey(key) {
		return nil
	}
	errs := []error{os.RemoveAll(d.parts(key))}
	for _, path := range []string{d.incoming(key), d.object(key)} {
		d.forget(path)
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (d *Dir) remember(path, digest string) {
	fi, err := os.Stat(path)
	if err != nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.sums) >= sumsMax {
		clear(d.sums)
	}
	d.sums[path] = sum{digest, fi}
}

func (d *Dir) forget(path string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.sums, path)
}

// digest returns the MD5 of a file that has arrived: the one remembered under from, where the file arrived, else it is
// computed.
func (d *Dir) digest(from, path string, fi os.FileInfo) (string, error) {
	d.mu.Lock()
	s, ok := d.sums[from]
	d.mu.Unlock()
	if ok && os.SameFile(s.file, fi) && s.file.Size() == fi.Size() && s.file.ModTime().Equal(fi.ModTime()) {
		return s.md5, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	h := md5.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
