package daemon

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/sirupsen/logrus"

	"dropfs/fs/cli/config"
	"dropfs/remote"
	"dropfs/remote/dropzone"
	"dropfs/remote/httpx"
)

// service is the client of one account.
type service struct{ *dropzone.Client }

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
	c, err := NewClient(d.file().Accounts[name], key, filepath.Join(d.statePath(name), "rate.json"), log)
	if err != nil {
		return nil, err
	}
	s := &service{c}
	s.HTTP().SetBandwidth(d.cfg.Options.LimitUp, d.cfg.Options.LimitDown)
	return s, nil
}

// NewClient makes the client that an account's section describes. rateFile is httpx.Config.RateFile.
func NewClient(a config.Account, key remote.Secret, rateFile string, log *logrus.Entry) (*dropzone.Client, error) {
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
		HTTP: httpx.Config{RateFile: rateFile, UserAgent: "dropfs/" + Version}, Log: log,
	})
}

// close ends the connections and remembers the rate limit.
func (s *service) close() {
	if s.Client != nil {
		s.Client.Close()
	}
}

// dropIDs are the drops of an account that were made elsewhere.
func dropIDs(a config.Account) map[string]remote.DropID {
	ids := map[string]remote.DropID{}
	for name, id := range a.Drops {
		ids[name] = remote.DropID(id.Reveal())
	}
	return ids
}
