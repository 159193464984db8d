package writeback

import (
	"context"
	"errors"
	"time"

	"github.com/sirupsen/logrus"

	"dropfs/remote"
)

// Key names an op: its sequence number in the journal.
type Key = int64

// Config is what a Queue works with. Do is required; every other zero value is replaced by the default given.
type Config struct {
	// Do executes the op to its end, or returns why not. It is called from many goroutines, never twice at a time for
	// one key. For a key whose row the journal no longer has it returns nil. ctx ends with Run, or when the op is
	// removed.
	Do func(ctx context.Context, key Key) error
	// Classify tells what an error of Do means; nil: Classify.
	Classify func(err error) Verdict
	// Probe asks whether the service can be reached. With it an op's Offline verdict starts a probe, only its failure
	// makes the queue offline, and further probes bring it back. nil: an Offline verdict makes the queue offline at
	// once, and SetOnline brings it back.
	Probe func(ctx context.Context) error
	// OnOnline is told when the queue itself went offline or came back by a probe. nil: nobody is.
	OnOnline func(online bool)

	MaxParallel  int           // ops running at the same time; 32
	Quiet        time.Duration // an op starts so long after its last change; 1 s, negative: none
	MaxQuiet     time.Duration // but at latest so long after its oldest unsent one; 30 s
	MinBackOff   time.Duration // wait after the first failure; 1 s
	MaxBackOff   time.Duration // wait after many; 5 min
	RefusedRetry time.Duration // a refused op is tried again so long after; 1 h
	ProbeEvery   time.Duration // first wait between probes while offline, doubling to ten times it; 3 s

	Log *logrus.Entry    // nil: silent
	Now func() time.Time // nil: time.Now
}

// Outcome says what an error of an op means for the queue.
type Outcome int

// The outcomes.
const (
	Retry     Outcome = iota // trying again later, unchanged, may succeed
	Throttled                // Retry, and the service wants less: half as many at a time, none before Verdict.After
	Offline                  // the service cannot be reached
	Refused                  // cannot succeed until the op, or the service, has changed
	Gone                     // the op has lost its subject: it is done
)

// Verdict is an Outcome with the time that the service asked to wait; 0: none.
type Verdict struct {
	Outcome Outcome
	After   time.Duration
}

// ErrOffline is what Wait returns where it was told not to wait for the service to come back.
var ErrOffline = errors.New("offline")

// Classify judges the errors of a remote.Service. An error of another kind (of the local disk, say) is a Retry.
func Classify(err error) Verdict {
	var e *remote.Error
	if !errors.As(err, &e) {
		return Verdict{Outcome: Retry}
	}
	switch e.Kind {
	case remote.ErrRateLimited:
		return Verdict{Outcome: Throttled, After: e.RetryAfter}
	case remote.ErrUnavailable:
		if e.Status == 0 {
			return Verdict{Outcome: Offline}
		}
		return Verdict{Outcome: Retry, After: e.RetryAfter}
	case remote.ErrNotFound, remote.ErrCredentials, remote.ErrDenied, remote.ErrQuota, remote.ErrTooLarge,
		remote.ErrPayment, remote.ErrInvalid, remote.ErrUnsupported:
		return Verdict{Outcome: Refused}
	case remote.ErrConflict, remote.ErrExpiredURL, remote.ErrChanged, remote.ErrCorrupt, remote.ErrProtocol:
		return Verdict{Outcome: Retry, After: e.RetryAfter}
	default:
		return Verdict{Outcome: Retry}
	}
}

// withDefaults fills in what was left zero.
func (c Config) withDefaults() Config {
	if c.Classify == nil {
		c.Classify = Classify
	}
	if c.OnOnline == nil {
		c.OnOnline = func(bool) {}
	}
	if c.MaxParallel <= 0 {
		c.MaxParallel = 32
	}
	c.Quiet = max(0, orDuration(c.Quiet, time.Second))
	c.MaxQuiet = max(c.Quiet, orDuration(c.MaxQuiet, 30*time.Second))
	c.MinBackOff = orDuration(c.MinBackOff, time.Second)
	c.MaxBackOff = max(c.MinBackOff, orDuration(c.MaxBackOff, 5*time.Minute))
	c.RefusedRetry = orDuration(c.RefusedRetry, time.Hour)
	c.ProbeEvery = orDuration(c.ProbeEvery, 3*time.Second)
	if c.Log == nil {
		l := logrus.New()
		l.SetLevel(logrus.PanicLevel)
		c.Log = logrus.NewEntry(l)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

func orDuration(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}
