package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	toml "github.com/pelletier/go-toml/v2"

	"dropfs/remote"
)

// The services an account may be of.
const (
	ServiceDropzone = "dropzone"
	ServiceDropio   = "dropio"
	ServiceD3       = "d3" // conversions only
)

// LocalAccount names the account of the embedded hub; no configured account may have this name.
const LocalAccount = "local"

// maxFile bounds the configuration file, in bytes.
const maxFile = 1 << 20

// File is the configuration file. Its zero value is no configuration at all.
type File struct {
	MountKeys

	Accounts map[string]Account `toml:"accounts"`
	Convert  *Convert           `toml:"convert"`
	Serve    ServeKeys          `toml:"serve"`

	// Path is where it was read from, or would be.
	Path string `toml:"-"`
}

// Account is one [accounts.NAME] section.
type Account struct {
	Service    string        `toml:"service"`
	URL        string        `toml:"url"`
	APIKey     remote.Secret `toml:"api_key"`
	APIKeyFile string        `toml:"api_key_file"`
	GB         float64       `toml:"gb"`   // of a drop made by mkdir; 0: 1
	Days       int           `toml:"days"` // 0: 30
	Convert    *Convert      `toml:"convert"`
	// Drops are those made elsewhere: id (or token) by the name to show.
	Drops map[string]remote.Secret `toml:"drops"`

	UploadURL string `toml:"upload_url"` // dropio
	WebURL    string `toml:"web_url"`    // dropio
	Version   string `toml:"version"`    // dropio

	Wire DropzoneWire `toml:"wire"`
}

// DropzoneWire is what wire/dropzone.md §6 calls configurable of the Dropzone API. Zero values are the client's own.
type DropzoneWire struct {
	Generation      string            `toml:"generation"`  // auto, g0, g1, g2 or g3
	Credentials     string            `toml:"credentials"` // which headers a request carries: key, drop or both
	KeyHeader       string            `toml:"key_header"`
	DropHeader      string            `toml:"drop_header"`
	Routes          map[string]string `toml:"routes"` // operation: "METHOD /path/{drop}/{file}"
	UploadHeaders   map[string]string `toml:"upload_headers"`
	Download        string            `toml:"download"` // follow, stream or cdn
	CDNBase         string            `toml:"cdn_base"`
	ListUnconfirmed bool              `toml:"list_unconfirmed"`
}

// Load reads and checks the file at path. A file that is not there is an empty one, unless it must be.
func Load(path string, must bool) (*File, error) {
	f, err := os.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !must:
		return &File{Path: path}, nil
	case err != nil:
		return nil, err
	}
	defer func() { _ = f.Close() }()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if st.IsDir() || st.Size() > maxFile {
		return nil, fmt.Errorf("%s is not a configuration file", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	c, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s:%w", path, err)
	}
	c.Path = path
	if c.holdsKeys() && st.Mode().Perm()&0o077 != 0 {
		return nil, &ModeError{Path: path, Mode: st.Mode().Perm()}
	}
	return c, nil
}

// ModeError is a file with keys that others may read (G2).
type ModeError struct {
	Path string
	Mode fs.FileMode
}

// Error tells the mode.
func (e *ModeError) Error() string {
	return fmt.Sprintf("%s holds keys and others may read it (mode %04o)", e.Path, e.Mode)
}

// Parse reads the text of a configuration file and checks it. Its errors begin with the line where there is one.
func Parse(text []byte) (*File, error) {
	var c File
	d := toml.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return nil, tomlError(err)
	}
	if err := c.check(); err != nil {
		return nil, fmt.Errorf(" %w", err)
	}
	return &c, nil
}

// tomlError makes one line of the library's error, without the text of the file, which may hold a key (G5).
func tomlError(err error) error {
	var strict *toml.StrictMissingError
	if errors.As(err, &strict) && len(strict.Errors) > 0 {
		e := strict.Errors[0]
		line, _ := e.Position()
		return fmt.Errorf("%d: unknown key %q", line, strings.Join(e.Key(), "."))
	}
	var dec *toml.DecodeError
	if errors.As(err, &dec) {
		line, col := dec.Position()
		what := strings.TrimPrefix(dec.Error(), "toml: ")
		if key := dec.Key(); len(key) > 0 {
			what = fmt.Sprintf("%s: wrong type of value", strings.Join(key, "."))
		}
		return fmt.Errorf("%d:%d: %s", line, col, what)
	}
	return errors.New(" not TOML")
}

// check tests what TOML cannot.
func (c *File) check() error {
	if _, err := c.values(); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(c.Accounts)) {
		a := c.Accounts[name]
		if err := a.check(name); err != nil {
			return fmt.Errorf("accounts.%s: %w", name, err)
		}
	}
	return c.Convert.check(true)
}

// check tests one account.
func (a *Account) check(name string) error {
	if err := CheckAccountName(name); err != nil {
		return err
	}
	switch a.Service {
	case ServiceDropzone, ServiceDropio:
	case "":
		return errors.New("service is missing: dropzone or dropio")
	default:
		return fmt.Errorf("service %q is not known: dropzone or dropio", a.Service)
	}
	if a.URL == "" {
		return errors.New("url is missing")
	}
	if err := CheckURL(a.URL); err != nil {
		return err
	}
	if a.GB < 0 || a.Days < 0 {
		return errors.New("gb and days must not be negative")
	}
	for drop, id := range a.Drops {
		if drop == "" || drop == "." || drop == ".." || strings.ContainsAny(drop, "/\x00") || id == "" {
			return fmt.Errorf("drops: %q cannot be the name of a directory, or its id is empty", drop)
		}
	}
	return a.Convert.check(false)
}

// CheckListen tells why a text is no address to listen at.
func CheckListen(text string) error {
	_, port, err := net.SplitHostPort(text)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("%q is not of the form ADDRESS:PORT", text)
	}
	return nil
}

// CheckAccountName tells why a name cannot be that of an account, which is a directory on the disk and in the state
// directory.
func CheckAccountName(name string) error {
	switch {
	case name == "" || len(name) > 64 || strings.ContainsAny(name, "/\\@:\x00 \t\n") || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "-"):
		return fmt.Errorf("%q cannot name an account: up to 64 characters without spaces, / \\ @ and :, not beginning with . or -", name)
	case name == LocalAccount:
		return fmt.Errorf("the name %q is that of the embedded hub", name)
	}
	return nil
}

// CheckURL tells why a text is no base URL of a service.
func CheckURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil, u.Host == "", u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("%q is not an http or https URL", redactURL(text))
	case u.User != nil:
		return errors.New("the URL must not hold a user or password")
	case u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("%q must end with its path", redactURL(text))
	}
	return nil
}

// redactURL cuts what may be a secret (G5).
func redactURL(text string) string {
	text, _, _ = strings.Cut(text, "?")
	if _, after, ok := strings.Cut(text, "@"); ok {
		return "…@" + after
	}
	return text
}

// holdsKeys tells whether the file holds anything that opens something.
func (c *File) holdsKeys() bool {
	if c.Convert.holdsKeys() || len(c.Serve.APIKey) > 0 {
		return true
	}
	for _, a := range c.Accounts {
		if a.APIKey != "" || len(a.Drops) > 0 || a.Convert.holdsKeys() {
			return true
		}
	}
	return false
}

// Dir is the directory of the file.
func (c *File) Dir() string { return filepath.Dir(c.Path) }
