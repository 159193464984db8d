package d3

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"dropfs/remote/hub/store"
	"dropfs/remote/hub/web"
)

// instructions is what a model is told of all tools together.
const instructions = "Converts, compresses, merges, zips and locks files. Upload with upload_content, or with initiate_upload, " +
	"a PUT to each of its URLs, and complete_upload; begin an operation with the file keys; then call poll_status until " +
	"operation_status is completed or failed. Results are at the download links, which need no key."

// messageTimeout bounds the answer of one message. No tool waits for a conversion.
const messageTimeout = time.Minute

// tools answers /mcp, the Model Context Protocol over streamable HTTP (wire/d3.md §13). There are no sessions: each request
// stands for itself, with the key that it brings (T14).
type tools struct {
	api     *API
	handler http.Handler
}

// newTools makes the tools of an API; nothing runs between requests.
func newTools(a *API) *tools {
	t := &tools{api: a}
	server := mcp.NewServer(&mcp.Implementation{Name: "dropfs", Title: "dropfs hub", Version: "1"}, &mcp.ServerOptions{
		Instructions: instructions,
		Capabilities: &mcp.ServerCapabilities{Tools: &mcp.ToolCapabilities{}}, // they never change
	})
	t.add(server)
	t.handler = mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, &mcp.StreamableHTTPOptions{
		Stateless: true, JSONResponse: true, MaxRequestBodyBytes: jsonLimit,
		// A page of a stranger has no key, and a proxy on this machine has another name.
		DisableLocalhostProtection: true,
	})
	return t
}

// caller is who a message is from, and the request that it came in.
type caller struct {
	r   *http.Request
	key store.Key
}

type callerKey struct{}

// serve answers one message. A list of messages would be one request to the rate limit; newer versions of the protocol
// have none.
func (t *tools) serve(w http.ResponseWriter, r *http.Request, key store.Key) error {
	media, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if !strings.EqualFold(strings.TrimSpace(media), "application/json") {
		return &failure{http.StatusUnsupportedMediaType, "unsupported_media_type", "The Content-Type must be application/json.", nil}
	}
	var raw json.RawMessage
	if err := web.ReadJSON(r, jsonLimit, &raw); err != nil {
		return err
	}
	var message map[string]json.RawMessage
	if err := json.Unmarshal(raw, &message); err != nil || message == nil {
		return invalid("The body must be one JSON-RPC message.")
	}
	var method string
	_ = json.Unmarshal(message["method"], &method)   // one that is no text is refused below
	if strings.HasPrefix(method, "subscriptions/") { // an answer without an end, and there is nothing to tell
		return invalid("There are no subscriptions.")
	}
	ctx, cancel := context.WithTimeout(r.Context(), messageTimeout)
	defer cancel()
	r = r.WithContext(ctx)
	in := r.Clone(context.WithValue(ctx, callerKey{}, caller{r, key}))
	in.Body, in.ContentLength = io.NopCloser(bytes.NewReader(raw)), int64(len(raw))
	in.Header.Set("Accept", "application/json, text/event-stream") // the first is what is sent
	out := &reworded{ResponseWriter: w}
	t.handler.ServeHTTP(out, in)
	if out.status != 0 {
		text := strings.TrimSuffix(strings.TrimSpace(out.text.String()), ".") + "."
		return &failure{out.status, words[out.status], text, nil}
	}
	return nil
}

// reworded holds back errors in plain text, which get the shape of the wire (T3). Errors of JSON-RPC pass.
type reworded struct {
	http.ResponseWriter
	status int // of the error, 0 where there is none
	text   bytes.Buffer
}

// Unwrap serves http.ResponseController.
func (w *reworded) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (w *reworded) WriteHeader(status int) {
	if status >= 400 && strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
		w.status = status
		return
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements io.Writer.
func (w *reworded) Write(b []byte) (int, error) {
	if w.status != 0 {
		return w.text.Write(b)
	}
	return w.ResponseWriter.Write(b)
}
