package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dropfs/fs/cli/config"
	"dropfs/remote"
)

// example is the file of CLI.md.
const example = `
cache_size = "20Gi"
poll = 5
read_only = true

[accounts.cloud]
service = "dropzone"                     # dropzone | dropio
url = "https://www.collect-files.com/api/v1"
api_key_file = "/path/key"
gb = 1.0                                 # size and days of a drop made by mkdir
days = 30
[accounts.cloud.convert]
service = "d3"
url = "https://api.dragdropdo.com"
api_key_file = "/path/d3key"
prefer = "remote"
[accounts.cloud.drops]
holiday = "64f0c0ffee"
`

func TestParseExample(t *testing.T) {
	c, err := config.Parse([]byte(example))
	if err != nil {
		t.Fatal(err)
	}
	a := c.Accounts["cloud"]
	if a.Service != "dropzone" || a.GB != 1 || a.Days != 30 || a.Drops["holiday"].Reveal() != "64f0c0ffee" || a.Convert.Prefer != "remote" {
		t.Errorf("account read wrong: %+v", a)
	}
	m, err := c.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	if m.CacheSize != 20<<30 || m.Poll != 5*time.Second || !m.ReadOnly {
		t.Errorf("mount keys read wrong: %+v", m)
	}
}

// TestBudgetHasAnEnd: without a word of it a hundred conversions an hour are the most.
func TestBudgetHasAnEnd(t *testing.T) {
	for line, want := range map[string]int{"": 100, "per_hour = 1": 1, "per_hour = 5000": 5000} {
		c, err := config.Parse([]byte("[convert]\nservice = \"d3\"\nurl = \"http://h\"\n" + line))
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Convert.Budget(); got != want {
			t.Errorf("%q: %d an hour, want %d", line, got, want)
		}
	}
}

func TestG3ParseErrors(t *testing.T) {
	ok := "[accounts.a]\nservice=\"dropzone\"\nurl=\"http://h/api/v1\"\n"
	for _, tc := range []struct{ name, text, want string }{
		{"unknown key", ok + "colour = 3\n", `4: unknown key "accounts.a.colour"`},
		{"unknown section", "[acounts.x]\nurl=\"u\"\n", "unknown key"},
		{"syntax", "[accounts\n", "1:"},
		{"type", "[accounts.a]\nservice = 3\n", "2:"},
		{"no service", "[accounts.a]\nurl=\"http://h\"\n", "service is missing"},
		{"bad service", "[accounts.a]\nservice=\"ftp\"\nurl=\"http://h\"\n", `"ftp" is not known`},
		{"no url", "[accounts.a]\nservice=\"dropzone\"\n", "url is missing"},
		{"bad url", "[accounts.a]\nservice=\"dropzone\"\nurl=\"h/x\"\n", "not an http"},
		{"local", "[accounts.local]\nservice=\"dropzone\"\nurl=\"http://h\"\n", "embedded hub"},
		{"slash in name", "[accounts.\"a/b\"]\nservice=\"dropzone\"\nurl=\"http://h\"\n", "cannot name an account"},
		{"bad poll", "poll = \"soon\"\n", "poll"},
		{"list", "poll = [1]\n", "wrong type"},
		{"bad drop", ok + "[accounts.a.drops]\n\"x/y\"=\"id\"\n", "cannot be the name"},
		{"webhooks without an address", ok + "[accounts.a.convert]\nservice=\"d3\"\nurl=\"http://h\"\nwebhook_secret=\"s\"\n", "belongs to webhook_listen"},
		{"webhooks at no address", ok + "[convert]\nservice=\"d3\"\nurl=\"http://h\"\nwebhook_listen=\"8335\"\n", "ADDRESS:PORT"},
		{"no conversions an hour", ok + "[convert]\nservice=\"d3\"\nurl=\"http://h\"\nper_hour=0\n", "per_hour must be from 1"},
		{"conversions without an end", ok + "[convert]\nservice=\"d3\"\nurl=\"http://h\"\nper_hour=100001\n", "per_hour must be from 1"},
		{"fewer than none", ok + "[accounts.a.convert]\nservice=\"d3\"\nurl=\"http://h\"\nper_hour=-1\n", "per_hour must be from 1"},
		{"a service without its name", "[convert]\nurl=\"http://h\"\n", "service is missing"},
		{"an account's limits without a service", ok + "[accounts.a.convert]\ndeadline=\"1m\"\n", "must be d3"},
		{"bad deadline", "[convert]\ndeadline=\"soon\"\n", "convert: deadline"},
		{"bad input", "[convert]\nmax_input=\"much\"\n", "max_input: \"much\" is not a size"},
		{"no output", "[convert]\nmax_output=0\n", "max_output: must be above zero"},
		{"fewer runs than none", "[convert]\nparallel=-1\n", "parallel must not be negative"},
		{"runs of an account", ok + "[accounts.a.convert]\nservice=\"d3\"\nurl=\"http://h\"\nparallel=1\n", "parallel belongs to [convert]"},
		{"convert service", ok + "[accounts.a.convert]\nservice=\"x\"\n", "must be d3"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := config.Parse([]byte(tc.text))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one with %q", err, tc.want)
			}
		})
	}
}

func TestG5ErrorsHoldNoKey(t *testing.T) {
	for _, text := range []string{
		"[accounts.a]\napi_key = \"s3cr3t\" trailing\n",
		"[accounts.a]\nservice=\"dropzone\"\nurl=\"http://user:s3cr3t@h/x\"\n",
		"[accounts.a]\nservice=\"dropzone\"\nurl=\"h?key=s3cr3t\"\n",
		"[accounts.a]\nservice=\"dropzone\"\nurl=\"http://h\"\n[accounts.a.drops]\nx=\"s3cr3t\"\n\"a/b\"=\"s3cr3t\"\n",
	} {
		_, err := config.Parse([]byte(text))
		if err == nil {
			t.Fatalf("accepted %q", text)
		}
		if strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("the error shows a key: %v", err)
		}
	}
	if _, err := config.ParseHubKey("s3cr3t:many"); err == nil || strings.Contains(err.Error(), "s3cr3t") {
		t.Errorf("error %v shows the key, or is none", err)
	}
}

func TestG2KeysNeedAPrivateFile(t *testing.T) {
	base := "[accounts.a]\nservice=\"dropzone\"\nurl=\"http://h\"\n"
	for _, tc := range []struct {
		name, text string
		mode       os.FileMode
		refused    bool
	}{
		{"no key, open", base, 0o644, false},
		{"key, private", base + "api_key=\"k\"\n", 0o600, false},
		{"key, group", base + "api_key=\"k\"\n", 0o640, true},
		{"key, others", base + "api_key=\"k\"\n", 0o604, true},
		{"drop id, open", base + "[accounts.a.drops]\nx=\"id\"\n", 0o644, true},
		{"key file, open", base + "api_key_file=\"/k\"\n", 0o644, false},
		{"webhook secret, open", base + "[convert]\nservice=\"d3\"\nurl=\"http://h\"\nwebhook_listen=\":1\"\nwebhook_secret=\"k\"\n", 0o644, true},
		{"webhook secret file, open", base + "[convert]\nservice=\"d3\"\nurl=\"http://h\"\nwebhook_listen=\":1\"\nwebhook_secret_file=\"/k\"\n", 0o644, false},
		{"hub key, open", "[serve]\napi_key=[\"k\"]\n", 0o644, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "config.toml")
			if err := os.WriteFile(path, []byte(tc.text), tc.mode); err != nil {
				t.Fatal(err)
			}
			_, err := config.Load(path, true)
			var mode *config.ModeError
			if errors.As(err, &mode) != tc.refused || !tc.refused && err != nil {
				t.Errorf("error %v, want refused %v", err, tc.refused)
			}
		})
	}
}

func TestLoadMissing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none.toml")
	if c, err := config.Load(path, false); err != nil || len(c.Accounts) != 0 || c.Path != path {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := config.Load(path, true); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v, want not exist", err)
	}
}

func TestG1Layers(t *testing.T) {
	c, err := config.Parse([]byte("poll = \"1s\"\nwrite_delay = \"1s\"\nlimit_up = \"1k\"\nhttp = \"file\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	env := config.Env(func(n string) (string, bool) {
		v, ok := map[string]string{"DROPFS_WRITE_DELAY": "2s", "DROPFS_LIMIT_UP": "2k", "DROPFS_HTTP": "env"}[n]
		return v, ok
	})
	o, file, err := config.ParseMountOptions("rw,noauto,limit_up=3k,http=opt,config=/c.toml,x-systemd.automount,_netdev")
	if err != nil || file != "/c.toml" {
		t.Fatalf("%q, %v", file, err)
	}
	m, err := c.Resolve(config.Layer{Origin: "flag", Values: map[string]string{"http": "flag"}}, o, env.MountLayer())
	if err != nil {
		t.Fatal(err)
	}
	if m.Poll != time.Second || m.WriteDelay != 2*time.Second || m.LimitUp != 3000 || m.HTTP != "flag" {
		t.Errorf("layers in the wrong order: %+v", m)
	}
}

func TestMountOptionErrors(t *testing.T) {
	for in, want := range map[string]string{
		"bogus":         `unknown option "bogus"`,
		"poll=x":        "-o: poll",
		"cache-size=1x": "not a size",
		"durability=no": "neither local nor remote",
		"poll=0":        "above zero",
		"log-level=x":   "none of",
		"read-only=x":   "neither true nor false",
		"log-format=x":  "neither text nor json",
	} {
		if _, _, err := config.ParseMountOptions(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want one with %q", in, err, want)
		}
	}
	if l, _, err := config.ParseMountOptions("ro,undelete-window=0"); err != nil || l.Values["read-only"] != "true" {
		t.Errorf("%v, %v", l, err)
	}
}

func TestParseHubKeyAndRates(t *testing.T) {
	if k, err := config.ParseHubKey("abc:2.5"); err != nil || k.Key.Reveal() != "abc" || k.GBMonths != 2.5 {
		t.Errorf("%v %v", k, err)
	}
	if k, err := config.ParseHubKey("abc"); err != nil || k.GBMonths >= 0 {
		t.Errorf("%v %v", k, err)
	}
	for _, bad := range []string{"", ":3", "a:", "a:-1", "a:nan"} {
		if _, err := config.ParseHubKey(remote.Secret(bad)); err == nil {
			t.Errorf("key %q accepted", bad)
		}
	}
	r, err := config.ParseRates("dropio=250/15m, d3=1000/m,dropzone=0")
	if err != nil || r["dropio"] != (config.Rate{N: 250, Per: 15 * time.Minute}) || r["d3"] != (config.Rate{N: 1000, Per: time.Minute}) || r["dropzone"].N != 0 {
		t.Errorf("%v %v", r, err)
	}
	for _, bad := range []string{"x=1/m", "d3", "d3=1", "d3=-1/m", "d3=1/0s", "d3=1/x"} {
		if _, err := config.ParseRates(bad); err == nil {
			t.Errorf("rate %q accepted", bad)
		}
	}
}
