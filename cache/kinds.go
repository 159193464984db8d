package cache

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"dropfs/cache/content"
	"dropfs/remote"
)

// hasKind tells whether err says what it is: one of our kinds, of the domain's, or an end of waiting.
func hasKind(err error) bool {
	var k Kind
	var rk remote.Kind
	return errors.As(err, &k) || errors.As(err, &rk) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// asSpace gives an error of package content the kind it has for a file operation.
func asSpace(err error) error {
	switch {
	case err == nil, hasKind(err):
		return err
	case errors.Is(err, content.ErrFull):
		return fmt.Errorf("%w: %w", ErrNoSpace, err)
	case errors.Is(err, content.ErrNoData):
		return fmt.Errorf("%w: %w", ErrNoData, err)
	case errors.Is(err, content.ErrUnsupported):
		return fmt.Errorf("%w: %w", ErrUnsupported, err)
	default:
		return fmt.Errorf("%w: %w", ErrIO, err)
	}
}

func splitPath(path string) []string {
	return strings.FieldsFunc(path, func(c rune) bool { return c == '/' })
}
