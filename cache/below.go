package cache

import (
	"context"
	"fmt"
	"math"

	"dropfs/cache/index"
)

// Found is one file below a directory.
type Found struct {
	Path    string // below the directory, with slashes
	Ino     Ino
	Attr    Attr
	Version string // as Replica.Version
}

// Below lists the files below a directory, in no order; deep also those in directories below it. Symbolic links, devices
// and what the class of its name keeps on this machine are left out. More than limit files are ErrTooLarge.
func (r *Replica) Below(ctx context.Context, ino Ino, deep bool, limit int) ([]Found, error) {
	if err := r.ready(ctx, ino); err != nil {
		return nil, err
	}
	type dir struct {
		ino  int64
		path string
	}
	type file struct {
		path string
		node index.Node
	}
	var files []file
	err := r.read(func(t *txn) error {
		for dirs := []dir{{ino: int64(ino)}}; len(dirs) > 0; {
			d := dirs[len(dirs)-1]
			dirs = dirs[:len(dirs)-1]
			list, err := t.List(d.ino, 0, math.MaxInt32)
			if err != nil {
				return err
			}
			for _, e := range list {
				switch {
				case r.cfg.Classify(e.Name) == Local, d.ino == int64(ino) && e.Name == sidecarDir:
				case isDir(e.Node.Mode) && deep:
					dirs = append(dirs, dir{e.Node.Ino, d.path + e.Name + "/"})
				case isFile(e.Node.Mode):
					if len(files) >= limit {
						return fmt.Errorf("%w: more than %d files", ErrTooLarge, limit)
					}
					files = append(files, file{d.path + e.Name, e.Node})
				}
			}
		}
		return nil
	})
	out := make([]Found, len(files)) // attributes need locks that come before the index
	for i, f := range files {
		a := r.attr(f.node)
		out[i] = Found{Path: f.path, Ino: a.Ino, Attr: a, Version: version(f.node, a)}
	}
	return out, err
}

// version names the content that a node has with the attributes that stat tells of it.
func version(n index.Node, a Attr) string {
	return fmt.Sprintf("%d.%d.%d.%d", n.Ino, n.Chg, a.Size, a.Mtime.UnixNano())
}
