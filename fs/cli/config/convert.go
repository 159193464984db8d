package config

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"dropfs/remote"
)

// Convert is a [convert] or [accounts.NAME.convert] section: a service that converts, and limits of every engine.
type Convert struct {
	Service    string        `toml:"service"` // "": the engines of this machine alone, in [convert]
	URL        string        `toml:"url"`
	APIKey     remote.Secret `toml:"api_key"`
	APIKeyFile string        `toml:"api_key_file"`
	Prefer     string        `toml:"prefer"`
	Fallback   bool          `toml:"fallback"`
	PerHour    *int          `toml:"per_hour"` // from 1 to maxPerHour; nil: 100. Budget answers it
	// WebhookListen is the address at which the service's webhooks come in, from where the world reaches it; "": none do.
	WebhookListen     string        `toml:"webhook_listen"`
	WebhookSecret     remote.Secret `toml:"webhook_secret"`
	WebhookSecretFile string        `toml:"webhook_secret_file"`

	Deadline  string `toml:"deadline"`
	MaxInput  any    `toml:"max_input"`  // a size, as text or a number
	MaxOutput any    `toml:"max_output"` // a size, as text or a number
	Parallel  int    `toml:"parallel"`   // runs at a time, of all accounts: in [convert] alone; 0: one a core
}

// ConvertLimits bound one conversion. Zero values are not told.
type ConvertLimits struct {
	Time                time.Duration
	MaxInput, MaxOutput int64 // bytes
}

// LimitsFor finds the limits of an account's conversions: each its own, or that of the section for all. "" is no account.
func (c *File) LimitsFor(name string) ConvertLimits {
	own, _ := c.Accounts[name].Convert.limits() // they were checked
	all, _ := c.Convert.limits()
	return ConvertLimits{cmp.Or(own.Time, all.Time), cmp.Or(own.MaxInput, all.MaxInput), cmp.Or(own.MaxOutput, all.MaxOutput)}
}

// Parallel is how many conversions run at a time; 0: not told.
func (c *File) Parallel() int {
	if c.Convert == nil {
		return 0
	}
	return c.Convert.Parallel
}

// limits reads those of one section; nil has none.
func (c *Convert) limits() (l ConvertLimits, err error) {
	if c == nil {
		return l, nil
	}
	if c.Deadline != "" {
		if l.Time, err = ParseDuration(c.Deadline); err != nil {
			return l, fmt.Errorf("deadline: %w", err)
		}
	}
	if l.MaxInput, err = sizeOf(c.MaxInput); err != nil {
		return l, fmt.Errorf("max_input: %w", err)
	}
	if l.MaxOutput, err = sizeOf(c.MaxOutput); err != nil {
		return l, fmt.Errorf("max_output: %w", err)
	}
	return l, nil
}

// sizeOf reads a size above zero; nil is 0.
func sizeOf(v any) (int64, error) {
	switch v.(type) {
	case nil:
		return 0, nil
	case string, int64, float64:
		n, err := ParseSize(fmt.Sprint(v))
		if err == nil && n == 0 {
			err = errors.New("must be above zero")
		}
		return n, err
	default:
		return 0, errors.New("wrong type of value")
	}
}

// maxPerHour bounds per_hour: what was begun within the hour is kept one by one.
const maxPerHour = 100_000

// Budget is how many conversions the service may be asked for within an hour. There is always an end to it: conversions cost
// money, and who reads is not always a person.
func (c *Convert) Budget() int {
	if c.PerHour == nil {
		return 100
	}
	return *c.PerHour
}

// check tests a convert section; nil is none. The one for all may be without a service.
func (c *Convert) check(forAll bool) error {
	if c == nil {
		return nil
	}
	if err := c.checkService(forAll); err != nil {
		return fmt.Errorf("convert: %w", err)
	}
	switch {
	case c.Parallel < 0:
		return errors.New("convert: parallel must not be negative")
	case c.Parallel > 0 && !forAll:
		return errors.New("convert: parallel belongs to [convert]")
	}
	if _, err := c.limits(); err != nil {
		return fmt.Errorf("convert: %w", err)
	}
	return nil
}

// checkService tests what tells of the service.
func (c *Convert) checkService(forAll bool) error {
	switch {
	case c.Service == "" && forAll:
		if c.URL != "" || c.APIKey != "" || c.APIKeyFile != "" || c.Prefer != "" || c.Fallback || c.PerHour != nil ||
			c.WebhookListen != "" || c.WebhookSecret != "" || c.WebhookSecretFile != "" {
			return errors.New("service is missing: d3; without one there are deadline, parallel, max_input and max_output")
		}
		return nil
	case c.Service != ServiceD3:
		return errors.New("service must be d3")
	case c.Prefer != "" && c.Prefer != "remote" && c.Prefer != "local":
		return errors.New("prefer must be remote or local")
	case c.PerHour != nil && (*c.PerHour < 1 || *c.PerHour > maxPerHour):
		return fmt.Errorf("per_hour must be from 1 to %d", maxPerHour)
	case c.WebhookListen == "" && (c.WebhookSecret != "" || c.WebhookSecretFile != ""):
		return errors.New("webhook_secret belongs to webhook_listen")
	}
	if c.WebhookListen != "" {
		if err := CheckListen(c.WebhookListen); err != nil {
			return fmt.Errorf("webhook_listen: %w", err)
		}
	}
	if err := CheckURL(c.URL); err != nil {
		return fmt.Errorf("url: %w", err)
	}
	return nil
}

func (c *Convert) holdsKeys() bool {
	return c != nil && (c.APIKey != "" || c.WebhookSecret != "")
}
