package web

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// StallTimeout is how long a connection may move no byte (W3).
const StallTimeout = time.Minute

// chunk is how much is sent between two looks at the clock.
const chunk = 4 << 20

// Recorder is the ResponseWriter of every route: it counts, bounds standstill, and turns plain errors into the shape of
// the wire.
type Recorder struct {
	http.ResponseWriter
	Route  string // the pattern that matched; "" none
	Status int    // 0 until the header is written
	Sent   int64  // bytes of bodies

	// PlainErrors, where set, is called in place of a 4xx or 5xx header and the body after it (W1): for handlers of the
	// standard library that answer in plain text.
	PlainErrors func(w http.ResponseWriter, status int)
	swallow     bool

	ctl *http.ResponseController
}

// NewRecorder wraps w.
func NewRecorder(w http.ResponseWriter) *Recorder {
	return &Recorder{ResponseWriter: w, ctl: http.NewResponseController(w)}
}

// Unwrap serves http.ResponseController.
func (r *Recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (r *Recorder) WriteHeader(status int) {
	if status >= 400 && r.PlainErrors != nil {
		plain := r.PlainErrors
		r.PlainErrors = nil
		r.Header().Del("Content-Length")
		plain(r, status)
		r.swallow = true
		return
	}
	if r.Status == 0 && status >= 200 {
		r.Status = status
	}
	r.extendWrite() // also past the deadline that the request before has left on this connection
	r.ResponseWriter.WriteHeader(status)
}

// Write implements io.Writer.
func (r *Recorder) Write(b []byte) (int, error) {
	if r.swallow {
		return len(b), nil
	}
	if r.Status == 0 {
		r.WriteHeader(http.StatusOK)
	}
	r.extendWrite()
	n, err := r.ResponseWriter.Write(b)
	r.Sent += int64(n)
	return n, err
}

// ReadFrom keeps sendfile(2) for files, a chunk at a time (W3).
func (r *Recorder) ReadFrom(src io.Reader) (int64, error) {
	if r.swallow {
		return io.Copy(io.Discard, src)
	}
	if r.Status == 0 {
		r.WriteHeader(http.StatusOK)
	}
	var total int64
	for {
		r.extendWrite()
		n, err := io.CopyN(r.ResponseWriter, src, chunk)
		total += n
		r.Sent += n
		if errors.Is(err, io.EOF) {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

// Flush implements http.Flusher.
func (r *Recorder) Flush() {
	r.extendWrite()
	_ = r.ctl.Flush() // a writer that cannot is no error
}

func (r *Recorder) extendWrite() {
	_ = r.ctl.SetWriteDeadline(time.Now().Add(StallTimeout)) // a writer without deadlines, as in tests, has none
}

// Body is a request's body that breaks off when it stands still (W3), and counts what came.
type Body struct {
	Received int64

	body     io.ReadCloser
	ctl      *http.ResponseController
	extended time.Time
}

// NewBody wraps the body of a request that is answered through w. The clock begins now: net/http itself reads what a
// handler leaves of a body.
func NewBody(body io.ReadCloser, w http.ResponseWriter) *Body {
	b := &Body{body: body, ctl: http.NewResponseController(w)}
	b.extend()
	return b
}

func (b *Body) extend() {
	if now := time.Now(); now.Sub(b.extended) > time.Second {
		b.extended = now
		_ = b.ctl.SetReadDeadline(now.Add(StallTimeout)) // see extendWrite
	}
}

// Read implements io.Reader.
func (b *Body) Read(p []byte) (int, error) {
	b.extend()
	n, err := b.body.Read(p)
	b.Received += int64(n)
	if errors.Is(err, io.EOF) {
		// What follows may take its time: an expired deadline would end the request's context. After any other error
		// the deadline stays, for net/http goes on reading.
		_ = b.ctl.SetReadDeadline(time.Time{})
	}
	return n, err
}

// Close implements io.Closer.
func (b *Body) Close() error { return b.body.Close() }
