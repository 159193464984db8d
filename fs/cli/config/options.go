package config

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
)

// MountKeys are the keys of the configuration file that are mount flags as well. Each may be text, a number or a boolean
// there; what it says is read as a flag's value would be.
type MountKeys struct {
	StateDir       any `toml:"state_dir"`
	CacheSize      any `toml:"cache_size"`
	ReadOnly       any `toml:"read_only"`
	AllowOther     any `toml:"allow_other"`
	Foreground     any `toml:"foreground"`
	WriteDelay     any `toml:"write_delay"`
	Poll           any `toml:"poll"`
	UndeleteWindow any `toml:"undelete_window"`
	Durability     any `toml:"durability"`
	LimitUp        any `toml:"limit_up"`
	LimitDown      any `toml:"limit_down"`
	HTTP           any `toml:"http"`
	LogLevel       any `toml:"log_level"`
	LogFormat      any `toml:"log_format"`
	LogFile        any `toml:"log_file"`
}

// values lists the keys that are set, as text, by the name of their flag.
func (k *MountKeys) values() (Layer, error) {
	l := Layer{Origin: "configuration file", Values: map[string]string{}}
	for name, v := range map[string]any{
		"state-dir": k.StateDir, "cache-size": k.CacheSize, "read-only": k.ReadOnly, "allow-other": k.AllowOther,
		"foreground": k.Foreground, "write-delay": k.WriteDelay, "poll": k.Poll, "undelete-window": k.UndeleteWindow,
		"durability": k.Durability, "limit-up": k.LimitUp, "limit-down": k.LimitDown, "http": k.HTTP,
		"log-level": k.LogLevel, "log-format": k.LogFormat, "log-file": k.LogFile,
	} {
		switch v.(type) {
		case nil:
		case string, bool, int64, float64:
			l.Values[name] = fmt.Sprint(v)
		default:
			return l, fmt.Errorf("%s: wrong type of value", strings.ReplaceAll(name, "-", "_"))
		}
	}
	_, err := Resolve(l)
	return l, err
}

// Layer is the values of options that one place gives, by the name of the flag.
type Layer struct {
	Origin string // "-o", "DROPFS_…", "configuration file": for errors
	Values map[string]string
}

// Mount is what the options of a mount say.
type Mount struct {
	StateDir       string // "" is the default
	CacheSize      int64  // bytes; 0: chosen by the cache
	ReadOnly       bool
	AllowOther     bool
	Foreground     bool
	WriteDelay     time.Duration // 0: chosen by the cache
	Poll           time.Duration // 0: chosen by the cache
	UndeleteWindow time.Duration // 0: chosen by the cache; negative: none
	RemoteDurable  bool
	LimitUp        int64  // bytes a second; 0: none
	LimitDown      int64  // bytes a second; 0: none
	HTTP           string // address of the status page; "": none
	LogLevel       logrus.Level
	LogFormat      string // "text" or "json"
	LogFile        string
}

// Option is one option of a mount: a flag, an -o key, a variable and a key of the file.
type Option struct {
	Name  string // of the flag: "cache-size"
	Usage string
	Arg   string // what stands for the value in the help; "" for a switch
	set   func(*Mount, string) error
}

// Options lists the options of a mount, in the order of the help.
func Options() []Option {
	return []Option{
		{"state-dir", "keep state, unsent changes included, below `DIR`", "DIR", func(m *Mount, s string) error { return path(&m.StateDir, s) }},
		{"cache-size", "hold at most `SIZE` in the content cache (a fifth of the disk, 50G at most)", "SIZE", func(m *Mount, s string) (err error) { m.CacheSize, err = ParseSize(s); return err }},
		{"read-only", "take no changes and send nothing", "", func(m *Mount, s string) (err error) { m.ReadOnly, err = ParseBool(s); return err }},
		{"allow-other", "let other users in, by the permissions of the files", "", func(m *Mount, s string) (err error) { m.AllowOther, err = ParseBool(s); return err }},
		{"foreground", "stay in the foreground", "", func(m *Mount, s string) (err error) { m.Foreground, err = ParseBool(s); return err }},
		{"write-delay", "send a file `DUR` after its last change (1s)", "DUR", func(m *Mount, s string) (err error) { m.WriteDelay, err = positive(s); return err }},
		{"poll", "ask for changes each `DUR` while in use (10s)", "DUR", func(m *Mount, s string) (err error) { m.Poll, err = positive(s); return err }},
		{"undelete-window", "hold deletes back for `DUR`; 0 for none (10s)", "DUR", func(m *Mount, s string) error { return undeleteWindow(m, s) }},
		{"durability", "`local`: close returns when the change is safe here; remote: when the service has it", "local", func(m *Mount, s string) error { return durability(m, s) }},
		{"limit-up", "send at most `RATE` bytes a second", "RATE", func(m *Mount, s string) (err error) { m.LimitUp, err = ParseRate(s); return err }},
		{"limit-down", "fetch at most `RATE` bytes a second", "RATE", func(m *Mount, s string) (err error) { m.LimitDown, err = ParseRate(s); return err }},
		{"http", "serve a status page and Prometheus metrics at `ADDR`", "ADDR", func(m *Mount, s string) error { m.HTTP = s; return nil }},
		{"log-level", "error, warn, info or debug (`LEVEL`)", "LEVEL", func(m *Mount, s string) error { return logLevel(m, s) }},
		{"log-format", "text or json (`FORMAT`)", "FORMAT", func(m *Mount, s string) error { return logFormat(m, s) }},
		{"log-file", "write the log to `FILE`", "FILE", func(m *Mount, s string) error { return path(&m.LogFile, s) }},
	}
}

// Resolve makes one Mount of the layers; an earlier layer wins over a later one (G1). An unknown option, and a value that
// cannot be, are errors that name their origin.
func Resolve(layers ...Layer) (Mount, error) {
	m := Mount{LogLevel: logrus.InfoLevel, LogFormat: "text"}
	known := map[string]bool{}
	for _, o := range Options() {
		known[o.Name] = true
		for i := len(layers) - 1; i >= 0; i-- {
			v, ok := layers[i].Values[o.Name]
			if !ok {
				continue
			}
			if err := o.set(&m, v); err != nil {
				return m, fmt.Errorf("%s: %s: %w", layers[i].Origin, o.Name, err)
			}
		}
	}
	for _, l := range layers {
		for name := range l.Values {
			if !known[name] {
				return m, fmt.Errorf("%s: unknown option %q", l.Origin, name)
			}
		}
	}
	return m, nil
}

// Resolve makes one Mount of the file's keys and the layers that win over it.
func (c *File) Resolve(layers ...Layer) (Mount, error) {
	own, err := c.values()
	if err != nil {
		return Mount{}, err
	}
	return Resolve(append(layers, own)...)
}

// MountLayer is the layer of the environment: DROPFS_CACHE_SIZE and its like.
func (e Env) MountLayer() Layer {
	l := Layer{Origin: "environment", Values: map[string]string{}}
	for _, o := range Options() {
		if v, ok := e(VarName(o.Name)); ok && v != "" {
			l.Values[o.Name] = v
		}
	}
	return l
}

// VarName is the variable of the environment that gives an option.
func VarName(option string) string {
	return "DROPFS_" + strings.ToUpper(strings.ReplaceAll(option, "-", "_"))
}

// ParseMountOptions reads the text after -o as fstab and mount(8) write it. Words that mount(8) hands to every helper
// (rw, noauto, user, x-systemd.…) are left out; "ro" is read-only; config=FILE is returned by itself. With _ for - too.
func ParseMountOptions(text string) (l Layer, configFile string, err error) {
	l = Layer{Origin: "-o", Values: map[string]string{}}
	for word := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(word), "=")
		name = strings.ReplaceAll(name, "_", "-")
		switch {
		case name == "" || isMountWord(name):
		case name == "ro":
			l.Values["read-only"] = "true"
		case name == "config":
			configFile = value
		default:
			l.Values[name] = value
		}
	}
	_, err = Resolve(l)
	return l, configFile, err
}

// isMountWord tells whether mount(8) or systemd means a word for itself.
func isMountWord(name string) bool {
	switch name {
	case "rw", "defaults", "auto", "noauto", "user", "users", "nouser", "owner", "group", "nofail", "exec", "noexec",
		"dev", "nodev", "suid", "nosuid", "async", "sync", "atime", "noatime", "relatime", "norelatime", "diratime",
		"nodiratime", "strictatime", "lazytime", "mand", "nomand", "-netdev", "fsname", "subtype", "default-permissions":
		return true
	}
	return strings.HasPrefix(name, "x-") || strings.HasPrefix(name, "comment")
}

// positive reads a duration above zero.
func positive(s string) (time.Duration, error) {
	d, err := ParseDuration(s)
	if err == nil && d == 0 {
		err = fmt.Errorf("%q must be above zero", s)
	}
	return d, err
}

// undeleteWindow reads the window in which a delete is held; 0 asks for none.
func undeleteWindow(m *Mount, s string) error {
	d, err := ParseDuration(s)
	if err == nil && d == 0 {
		d = -1
	}
	m.UndeleteWindow = d
	return err
}

// durability reads what close waits for.
func durability(m *Mount, s string) error {
	if s != "local" && s != "remote" {
		return fmt.Errorf("%q is neither local nor remote", s)
	}
	m.RemoteDurable = s == "remote"
	return nil
}

// logLevel reads the least weight of what is logged.
func logLevel(m *Mount, s string) error {
	l, err := logrus.ParseLevel(s)
	if err != nil {
		return fmt.Errorf("%q is none of error, warn, info and debug", s)
	}
	m.LogLevel = l
	return nil
}

// logFormat reads the form of the log.
func logFormat(m *Mount, s string) error {
	if s != "text" && s != "json" {
		return fmt.Errorf("%q is neither text nor json", s)
	}
	m.LogFormat = s
	return nil
}

// path reads a file name, made absolute, for the daemon leaves its directory.
func path(p *string, s string) (err error) {
	if s == "" {
		return fmt.Errorf("the path is empty")
	}
	*p, err = filepath.Abs(s)
	return err
}
