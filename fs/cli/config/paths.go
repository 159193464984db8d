package config

import (
	"errors"
	"path/filepath"
)

// Env looks up a variable of the environment, as os.LookupEnv does.
type Env func(name string) (string, bool)

// Get returns a variable; "" where it is not set.
func (e Env) Get(name string) string {
	v, _ := e(name)
	return v
}

// errNoHome is an environment that says nowhere where anything may be kept.
var errNoHome = errors.New("neither HOME nor the XDG variables are set")

// DefaultPath is where the configuration file is when nobody says otherwise.
func (e Env) DefaultPath() (string, error) {
	dir, err := e.base("XDG_CONFIG_HOME", ".config")
	return filepath.Join(dir, "dropfs", "config.toml"), err
}

// DefaultStateDir is the root of the state directories.
func (e Env) DefaultStateDir() (string, error) {
	dir, err := e.base("XDG_STATE_HOME", filepath.Join(".local", "state"))
	return filepath.Join(dir, "dropfs"), err
}

// DataDir is where the embedded hub keeps its data.
func (e Env) DataDir() (string, error) {
	dir, err := e.base("XDG_DATA_HOME", filepath.Join(".local", "share"))
	return filepath.Join(dir, "dropfs"), err
}

// CacheDir holds what can be made again at any time: $XDG_CACHE_HOME/dropfs.
func (e Env) CacheDir() (string, error) {
	dir, err := e.base("XDG_CACHE_HOME", ".cache")
	return filepath.Join(dir, "dropfs"), err
}

// RuntimeDir is where the control sockets are; "" where the system has no such place.
func (e Env) RuntimeDir() string {
	if dir := e.Get("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "dropfs")
	}
	return ""
}

// base is an XDG directory, or its place in the home directory. Relative ones are to be ignored (XDG base directories).
func (e Env) base(name, inHome string) (string, error) {
	if dir := e.Get(name); filepath.IsAbs(dir) {
		return dir, nil
	}
	if home := e.Get("HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, inHome), nil
	}
	return "", errNoHome
}
