package daemon

import (
	"errors"
	"syscall"

	"dropfs/cache"
)

// isNoRoom tells whether a disk is full or takes no changes.
func isNoRoom(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, cache.ErrNoSpace)
}
