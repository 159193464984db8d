package httpx

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"
)

// errStalled ends an attempt in which nothing moved for too long.
var errStalled = errors.New("no answer in time")

// watchdog cancels an attempt that makes no progress (X4). It is armed while the other side is waited for.
type watchdog struct {
	mu    sync.Mutex
	timer *time.Timer
	off   bool // for good
}

func newWatchdog(cancel context.CancelCauseFunc) *watchdog {
	t := time.AfterFunc(time.Hour, func() { cancel(errStalled) })
	t.Stop()
	return &watchdog{timer: t}
}

func (w *watchdog) arm(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.off && d > 0 {
		w.timer.Reset(d)
	}
}

func (w *watchdog) disarm() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer.Stop()
}

func (w *watchdog) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.off = true
	w.timer.Stop()
}

// byteLimiter returns a limiter of bytes a second, without a limit for 0.
func byteLimiter(perSecond int64) *rate.Limiter {
	l := rate.NewLimiter(rate.Inf, minBurst)
	setByteLimit(l, perSecond)
	return l
}

// minBurst is the most bytes that one read of a limited body moves.
const minBurst = 32 << 10

func setByteLimit(l *rate.Limiter, perSecond int64) {
	if perSecond <= 0 {
		l.SetLimit(rate.Inf)
		return
	}
	l.SetLimit(rate.Limit(perSecond))
	l.SetBurst(int(max(perSecond/10, minBurst)))
}

// chunkOf returns how much of p one read may fill under l.
func chunkOf(l *rate.Limiter, p []byte) []byte {
	if l.Limit() == rate.Inf {
		return p
	}
	return p[:min(len(p), minBurst)]
}

// sendBody is a request's body: it counts, keeps to the bandwidth, feeds the watchdog, and can be taken away from the
// transport, which may go on reading after it has answered (X5).
type sendBody struct {
	ctx           context.Context
	wd            *watchdog
	lim           *rate.Limiter
	count         prometheus.Counter
	stall, header time.Duration

	size int64

	mu   sync.Mutex
	r    io.Reader
	left int64
	err  error     // of the source
	next *sendBody // what took its place
}

var errDetached = errors.New("the request has ended")

func (b *sendBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.r == nil && b.left <= 0: // the transport looks whether there is more after all was sent
		return 0, io.EOF
	case b.r == nil:
		return 0, errDetached
	}
	b.wd.disarm()
	p = chunkOf(b.lim, p)
	n, err := b.r.Read(p)
	if n > 0 {
		if werr := b.lim.WaitN(b.ctx, n); werr != nil {
			return 0, werr
		}
		b.count.Add(float64(n))
		b.left -= int64(n)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	} else if err != nil && b.left > 0 {
		b.err = io.ErrUnexpectedEOF
	}
	if b.left <= 0 {
		b.wd.arm(b.header)
	} else {
		b.wd.arm(b.stall)
	}
	return n, err
}

func (b *sendBody) Close() error { return nil }

// again returns a body that begins anew; b, and what took its place before, read no more.
func (b *sendBody) again(source func() io.Reader) (*sendBody, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.r == nil && b.next == nil {
		return nil, errDetached
	}
	if b.next != nil {
		_ = b.next.detach()
	}
	b.r = nil
	b.next = &sendBody{
		ctx: b.ctx, wd: b.wd, lim: b.lim, count: b.count, stall: b.stall, header: b.header,
		r: source(), left: b.size, size: b.size,
	}
	return b.next, nil
}

// detach takes the source away and returns the error it had.
func (b *sendBody) detach() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.r = nil
	if b.next != nil {
		return b.next.detach()
	}
	return b.err
}

// recvBody is an answer's body under the same rules. The watchdog runs only inside Read: a slow reader is no stall.
type recvBody struct {
	rc     io.ReadCloser
	ctx    context.Context
	cancel context.CancelCauseFunc
	wd     *watchdog
	lim    *rate.Limiter
	count  prometheus.Counter
	stall  time.Duration
	wrap   func(error) error
	once   sync.Once
}

func (b *recvBody) Read(p []byte) (int, error) {
	p = chunkOf(b.lim, p)
	b.wd.arm(b.stall)
	n, err := b.rc.Read(p)
	b.wd.disarm()
	if n > 0 {
		b.count.Add(float64(n))
		if werr := b.lim.WaitN(b.ctx, n); werr != nil && err == nil {
			err = werr
		}
	}
	if err != nil && err != io.EOF { //nolint:errorlint // a reader's end is io.EOF itself
		err = b.wrap(err)
	}
	return n, err
}

func (b *recvBody) Close() error {
	var err error
	b.once.Do(func() {
		b.wd.stop()
		err = b.rc.Close()
		b.cancel(context.Canceled)
	})
	return err
}
