package control

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"dropfs/fs/cli/fail"
)

// maxLine bounds one line of an answer, in bytes.
const maxLine = 64 << 20

// Client speaks with one daemon.
type Client struct {
	Socket string
	Info   Info // as it was when the daemon was found
	http   *http.Client
}

// Find returns the daemons that answer in the given directories, and in those that the system knows sockets of ours in,
// ordered by their start.
func Find(ctx context.Context, dirs ...string) []*Client {
	var found []*Client
	for _, path := range sockets(dirs) {
		c := Dial(path)
		if err := c.Call(ctx, CallInfo, nil, nil, &c.Info); err != nil {
			if errors.Is(err, syscall.ECONNREFUSED) {
				_ = os.Remove(path) // C2
			}
			continue
		}
		found = append(found, c)
	}
	slices.SortFunc(found, func(a, b *Client) int { return a.Info.Started.Compare(b.Info.Started) })
	return found
}

// sockets lists the paths of control sockets.
func sockets(dirs []string) []string {
	var paths []string
	for _, dir := range dirs {
		if dir == "" {
			continue
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, e := range entries {
			if isSocketName(e.Name()) {
				paths = append(paths, filepath.Join(dir, e.Name()))
			}
		}
	}
	// The kernel's own list finds daemons whose state directory was given to them alone. Elsewhere than on Linux it is not there.
	text, _ := os.ReadFile("/proc/net/unix")
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		path := f[len(f)-1]
		st, err := os.Lstat(path)
		if err == nil && filepath.IsAbs(path) && isSocketName(filepath.Base(path)) && st.Mode()&os.ModeSocket != 0 && mine(st) {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// mine tells whether a file belongs to who runs this.
func mine(st os.FileInfo) bool {
	s, ok := st.Sys().(*syscall.Stat_t)
	return ok && int(s.Uid) == os.Geteuid()
}

// isSocketName tells whether a file is named as our sockets are.
func isSocketName(name string) bool {
	return strings.HasPrefix(name, "dropfs-") && strings.HasSuffix(name, ".sock")
}

// Dial returns a client for the socket; it connects with the first call.
func Dial(socket string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		path, done, err := short(socket)
		if err != nil {
			return nil, err
		}
		defer done()
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}
	return &Client{Socket: socket, http: &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}
}

// Call asks the daemon. progress, which may be nil, is told each line of progress; result, which may be nil, receives the
// result.
func (c *Client) Call(ctx context.Context, call string, request any, progress func(Progress), result any) error {
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://dropfs/v1/"+call, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("ask the daemon: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("ask the daemon: it does not know %q", call)
	}
	return readEvents(resp.Body, progress, result)
}

// readEvents reads an answer to its end.
func readEvents(r io.Reader, progress func(Progress), result any) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		var e Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return fmt.Errorf("answer of the daemon: %w", err)
		}
		switch {
		case e.Error != nil:
			return e.Error
		case e.Progress != nil:
			if progress != nil {
				progress(*e.Progress)
			}
		default:
			if result == nil {
				return nil
			}
			return json.Unmarshal(e.Result, result)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("answer of the daemon: %w", err)
	}
	return ErrEnded
}

// ErrEnded is a daemon that ended before it answered.
var ErrEnded = errors.New("the daemon ended")

// WaitEnd returns when the daemon has ended. begin is closed or called when the daemon is being watched.
func (c *Client) WaitEnd(ctx context.Context) error {
	err := c.Call(ctx, CallWait, nil, nil, nil)
	var f *fail.Error
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &f):
		return err
	default:
		return nil // the connection broke, or there was nobody
	}
}
