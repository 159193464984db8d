package convert

import (
	"context"
	"errors"
)

// Kind says why there is no result. Each kind is an error itself.
type Kind string

// The kinds of failure.
const (
	ErrUnsupported Kind = "cannot be converted so"    // no engine has such an edge, or not with these options
	ErrBroken      Kind = "the conversion failed"     // the source is not what its name says, or the engine could not do it
	ErrTooLarge    Kind = "too large to be converted" // a limit of size or pixels
	ErrLocked      Kind = "the document is locked"    // it needs a secret, or another one
	ErrBudget      Kind = "no conversions left"       // the service's credit, or the budget per hour
	ErrRefused     Kind = "not for programs that read everything"
	ErrTimeout     Kind = "the conversion took too long"
	ErrUnreachable Kind = "the conversion service is unreachable"
)

// Error makes a Kind usable with errors.Is.
func (k Kind) Error() string { return string(k) }

// Transient tells whether the same conversion may succeed later.
func (k Kind) Transient() bool { return k == ErrBudget || k == ErrTimeout || k == ErrUnreachable }

// KindOf returns the kind of an error: "" for nil, ErrTimeout for an ended context, else ErrBroken where it has none.
func KindOf(err error) Kind {
	var k Kind
	switch {
	case err == nil:
		return ""
	case errors.As(err, &k):
		return k
	case errors.Is(err, context.DeadlineExceeded):
		return ErrTimeout
	}
	return ErrBroken
}
