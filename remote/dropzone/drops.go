package dropzone

import (
	"context"
	"errors"
	"net/http"

	"dropfs/remote"
	"dropfs/remote/httpx"
)

func unsupported(op string) error {
	return &remote.Error{Kind: remote.ErrUnsupported, Op: op}
}

func statusOf(err error) int {
	var e *remote.Error
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}

func poll(ctx context.Context) context.Context {
	return httpx.WithDefaultPriority(ctx, httpx.Poller)
}

// oneDrop sends a request that answers a drop.
func (c *Client) oneDrop(ctx context.Context, req httpx.Request) (remote.Drop, error) {
	var w wireDrop
	if _, err := c.http.Do(ctx, req, decodeOne(&w)); err != nil {
		return remote.Drop{}, err
	}
	d, ok := w.drop()
	if !ok {
		return d, &remote.Error{Kind: remote.ErrProtocol, Op: req.Op, Subject: req.Subject, Message: "a drop without an id"}
	}
	return d, nil
}

// Drops implements remote.Service.
func (c *Client) Drops(ctx context.Context) ([]remote.Drop, error) {
	const op = "list drops"
	if able, err := c.abilities(ctx); err != nil {
		return nil, err
	} else if !able[ableListDrops] || c.cfg.Key == "" {
		return nil, unsupported(op)
	}
	req, err := c.request("", "", OpListDrops)
	if err != nil {
		return nil, err
	}
	req.Op = op
	var out []remote.Drop
	_, err = c.http.Do(poll(ctx), req, decodeList(func() { out = []remote.Drop{} }, func(w wireDrop) {
		if d, ok := w.drop(); ok {
			out = append(out, d)
		}
	}))
	if err != nil {
		return nil, err
	}
	return out, nil
}

// CreateDrop implements remote.Service. The service has no way to tell a lost answer from a lost request: it is sent once.
func (c *Client) CreateDrop(ctx context.Context, spec remote.DropSpec) (remote.Drop, error) {
	const op = "create drop"
	if c.cfg.Key == "" {
		return remote.Drop{}, &remote.Error{Kind: remote.ErrCredentials, Op: op, Subject: spec.Name, Message: "there is no key"}
	}
	req, err := c.request("", "", OpCreate)
	if err != nil {
		return remote.Drop{}, err
	}
	req.Op, req.Subject, req.Repeat = op, spec.Name, false
	body := orderOf(spec)
	if c.generation() == G0 {
		body["apiKey"] = c.cfg.Key.Reveal()
		req.Hide = append(req.Hide, c.cfg.Key)
	}
	req.JSON = body
	return c.oneDrop(ctx, req)
}

// orderOf is the body that orders a drop: the fields that are set.
func orderOf(spec remote.DropSpec) map[string]any {
	m := map[string]any{}
	if spec.GB != 0 {
		m["gb"] = spec.GB
	}
	if spec.Days != 0 {
		m["days"] = spec.Days
	}
	if spec.Name != "" {
		m["name"] = spec.Name
	}
	return m
}

// Drop implements remote.Service.
func (c *Client) Drop(ctx context.Context, id remote.DropID) (d remote.Drop, err error) {
	err = c.inDialect(func(g Generation) error {
		req, err := c.requestIn(g, id, "", OpGet)
		if err != nil {
			return err
		}
		req.Op, req.Subject = "get drop", shortID(id)
		d, err = c.oneDrop(poll(ctx), req)
		return err
	})
	if err == nil && d.ID != id && c.generation() != G2 {
		// The service may know a drop by more than one id; the caller's is the one that works.
		d.ID = id
	}
	return d, err
}

// UpdateDrop implements remote.Service. The route is not documented (wire/dropzone.md §2), so the likely ones are tried in
// turn; last the one that is, ordering the drop's own name anew, which needs the name that the service itself tells.
func (c *Client) UpdateDrop(ctx context.Context, id remote.DropID, spec remote.DropSpec) (remote.Drop, error) {
	const op = "update drop"
	if c.cfg.Key == "" {
		return remote.Drop{}, &remote.Error{Kind: remote.ErrCredentials, Op: op, Subject: shortID(id), Message: "there is no key"}
	}
	if spec.Name != "" && !c.can(ctx, ableRenameDrop) {
		now, err := c.Drop(ctx, id)
		if err != nil {
			return remote.Drop{}, err
		}
		if now.Name != spec.Name {
			return remote.Drop{}, unsupported("rename drop")
		}
		if spec.Name = ""; spec == (remote.DropSpec{}) {
			return now, nil
		}
	}
	var firstErr error
	for _, method := range []string{"", http.MethodPatch, http.MethodPost} {
		req, err := c.request(id, "", OpUpdate)
		if err != nil {
			return remote.Drop{}, err
		}
		if method != "" {
			req.Method = method
		}
		req.Op, req.Subject, req.JSON, req.Repeat = op, shortID(id), orderOf(spec), true
		d, err := c.oneDrop(ctx, req)
		if err == nil {
			d.ID = id
			return d, nil
		}
		if firstErr == nil {
			firstErr = err
		}
		if !routeUnknown(err) {
			return remote.Drop{}, err
		}
		if c.cfg.Routes[OpUpdate] != "" || c.known(ableRenameDrop) {
			return remote.Drop{}, err // it has the route: what is not there is the drop
		}
	}
	return c.updateByName(ctx, id, spec, firstErr)
}

// known tells of an ability without asking.
func (c *Client) known(ability string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.able[ability]
}

// updateByName orders a drop anew under its own name, which the service takes as an update in place.
func (c *Client) updateByName(ctx context.Context, id remote.DropID, spec remote.DropSpec, cause error) (remote.Drop, error) {
	now, err := c.Drop(ctx, id)
	if err != nil {
		return remote.Drop{}, err
	}
	if now.Name == "" || now.GB == 0 || now.Days == 0 {
		e := &remote.Error{Kind: remote.ErrUnsupported, Op: "update drop", Subject: shortID(id), Status: statusOf(cause), Err: cause}
		return remote.Drop{}, e
	}
	if spec.GB != 0 && spec.GB < now.GB || spec.Days != 0 && spec.Days < now.Days {
		return now, &remote.Error{Kind: remote.ErrInvalid, Op: "update drop", Subject: shortID(id), Message: "a drop does not shrink"}
	}
	full := remote.DropSpec{Name: now.Name, GB: max(spec.GB, now.GB), Days: max(spec.Days, now.Days)}
	req, err := c.request("", "", OpCreate)
	if err != nil {
		return remote.Drop{}, err
	}
	req.Op, req.Subject, req.JSON, req.Hide = "update drop", shortID(id), orderOf(full), []remote.Secret{remote.Secret(id)}
	d, err := c.oneDrop(ctx, req)
	if err == nil && d.ID != id {
		return d, &remote.Error{
			Kind: remote.ErrConflict, Op: "update drop", Subject: shortID(id), Message: "the service made another drop of that name",
		}
	}
	return d, err
}

// DeleteDrop implements remote.Service.
func (c *Client) DeleteDrop(ctx context.Context, id remote.DropID) error {
	const op = "delete drop"
	if able, err := c.abilities(ctx); err != nil {
		return err
	} else if !able[ableDeleteDrop] {
		return unsupported(op)
	}
	req, err := c.request(id, "", OpDeleteDrop)
	if err != nil {
		return err
	}
	req.Op, req.Subject = op, shortID(id)
	return c.remove(ctx, req)
}

// remove sends a DELETE. Where a try before the last one broke, "not found" is what it did.
func (c *Client) remove(ctx context.Context, req httpx.Request) error {
	req.Repeat, req.Attempts = false, 1
	_, err := c.http.Do(ctx, req, nil)
	if err == nil || !errors.Is(err, remote.ErrUnavailable) || ctx.Err() != nil || remote.RetryAfterOf(err) > 0 {
		return err
	}
	req.Repeat, req.Attempts = true, 2
	if _, err = c.http.Do(ctx, req, nil); errors.Is(err, remote.ErrNotFound) {
		return nil
	}
	return err
}
