package exec

import (
	"context"
	"fmt"
	"os"
	"strconv"

	"dropfs/convert"
)

// mediaQuality is what a level of compression means for films and sounds, as the option quality.
func mediaQuality(level string) int {
	return map[string]int{"low": 75, "recommended": 60, "high": 40}[level]
}

// compressed does an edge anew with the quality of a level; where that is not smaller the result is the source (X6).
func compressed(do func(context.Context, *task) error, quality func(level string) int) func(context.Context, *task) error {
	return func(ctx context.Context, t *task) error {
		if err := do(ctx, t.with("quality", strconv.Itoa(quality(t.step.Options.Get("level"))))); err != nil {
			return err
		}
		return t.keepSmaller()
	}
}

// keepSmaller puts the source in the place of a result that is not smaller.
func (t *task) keepSmaller() error {
	made, err := os.Lstat(t.path(t.out()))
	if err != nil {
		return fmt.Errorf("%w: %s made nothing", convert.ErrBroken, t.tool.name)
	}
	if made.Size() < t.source.Size {
		return nil
	}
	t.remove(t.out())
	if err := copyFile(t.source.Path, t.path(t.out())); err != nil {
		return fmt.Errorf("%w: %w", convert.ErrBroken, err)
	}
	return nil
}
