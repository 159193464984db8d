package vfs

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"dropfs/cache"
	"dropfs/convert"
	"dropfs/convert/magic"
)

// maxSources is how many files of a directory one conversion takes.
const maxSources = 10_000

// maxFollowed is how many symbolic links lead to a base at most.
const maxFollowed = 8

// followed is what a symbolic link in directory p leads to, within what is mounted; anything else is itself.
func (f *FS) followed(ctx context.Context, p place, a cache.Attr) (cache.Attr, error) {
	top := ""
	if f.root.acc == p.acc {
		var err error
		if top, err = p.acc.r.Path(ctx, f.root.ino); err != nil {
			return a, err
		}
	}
	dir, err := p.acc.r.Path(ctx, p.ino)
	for range maxFollowed {
		if err != nil || a.Mode&typeMask != typeLink {
			return a, err
		}
		target, err := p.acc.r.Readlink(ctx, a.Ino)
		if err != nil {
			return a, err
		}
		at := path.Join(dir, target)
		if path.IsAbs(target) || at != top && !strings.HasPrefix(at, strings.TrimPrefix(top+"/", "/")) {
			return a, cache.ErrNotExist
		}
		if a, err = p.acc.r.Resolve(ctx, at); err != nil {
			return a, err
		}
		dir = path.Dir(at)
	}
	return a, cache.ErrNotExist
}

// fetch brings the bytes of a file into a directory of a run.
func fetch(r *cache.Replica, ino cache.Ino, name string) func(context.Context, string) ([]convert.Source, error) {
	return func(ctx context.Context, dir string) ([]convert.Source, error) {
		s, err := fetchOne(ctx, r, ino, name, filepath.Join(dir, "in"))
		return []convert.Source{s}, err
	}
}

func fetchOne(ctx context.Context, r *cache.Replica, ino cache.Ino, name, stem string) (convert.Source, error) {
	a, err := r.GetAttr(ctx, ino)
	if err != nil {
		return convert.Source{}, err
	}
	s := convert.Source{Path: stem + "." + extOf(name), Name: name, Ext: extOf(name), Size: a.Size}
	return s, r.CopyOut(ctx, ino, s.Path)
}

// fetchAll brings the bytes of the files of a directory.
func fetchAll(r *cache.Replica, files []cache.Found) func(context.Context, string) ([]convert.Source, error) {
	return func(ctx context.Context, dir string) ([]convert.Source, error) {
		var out []convert.Source
		for i, f := range files {
			s, err := fetchOne(ctx, r, f.Ino, f.Path, filepath.Join(dir, fmt.Sprint(i)))
			if err != nil {
				return nil, err
			}
			out = append(out, s)
		}
		return out, nil
	}
}

// lookMagicDir is lookMagic of a base that is a directory: its files together are the source, those of all directories
// below it for an archive, its own for everything else.
func (f *FS) lookMagicDir(ctx context.Context, p place, parent Ino, cut magic.Cut, a cache.Attr) (c *conjured, what string, err error) {
	rest, err := magic.Parse(cut.Rest, "")
	if err != nil || len(rest.Steps) == 0 || rest.IsDir() {
		return nil, "", cache.ErrNotExist
	}
	first := rest.Steps[0]
	files, err := p.acc.r.Below(ctx, a.Ino, first.Op != magic.Merge, maxSources)
	if err != nil {
		return nil, "", err
	}
	if files = matching(files, first.Options["glob"]); len(files) == 0 {
		return nil, "", cache.ErrNotExist
	}
	rest.Steps[0] = without(first, "glob")
	req := convert.Request{
		Version: versionOf(files), Name: cut.Base, Ext: commonExt(files), Steps: rest.Steps, Many: true, Registry: p.acc.conv,
		Store: resultStore{p.acc.r}, Secret: f.conv.Secret, Limits: p.acc.limits, Fallback: p.acc.fallback, Fetch: fetchAll(p.acc.r, files),
	}
	for _, file := range files {
		req.Size += file.Attr.Size
	}
	key, _, err := f.conv.Broker.PlanSettled(ctx, req)
	if err != nil {
		return nil, "", cache.ErrNotExist
	}
	c = &conjured{acc: p.acc, base: a.Ino, up: parent, req: req, key: key}
	for _, file := range files {
		c.hide |= ^file.Attr.Mode & 0o444
	}
	return c, "of directory", nil
}

// without is a step that lacks an option.
func without(s magic.Step, key string) magic.Step {
	out := magic.Step{Op: s.Op}
	for k, v := range s.Options {
		if k != key {
			if out.Options == nil {
				out.Options = magic.Options{}
			}
			out.Options[k] = v
		}
	}
	return out
}

// matching are the files whose names fit a pattern of path.Match, all where there is none, in natural order.
func matching(files []cache.Found, glob string) []cache.Found {
	out := slices.DeleteFunc(slices.Clone(files), func(f cache.Found) bool {
		if glob == "" {
			return false
		}
		ok, err := path.Match(glob, path.Base(f.Path))
		return !ok || err != nil
	})
	slices.SortFunc(out, func(a, b cache.Found) int { return natural(a.Path, b.Path) })
	return out
}

// commonExt is the extension that all files have; "" where they differ.
func commonExt(files []cache.Found) string {
	ext := extOf(files[0].Path)
	for _, f := range files[1:] {
		if extOf(f.Path) != ext {
			return ""
		}
	}
	return ext
}

// versionOf names the content of files with their names.
func versionOf(files []cache.Found) string {
	h := sha256.New()
	for _, f := range files {
		fmt.Fprintf(h, "%s\x00%s\x00", f.Path, f.Version)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// natural compares names as people order them: numbers in them by their value.
func natural(a, b string) int {
	x, y := a, b
	for x != "" && y != "" {
		nx, ny := digits(x), digits(y)
		if nx == "" || ny == "" {
			if x[0] != y[0] {
				return cmp.Compare(x[0], y[0])
			}
			x, y = x[1:], y[1:]
			continue
		}
		vx, vy := strings.TrimLeft(nx, "0"), strings.TrimLeft(ny, "0")
		if c := cmp.Or(cmp.Compare(len(vx), len(vy)), strings.Compare(vx, vy)); c != 0 {
			return c
		}
		x, y = x[len(nx):], y[len(ny):]
	}
	return cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(a, b))
}

// digits is the number that a name begins with; "" none.
func digits(s string) string {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return s[:n]
}
