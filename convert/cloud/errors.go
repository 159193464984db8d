package cloud

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"dropfs/convert"
	"dropfs/remote"
	"dropfs/remote/d3"
)

// failure gives an error of the client its kind, without the secrets in it (C6). A run that was ended says so.
func failure(ctx context.Context, err error, secrets []remote.Secret) error {
	var k convert.Kind
	var local *fs.PathError
	var re *remote.Error
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		if cause := context.Cause(ctx); errors.As(cause, &k) || errors.Is(cause, context.Canceled) {
			return cause
		}
		return fmt.Errorf("%w: %w", convert.ErrTimeout, context.Cause(ctx))
	case errors.As(err, &k):
		return err
	case errors.As(err, &local) || !errors.As(err, &re):
		return err // of this machine's files: of no kind
	}
	text := scrub(err.Error(), secrets)
	if text == err.Error() {
		return fmt.Errorf("%w: %w", kindOf(err), err)
	}
	return fmt.Errorf("%w: %s", kindOf(err), text)
}

func kindOf(err error) convert.Kind {
	switch remote.KindOf(err) {
	case remote.ErrPayment, remote.ErrQuota, remote.ErrRateLimited:
		return convert.ErrBudget
	case remote.ErrTooLarge:
		return convert.ErrTooLarge
	case remote.ErrUnsupported:
		return convert.ErrUnsupported
	case remote.ErrInvalid, remote.ErrConflict:
		return kindOfWords(messageOf(err))
	default: // what may be mended, at the service or in the configuration, without the source changing
		return convert.ErrUnreachable
	}
}

func messageOf(err error) string {
	var e *remote.Error
	if errors.As(err, &e) {
		return e.Message
	}
	return ""
}

// kindOfWords reads why a file failed: codes are not published but for "internal_error" (wire/d3.md §10).
func kindOfWords(s string) convert.Kind {
	s = strings.ReplaceAll(strings.ToLower(s), "_", " ")
	for _, w := range []struct {
		kind  convert.Kind
		words []string
	}{
		{convert.ErrLocked, []string{"password", "encrypted", "locked", "protected"}},
		{convert.ErrBudget, []string{"credit", "quota", "billing", "payment", "plan limit"}},
		{convert.ErrTooLarge, []string{"too large", "size limit", "too big", "max size"}},
		{convert.ErrTimeout, []string{"timeout", "timed out"}},
		{convert.ErrUnsupported, []string{"unsupported", "not supported"}},
		{convert.ErrUnreachable, []string{"unavailable", "rate limit", "not found", "expired"}},
	} {
		for _, word := range w.words {
			if strings.Contains(s, word) {
				return w.kind
			}
		}
	}
	return convert.ErrBroken
}

// failed is the error of a task that has no result, with the service's words.
func failed(t d3.Task, secrets []remote.Secret) error {
	words := "no reason was told"
	for _, f := range t.Files {
		if f.State != d3.Failed {
			continue
		}
		switch {
		case f.Code != "" && f.Message != "":
			words = f.Code + ": " + f.Message
		case f.Code+f.Message != "":
			words = f.Code + f.Message
		}
		break
	}
	return fmt.Errorf("%w: %s", kindOfWords(words), scrub(words, secrets))
}

func scrub(s string, secrets []remote.Secret) string {
	for _, secret := range secrets {
		if secret != "" {
			s = strings.ReplaceAll(s, secret.Reveal(), "***")
		}
	}
	return s
}
