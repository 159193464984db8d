package dropzone

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/sirupsen/logrus"

	"dropfs/remote"
	"dropfs/remote/httpx"
	"dropfs/remote/transfer"
)

// Assets implements remote.Service.
func (c *Client) Assets(ctx context.Context, id remote.DropID) (remote.Listing, error) {
	var out remote.Listing
	passed := 0
	err := c.inDialect(func(g Generation) error {
		req, err := c.requestIn(g, id, "", OpList)
		if err != nil {
			return err
		}
		req.Op, req.Subject = "list assets", shortID(id)
		seen := map[remote.AssetID]bool{}
		req.Header = http.Header{"Cache-Control": {"no-cache"}}
		h, err := c.http.Do(poll(ctx), req, decodeList(func() { out.Assets, passed = []remote.Asset{}, 0; clear(seen) }, func(w wireFile) {
			a, ok := w.asset(id)
			switch {
			case !ok:
				passed++
			case seen[a.ID], !w.uploaded() && !c.cfg.ListUnconfirmed:
			default:
				seen[a.ID] = true
				out.Assets = append(out.Assets, a)
			}
		}))
		if n, nerr := strconv.ParseInt(h.Get(sequenceHeader), 10, 64); nerr == nil {
			out.Seq = max(n, 0)
		}
		return err
	})
	if err != nil {
		return remote.Listing{}, err
	}
	if passed > 0 {
		c.log.WithFields(logrus.Fields{"op": "list assets", "len": passed}).Warn("listed files without id or size are not shown")
	}
	return out, nil
}

// oneFile sends a request that answers a file.
func (c *Client) oneFile(ctx context.Context, req httpx.Request, drop remote.DropID) (wireFile, remote.Asset, error) {
	var w wireFile
	if _, err := c.http.Do(ctx, req, decodeOne(&w)); err != nil {
		return w, remote.Asset{}, err
	}
	a, ok := w.asset(drop)
	if !ok {
		return w, a, &remote.Error{Kind: remote.ErrProtocol, Op: req.Op, Subject: req.Subject, Message: "a file without id or size"}
	}
	return w, a, nil
}

// file returns what the service has under an id, uploaded or not.
func (c *Client) file(ctx context.Context, drop remote.DropID, id remote.AssetID) (wireFile, remote.Asset, error) {
	req, err := c.request(drop, id, OpFile)
	if err != nil {
		return wireFile{}, remote.Asset{}, err
	}
	req.Op, req.Subject = "get asset", string(id)
	w, a, err := c.oneFile(ctx, req, drop)
	if err == nil && a.ID != id {
		err = &remote.Error{Kind: remote.ErrProtocol, Op: req.Op, Subject: req.Subject, Message: "another file than asked for"}
	}
	return w, a, err
}

// Asset implements remote.Service.
func (c *Client) Asset(ctx context.Context, drop remote.DropID, id remote.AssetID) (remote.Asset, error) {
	if c.generation() == G0 {
		return c.listed(ctx, drop, id)
	}
	w, a, err := c.file(ctx, drop, id)
	if err != nil {
		return remote.Asset{}, err
	}
	// A hub names a file's drop by the id that drops have everywhere; of the public service that is not known.
	elsewhere := c.known(ableListDrops) && w.Meta.DropID != "" && remote.DropID(w.Meta.DropID) != drop
	if elsewhere || !w.uploaded() && !c.cfg.ListUnconfirmed {
		return remote.Asset{}, &remote.Error{Kind: remote.ErrNotFound, Op: "get asset", Subject: string(id)}
	}
	return a, nil
}

// listed finds an asset in the listing, for a service that answers single files with their bytes.
func (c *Client) listed(ctx context.Context, drop remote.DropID, id remote.AssetID) (remote.Asset, error) {
	all, err := c.Assets(ctx, drop)
	if err != nil {
		return remote.Asset{}, err
	}
	for _, a := range all.Assets {
		if a.ID == id {
			return a, nil
		}
	}
	return remote.Asset{}, &remote.Error{Kind: remote.ErrNotFound, Op: "get asset", Subject: string(id)}
}

// Fetch implements remote.Service.
func (c *Client) Fetch(ctx context.Context, a remote.Asset, off, n int64) (io.ReadCloser, error) {
	req, err := c.request(a.Drop, a.ID, OpDownload)
	if err != nil {
		return nil, err
	}
	switch c.cfg.Download {
	case CDN:
		req.URL, req.Path, req.Auth = remote.Secret(c.cdnURL(a.ID)), "", nil
	case Stream:
		req.NoRedirect = true
	case Follow:
	}
	req.Op, req.Subject = "fetch", a.Name
	return c.tr.Fetch(httpx.WithDefaultPriority(ctx, httpx.Reader), transfer.Source{Asset: a, Request: req}, off, n)
}

// cdnURL is the public page of a file (wire/dropzone.md §4).
func (c *Client) cdnURL(id remote.AssetID) string {
	base := c.cfg.CDNBase
	if base == "" {
		u, err := url.Parse(c.http.BaseURL())
		if err != nil {
			return ""
		}
		base = u.Scheme + "://" + u.Host + "/cdn"
	}
	return strings.TrimRight(base, "/") + "/" + url.PathEscape(string(id)) + "/download"
}

// Delete implements remote.Service.
func (c *Client) Delete(ctx context.Context, drop remote.DropID, id remote.AssetID) error {
	req, err := c.request(drop, id, OpDelete)
	if err != nil {
		return err
	}
	req.Op, req.Subject = "delete", string(id)
	return c.remove(ctx, req)
}

// Rename implements remote.Service.
func (c *Client) Rename(ctx context.Context, drop remote.DropID, id remote.AssetID, name string) (remote.Asset, error) {
	const op = "rename"
	if able, err := c.abilities(ctx); err != nil {
		return remote.Asset{}, err
	} else if !able[ableRename] {
		return remote.Asset{}, unsupported(op)
	}
	req, err := c.request(drop, id, OpRename)
	if err != nil {
		return remote.Asset{}, err
	}
	if !validName(name) {
		return remote.Asset{}, &remote.Error{Kind: remote.ErrInvalid, Op: op, Subject: string(id), Message: "not a name"}
	}
	req.Op, req.Subject, req.Repeat, req.JSON = op, string(id), true, map[string]any{"name": name}
	_, a, err := c.oneFile(ctx, req, drop)
	return a, err
}

// Link implements remote.Service: a URL that a hub signs, or the public page once everyone may download.
func (c *Client) Link(ctx context.Context, drop remote.DropID, id remote.AssetID, public bool) (string, error) {
	const op = "link"
	able, err := c.abilities(ctx)
	if err != nil {
		return "", err
	}
	which := OpGrant
	if able[ableLink] {
		which = OpLink
	} else if !public {
		return "", &remote.Error{Kind: remote.ErrDenied, Op: op, Subject: string(id), Message: "the file has to be made public for it"}
	}
	req, err := c.request(drop, id, which)
	if err != nil {
		return "", err
	}
	req.Op, req.Subject, req.Repeat = op, string(id), true
	if which == OpGrant {
		req.JSON = map[string]any{"publicId": "anyone", "permissions": []string{"file.download"}}
		if _, err := c.http.Do(ctx, req, nil); err != nil {
			return "", err
		}
		return c.cdnURL(id), nil
	}
	req.JSON = map[string]any{"public": public, "seconds": int64(c.cfg.LinkLifetime.Seconds())}
	var w struct {
		URL text `json:"url"`
	}
	if _, err := c.http.Do(ctx, req, decodeOne(&w)); err != nil {
		return "", err
	}
	u, err := c.absolute(string(w.URL))
	if err != nil {
		return "", &remote.Error{Kind: remote.ErrProtocol, Op: op, Subject: string(id), Message: "no URL in the answer"}
	}
	return u, nil
}

// absolute resolves a URL that the service answered, which may lack its origin.
func (c *Client) absolute(s string) (string, error) {
	base, err := url.Parse(c.http.BaseURL())
	if err != nil {
		return "", err
	}
	u, err := base.Parse(s)
	if err != nil || s == "" || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", errors.New("not an URL")
	}
	return u.String(), nil
}

// isRefusal tells whether the service answered, and refused.
func isRefusal(err error) bool {
	s := statusOf(err)
	return s >= 400 && s < 500 && s != http.StatusTooManyRequests && s != http.StatusUnauthorized
}
