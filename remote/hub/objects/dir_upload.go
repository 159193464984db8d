package objects

import (
	"context"
	"crypto/md5" // an ETag, as S3 has it
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// StartParts implements Store.
func (d *Dir) StartParts(_ context.Context, key, _ string) (string, error) {
	if !validKey(key) {
		return "", ErrNotFound
	}
	return rand.Text(), nil
}

// Arrived implements Store.
func (d *Dir) Arrived(_ context.Context, u Upload) ([]Part, error) {
	if !validKey(u.Key) {
		return nil, ErrNotFound
	}
	entries, err := os.ReadDir(d.parts(u.Key))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	latest := map[int]os.FileInfo{}
	tags := map[int]string{}
	for _, e := range entries {
		n, etag, ok := partName(e.Name())
		fi, err := e.Info()
		if !ok || err != nil || !u.fits(n, fi.Size()) {
			continue
		}
		// Of a part sent twice, whose first was not yet removed, the later one counts.
		if old := latest[n]; old == nil || later(fi, old) {
			latest[n], tags[n] = fi, etag
		}
	}
	var parts []Part
	for n, fi := range latest {
		parts = append(parts, Part{N: n, ETag: tags[n], Size: fi.Size()})
	}
	slices.SortFunc(parts, func(a, b Part) int { return a.N - b.N })
	return parts, nil
}

// partName reads "N.MD5".
func partName(name string) (n int, etag string, ok bool) {
	number, etag, ok := strings.Cut(name, ".")
	n, err := strconv.Atoi(number)
	return n, etag, ok && err == nil && n > 0 && len(etag) == 2*md5.Size
}

// Commit implements Store.
func (d *Dir) Commit(ctx context.Context, u Upload, etags map[int]string) (Object, error) {
	if !validKey(u.Key) {
		return Object{}, ErrNotFound
	}
	dst := d.object(u.Key)
	if fi, err := os.Stat(dst); err == nil { // by an earlier try (O4)
		return d.committed(ctx, u, dst, fi)
	}
	if err := makeDir(filepath.Dir(dst)); err != nil {
		return Object{}, err
	}
	if u.Parts() > 0 {
		if err := d.join(ctx, u, etags, dst); err != nil {
			return Object{}, err
		}
	} else {
		fi, err := os.Stat(d.incoming(u.Key))
		if errors.Is(err, os.ErrNotExist) {
			return Object{}, ErrMissing
		}
		if err != nil {
			return Object{}, err
		}
		if fi.Size() != u.Size { // O3
			return Object{}, ErrMismatch
		}
		if err := os.Rename(d.incoming(u.Key), dst); err != nil {
			return Object{}, fmt.Errorf("object: %w", err)
		}
	}
	d.cfg.Step("commit.renamed")
	if err := syncDir(filepath.Dir(dst)); err != nil {
		return Object{}, err
	}
	d.cfg.Step("commit.synced")
	fi, err := os.Stat(dst)
	if err != nil {
		return Object{}, err
	}
	return d.committed(ctx, u, dst, fi)
}

// committed describes the object at dst, which u has become.
func (d *Dir) committed(ctx context.Context, u Upload, dst string, fi os.FileInfo) (Object, error) {
	if fi.Size() != u.Size {
		return Object{}, ErrMismatch
	}
	// The directory may not be synced where an earlier try died before it.
	if err := syncDir(filepath.Dir(dst)); err != nil {
		return Object{}, err
	}
	if u.Parts() == 0 {
		digest, err := d.digest(d.incoming(u.Key), dst, fi)
		d.forget(d.incoming(u.Key))
		return Object{Size: u.Size, ETag: digest, MD5: digest}, err
	}
	parts, err := d.Arrived(ctx, u)
	if err != nil {
		return Object{}, err
	}
	if len(parts) != u.Parts() {
		// Parts go only after the metadata is durable, so this cannot be; the bytes are whole all the same.
		digest, err := d.digest("", dst, fi)
		return Object{Size: u.Size, ETag: digest, MD5: digest}, err
	}
	h := md5.New()
	for _, p := range parts {
		raw, err := hex.DecodeString(p.ETag)
		if err != nil {
			return Object{}, fmt.Errorf("object %s part %d: %w", u.Key, p.N, err)
		}
		_, _ = h.Write(raw) // a hash never fails
	}
	// The way S3 makes the ETag of a multipart object.
	return Object{Size: u.Size, ETag: hex.EncodeToString(h.Sum(nil)) + "-" + strconv.Itoa(len(parts))}, nil
}

// join makes one file of all parts.
func (d *Dir) join(ctx context.Context, u Upload, etags map[int]string, dst string) error {
	parts, err := d.Arrived(ctx, u)
	if err != nil {
		return err
	}
	if len(parts) != u.Parts() {
		return ErrMissing
	}
	for _, p := range parts {
		if want, ok := etags[p.N]; ok && want != p.ETag {
			return ErrMismatch
		}
	}
	t, err := d.newTemp()
	if err != nil {
		return err
	}
	defer t.discard()
	d.cfg.Step("join.begun")
	for _, p := range parts {
		src, err := os.Open(filepath.Join(d.parts(u.Key), strconv.Itoa(p.N)+"."+p.ETag))
		if err != nil {
			return fmt.Errorf("object: %w", err)
		}
		// copy_file_range(2) on Linux: blocks are shared where the disk can.
		n, err := io.Copy(t.f, src)
		_ = src.Close()
		if err != nil {
			return fmt.Errorf("object: join: %w", err)
		}
		if n != p.Size {
			return ErrMismatch
		}
	}
	d.cfg.Step("join.written")
	return t.publish(dst)
}

// Cleanup implements Store.
func (d *Dir) Cleanup(_ context.Context, u Upload) error {
	if !validKey(u.Key) || u.Parts() == 0 {
		return nil
	}
	return os.RemoveAll(d.parts(u.Key))
}
