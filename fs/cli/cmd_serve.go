package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"dropfs/convert"
	"dropfs/fs/cli/config"
	"dropfs/fs/cli/daemon"
	"dropfs/fs/cli/engines"
	"dropfs/fs/cli/fail"
	"dropfs/remote"
	"dropfs/remote/hub"
)

// defaultListen is where a hub listens when nobody says otherwise.
const defaultListen = "127.0.0.1:8333"

// stopWait bounds how long a hub that ends waits for requests under way.
const stopWait = 10 * time.Second

// serveCommand is the hub.
func (a App) serveCommand() *cobra.Command {
	c := &cobra.Command{Use: "serve", Short: "runs a hub: a server that speaks the services' own protocols", Args: args(0, 0)}
	var s config.ServeKeys
	f := c.Flags()
	f.StringVar(&s.Listen, "listen", "", "listen at `ADDR` ("+defaultListen+")")
	f.StringVar(&s.Data, "data", "", "keep the data in `DIR`")
	f.StringVar(&s.Database, "database", "", "keep what is known of files at `URL`, or in a file")
	f.StringVar(&s.Objects, "objects", "", "keep the files at `URL`, s3://…, or in a directory")
	f.StringVar(&s.PublicURL, "public-url", "", "clients see the hub at `URL`")
	keys := f.StringArray("api-key", nil, "a `KEY[:GBMONTHS]` that opens the hub; may be given again")
	f.StringVar(&s.Rate, "rate", "", "requests a key may make, as `PROTOCOL=N/TIME,…`")
	f.StringVar(&s.SMTP, "smtp", "", "send mail through `URL`")
	f.StringVar(&s.FaxCommand, "fax-command", "", "send faxes with `CMD`")
	f.StringVar(&s.TLSCert, "tls-cert", "", "serve HTTPS with the certificate in `FILE`")
	f.StringVar(&s.TLSKey, "tls-key", "", "and its key in `FILE`")
	f.BoolVar(&s.BehindProxy, "behind-proxy", false, "believe X-Forwarded headers")
	f.StringVar(&s.Keep, "keep", "", "keep uploads and results of conversions for `DURATION` (24h)")
	f.BoolVar(&s.PrivateWebhooks, "private-webhooks", false, "let webhooks be at addresses that are not public")
	level := f.String("log-level", "", "error, warn, info or debug (`LEVEL`)")
	format := f.String("log-format", "", "text or json (`FORMAT`)")
	c.RunE = run("serve", func(c *cobra.Command, _ []string) error {
		file, err := a.loadConfig(c, "")
		if err != nil {
			return err
		}
		for _, k := range *keys {
			s.APIKey = append(s.APIKey, remote.Secret(k))
		}
		layer := config.Layer{Origin: "flag", Values: map[string]string{}}
		for name, v := range map[string]string{"log-level": *level, "log-format": *format} {
			if v != "" {
				layer.Values[name] = v
			}
		}
		o, err := file.Resolve(layer, a.Env.MountLayer())
		if err != nil {
			return fail.As(fail.Usage, "serve", err)
		}
		if s, err = a.serveSettings(c, file, s); err != nil {
			return err
		}
		return a.serve(c.Context(), s, newLog(a.Err, o.LogLevel, o.LogFormat))
	})
	return c
}

// serveSettings lays the flags over the environment over the file.
func (a App) serveSettings(c *cobra.Command, file *config.File, flags config.ServeKeys) (config.ServeKeys, error) {
	s, err := a.Env.ServeFromEnv(file.Serve)
	if err != nil {
		return s, fail.As(fail.Config, "serve", err)
	}
	for _, v := range []struct{ to, from *string }{
		{&s.Listen, &flags.Listen},
		{&s.Data, &flags.Data},
		{&s.Database, &flags.Database},
		{&s.Objects, &flags.Objects},
		{&s.PublicURL, &flags.PublicURL},
		{&s.Rate, &flags.Rate},
		{&s.SMTP, &flags.SMTP},
		{&s.FaxCommand, &flags.FaxCommand},
		{&s.TLSCert, &flags.TLSCert},
		{&s.TLSKey, &flags.TLSKey},
		{&s.Keep, &flags.Keep},
	} {
		if *v.from != "" {
			*v.to = *v.from
		}
	}
	if len(flags.APIKey) > 0 {
		s.APIKey = flags.APIKey
	}
	if c.Flags().Changed("behind-proxy") {
		s.BehindProxy = flags.BehindProxy
	}
	if c.Flags().Changed("private-webhooks") {
		s.PrivateWebhooks = flags.PrivateWebhooks
	}
	s.Listen = firstOf(s.Listen, defaultListen)
	if s.Data == "" {
		if s.Data, err = a.Env.ServeDataDir(); err != nil {
			return s, fail.As(fail.Config, "serve", err).WithHint("--data names a directory")
		}
	}
	if (s.TLSCert == "") != (s.TLSKey == "") {
		return s, fail.New(fail.Usage, "serve", "--tls-cert and --tls-key belong together")
	}
	if s.PublicURL != "" {
		if err := config.CheckURL(s.PublicURL); err != nil {
			return s, fail.As(fail.Usage, "serve: --public-url", err)
		}
	}
	return s, nil
}

// hubConfig translates the settings.
func hubConfig(s config.ServeKeys, log *logrus.Entry) (hub.Config, error) {
	c := hub.Config{
		DataDir: s.Data, Objects: s.Objects, Database: s.Database, PublicURL: strings.TrimSuffix(s.PublicURL, "/"),
		BehindProxy: s.BehindProxy, Rate: map[string]hub.Rate{}, Log: log, PrivateHooks: s.PrivateWebhooks,
	}
	if s.Keep != "" {
		d, err := config.ParseDuration(s.Keep)
		if err != nil || d <= 0 {
			return c, fail.New(fail.Usage, "serve: --keep", "a duration is needed, like 24h")
		}
		c.Keep = d
	}
	for _, text := range s.APIKey {
		k, err := config.ParseHubKey(text)
		if err != nil {
			return c, fail.As(fail.Usage, "serve: --api-key", err)
		}
		c.Keys = append(c.Keys, hub.KeySpec{Key: k.Key, GBMonths: k.GBMonths})
	}
	rates, err := config.ParseRates(s.Rate)
	if err != nil {
		return c, fail.As(fail.Usage, "serve: --rate", err)
	}
	for proto, r := range rates {
		c.Rate[proto] = hub.Rate{Requests: r.N, Per: r.Per}
	}
	return c, nil
}

// serve runs the hub until ctx ends.
func (a App) serve(ctx context.Context, s config.ServeKeys, log *logrus.Entry) (err error) {
	cfg, err := hubConfig(s, log)
	if err != nil {
		return err
	}
	lock, err := daemon.LockHub(s.Data)
	if err != nil {
		return fail.As(fail.Failed, "serve", err).WithHint("one hub at a time uses a data directory; --data names another")
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	registry, closeEngines, err := a.serveEngines(ctx, s.Data, log)
	if err != nil {
		return fail.Of("serve", err)
	}
	defer func() { err = errors.Join(err, closeEngines()) }()
	cfg.Convert = registry
	h, err := hub.Open(ctx, cfg)
	if err != nil {
		return fail.As(fail.Failed, "serve", err)
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	made, err := firstKey(ctx, h)
	if err != nil {
		return fail.As(fail.Failed, "serve", err)
	}
	l, err := net.Listen("tcp", s.Listen)
	if err != nil {
		return fail.As(fail.Failed, "serve", err).WithHint("--listen names another address")
	}
	scheme := "http"
	srv := h.Server()
	if s.TLSCert != "" {
		cert, cerr := tls.LoadX509KeyPair(s.TLSCert, s.TLSKey)
		if cerr != nil {
			return errors.Join(fail.As(fail.Config, "serve: certificate", cerr), l.Close())
		}
		scheme = "https"
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}})
	}
	url := firstOf(cfg.PublicURL, scheme+"://"+reachable(l.Addr()))
	a.say("hub at %s/api/v1", url)
	if made != "" {
		a.say("key %s", made.Reveal())
		a.note("the key is shown this once; dropfs key makes more and revokes them")
	}
	_ = daemon.Notify(a.Env, "READY=1")
	return serveHub(ctx, h, srv, l)
}

// serveEngines is what the hub converts with. The programs of this machine join once they are found, for which the hub does
// not wait.
func (a App) serveEngines(ctx context.Context, data string, log *logrus.Entry) (*convert.Registry, func() error, error) {
	dir, err := a.Env.CacheDir()
	if err != nil {
		dir = "" // then nothing is kept for the next time
	}
	set, err := engines.Open(engines.Config{CacheDir: dir, Programs: a.Programs, Shared: filepath.Join(data, runsDir)})
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	var probe sync.WaitGroup
	probe.Go(func() {
		if err := set.Probe(ctx); err != nil && ctx.Err() == nil {
			log.WithError(err).Info("programs of this machine convert nothing")
		}
	})
	return set.Registry, func() error {
		cancel()
		probe.Wait()
		return set.Close()
	}, nil
}

// serveHub serves until ctx ends, then lets requests under way finish for a while.
func serveHub(ctx context.Context, h *hub.Hub, srv *http.Server, l net.Listener) error {
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	looked := make(chan error, 1)
	go func() { looked <- h.Run(run) }()
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	var err error
	select {
	case err = <-served:
		cancel()
	case <-ctx.Done():
		cancel() // ends the change feeds, for which nobody could wait
		stop, done := context.WithTimeout(context.WithoutCancel(ctx), stopWait)
		if serr := srv.Shutdown(stop); serr != nil {
			err = srv.Close()
		}
		done()
	}
	err = errors.Join(err, <-looked)
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// reachable is how this machine reaches an address that was listened on.
func reachable(addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return addr.String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// firstKey makes a key for a hub that has none, and returns it; "" where there are keys.
func firstKey(ctx context.Context, h *hub.Hub) (remote.Secret, error) {
	have, err := h.Keys(ctx)
	if err != nil || len(have) > 0 {
		return "", err
	}
	key, _, err := h.CreateKey(ctx, "first", -1)
	return key, err
}

// keyCommand looks after the keys of a hub.
func (a App) keyCommand() *cobra.Command {
	var s config.ServeKeys
	create := &cobra.Command{Use: "create NAME", Short: "makes a key and prints it, this once", Args: args(1, 1)}
	months := create.Flags().Float64("gb-months", -1, "its allowance in GB-months `N`; without it there is no limit")
	hook := create.Flags().String("webhook", "", "tell `URL` of events")
	hookSecret := create.Flags().String("webhook-secret", "", "`SECRET` that signs them")
	list := &cobra.Command{Use: "list", Short: "lists the keys", Args: args(0, 0)}
	revoke := &cobra.Command{Use: "revoke NAME", Short: "makes a key open nothing any more", Args: args(1, 1)}
	var asJSON bool
	for _, c := range []*cobra.Command{create, list, revoke} {
		c.Flags().StringVar(&s.Data, "data", "", "the hub's data are in `DIR`")
		c.Flags().StringVar(&s.Database, "database", "", "its database is at `URL`, or in a file")
		c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	}
	create.RunE = run("key create", func(c *cobra.Command, args []string) error {
		if err := checkWebhook(*hook, *hookSecret); err != nil {
			return err
		}
		return a.withHub(c, s, func(ctx context.Context, h *hub.Hub) error {
			key, info, err := h.CreateKey(ctx, args[0], *months)
			if err == nil && *hook != "" {
				err = h.AddWebhook(ctx, info.PublicID, *hook, remote.Secret(*hookSecret))
			}
			if err != nil {
				return err
			}
			if asJSON {
				return a.json(map[string]any{"name": info.Name, "key": key.Reveal(), "public_id": info.PublicID, "gb_months": monthsOf(info.GBMonths)})
			}
			a.say("%s", key.Reveal())
			a.note("it is shown this once")
			return nil
		})
	})
	list.RunE = run("key list", func(c *cobra.Command, _ []string) error {
		return a.withHub(c, s, func(ctx context.Context, h *hub.Hub) error { return a.keyList(ctx, h, asJSON) })
	})
	revoke.RunE = run("key revoke", func(c *cobra.Command, args []string) error {
		return a.withHub(c, s, func(ctx context.Context, h *hub.Hub) error {
			err := h.RevokeKey(ctx, args[0])
			if errors.Is(err, hub.ErrKeyNotFound) {
				return fail.New(fail.NotFound, "key "+args[0], "there is none of this name")
			}
			return err
		})
	})
	return groupOf("key", "makes, lists and revokes the keys of a hub", create, list, revoke)
}

// checkWebhook tells whether a webhook is one before a key is made for it.
func checkWebhook(url, secret string) error {
	switch {
	case url == "" && secret != "":
		return fail.New(fail.Usage, "key create", "--webhook-secret belongs to --webhook")
	case url != "" && hub.CheckWebhook(url) != nil:
		return fail.New(fail.Usage, "key create: --webhook", "an http or https URL without a user is needed")
	}
	return nil
}

// withHub opens a hub's database beside the hub itself.
func (a App) withHub(c *cobra.Command, flags config.ServeKeys, f func(context.Context, *hub.Hub) error) error {
	file, err := a.loadConfig(c, "")
	if err != nil {
		return err
	}
	s, err := a.serveSettings(c, file, flags)
	if err != nil {
		return err
	}
	h, err := hub.Open(c.Context(), hub.Config{DataDir: s.Data, Database: s.Database})
	if err != nil {
		return fail.As(fail.Failed, "key", err)
	}
	return errors.Join(f(c.Context(), h), h.Close())
}

// keyList prints the keys.
func (a App) keyList(ctx context.Context, h *hub.Hub, asJSON bool) error {
	keys, err := h.Keys(ctx)
	if err != nil {
		return err
	}
	type key struct {
		Name     string   `json:"name"`
		PublicID string   `json:"public_id"`
		Created  string   `json:"created"`
		GBMonths *float64 `json:"gb_months"` // null: no limit
		Revoked  bool     `json:"revoked"`
	}
	list, rows := []key{}, [][]string{}
	for _, k := range keys {
		left, state := "no limit", "valid"
		if k.GBMonths >= 0 {
			left = fmt.Sprintf("%g", k.GBMonths)
		}
		if k.Revoked {
			state = "revoked"
		}
		list = append(list, key{k.Name, k.PublicID, k.Created.UTC().Format(time.RFC3339), monthsOf(k.GBMonths), k.Revoked})
		rows = append(rows, []string{k.Name, k.PublicID, left, state, k.Created.Local().Format("2006-01-02 15:04")})
	}
	if asJSON {
		return a.json(map[string]any{"keys": list})
	}
	return a.table([]string{"NAME", "ID", "GB-MONTHS", "STATE", "CREATED"}, rows)
}

// monthsOf is an allowance in JSON; nil is no limit.
func monthsOf(n float64) *float64 {
	if n < 0 {
		return nil
	}
	return &n
}
