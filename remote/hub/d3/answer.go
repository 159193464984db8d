package d3

import (
	"bytes"
	"errors"
	"net/http"
	"strconv"
	"syscall"
	"time"

	"dropfs/remote/hub/objects"
	"dropfs/remote/hub/store"
	"dropfs/remote/hub/web"
)

// failure is an answer that is not a success (wire/d3.md §10).
type failure struct {
	status  int
	code    string // the word in "error"
	message string // for people, a whole sentence
	err     error  // the cause, for the log
}

// Error returns the message, with the cause where there is one.
func (f *failure) Error() string {
	if f.err != nil {
		return f.message + ": " + f.err.Error()
	}
	return f.message
}

// Unwrap returns the cause.
func (f *failure) Unwrap() error { return f.err }

func invalid(message string) error {
	return &failure{http.StatusBadRequest, "invalid_request", message, nil}
}

func missing(message string) error {
	return &failure{http.StatusNotFound, "not_found", message, nil}
}

func conflict(code, message string) error {
	return &failure{http.StatusConflict, code, message, nil}
}

// words are the codes of errors that are not this package's own.
var words = map[int]string{
	http.StatusBadRequest: "invalid_request", http.StatusUnauthorized: "unauthorized", http.StatusForbidden: "forbidden",
	http.StatusNotFound: "not_found", http.StatusMethodNotAllowed: "method_not_allowed", http.StatusConflict: "conflict",
	http.StatusRequestEntityTooLarge: "too_large", http.StatusTooManyRequests: "rate_limit_exceeded",
	http.StatusInsufficientStorage: "storage_full",
}

// toWire gives an error its status and words.
func toWire(err error) *failure {
	var f *failure
	var e *web.Error
	var status *objects.StatusError
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &e):
		return &failure{e.Status, words[e.Status], e.Message, e.Err}
	case errors.As(err, &status):
		return &failure{status.Status, words[status.Status], status.Message, status.Err}
	case errors.Is(err, store.ErrNotFound), errors.Is(err, objects.ErrNotFound):
		return &failure{http.StatusNotFound, "not_found", "There is no such file or task.", err}
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return &failure{http.StatusInsufficientStorage, "storage_full", "The disk of the server is full.", err}
	}
	return &failure{http.StatusInternalServerError, "internal_error", "An unexpected error occurred.", err}
}

// fail writes an error in the wire's shape (T3).
func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	f := toWire(err)
	a.note(r, f, err)
	var e *web.Error
	if errors.As(err, &e) && e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((e.RetryAfter+time.Second-1)/time.Second)))
	}
	writeFailure(w, f)
}

// note logs an error that is the hub's own fault.
func (a *API) note(r *http.Request, f *failure, err error) {
	if f.status >= http.StatusInternalServerError && r.Context().Err() == nil {
		a.cfg.Log.WithError(err).WithField("op", r.Pattern).Error("request failed")
	}
}

// WriteUnexpected answers, in the wire's shape (T3), that the hub failed where no call could say so itself.
func WriteUnexpected(w http.ResponseWriter) { writeFailure(w, toWire(nil)) }

func writeFailure(w http.ResponseWriter, f *failure) {
	h := w.Header()
	// What was said of a body that does not come.
	for _, name := range []string{"Content-Disposition", "Content-Encoding", "ETag", "Last-Modified", "Accept-Ranges", "Content-Security-Policy"} {
		h.Del(name)
	}
	h.Set("Cache-Control", "no-store")
	code := f.code
	if code == "" {
		code = "error"
	}
	web.WriteJSON(w, f.status, struct {
		Error   string `json:"error"`
		Message string `json:"message"`
		Code    int    `json:"code"`
	}{code, f.message, f.status})
}

// success answers v, which is an object in JSON, at the top level and in data (T3). v must have no null: the Java client
// breaks on one.
func success(w http.ResponseWriter, v any) error {
	fields := web.Marshal(v)
	var out bytes.Buffer
	out.WriteString(`{"data":`)
	out.Write(fields)
	if rest := fields[1:]; len(rest) > 1 {
		out.WriteByte(',')
		out.Write(rest)
	} else {
		out.WriteByte('}')
	}
	w.Header().Set("Cache-Control", "no-store")
	web.WriteRaw(w, http.StatusOK, out.Bytes())
	return nil
}
