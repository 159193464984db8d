package dropzone

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"dropfs/remote"
	"dropfs/remote/httpx"
	"dropfs/remote/transfer"
)

// Generation names one of the API's generations.
type Generation string

// The generations; "" is Auto.
const (
	Auto Generation = "auto"
	G0   Generation = "g0"
	G1   Generation = "g1"
	G2   Generation = "g2"
	G3   Generation = "g3"
)

// Credentials says which of the two headers a request carries.
type Credentials string

// The choices; "" is what the generation asks for, in Auto both as far as they are known.
const (
	KeyOnly  Credentials = "key"
	DropOnly Credentials = "drop"
	Both     Credentials = "both"
)

// Download says how bytes are fetched.
type Download string

// The ways; "" is Follow.
const (
	Follow Download = "follow" // from the API, or from where it redirects to
	Stream Download = "stream" // from the API; a redirect is an error
	CDN    Download = "cdn"    // from the public page, for files that anyone may read
)

// Config says where the service is and which of its dialects it speaks. Only BaseURL is needed; everything that
// wire/dropzone.md §6 leaves open can be set.
type Config struct {
	BaseURL string        // "https://www.collect-files.com/api/v1"
	Key     remote.Secret // "": drops are reached by their ids alone

	Generation  Generation
	Credentials Credentials
	KeyHeader   string // "": x-api-key
	DropHeader  string // "": x-dropzone-id
	// Routes replaces single routes: "list" to "GET /dropzones/{drop}/files". The names are those of the Op constants.
	Routes map[Op]string

	UploadHeader    map[string]string // further headers of each presigned PUT, such as x-amz-acl
	Download        Download
	CDNBase         string        // "": /cdn at the origin of BaseURL
	ListUnconfirmed bool          // the service's listings do not tell the state of an upload: show all
	LinkLifetime    time.Duration // of links that a hub signs; 0: seven days

	Caps    *remote.Caps  // as they were last known; asked for again when the first hour is over or nothing is known
	CapsTTL time.Duration // how long abilities are taken to hold; 0: one hour

	HTTP     httpx.Config // BaseURL and Auth of it are set here
	Parallel int          // parts of one upload at a time; 0: 4
	Log      *logrus.Entry
}

// Client is a remote.Service. All its methods may be called at the same time.
type Client struct {
	cfg  Config
	http *httpx.Client
	tr   *transfer.Client
	log  *logrus.Entry

	mu      sync.Mutex
	able    map[string]bool // what the service announced; nil: never asked
	learned time.Time
	proven  Generation // in Auto: the generation that has answered
}

var _ remote.Service = (*Client)(nil)

// New checks cfg and returns a client that has sent nothing yet.
func New(cfg Config) (*Client, error) {
	switch cfg.Generation {
	case "":
		cfg.Generation = Auto
	case Auto, G0, G1, G2, G3:
	default:
		return nil, fmt.Errorf("generation %q: none of auto, g0, g1, g2, g3", cfg.Generation)
	}
	switch cfg.Credentials {
	case "", KeyOnly, DropOnly, Both:
	default:
		return nil, fmt.Errorf("credentials %q: none of key, drop, both", cfg.Credentials)
	}
	switch cfg.Download {
	case "", Follow, Stream, CDN:
	default:
		return nil, fmt.Errorf("download %q: none of follow, stream, cdn", cfg.Download)
	}
	for op, r := range cfg.Routes {
		if _, ok := parseRoute(r); !ok {
			return nil, fmt.Errorf("route %s: %q is not METHOD /path", op, r)
		}
	}
	def := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	def(&cfg.KeyHeader, "x-api-key")
	def(&cfg.DropHeader, "x-dropzone-id")
	if cfg.LinkLifetime == 0 {
		cfg.LinkLifetime = 7 * 24 * time.Hour
	}
	if cfg.CapsTTL == 0 {
		cfg.CapsTTL = time.Hour
	}
	hc := cfg.HTTP
	hc.BaseURL, hc.Auth = cfg.BaseURL, nil
	if hc.Log == nil {
		hc.Log = cfg.Log
	}
	h, err := httpx.New(hc)
	if err != nil {
		return nil, err
	}
	tr, err := transfer.New(transfer.Config{HTTP: h, Parallel: cfg.Parallel})
	if err != nil {
		return nil, err
	}
	c := &Client{cfg: cfg, http: h, tr: tr, log: cfg.Log}
	if c.log == nil {
		l := logrus.New()
		l.SetLevel(logrus.PanicLevel)
		c.log = logrus.NewEntry(l)
	}
	if cfg.Caps != nil {
		c.able, c.learned = abilitiesOf(*cfg.Caps), time.Now()
	}
	if strings.ContainsAny(cfg.Key.Reveal(), "\r\n\x00") {
		return nil, errors.New("key: line break or NUL in it")
	}
	return c, nil
}

// HTTP returns the transport below, for its metrics, bandwidth and rate state.
func (c *Client) HTTP() *httpx.Client { return c.http }

// Close closes the idle connections.
func (c *Client) Close() { c.http.Close() }

// The names in the header Dropfs-Abilities.
const (
	ableListDrops  = "list-drops"
	ableDeleteDrop = "delete-drop"
	ableRenameDrop = "rename-drop"
	ableMultipart  = "multipart"
	ableCopy       = "copy"
	ableRename     = "rename"
	ableReplace    = "replace"
	ableChanges    = "changes"
	ableLink       = "link"
	ableRenew      = "renew"

	abilitiesHeader = "Dropfs-Abilities"
	sequenceHeader  = "Dropfs-Sequence" // of a listing: remote.Listing.Seq
)

func parseAbilities(h http.Header) map[string]bool {
	able := map[string]bool{}
	for _, v := range h.Values(abilitiesHeader) {
		for name := range strings.SplitSeq(v, ",") {
			if name = strings.ToLower(strings.TrimSpace(name)); name != "" && len(able) < 100 {
				able[name] = true
			}
		}
	}
	return able
}

// abilitiesOf turns remembered Caps back into what the service announced. Renewal comes with multipart.
func abilitiesOf(c remote.Caps) map[string]bool {
	return map[string]bool{
		ableListDrops: c.ListDrops, ableDeleteDrop: c.DeleteDrop, ableRenameDrop: c.RenameDrop, ableMultipart: c.Multipart,
		ableRenew: c.Multipart, ableCopy: c.Copy, ableRename: c.Rename, ableReplace: c.Replace, ableChanges: c.Changes,
		ableLink: c.PublicLink,
	}
}

// Caps implements remote.Service.
func (c *Client) Caps(ctx context.Context) (remote.Caps, error) {
	able, err := c.abilities(ctx)
	if err != nil {
		return remote.Caps{}, err
	}
	keyed := c.cfg.Key != ""
	return remote.Caps{
		ListDrops: keyed && able[ableListDrops], DeleteDrop: able[ableDeleteDrop], RenameDrop: able[ableRenameDrop],
		Multipart: able[ableMultipart], Copy: able[ableCopy], Rename: able[ableRename], Replace: able[ableReplace],
		Changes: keyed && able[ableChanges], DupNames: true, PublicLink: able[ableLink],
	}, nil
}

// abilities returns what the service announced, asking again when that is old; what is old stands when it cannot be asked.
func (c *Client) abilities(ctx context.Context) (map[string]bool, error) {
	c.mu.Lock()
	able, fresh := c.able, time.Since(c.learned) < c.cfg.CapsTTL
	c.mu.Unlock()
	if able != nil && fresh {
		return able, nil
	}
	got, err := c.ask(ctx)
	if err != nil && able != nil {
		return able, nil
	}
	return got, err
}

// can tells of one ability, and no where that cannot be found out.
func (c *Client) can(ctx context.Context, ability string) bool {
	able, err := c.abilities(ctx)
	return err == nil && able[ability]
}

// ask asks for the abilities: any answer but that of a broken gateway tells them.
func (c *Client) ask(ctx context.Context) (map[string]bool, error) {
	req, err := c.request("", "", OpAbilities)
	if err != nil {
		return nil, err
	}
	req.Op, req.Repeat, req.NoRedirect = "ask for abilities", true, true
	req.Accept = func(status int) bool {
		return status < 500 && status != http.StatusTooManyRequests || status == http.StatusNotImplemented
	}
	resp, err := c.http.Open(ctx, req)
	if err != nil {
		return nil, err
	}
	_ = resp.Body.Close()
	able := parseAbilities(resp.Header)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.able, c.learned = able, time.Now()
	return able, nil
}

// Ping implements remote.Service.
func (c *Client) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	_, err := c.ask(httpx.WithDefaultPriority(ctx, httpx.Poller))
	return err
}
