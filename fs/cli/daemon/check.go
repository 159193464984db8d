package daemon

import (
	"context"
	"errors"

	"dropfs/fs/cli/fail"
	"dropfs/remote"
)

// CheckKey asks a service for something that needs the key, changing nothing.
func CheckKey(ctx context.Context, svc remote.Service) error {
	if err := svc.Ping(ctx); err != nil {
		return err
	}
	caps, err := svc.Caps(ctx)
	if err != nil {
		return err
	}
	if caps.ListDrops {
		_, err = svc.Drops(ctx)
		if errors.Is(err, remote.ErrNotFound) || errors.Is(err, remote.ErrProtocol) {
			return wrongURL(err)
		}
		return err
	}
	// Without a list, a drop that cannot exist tells a good key (not there, or not yours) from a bad one.
	_, err = svc.Drop(ctx, "000000000000000000000000")
	if errors.Is(err, remote.ErrNotFound) || errors.Is(err, remote.ErrDenied) || errors.Is(err, remote.ErrInvalid) {
		return nil
	}
	if errors.Is(err, remote.ErrProtocol) {
		return wrongURL(err)
	}
	return err
}

// wrongURL is an address at which something answers, but not the service.
func wrongURL(err error) error {
	return fail.As(fail.Unreachable, "the service is not at this URL", err).WithHint("give the base of its API, such as https://host/api/v1")
}
