package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/sirupsen/logrus"

	"dropfs/fs/cli/config"
	"dropfs/remote"
	"dropfs/remote/dropzone"
	"dropfs/remote/httpx"
)

// service is the client of one account, with what is remembered of it over restarts.
type service struct {
	*dropzone.Client
	ratePath string // "" where nothing is remembered
}

// openService makes the client of an account.
func (d *Disk) openService(name string) (*service, error) {
	log := d.log.WithField("account", name)
	if name == config.LocalAccount {
		c, err := dropzone.New(dropzone.Config{
			BaseURL: d.hub.baseURL(), Key: d.hub.key, HTTP: httpx.Config{RoundTripper: d.hub.transport}, Log: log,
		})
		return &service{Client: c}, err
	}
	key, err := d.file().AccountKey(d.cfg.Keys, name)
	if err != nil && !errors.Is(err, config.ErrNoKey) {
		return nil, err
	}
	if key == "" && len(d.file().Accounts[name].Drops) == 0 {
		return nil, fmt.Errorf("%w for it: dropfs login %s --url URL keeps one", config.ErrNoKey, name)
	}
	s := &service{ratePath: filepath.Join(d.statePath(name), "rate.json")}
	s.Client, err = NewClient(d.file().Accounts[name], key, s.rateState(), log)
	if err != nil {
		return nil, err
	}
	s.HTTP().SetBandwidth(d.cfg.Options.LimitUp, d.cfg.Options.LimitDown)
	return s, nil
}

// NewClient makes the client that an account's section describes.
func NewClient(a config.Account, key remote.Secret, rate httpx.RateState, log *logrus.Entry) (*dropzone.Client, error) {
	if a.Service != config.ServiceDropzone {
		return nil, fmt.Errorf("service %s: this version speaks the Dropzone API only", a.Service)
	}
	routes := map[dropzone.Op]string{}
	for op, r := range a.Wire.Routes {
		routes[dropzone.Op(op)] = r
	}
	return dropzone.New(dropzone.Config{
		BaseURL: a.URL, Key: key,
		Generation: dropzone.Generation(a.Wire.Generation), Credentials: dropzone.Credentials(a.Wire.Credentials),
		KeyHeader: a.Wire.KeyHeader, DropHeader: a.Wire.DropHeader, Routes: routes, UploadHeader: a.Wire.UploadHeaders,
		Download: dropzone.Download(a.Wire.Download), CDNBase: a.Wire.CDNBase, ListUnconfirmed: a.Wire.ListUnconfirmed,
		HTTP: httpx.Config{RateState: rate, UserAgent: "dropfs/" + Version}, Log: log,
	})
}

// rateState reads what was left of the rate limit; nothing where that is not known.
func (s *service) rateState() (st httpx.RateState) {
	text, err := os.ReadFile(s.ratePath)
	if err == nil {
		_ = json.Unmarshal(text, &st)
	}
	return st
}

// close ends the connections and remembers the rate limit.
func (s *service) close() {
	if s.Client == nil {
		return
	}
	if s.ratePath != "" {
		if text, err := json.Marshal(s.HTTP().RateState()); err == nil {
			_ = os.WriteFile(s.ratePath, text, fs.FileMode(0o600)) // a hint, best effort
		}
	}
	s.Client.Close()
}

// dropIDs are the drops of an account that were made elsewhere.
func dropIDs(a config.Account) map[string]remote.DropID {
	ids := map[string]remote.DropID{}
	for name, id := range a.Drops {
		ids[name] = remote.DropID(id.Reveal())
	}
	return ids
}
