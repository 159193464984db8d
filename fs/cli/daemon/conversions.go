package daemon

import (
	"errors"
	"path/filepath"

	"dropfs/convert"
	"dropfs/fs/cli/config"
	"dropfs/fs/cli/engines"
	"dropfs/fs/vfs"
	"dropfs/remote"
)

// conversions is what magic names need, made at the first mount.
type conversions struct {
	set    *engines.Set
	broker *convert.Broker
}

// runsDir holds what conversions need while they run, of each daemon its own.
const runsDir = ".runs"

// openConversions makes what magic names need. Where that cannot be, the disk works without: the log says why.
func (d *Disk) openConversions() *vfs.Conversions {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conv == nil {
		set, err := engines.Open(engines.Config{
			CacheDir: d.cacheDir(), Programs: d.cfg.Programs, Shared: filepath.Join(d.cfg.StateDir, runsDir),
		})
		if err != nil {
			d.log.WithError(err).Warn("no conversions on this disk")
			return nil
		}
		broker, err := convert.NewBroker(d.brokerConfig(set))
		if err != nil {
			d.log.WithError(errors.Join(err, set.Close())).Warn("no conversions on this disk")
			return nil
		}
		d.conv = &conversions{set, broker}
		d.group.Go(func() { // the disk does not wait for it
			if err := set.Probe(d.ctx); err != nil && d.ctx.Err() == nil {
				d.log.WithError(err).Info("programs of this machine convert nothing")
			}
		})
	}
	return &vfs.Conversions{Broker: d.conv.broker, Secret: d.secret}
}

func (d *Disk) brokerConfig(set *engines.Set) convert.BrokerConfig {
	return convert.BrokerConfig{Registry: set.Registry, Dir: set.Dir(), Parallel: d.cfg.File.Parallel(), Log: d.log}
}

// converter answers who converts what is in an account: the engines of this machine, and its conversion service where it has
// one; nil: the engines alone.
func (d *Disk) converter(a *account) *convert.Registry {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conv == nil || a.converts != nil {
		return a.registry()
	}
	log := d.log.WithField("account", a.name)
	section, key, err := d.cfg.File.ConvertFor(d.cfg.Keys, a.name)
	if section == nil && err == nil {
		return nil
	}
	var secret remote.Secret
	if err == nil {
		var serr error
		if secret, serr = d.cfg.File.WebhookSecretFor(d.cfg.Keys, a.name); serr != nil {
			a.deaf = "webhooks are refused: " + serr.Error()
			log.WithError(serr).Warn("webhooks are refused; the conversion service is asked instead")
		}
		a.converts, err = d.conv.set.WithService(engines.ServiceConfig{
			Convert: *section, Key: key, WebhookSecret: secret, Agent: "dropfs/" + Version, Log: log,
			RateFile:   filepath.Join(d.statePath(a.name), "convert-rate.json"),
			BudgetFile: filepath.Join(d.statePath(a.name), "convert-budget.json"),
		})
	}
	if err != nil {
		log.WithError(err).Warn("no conversion service; this machine's engines convert")
		return nil
	}
	d.group.Go(func() { _ = a.converts.Engine.Background(d.ctx) }) // it ends with its context, and logs what it meets
	a.converts.Engine.Edges()                                      // has it ask at once
	if secret != "" {
		d.group.Go(func() { d.receiveWebhooks(a, section.WebhookListen) })
	}
	return a.registry()
}

// shownAccount is an account as a tree shows it.
func (d *Disk) shownAccount(a *account) vfs.Account {
	out := vfs.Account{Name: a.name, Replica: a.replica, Slot: a.slot, Convert: d.converter(a)}
	file := d.file()
	if section, _, err := file.ConvertFor(d.cfg.Keys, a.name); err == nil && section != nil {
		out.Fallback = section.Fallback
	}
	l := file.LimitsFor(a.name)
	out.Limits = convert.Limits{MaxInput: l.MaxInput, MaxOutput: l.MaxOutput, Time: l.Time}
	return out
}

func (a *account) registry() *convert.Registry {
	if a.converts == nil {
		return nil
	}
	return a.converts.Registry
}

// cacheDir is where what can be made again is kept; "" where there is no such place.
func (d *Disk) cacheDir() string {
	dir, err := d.cfg.Env.CacheDir()
	if err != nil {
		return ""
	}
	return dir
}

// secret answers a password that a step names.
func (d *Disk) secret(name string) (string, error) {
	s, err := d.cfg.Keys.Get(config.KindSecret, name)
	return s.Reveal(), err
}

// conversionCounts tells what was converted, and how much is under way.
func (d *Disk) conversionCounts() (convert.Counts, int) {
	d.mu.Lock()
	c := d.conv
	d.mu.Unlock()
	if c == nil {
		return convert.Counts{}, 0
	}
	return c.broker.Counts(), len(c.broker.Status())
}

// closeConversions ends what runs.
func (d *Disk) closeConversions() error {
	d.mu.Lock()
	c := d.conv
	d.mu.Unlock()
	if c == nil {
		return nil
	}
	return errors.Join(c.broker.Close(), c.set.Close())
}
