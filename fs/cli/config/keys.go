package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	keyring "github.com/zalando/go-keyring"

	"dropfs/remote"
)

// ErrNoKey is a key that is kept nowhere.
var ErrNoKey = errors.New("no key is kept")

// maxKey bounds a key, in bytes.
const maxKey = 16 << 10

// Kinds of keys.
const (
	KindAccount = "account"
	KindConvert = "convert"
	KindWebhook = "webhook" // the secret that signs the webhooks of a conversion service
	KindSecret  = "secret"
)

// Keys is where keys are kept: the system keyring where there is one, else files of mode 0600. For each key there is a
// file in Dir; an empty one says that the text is in the keyring.
type Keys struct {
	Dir     string // made when first written to
	Keyring bool   // whether to try the system keyring
	Wait    time.Duration
}

// NewKeys returns the keys beside a configuration file. DROPFS_KEYRING=off keeps to files; elsewhere a keyring is tried
// where the session has one.
func NewKeys(env Env, configPath string) Keys {
	use := env.Get("DROPFS_KEYRING") != "off" && hasSessionBus(env)
	return Keys{Dir: filepath.Join(filepath.Dir(configPath), "keys"), Keyring: use, Wait: 30 * time.Second}
}

// hasSessionBus tells whether asking for a keyring can succeed; without it the library would try to start a bus.
func hasSessionBus(env Env) bool {
	if env.Get("DBUS_SESSION_BUS_ADDRESS") != "" {
		return true
	}
	_, err := os.Stat("/usr/bin/security") // macOS has its keychain always
	return err == nil
}

// file is the file of a key.
func (k Keys) file(kind, name string) string {
	return filepath.Join(k.Dir, kind+"-"+url.PathEscape(name))
}

// Set keeps a key and tells where.
func (k Keys) Set(kind, name string, key remote.Secret) (where string, err error) {
	if key == "" || len(key) > maxKey {
		return "", fmt.Errorf("a key has 1 to %d bytes", maxKey)
	}
	if k.Keyring {
		err := k.ask(func() error { return keyring.Set("dropfs", kind+"/"+name, key.Reveal()) })
		if err == nil {
			return "the system keyring", WriteFile(k.file(kind, name), nil, 0o600)
		}
	}
	return k.file(kind, name), WriteFile(k.file(kind, name), []byte(key.Reveal()+"\n"), 0o600)
}

// Get returns a key; ErrNoKey where none is kept.
func (k Keys) Get(kind, name string) (remote.Secret, error) {
	key, err := ReadKeyFile(k.file(kind, name))
	if err == nil && key != "" {
		return key, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if !k.Keyring {
		return "", ErrNoKey
	}
	var text string
	err = k.ask(func() (err error) { text, err = keyring.Get("dropfs", kind+"/"+name); return err })
	if errors.Is(err, keyring.ErrNotFound) {
		return "", ErrNoKey
	}
	return remote.Secret(text), err
}

// Delete forgets a key; ErrNoKey where none was kept.
func (k Keys) Delete(kind, name string) error {
	err := os.Remove(k.file(kind, name))
	if k.Keyring {
		if kerr := k.ask(func() error { return keyring.Delete("dropfs", kind+"/"+name) }); kerr == nil {
			return nil
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return ErrNoKey
	}
	return err
}

// List names the keys of a kind.
func (k Keys) List(kind string) ([]string, error) {
	entries, err := os.ReadDir(k.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		rest, ok := strings.CutPrefix(e.Name(), kind+"-")
		if name, err := url.PathUnescape(rest); ok && err == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// ask runs one request to the keyring, which may ask the person in front of it, for a bounded time.
func (k Keys) ask(f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-time.After(k.Wait):
		return errors.New("the system keyring does not answer")
	}
}

// ReadKeyFile reads a key from a file: its first line.
func ReadKeyFile(path string) (remote.Secret, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	return ReadKey(f)
}

// ReadKey reads a key: the first line, without spaces around it.
func ReadKey(r io.Reader) (remote.Secret, error) {
	keys, err := ReadKeys(r, 1)
	if err != nil {
		return "", err
	}
	return keys[0], nil
}

// ReadKeys reads n keys, one a line; those that are missing are empty.
func ReadKeys(r io.Reader, n int) ([]remote.Secret, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxKey+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxKey {
		return nil, fmt.Errorf("a key has at most %d bytes", maxKey)
	}
	keys, rest := make([]remote.Secret, n), string(text)
	for i := range keys {
		var line string
		line, rest, _ = strings.Cut(rest, "\n")
		keys[i] = remote.Secret(strings.TrimSpace(line))
	}
	return keys, nil
}

// AccountKey finds the key of an account: in its section, in the file it names, else where login keeps keys.
func (c *File) AccountKey(keys Keys, name string) (remote.Secret, error) {
	a := c.Accounts[name]
	return c.key(keys, a.APIKey, a.APIKeyFile, KindAccount, name)
}

// ConvertFor finds the conversion service of an account, its own or the one for all, with its key; nil where there is none.
func (c *File) ConvertFor(keys Keys, name string) (*Convert, remote.Secret, error) {
	section, keyName := c.Accounts[name].Convert, name
	if section == nil {
		section, keyName = c.Convert, ConvertForAll
	}
	if section == nil || section.Service == "" {
		return nil, "", nil
	}
	key, err := c.key(keys, section.APIKey, section.APIKeyFile, KindConvert, keyName)
	return section, key, err
}

// WebhookSecretFor finds the secret that signs the webhooks for the section that ConvertFor finds; "" where none come in.
func (c *File) WebhookSecretFor(keys Keys, name string) (remote.Secret, error) {
	section, keyName := c.Accounts[name].Convert, name
	if section == nil {
		section, keyName = c.Convert, ConvertForAll
	}
	if section == nil || section.WebhookListen == "" {
		return "", nil
	}
	secret, err := c.key(keys, section.WebhookSecret, section.WebhookSecretFile, KindWebhook, keyName)
	if err != nil {
		return "", fmt.Errorf("webhook_secret: %w", err)
	}
	return secret, nil
}

// ConvertForAll is the name under which the key of the section for all accounts is kept.
const ConvertForAll = "all"

// key is the one given, or that in the file named, else the one kept.
func (c *File) key(keys Keys, given remote.Secret, file, kind, name string) (remote.Secret, error) {
	switch {
	case given != "":
		return given, nil
	case file != "":
		if !filepath.IsAbs(file) {
			file = filepath.Join(c.Dir(), file)
		}
		key, err := ReadKeyFile(file)
		if err == nil && key == "" {
			err = fmt.Errorf("%s is empty", file)
		}
		return key, err
	default:
		return keys.Get(kind, name)
	}
}
