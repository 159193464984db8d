package d3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"
	"unicode/utf8"

	"dropfs/remote"
	"dropfs/remote/httpx"
)

// FileKey names a file at the service: one that was sent, or a result. It is opaque.
type FileKey string

// Input is a file to be sent.
type Input struct {
	// Version names the content, as whoever calls is sure of it: two inputs with one Version have the same bytes. Content
	// that is held under the same Name is not sent again (B4). "": always sent.
	Version string
	Name    string // with its extension; no directories
	Type    string // MIME type; "": by the extension
	Size    int64  // bytes, exact
	Src     io.ReaderAt
	// Progress is told of bytes put on the wire since the last call, from any goroutine; nil: nobody asks.
	Progress func(n int64)
}

// maxFresh is how often an upload whose URLs have ended begins anew: the service renews none.
const maxFresh = 3

// completeTimeout is how long the service may take to put the parts together.
const completeTimeout = 3 * time.Minute

// Upload sends a file, unless the service holds it already, and answers its key.
func (c *Client) Upload(ctx context.Context, in Input) (FileKey, error) {
	if err := checkInput(&in); err != nil {
		return "", err
	}
	if in.Version == "" {
		return c.upload(ctx, in)
	}
	key, done, err := c.held.enter(ctx, content(in.Version, in.Name))
	if err != nil {
		return "", &remote.Error{Kind: remote.ErrUnavailable, Op: "upload", Subject: in.Name, Err: err}
	}
	if key != "" {
		return key, nil
	}
	defer func() { done(key) }()
	key, err = c.upload(ctx, in)
	return key, err
}

// content names what is held: the name counts, for a service goes by its extension and puts it into archives.
func content(version, name string) string { return version + "\x00" + name }

// Hold tells that the service has the content of a Version under a key, so that it need not be sent: a result of it that
// was fetched (wire/d3.md §6). The key must be no source's.
func (c *Client) Hold(version, name string, key FileKey) {
	if version != "" && validID(string(key)) {
		c.held.hold(content(version, name), key)
	}
}

// Forget drops what is remembered of these keys: their content is sent again when it is needed.
func (c *Client) Forget(keys ...FileKey) { c.held.forget(keys) }

func checkInput(in *Input) error {
	bad := func(message string) error {
		return &remote.Error{Kind: remote.ErrInvalid, Op: "upload", Message: message}
	}
	switch {
	case in.Name == "" || len(in.Name) > 255 || !utf8.ValidString(in.Name) || strings.ContainsAny(in.Name, "/\\\x00"):
		return bad("no name that can be sent")
	case in.Size < 0 || in.Src == nil:
		return bad("no size or no source")
	}
	if in.Type == "" {
		in.Type = typeOf(in.Name)
	}
	return nil
}

// typeOf is the MIME type of a name; machines differ in the tables they have, so what matters most stands here.
func typeOf(name string) string {
	ext := strings.ToLower(path.Ext(name))
	switch ext {
	case ".docx":
		return "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
	case ".xlsx":
		return "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
	case ".pptx":
		return "application/vnd.openxmlformats-officedocument.presentationml.presentation"
	case ".txt":
		return "text/plain"
	}
	if t := mime.TypeByExtension(ext); t != "" {
		return t
	}
	return "application/octet-stream"
}

// upload sends a file, beginning anew where its URLs ended on the way.
func (c *Client) upload(ctx context.Context, in Input) (FileKey, error) {
	for fresh := 1; ; fresh++ {
		s, err := c.initiate(ctx, in)
		if err != nil {
			return "", err
		}
		s.up, err = c.tr.Send(ctx, s.up, in.Src, nil, func(remote.Upload) error { return nil }, in.Progress)
		if err == nil {
			err = c.complete(ctx, s)
		}
		if err == nil {
			return s.key, nil
		}
		ended := errors.Is(err, remote.ErrExpiredURL) || errors.Is(err, remote.ErrNotFound)
		if !ended || fresh >= maxFresh || ctx.Err() != nil {
			return "", err
		}
	}
}

// split tells in how many parts a file goes, and how large they are (wire/d3.md §5.4).
func (c *Client) split(size int64) (parts int, partSize int64, err error) {
	if size <= c.cfg.SingleMax {
		return 1, max(size, 1), nil
	}
	partSize = max(c.cfg.PartSize, (size+maxParts-1)/maxParts)
	if partSize > maxPart {
		return 0, 0, &remote.Error{Kind: remote.ErrTooLarge, Op: "upload", Message: fmt.Sprintf("%d bytes in %d parts", size, maxParts)}
	}
	return int((size + partSize - 1) / partSize), partSize, nil
}

// started is an upload that the service has reserved.
type started struct {
	key    FileKey
	object string // the store's name for it; "" where the service told none
	up     remote.Upload
}

// initiate reserves an upload. Doing it twice reserves twice, and what is never completed costs nothing.
func (c *Client) initiate(ctx context.Context, in Input) (started, error) {
	parts, partSize, err := c.split(in.Size)
	if err != nil {
		return started{}, err
	}
	var out started
	r := httpx.Request{
		Op: "start upload", Subject: in.Name, Method: http.MethodPost, Repeat: true,
		JSON: map[string]any{"file_name": in.Name, "size": in.Size, "mime_type": in.Type, "parts": parts},
	}
	err = c.call(ctx, r, "/initiate-upload", decoded(func(o object) error {
		var err error
		out, err = c.readStarted(o, parts)
		return err
	}))
	if err != nil {
		return started{}, err
	}
	out.up.ID, out.up.PartSize = remote.AssetID(out.key), partSize
	out.up.Spec = remote.UploadSpec{Name: in.Name, Type: in.Type, Size: in.Size}
	return out, nil
}

// readStarted reads the answer of initiate-upload: exactly the URLs that were asked for, in order of their parts.
func (c *Client) readStarted(o object, parts int) (started, error) {
	out := started{key: FileKey(o.text("filekey")), object: o.text("objectname")}
	out.up.UploadID = o.text("uploadid")
	urls := o.list("presignedurls")
	switch {
	case !validID(string(out.key)):
		return started{}, errors.New("no file key")
	case len(urls) != parts:
		return started{}, fmt.Errorf("%d places for %d parts", len(urls), parts)
	}
	for i, raw := range urls {
		u, err := c.resolve(textOf(raw))
		if err != nil {
			return started{}, errors.New("a place for a part that is no URL")
		}
		out.up.Parts = append(out.up.Parts, remote.Part{N: i + 1, URL: remote.Secret(u.String())})
	}
	return out, nil
}

// complete ends an upload. Where the answer is lost it is asked for again, and then a refusal may only mean that it is
// complete already: the operation that uses the file will tell.
func (c *Client) complete(ctx context.Context, s started) error {
	type part struct {
		ETag string `json:"etag"`
		N    int    `json:"part_number"`
	}
	body := map[string]any{"file_key": s.key}
	if s.up.UploadID != "" {
		body["upload_id"] = s.up.UploadID
	}
	if s.object != "" {
		body["object_name"] = s.object
	}
	var parts []part
	for _, p := range s.up.Parts {
		parts = append(parts, part{p.ETag, p.N})
	}
	body["parts"] = parts
	r := httpx.Request{
		Op: "complete upload", Subject: s.up.Spec.Name, Method: http.MethodPost, JSON: body, HeaderTimeout: completeTimeout,
	}
	lost := false
	for {
		err := c.call(ctx, r, "/complete-upload", acknowledged)
		switch {
		case err == nil:
			return nil
		case lost && (errors.Is(err, remote.ErrConflict) || errors.Is(err, remote.ErrInvalid) || errors.Is(err, remote.ErrNotFound)):
			return nil
		case lost || !errors.Is(err, remote.ErrUnavailable) || ctx.Err() != nil:
			return err
		}
		lost = true
	}
}
