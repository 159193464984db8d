package dropzone

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"dropfs/remote"
	"dropfs/remote/httpx"
)

// Op names one operation of the wire, to give it another route in Config.Routes.
type Op string

// The operations. Those from OpListDrops on are a hub's.
const (
	OpAbilities Op = "abilities"
	OpCreate    Op = "create"
	OpUpdate    Op = "update"
	OpGet       Op = "get"
	OpList      Op = "list"
	OpRequest   Op = "request"
	OpForm      Op = "form" // g0: the upload itself
	OpConfirm   Op = "confirm"
	OpFile      Op = "file"
	OpDownload  Op = "download"
	OpDelete    Op = "delete"
	OpGrant     Op = "grant"

	OpListDrops  Op = "list-drops"
	OpDeleteDrop Op = "delete-drop"
	OpRenew      Op = "renew"
	OpRename     Op = "rename"
	OpLink       Op = "link"
	OpChanges    Op = "changes"
)

// common are the routes of g3, and of every generation that has none of its own.
func common(op Op) string {
	switch op {
	case OpAbilities:
		return "OPTIONS /dropzones"
	case OpCreate:
		return "POST /dropzones"
	case OpUpdate:
		return "PUT /dropzones/{drop}"
	case OpGet:
		return "GET /dropzones/{drop}"
	case OpList:
		return "GET /dropzones/{drop}/files"
	case OpRequest, OpForm:
		return "POST /dropzones/{drop}/files"
	case OpConfirm:
		return "POST /files/{file}/confirm"
	case OpFile:
		return "GET /files/{file}"
	case OpDownload:
		return "GET /files/{file}/download"
	case OpDelete:
		return "DELETE /files/{file}"
	case OpGrant:
		return "POST /files/{file}/permissions"
	case OpListDrops:
		return "GET /dropzones"
	case OpDeleteDrop:
		return "DELETE /dropzones/{drop}"
	case OpRenew:
		return "GET /files/{file}/upload"
	case OpRename:
		return "PATCH /files/{file}"
	case OpLink:
		return "POST /files/{file}/link"
	case OpChanges:
		return "GET /changes"
	}
	return ""
}

// special are the routes in which the older generations differ (wire/dropzone.md §1, §2).
func special(g Generation, op Op) string {
	switch {
	case g == G2 && op == OpGet:
		return "GET /dropzone"
	case g == G2 && op == OpList:
		return "GET /files"
	case g == G2 && op == OpRequest:
		return "POST /files"
	case g == G1 && op == OpRequest:
		return "POST /dropzones/{drop}/upload/request"
	case g == G1 && op == OpConfirm:
		return "POST /files/{file}/upload/confirm"
	case (g == G0 || g == G1) && op == OpDelete:
		return "DELETE /dropzones/{drop}/files/{file}"
	case g == G0 && op == OpDownload:
		return "GET /dropzones/{drop}/files/{file}"
	}
	return ""
}

type route struct{ method, path string }

func parseRoute(s string) (route, bool) {
	m, p, ok := strings.Cut(s, " ")
	if !ok || m == "" || m != strings.ToUpper(m) || !strings.HasPrefix(p, "/") || strings.ContainsAny(p, " ?#") {
		return route{}, false
	}
	return route{m, p}, true
}

// route returns the way of op in generation g.
func (c *Client) route(g Generation, op Op) route {
	text := c.cfg.Routes[op]
	if text == "" {
		text = special(g, op)
	}
	if text == "" {
		text = common(op)
	}
	r, _ := parseRoute(text)
	return r
}

// generation returns the dialect to speak now.
func (c *Client) generation() Generation {
	if c.cfg.Generation != Auto {
		return c.cfg.Generation
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.proven != "":
		return c.proven
	case c.cfg.Key == "":
		return G2
	}
	return G3
}

// request makes the request of op on a drop and a file, either of which may be "".
func (c *Client) request(drop remote.DropID, file remote.AssetID, op Op) (httpx.Request, error) {
	return c.requestIn(c.generation(), drop, file, op)
}

func (c *Client) requestIn(g Generation, drop remote.DropID, file remote.AssetID, op Op) (httpx.Request, error) {
	r := c.route(g, op)
	if strings.Contains(r.path, "{drop}") && !validID(string(drop)) || strings.Contains(r.path, "{file}") && !validID(string(file)) {
		return httpx.Request{}, &remote.Error{Kind: remote.ErrInvalid, Op: string(op), Message: "an id that cannot be one"}
	}
	path := strings.NewReplacer("{drop}", url.PathEscape(string(drop)), "{file}", url.PathEscape(string(file))).Replace(r.path)
	req := httpx.Request{Method: r.method, Path: path, Auth: c.auth(g, op, drop)}
	if drop != "" {
		req.Hide = []remote.Secret{remote.Secret(drop)}
	}
	switch r.method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodDelete, http.MethodPut:
		req.Repeat = true
	}
	return req, nil
}

// auth returns the credentials of a request.
func (c *Client) auth(g Generation, op Op, drop remote.DropID) map[string]remote.Secret {
	var key, id bool
	account := op == OpCreate || op == OpUpdate || op == OpListDrops || op == OpDeleteDrop || op == OpChanges
	switch c.cfg.Credentials {
	case KeyOnly:
		key = true
	case DropOnly:
		key, id = account, true
	case Both:
		key, id = true, true
	default:
		switch {
		case c.cfg.Generation == Auto:
			key, id = true, true
		case g == G0:
		case g == G1:
			key = account
		case g == G2:
			key, id = account, !account
		case g == G3:
			key = true
		}
	}
	out := map[string]remote.Secret{}
	if key && c.cfg.Key != "" && op != OpAbilities {
		out[c.cfg.KeyHeader] = c.cfg.Key
	}
	if id && drop != "" && safeHeader(string(drop)) {
		out[c.cfg.DropHeader] = remote.Secret(drop)
	}
	return out
}

func safeHeader(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r == 0x7f })
}

// validID refuses what would change the path it stands in, or cannot be an id.
func validID(s string) bool {
	return s != "" && s != "." && s != ".." && len(s) <= 512 && utf8.ValidString(s) && safeHeader(s)
}

// shortID is what errors show of a drop's id, which is a credential.
func shortID(id remote.DropID) string {
	if len(id) > 8 {
		return "drop " + string(id[:4]) + "…"
	}
	return "drop"
}

// routeUnknown tells whether an error may mean that the service has no such route at all.
func routeUnknown(err error) bool {
	s := statusOf(err)
	return s == http.StatusNotFound || s == http.StatusMethodNotAllowed || s == http.StatusNotImplemented
}

// inDialect runs try in the present generation and, where the service may not know its routes and nothing else is proven,
// in the other. What has answered is proven: a success, or a refusal that is none of the route.
func (c *Client) inDialect(try func(g Generation) error) error {
	g := c.generation()
	err := try(g)
	if c.cfg.Generation != Auto {
		return err
	}
	c.mu.Lock()
	proven := c.proven
	c.mu.Unlock()
	if proven == g || !routeUnknown(err) {
		if proven == "" && err == nil {
			c.prove(g)
		}
		return err
	}
	other := G2
	if g == G2 {
		other = G3
	}
	err2 := try(other)
	switch {
	case err2 == nil, statusOf(err2) != 0 && statusOf(err2) < 500 && !routeUnknown(err2):
		c.prove(other)
		return err2
	case errors.Is(err, remote.ErrProtocol) && !errors.Is(err2, remote.ErrProtocol):
		return err2
	}
	return err
}

func (c *Client) prove(g Generation) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.proven = g
}
