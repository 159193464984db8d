package remote

import (
	"errors"
	"fmt"
	"time"
)

// Kind says what went wrong in a way a program can act on.
type Kind string

// The kinds of error. Each is an error itself: errors.Is(err, remote.ErrNotFound).
const (
	ErrNotFound    Kind = "not found"                    // the drop or asset is not, or is no longer, there
	ErrCredentials Kind = "credentials refused"          // no key, or one that the service does not know
	ErrDenied      Kind = "not allowed"                  // known, but without the right
	ErrQuota       Kind = "the drop is full"             // no room for so many bytes
	ErrTooLarge    Kind = "larger than the drop takes"   // one asset over the limit of a file
	ErrPayment     Kind = "not enough GB-months"         // the key's allowance is used up
	ErrConflict    Kind = "conflict"                     // the state of the service does not allow it (a confirm before the bytes)
	ErrInvalid     Kind = "refused as invalid"           // the request can never succeed as it is
	ErrRateLimited Kind = "rate limit reached"           // later; RetryAfter says when
	ErrUnavailable Kind = "service unreachable"          // network, time-out, 5xx: later
	ErrUnsupported Kind = "not supported by the service" // the ability is absent; see Caps
	ErrExpiredURL  Kind = "signed URL expired"           // ask for a new one and go on
	ErrChanged     Kind = "changed on the service"       // the bytes are of another version than asked for
	ErrCorrupt     Kind = "bytes damaged on the way"     // a checksum or a length does not fit
	ErrProtocol    Kind = "answer not understood"        // the service answered something that is no answer
)

// Error makes a Kind usable with errors.Is.
func (k Kind) Error() string { return string(k) }

// Transient tells whether trying again later, unchanged, may succeed.
func (k Kind) Transient() bool {
	switch k {
	case ErrRateLimited, ErrUnavailable, ErrExpiredURL, ErrCorrupt, ErrProtocol:
		return true
	default:
		return false
	}
}

// Error is every error that a Service returns (R2). It never holds a secret.
type Error struct {
	Kind       Kind
	Op         string        // what was tried: "confirm upload"
	Subject    string        // of what: an asset's name or id; "" where there is none
	Status     int           // HTTP status; 0 where none was received
	Message    string        // the service's own words, shortened; "" where it said nothing
	RetryAfter time.Duration // ErrRateLimited and 503: how long to wait; 0: not said
	Err        error         // the cause; may be nil
}

func (e *Error) Error() string {
	s := e.Op
	if e.Subject != "" {
		s += " " + e.Subject
	}
	s += ": " + string(e.Kind)
	switch {
	case e.Message != "":
		s += ": " + e.Message
	case e.Err != nil:
		s += ": " + e.Err.Error()
	}
	if e.Status != 0 {
		s += fmt.Sprintf(" (HTTP %d)", e.Status)
	}
	return s
}

// Unwrap gives both the kind and the cause to errors.Is and errors.As.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}

// KindOf returns the kind of err: "" for nil, ErrUnavailable for an error that has none.
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	var k Kind
	if errors.As(err, &k) {
		return k
	}
	return ErrUnavailable
}

// RetryAfterOf returns how long the service asked to wait; 0 where it did not.
func RetryAfterOf(err error) time.Duration {
	var e *Error
	if errors.As(err, &e) {
		return e.RetryAfter
	}
	return 0
}
