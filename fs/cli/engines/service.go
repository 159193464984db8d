package engines

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"

	"github.com/sirupsen/logrus"

	"dropfs/convert"
	"dropfs/convert/cloud"
	"dropfs/fs/cli/config"
	"dropfs/remote"
	"dropfs/remote/d3"
	"dropfs/remote/httpx"
)

// Service is a conversion service beside the engines of this machine.
type Service struct {
	Registry *convert.Registry
	Engine   *cloud.Engine // its Background asks what the service can do
	client   *d3.Client
}

// WithService adds the service of a section of the configuration; agent names this program to it.
func (s *Set) WithService(c config.Convert, key remote.Secret, agent string, log *logrus.Entry) (*Service, error) {
	client, err := d3.New(d3.Config{BaseURL: c.URL, Key: key, HTTP: httpx.Config{UserAgent: agent}, Log: log})
	if err != nil {
		return nil, fmt.Errorf("conversion service: %w", err)
	}
	known := ""
	if s.cacheDir != "" {
		h := sha256.Sum256([]byte(c.URL))
		known = filepath.Join(s.cacheDir, "d3", hex.EncodeToString(h[:8])+".json")
	}
	engine, err := cloud.New(cloud.Config{Client: client, PerHour: c.PerHour, Known: known, Log: log})
	if err != nil {
		return nil, fmt.Errorf("conversion service: %w", err)
	}
	// Where it is configured it is meant to be used, unless the section says otherwise.
	return &Service{Registry: s.Registry.WithService(engine, c.Prefer != "local"), Engine: engine, client: client}, nil
}

// CheckService asks a service for something that needs the key.
func CheckService(ctx context.Context, url string, key remote.Secret, agent string) error {
	client, err := d3.New(d3.Config{BaseURL: url, Key: key, HTTP: httpx.Config{UserAgent: agent}})
	if err != nil {
		return fmt.Errorf("conversion service: %w", err)
	}
	defer client.Close()
	_, err = client.Supported(ctx, d3.Question{Ext: "pdf"})
	return err
}

// Close ends its connections.
func (s *Service) Close() { s.client.Close() }
