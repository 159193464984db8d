package objects

import (
	"context"
	"errors"
	"os"
	"path/filepath"
)

// sweepBatch is how many keys are asked about at once.
const sweepBatch = 400

// names reads the names in a directory in batches; a directory that is not there has none.
func names(ctx context.Context, dir string, fn func([]string) error) error {
	f, err := os.Open(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	for ctx.Err() == nil {
		batch, err := f.Readdirnames(sweepBatch)
		if len(batch) == 0 {
			return nil // the end, which comes with io.EOF, or a directory that went meanwhile
		}
		if err := fn(batch); err != nil {
			return err
		}
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

// Each implements Store.
func (d *Dir) Each(ctx context.Context, fn func([]string) error) error {
	for _, sub := range []string{"incoming", "parts"} {
		if err := names(ctx, filepath.Join(d.cfg.Path, sub), fn); err != nil {
			return err
		}
	}
	root := filepath.Join(d.cfg.Path, "objects")
	return names(ctx, root, func(shards []string) error {
		for _, shard := range shards {
			if err := names(ctx, filepath.Join(root, shard), fn); err != nil {
				return err
			}
		}
		return nil
	})
}

// Sweep implements Store.
func (d *Dir) Sweep(ctx context.Context, known func([]string) (map[string]bool, error)) error {
	err := names(ctx, d.tmp(), func(batch []string) error {
		for _, name := range batch {
			removeAbandoned(filepath.Join(d.tmp(), name))
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, sub := range []string{"incoming", "parts"} {
		dir := filepath.Join(d.cfg.Path, sub)
		err := names(ctx, dir, func(batch []string) error {
			confirmed, err := known(batch)
			if err != nil {
				return err
			}
			for _, key := range batch {
				if done, there := confirmed[key]; done || !there {
					_ = os.RemoveAll(filepath.Join(dir, key))
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
