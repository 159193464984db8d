package d3

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"runtime/debug"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"dropfs/remote/hub/web"
)

// unexpected is what is told of a fault of the hub's own.
func unexpected() error {
	return errors.New("An unexpected error occurred.") //nolint:revive,staticcheck // a sentence of the wire
}

// tool adds one tool, which answers what do does for its caller. An error is told as the wire tells it, by its sentence.
func tool[In, Out any](t *tools, s *mcp.Server, what *mcp.Tool, do func(ctx context.Context, c caller, in In) (Out, error)) {
	mcp.AddTool(s, what, func(ctx context.Context, _ *mcp.CallToolRequest, in In) (_ *mcp.CallToolResult, out Out, err error) {
		c, ok := ctx.Value(callerKey{}).(caller)
		if !ok {
			return nil, out, unexpected()
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		// The protocol's own context outlives a client that has gone away.
		defer context.AfterFunc(c.r.Context(), cancel)() //nolint:contextcheck // ctx is inherited, and ends with either
		defer func() {
			if p := recover(); p != nil { // not in a goroutine of net/http, which would stop it (W1)
				t.api.cfg.Log.WithField("err", fmt.Sprint(p)).WithField("op", c.r.Pattern).Error("panic in a request")
				t.api.cfg.Log.Debug(string(debug.Stack()))
				err = unexpected()
			}
		}()
		if out, err = do(ctx, c, in); err != nil {
			f := toWire(err)
			t.api.note(c.r, f, err)
			err = errors.New(f.message)
		}
		return nil, out, err
	})
}

// through answers a call of the wire with the JSON of body, and the words of its path.
func through[Out any](ctx context.Context, c caller, fn call, body any, path map[string]string) (out Out, err error) {
	b := web.Marshal(body)
	r := c.r.Clone(ctx)
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
	for name, word := range path {
		r.SetPathValue(name, word)
	}
	w := &buffer{header: http.Header{}}
	if err := fn(w, r, c.key); err != nil {
		return out, err
	}
	answer := struct{ Data *Out }{&out}
	if err := json.Unmarshal(w.body.Bytes(), &answer); err != nil {
		return out, fmt.Errorf("answer of a call: %w", err)
	}
	return out, nil
}

// buffer keeps an answer.
type buffer struct {
	header http.Header
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (b *buffer) Header() http.Header { return b.header }

// WriteHeader implements http.ResponseWriter.
func (*buffer) WriteHeader(int) {}

// Write implements io.Writer.
func (b *buffer) Write(p []byte) (int, error) { return b.body.Write(p) }

// operation is a request of do.
type operation struct {
	Action     string            `json:"action"`
	Files      []string          `json:"file_keys"`
	Parameters map[string]any    `json:"parameters"`
	Notes      map[string]string `json:"notes,omitempty"`
}

// begin is do, with options that may not be what the tool itself says.
func (t *tools) begin(ctx context.Context, c caller, o operation, options map[string]any) (acceptedJSON, error) {
	all := maps.Clone(options)
	if all == nil {
		all = map[string]any{}
	}
	for name, v := range o.Parameters {
		if _, twice := all[name]; twice {
			return acceptedJSON{}, invalid(fmt.Sprintf("The parameter %q cannot be one of the options.", name))
		}
		all[name] = v
	}
	o.Parameters = all
	return through[acceptedJSON](ctx, c, t.api.operate, o, nil)
}

// keep stores a file whose bytes are in the message: an upload in one step.
func (t *tools) keep(ctx context.Context, c caller, name, media string, b []byte) (storedJSON, error) {
	size := int64(len(b))
	f, err := t.api.announce(ctx, c.key, announcement{Name: name, Size: &size, Type: media})
	if err != nil {
		return storedJSON{}, err
	}
	r := c.r.Clone(ctx)
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(b)), size
	etag, err := t.api.receive(r, f, 1)
	if err != nil {
		return storedJSON{}, err
	}
	if f, err = t.api.join(ctx, f, map[int]string{1: etag}); err != nil {
		return storedJSON{}, err
	}
	t.api.cfg.Step("d3.confirmed")
	return storedJSON{f.ID, f.Size}, nil
}
