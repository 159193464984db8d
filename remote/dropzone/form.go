package dropzone

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strings"

	"dropfs/remote"
)

// sendForm sends the bytes the way of g0: one form, whose answer is the first to tell the file's id. It is sent once.
func (c *Client) sendForm(ctx context.Context, up remote.Upload, src io.ReaderAt, record func(remote.Upload) error, progress func(int64)) (remote.Upload, error) {
	const op = "send bytes"
	if up.ID != "" {
		return up, nil // it has arrived
	}
	if progress == nil {
		progress = func(int64) {}
	}
	var head bytes.Buffer
	form := multipart.NewWriter(&head)
	name := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\r", "%0D", "\n", "%0A").Replace(up.Spec.Name)
	_, err := form.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {`form-data; name="files"; filename="` + name + `"`}, "Content-Type": {mimeOf(up.Spec)},
	})
	if err != nil {
		return up, &remote.Error{Kind: remote.ErrInvalid, Op: op, Subject: up.Spec.Name, Err: err}
	}
	tail := "\r\n--" + form.Boundary() + "--\r\n"
	req, err := c.request(up.Drop, "", OpForm)
	if err != nil {
		return up, err
	}
	req.Op, req.Subject, req.Repeat = op, up.Spec.Name, false
	req.Header = http.Header{"Content-Type": {form.FormDataContentType()}}
	req.Size = int64(head.Len()) + up.Spec.Size + int64(len(tail))
	req.Body = func() io.Reader {
		body := &counted{r: io.NewSectionReader(src, 0, up.Spec.Size), progress: progress}
		return io.MultiReader(bytes.NewReader(head.Bytes()), body, strings.NewReader(tail))
	}
	var id string
	if _, err := c.http.Do(ctx, req, func(r io.Reader) (err error) { id, err = decodeForm(r); return err }); err != nil {
		return up, err
	}
	up.ID = remote.AssetID(id)
	if err := record(up); err != nil {
		return up, &remote.Error{Kind: remote.ErrUnavailable, Op: "record upload", Subject: up.Spec.Name, Err: err}
	}
	return up, nil
}

// counted tells progress of what is read.
type counted struct {
	r        io.Reader
	progress func(int64)
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.progress(int64(n))
	return n, err
}

// decodeForm reads the answer to a form: the files that arrived and those that did not.
func decodeForm(r io.Reader) (string, error) {
	type answer struct {
		Uploaded []wireFile `json:"uploadedFiles"`
		Failed   []struct {
			Error text `json:"error"`
		} `json:"failedFiles"`
	}
	var a answer
	if err := decodeOne(&a)(r); err != nil {
		return "", err
	}
	if len(a.Failed) > 0 {
		return "", &remote.Error{Kind: remote.ErrInvalid, Message: string(a.Failed[0].Error)}
	}
	if len(a.Uploaded) == 1 && validID(string(a.Uploaded[0].id())) {
		return string(a.Uploaded[0].id()), nil
	}
	return "", errors.New("not one uploaded file")
}
