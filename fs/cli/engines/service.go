package engines

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
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

// ServiceConfig is a section of the configuration, with what is kept elsewhere.
type ServiceConfig struct {
	config.Convert
	Key           remote.Secret
	WebhookSecret remote.Secret // "": webhooks are refused
	Agent         string        // names this program to the service
	RateFile      string        // see httpx.Config
	BudgetFile    string        // cloud.Config.Spent
	Log           *logrus.Entry
}

// WithService adds a service.
func (s *Set) WithService(c ServiceConfig) (*Service, error) {
	client, err := d3.New(d3.Config{
		BaseURL: c.URL, Key: c.Key, WebhookSecret: c.WebhookSecret, HTTP: httpx.Config{UserAgent: c.Agent, RateFile: c.RateFile}, Log: c.Log,
	})
	if err != nil {
		return nil, fmt.Errorf("conversion service: %w", err)
	}
	known := ""
	if s.cacheDir != "" {
		h := sha256.Sum256([]byte(c.URL))
		known = filepath.Join(s.cacheDir, "d3", hex.EncodeToString(h[:8])+".json")
	}
	engine, err := cloud.New(cloud.Config{Client: client, PerHour: c.Budget(), Known: known, Spent: c.BudgetFile, Log: c.Log})
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

// Webhooks is where the services' webhooks come in that share an address.
func Webhooks(services func() []*Service) http.Handler {
	return d3.Webhooks(func() []*d3.Client {
		var clients []*d3.Client
		for _, s := range services() {
			clients = append(clients, s.client)
		}
		return clients
	})
}

// Close ends its connections.
func (s *Service) Close() { s.client.Close() }
