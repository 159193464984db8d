// Package fail is how a command fails: an exit code, one line that says what failed and why, and where it helps a
// second line that says what to do.
//
// Invariants:
//
//	F1: each failure is one line; line breaks in a cause are folded.
//	F2: an exit code has one meaning (CLI.md); scripts rely on it.
package fail

import (
	"context"
	"errors"
	"os"
	"strings"

	"dropfs/cache"
	"dropfs/convert"
	"dropfs/remote"
)

// Code is the exit status of the program.
type Code int

// The exit codes of CLI.md.
const (
	Done        Code = 0
	Failed      Code = 1
	Usage       Code = 2
	Config      Code = 3
	Mount       Code = 4
	Credentials Code = 5
	Unreachable Code = 6
	NotFound    Code = 7
	Unsent      Code = 8
	Interrupted Code = 9
)

// Error is a failure as the user sees it. It travels over the control socket as JSON, so that a command fails the same
// way whether it did the work itself or asked a daemon.
type Error struct {
	Code Code   `json:"code"`
	What string `json:"what"`           // what was tried, and on what: "mount /mnt/x"
	Why  string `json:"why"`            // the cause
	Hint string `json:"hint,omitempty"` // what to do; "" where nothing helps
	Err  error  `json:"-"`              // the cause itself, where there is one; not sent
}

// Error is the line without the program's name.
func (e *Error) Error() string {
	if e.Why == "" {
		return oneLine(e.What)
	}
	return oneLine(e.What + ": " + e.Why)
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// WithHint returns a copy of e that says what to do.
func (e *Error) WithHint(hint string) *Error {
	c := *e
	c.Hint = hint
	return &c
}

// New makes a failure out of words.
func New(code Code, what, why string) *Error { return &Error{Code: code, What: what, Why: why} }

// As makes a failure with a given code out of a cause. An err that is a failure already is returned as it is, for it
// knows better.
func As(code Code, what string, err error) *Error {
	var f *Error
	if errors.As(err, &f) {
		return f
	}
	return &Error{Code: code, What: what, Why: err.Error(), Err: err}
}

// Of makes a failure out of a cause whose kind tells the code; nil for nil.
func Of(what string, err error) error {
	if err == nil {
		return nil
	}
	f := As(CodeOf(err), what, err)
	if f.Hint == "" {
		f = f.WithHint(hintOf(err))
	}
	return f
}

// CodeOf tells the exit code that fits an error.
func CodeOf(err error) Code {
	var f *Error
	switch {
	case err == nil:
		return Done
	case errors.As(err, &f):
		return f.Code
	case errors.Is(err, context.Canceled):
		return Interrupted
	case errors.Is(err, remote.ErrCredentials):
		return Credentials
	case errors.Is(err, remote.ErrUnavailable), errors.Is(err, cache.ErrOffline), errors.Is(err, convert.ErrUnreachable):
		return Unreachable
	case errors.Is(err, remote.ErrNotFound), errors.Is(err, cache.ErrNotExist), errors.Is(err, os.ErrNotExist),
		errors.Is(err, convert.ErrUnsupported):
		return NotFound
	default:
		return Failed
	}
}

// hintOf tells what to do about an error of a known kind.
func hintOf(err error) string {
	switch {
	case errors.Is(err, remote.ErrCredentials):
		return "check the key: dropfs login NAME --url URL"
	case errors.Is(err, remote.ErrPayment):
		return "the key has no GB-months left for this: order a smaller or shorter drop, or add to the key"
	case errors.Is(err, convert.ErrLocked):
		return "keep its password with dropfs secret set NAME, and name it: @unlock,secret=NAME"
	case errors.Is(err, remote.ErrProtocol):
		return "check the URL of the account: it must be the base of the API"
	default:
		return ""
	}
}

// oneLine folds line breaks, so that a failure is one line whatever its cause says (F1).
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' }), " ")
}
