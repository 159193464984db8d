package objects

import (
	"crypto/md5" // an ETag, as S3 has it
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// StatusError is an answer that is not 2xx; whoever serves the handler gives it its shape.
type StatusError struct {
	Status  int
	Message string
	Err     error
}

// Error returns the message, with the cause where there is one.
func (e *StatusError) Error() string {
	if e.Err != nil {
		return e.Message + ": " + e.Err.Error()
	}
	return e.Message
}

// Unwrap returns the cause.
func (e *StatusError) Unwrap() error { return e.Err }

// ServePut answers a PUT to a URL of SignPut. Every error is a *StatusError, and nothing has been written then.
func (d *Dir) ServePut(w http.ResponseWriter, r *http.Request, key string) error {
	c, err := d.cfg.Signer.Check(r.Method, key, r.URL.Query())
	switch {
	case errors.Is(err, ErrExpired):
		return &StatusError{http.StatusForbidden, "The upload URL has expired.", nil}
	case err != nil || !validKey(key):
		return &StatusError{http.StatusForbidden, "The signature of the upload URL is not valid.", nil}
	}
	if err := checkAnnounced(c, r); err != nil {
		return err
	}
	if d.cfg.Wanted != nil {
		if err := d.cfg.Wanted(r.Context(), key); err != nil {
			return err
		}
	}
	digest, err := d.receive(c, r)
	if err != nil {
		return err
	}
	w.Header().Set("ETag", `"`+digest+`"`)
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusOK)
	return nil
}

// checkAnnounced compares what the request says it sends with what was signed (O2).
func checkAnnounced(c Claim, r *http.Request) error {
	if r.ContentLength < 0 {
		return &StatusError{http.StatusLengthRequired, "A Content-Length is required.", nil}
	}
	if r.ContentLength != c.Size {
		return &StatusError{
			http.StatusForbidden,
			fmt.Sprintf("The upload URL is for %d bytes, not %d.", c.Size, r.ContentLength), nil,
		}
	}
	if c.Part == 0 && !sameType(c.Type, r.Header.Get("Content-Type")) {
		return &StatusError{http.StatusForbidden, "The Content-Type is not the one the upload URL is for.", nil}
	}
	return nil
}

// sameType compares media types as declared and as sent. No type and application/octet-stream are the same: a browser
// has no type for a file it does not know.
func sameType(declared, sent string) bool {
	norm := func(t string) string {
		t = strings.ToLower(strings.ReplaceAll(t, " ", ""))
		if t == "" {
			t = "application/octet-stream"
		}
		return t
	}
	return norm(declared) == norm(sent)
}

// receive writes the body to its place among the uploads, durably, and returns its MD5.
func (d *Dir) receive(c Claim, r *http.Request) (string, error) {
	t, err := d.newTemp()
	if err != nil {
		return "", diskError(err)
	}
	defer t.discard()
	d.cfg.Step("put.begun")
	h := md5.New()
	n, err := io.CopyBuffer(io.MultiWriter(t.f, h), io.LimitReader(r.Body, c.Size+1), make([]byte, bufferSize(c.Size)))
	if err != nil {
		return "", diskError(err)
	}
	if n != c.Size {
		return "", &StatusError{http.StatusBadRequest, fmt.Sprintf("%d of %d bytes arrived.", n, c.Size), nil}
	}
	sum := h.Sum(nil)
	if want := r.Header.Get("Content-MD5"); want != "" && want != base64.StdEncoding.EncodeToString(sum) {
		return "", &StatusError{http.StatusBadRequest, "The bytes do not have the Content-MD5 that was sent.", nil}
	}
	d.cfg.Step("put.written")
	digest := hex.EncodeToString(sum)
	path := d.incoming(c.Key)
	if c.Part > 0 {
		if err := makeDir(d.parts(c.Key)); err != nil {
			return "", diskError(err)
		}
		path = filepath.Join(d.parts(c.Key), strconv.Itoa(c.Part)+"."+digest)
	}
	if err := t.publish(path); err != nil {
		return "", diskError(err)
	}
	d.cfg.Step("put.renamed")
	if err := syncDir(filepath.Dir(path)); err != nil {
		return "", diskError(err)
	}
	if c.Part == 0 {
		d.remember(path, digest)
		return digest, nil
	}
	d.removeOtherTries(c, path)
	return digest, nil
}

// removeOtherTries removes what was sent before for the same part. Of two tries at the same time the older one goes,
// whichever of them asks, so that one always stays.
func (d *Dir) removeOtherTries(c Claim, path string) {
	own, err := os.Stat(path)
	if err != nil {
		return
	}
	tries, err := filepath.Glob(filepath.Join(d.parts(c.Key), strconv.Itoa(c.Part)+".*"))
	if err != nil {
		return
	}
	for _, other := range tries {
		if fi, err := os.Stat(other); err == nil && later(own, fi) {
			_ = os.Remove(other)
		}
	}
}

// later is the order of tries of one part: by time, then by name, so that no two are equal.
func later(a, b os.FileInfo) bool {
	if !a.ModTime().Equal(b.ModTime()) {
		return a.ModTime().After(b.ModTime())
	}
	return a.Name() > b.Name()
}

// bufferSize keeps the memory of small uploads small.
func bufferSize(size int64) int64 { return min(max(size+1, 512), 256<<10) }

// diskError gives a failure while receiving its status: 507 where the disk is full, 400 where the client broke off.
func diskError(err error) error {
	var path *os.PathError
	var link *os.LinkError
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return &StatusError{http.StatusInsufficientStorage, "The disk of the server is full.", err}
	case errors.As(err, &path), errors.As(err, &link):
		return &StatusError{http.StatusInternalServerError, "The upload could not be stored.", err}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &StatusError{http.StatusRequestTimeout, "The upload came too slowly.", err}
	default:
		return &StatusError{http.StatusBadRequest, "The upload broke off.", err}
	}
}
