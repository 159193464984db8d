package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"dropfs/fs/cli/fail"
)

// Handler answers one call; the returned value is the result.
type Handler func(ctx context.Context, c Call) (any, error)

// Call is one call as a daemon receives it.
type Call struct {
	Body     json.RawMessage
	Progress func(Progress) // sends one line; may be called until the handler returns
}

// Decode reads the request.
func (c Call) Decode(v any) error {
	if err := json.Unmarshal(c.Body, v); err != nil {
		return fmt.Errorf("request: %w", err)
	}
	return nil
}

// maxRequest bounds a request, in bytes.
const maxRequest = 16 << 20

// Listen makes the socket of this process in the first of the directories that can be used (C1). Close of the listener
// removes it.
func Listen(dirs ...string) (net.Listener, string, error) {
	var errs []error
	for _, dir := range dirs {
		if dir == "" {
			continue
		}
		l, path, err := listen(dir)
		if err == nil {
			return l, path, nil
		}
		errs = append(errs, err)
	}
	return nil, "", fmt.Errorf("control socket: %w", errors.Join(errs...))
}

// listen makes the socket in dir.
func listen(dir string) (net.Listener, string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, "", err
	}
	st, err := os.Stat(dir)
	if err != nil {
		return nil, "", err
	}
	if !mine(st) || st.Mode().Perm()&0o077 != 0 {
		return nil, "", fmt.Errorf("%s must belong to you and be closed to others", dir)
	}
	path := filepath.Join(dir, "dropfs-"+strconv.Itoa(os.Getpid())+".sock")
	_ = os.Remove(path) // of an earlier process with this number
	at, done, err := short(path)
	if err != nil {
		return nil, "", err
	}
	defer done()
	l, err := net.Listen("unix", at)
	if err != nil {
		return nil, "", err
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, "", errors.Join(err, l.Close())
	}
	return &listener{Listener: l, path: path}, path, nil
}

// listener removes its socket by the path it has, not by the one it was bound with.
type listener struct {
	net.Listener
	path string
}

// Close ends listening.
func (l *listener) Close() error {
	_ = os.Remove(l.path)
	return l.Listener.Close()
}

// maxSocketPath is the longest path that the systems take for a socket (sun_path, macOS 104, Linux 108 bytes, with the NUL).
const maxSocketPath = 103

// short returns a path of the socket that the system takes: an overlong one goes through a descriptor of its directory.
func short(path string) (at string, done func(), err error) {
	if len(path) <= maxSocketPath {
		return path, func() {}, nil
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return "", nil, err
	}
	at = filepath.Join("/proc/self/fd", strconv.Itoa(int(d.Fd())), filepath.Base(path))
	return at, func() { _ = d.Close() }, nil
}

// NewServer returns the server of the calls. Its caller serves it and shuts it down.
func NewServer(handlers map[string]Handler) *http.Server {
	mux := http.NewServeMux()
	for name, h := range handlers {
		mux.HandleFunc("POST /v1/"+name, func(w http.ResponseWriter, r *http.Request) { answer(w, r, name, h) })
	}
	return &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
}

// answer runs one handler and streams what it says.
func answer(w http.ResponseWriter, r *http.Request, name string, h Handler) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	enc := json.NewEncoder(w)
	flush := http.NewResponseController(w)
	send := func(e Event) {
		_ = enc.Encode(e) // a client that has gone ends the request's context
		_ = flush.Flush()
	}
	var body json.RawMessage
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest)).Decode(&body); err != nil {
		send(Event{Error: fail.As(fail.Usage, name, err)})
		return
	}
	progress := make(chan Progress)
	done := make(chan struct{})
	go func() { // one writer of the answer
		defer close(done)
		for p := range progress {
			send(Event{Progress: &p})
		}
	}()
	result, err := h(r.Context(), Call{Body: body, Progress: func(p Progress) { progress <- p }})
	close(progress)
	<-done
	if err != nil {
		send(Event{Error: fail.As(fail.CodeOf(err), name, err)})
		return
	}
	text, err := json.Marshal(result)
	if err != nil {
		send(Event{Error: fail.As(fail.Failed, name, err)})
		return
	}
	send(Event{Result: text})
}
