package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"dropfs/remote"
)

// ServeKeys is the [serve] section: the flags of dropfs serve.
type ServeKeys struct {
	Listen      string          `toml:"listen"`
	Data        string          `toml:"data"`
	Database    string          `toml:"database"`
	Objects     string          `toml:"objects"`
	PublicURL   string          `toml:"public_url"`
	APIKey      []remote.Secret `toml:"api_key"` // KEY or KEY:GBMONTHS
	Rate        string          `toml:"rate"`
	SMTP        string          `toml:"smtp"`
	FaxCommand  string          `toml:"fax_command"`
	TLSCert     string          `toml:"tls_cert"`
	TLSKey      string          `toml:"tls_key"`
	BehindProxy bool            `toml:"behind_proxy"`
	Keep        string          `toml:"keep"` // how long uploads and results of the D3 wire are kept

	PrivateWebhooks bool `toml:"private_webhooks"`
}

// ServeFromEnv fills what the environment says over what the file says.
func (e Env) ServeFromEnv(s ServeKeys) (ServeKeys, error) {
	for name, p := range map[string]*string{
		"LISTEN": &s.Listen, "DATA": &s.Data, "DATABASE": &s.Database, "OBJECTS": &s.Objects, "PUBLIC_URL": &s.PublicURL,
		"RATE": &s.Rate, "SMTP": &s.SMTP, "FAX_COMMAND": &s.FaxCommand, "TLS_CERT": &s.TLSCert, "TLS_KEY": &s.TLSKey,
		"KEEP": &s.Keep,
	} {
		if v := e.Get("DROPFS_" + name); v != "" {
			*p = v
		}
	}
	if v := e.Get("DROPFS_API_KEY"); v != "" {
		s.APIKey = nil
		for k := range strings.FieldsFuncSeq(v, func(r rune) bool { return r == ',' || r == ' ' }) {
			s.APIKey = append(s.APIKey, remote.Secret(k))
		}
	}
	for name, p := range map[string]*bool{"BEHIND_PROXY": &s.BehindProxy, "PRIVATE_WEBHOOKS": &s.PrivateWebhooks} {
		v := e.Get("DROPFS_" + name)
		if v == "" {
			continue
		}
		b, err := ParseBool(v)
		if err != nil {
			return s, fmt.Errorf("DROPFS_%s: %w", name, err)
		}
		*p = b
	}
	return s, nil
}

// HubKey is a key given to a hub on its command line.
type HubKey struct {
	Key      remote.Secret
	GBMonths float64 // negative: no limit
}

// ParseHubKey reads KEY or KEY:GBMONTHS. No error holds the key (G5).
func ParseHubKey(s remote.Secret) (HubKey, error) {
	key, months, limited := strings.Cut(s.Reveal(), ":")
	if key == "" {
		return HubKey{}, errors.New("an API key must not be empty")
	}
	if !limited {
		return HubKey{Key: remote.Secret(key), GBMonths: -1}, nil
	}
	n, err := strconv.ParseFloat(months, 64)
	if err != nil || !(n >= 0) || n > 1e12 {
		return HubKey{}, errors.New("what follows the colon of an API key must be its GB-months: a number, not negative")
	}
	return HubKey{Key: remote.Secret(key), GBMonths: n}, nil
}

// Rate is how many requests a key may make in a time; N 0 is without limit.
type Rate struct {
	N   int
	Per time.Duration
}

// ParseRates reads PROTOCOL=N/TIME,…: "dropio=250/15m,d3=1000/m,dropzone=0".
func ParseRates(s string) (map[string]Rate, error) {
	rates := map[string]Rate{}
	for word := range strings.SplitSeq(s, ",") {
		word = strings.TrimSpace(word)
		if word == "" {
			continue
		}
		proto, text, ok := strings.Cut(word, "=")
		count, per, timed := strings.Cut(text, "/")
		n, err := strconv.Atoi(count)
		bad := fmt.Errorf("%q is not a rate; write it like d3=1000/m or dropzone=0", word)
		if !ok || err != nil || n < 0 || n > 0 && !timed {
			return nil, bad
		}
		switch proto {
		case ServiceDropzone, ServiceDropio, ServiceD3:
		default:
			return nil, fmt.Errorf("%q is none of dropzone, dropio and d3", proto)
		}
		r := Rate{N: n}
		if n > 0 {
			if per != "" && !strings.ContainsAny(per[:1], "0123456789") {
				per = "1" + per
			}
			if r.Per, err = ParseDuration(per); err != nil || r.Per == 0 {
				return nil, bad
			}
		}
		rates[proto] = r
	}
	return rates, nil
}

// ServeDataDir is where a hub keeps its data when nobody says otherwise.
func (e Env) ServeDataDir() (string, error) {
	dir, err := e.DataDir()
	return filepath.Join(dir, "serve"), err
}
