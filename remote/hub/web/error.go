package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"
)

// Error is an answer that is not a success.
type Error struct {
	Status     int
	Message    string        // for people, a whole sentence
	Data       any           // further facts; nil: none
	RetryAfter time.Duration // 0: not said
	Err        error         // the cause, for the log
}

// Error returns the message, with the cause where there is one.
func (e *Error) Error() string {
	if e.Err != nil {
		return e.Message + ": " + e.Err.Error()
	}
	return e.Message
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Fail makes an Error.
func Fail(status int, message string) *Error { return &Error{Status: status, Message: message} }

// WriteError answers in the shape that the Dropzone wire has, and the hub where no wire is addressed.
func WriteError(w http.ResponseWriter, e *Error) {
	h := w.Header()
	// What was said of a body that does not come.
	for _, name := range []string{"Content-Disposition", "Content-Encoding", "ETag", "Last-Modified", "Accept-Ranges"} {
		h.Del(name)
	}
	h.Set("Cache-Control", "no-store")
	if e.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int((e.RetryAfter+time.Second-1)/time.Second)))
	}
	body := struct {
		Status  string `json:"status"`
		Message string `json:"message"`
		Data    any    `json:"data,omitempty"`
	}{"error", e.Message, e.Data}
	WriteJSON(w, e.Status, body)
}

// Marshal makes JSON of an answer. URLs keep their "&": there are clients that read answers without a parser.
func Marshal(v any) []byte {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("answers are plain data: " + err.Error())
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}

// WriteJSON answers v.
func WriteJSON(w http.ResponseWriter, status int, v any) { WriteRaw(w, status, Marshal(v)) }

// WriteRaw answers JSON that is made already.
func WriteRaw(w http.ResponseWriter, status int, b []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	_, _ = w.Write(b) // a client that went away is no error of ours
}

// ReadJSON reads a body of at most limit bytes into v; an empty one leaves v as it is. Errors are *Error.
func ReadJSON(r *http.Request, limit int64, v any) error {
	b, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	if err != nil {
		return &Error{Status: http.StatusBadRequest, Message: "The body could not be read.", Err: err}
	}
	if int64(len(b)) > limit {
		return Fail(http.StatusRequestEntityTooLarge, "The body is too large.")
	}
	if len(b) == 0 {
		return nil
	}
	if err := json.Unmarshal(b, v); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) && wrong.Field != "" {
			return Fail(http.StatusBadRequest, "Invalid value for "+wrong.Field+".")
		}
		return Fail(http.StatusBadRequest, "The body is not valid JSON.")
	}
	return nil
}
