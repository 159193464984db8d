package engines

import (
	"fmt"

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
	engine, err := cloud.New(cloud.Config{Client: client, PerHour: c.PerHour, Log: log})
	if err != nil {
		return nil, fmt.Errorf("conversion service: %w", err)
	}
	// Where it is configured it is meant to be used, unless the section says otherwise.
	return &Service{Registry: s.Registry.WithService(engine, c.Prefer != "local"), Engine: engine, client: client}, nil
}

// Close ends its connections.
func (s *Service) Close() { s.client.Close() }
