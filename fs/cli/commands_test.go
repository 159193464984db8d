package cli

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func itoa(n int) string { return strconv.Itoa(n) }

func TestUsageErrors(t *testing.T) {
	h := newHome(t)
	mnt := h.mkdir("mnt")
	for _, tc := range []struct {
		text string
		args []string
	}{
		{"unknown command", []string{"bogus"}},
		{"unknown flag", []string{"status", "--bogus"}},
		{"wrong number of arguments", []string{"mount"}},
		{"wrong number of arguments", []string{"unmount", "a", "b"}},
		{"not a size", []string{"mount", "--cache-size", "big", mnt}},
		{"not a duration", []string{"mount", "--poll", "soon", mnt}},
		{"neither local nor remote", []string{"mount", "--durability", "best", mnt}},
		{"unknown option", []string{"mount", "-o", "bogus", mnt}},
		{"not a duration", []string{"unmount", "--wait=x", mnt}},
		{"not a duration", []string{"sync", "--timeout", "x"}},
		{"a subcommand is missing", []string{"drop"}},
		{"not a subcommand", []string{"key", "bogus"}},
		{"neither --gb nor --days", []string{"drop", "extend", "x"}},
		{"is not bash, zsh or fish", []string{"completion", "csh"}},
		{"is none of", []string{"login", "a", "--service", "ftp", "--url", "http://h"}},
		{"--url is missing", []string{"login", "a"}},
		{"belongs to --service d3", []string{"login", "a", "--url", "http://h", "--webhook-listen", ":1"}},
		{"ADDRESS:PORT", []string{"login", "a", "--service", "d3", "--url", "http://h", "--webhook-listen", "8335"}},
		{"not an http or https URL", []string{"login", "a", "--url", "h"}},
		{"the key is read from standard input", []string{"login", "a", "--url", "http://h", "--key", "abc"}},
		{"embedded hub", []string{"login", "local", "--url", "http://h", "--key", "-"}},
		{"belong together", []string{"serve", "--tls-cert", "x"}},
		{"is not a rate", []string{"serve", "--rate", "d3=1"}},
		{"not a size", []string{"cache", "prune", "--to", "x"}},
		{"no terminal", []string{"drop", "delete", "x"}},
	} {
		h.refuses(2, tc.text, tc.args...)
	}
}

func TestConfigurationErrors(t *testing.T) {
	h := newHome(t)
	mnt := h.mkdir("mnt")
	account := "[accounts.a]\nservice = \"dropzone\"\nurl = \"http://127.0.0.1:1/api/v1\"\n"
	for _, tc := range []struct {
		name, text string
		mode       os.FileMode
		want       string
	}{
		{"keys that others may read", account + "api_key = \"s3cr3t\"\n", 0o644, "others may read"},
		{"unknown key", account + "colour = 1\n", 0o600, ":4: unknown key"},
		{"not TOML", "[accounts\n", 0o600, "config.toml:1:"},
		{"no key kept", account, 0o600, "no key is kept"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			file := h.write(tc.text, tc.mode, ".config", "dropfs", "config.toml")
			r := h.run("mount", mnt)
			checkFailure(t, r, 3, tc.want)
			if strings.Contains(r.err, "s3cr3t") {
				t.Errorf("the key is shown: %s", r.err)
			}
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		})
	}
	h.refuses(3, "no such file", "--config", h.path("none.toml"), "accounts")
	h.env = append(h.env, "DROPFS_POLL=soon")
	h.refuses(3, "not a duration", "mount", mnt)
}

func TestMountPointErrors(t *testing.T) {
	needMount(t)
	h := newHome(t)
	full := h.mkdir("full")
	h.write("x", 0o644, "full", "f")
	empty := h.mkdir("empty")
	for _, tc := range []struct {
		code int
		text string
		args []string
	}{
		{4, "no such directory", []string{h.path("none")}},
		{4, "not a directory", []string{h.write("x", 0o644, "file")}},
		{4, "not empty", []string{full}},
		{7, "not configured", []string{"nobody", empty}},
		{7, "no such file", []string{"local/nothing", empty}},
		{4, "state directory", []string{"--state-dir", "/proc/nothing", empty}},
		{4, "", []string{"--http", "127.0.0.1:99999", empty}},
	} {
		h.refuses(tc.code, tc.text, append([]string{"mount"}, tc.args...)...)
	}
}

func TestStateDirectoryInUse(t *testing.T) {
	needMount(t)
	h := newHome(t)
	one, two := h.mkdir("one"), h.mkdir("two")
	h.ok("mount", "local", one)
	// A daemon whose socket is gone cannot be asked.
	socks, err := filepath.Glob(h.path(".local", "state", "dropfs", "dropfs-*.sock"))
	if err != nil || len(socks) != 1 {
		t.Fatalf("sockets %v, %v", socks, err)
	}
	hidden := h.path("hidden")
	if err := os.Rename(socks[0], hidden); err != nil {
		t.Fatal(err)
	}
	h.refuses(4, "in use", "mount", "local", two)
	if err := os.Rename(hidden, socks[0]); err != nil {
		t.Fatal(err)
	}
	h.ok("unmount", one)
}

func TestSecretsAndCompletion(t *testing.T) {
	h := newHome(t)
	if r := h.runIn("pass word\n", "secret", "set", "docs"); r.code != 0 {
		t.Fatalf("%+v", r)
	}
	if out := h.ok("secret", "list"); out != "docs\n" {
		t.Errorf("list %q", out)
	}
	h.ok("secret", "delete", "docs")
	h.refuses(7, "none of this name", "secret", "delete", "docs")
	if out := h.ok("completion", "bash"); !strings.Contains(out, "dropfs") {
		t.Errorf("completion %q", out)
	}
	if out := h.ok("version"); !strings.HasPrefix(out, "dropfs ") {
		t.Errorf("version %q", out)
	}
	h.ok("man", h.path("man"))
	if text, err := os.ReadFile(h.path("man", "dropfs-mount.1")); err != nil || !strings.Contains(string(text), "cache") {
		t.Errorf("manual page: %v", err)
	}
	var d struct{ Findings []finding }
	r := h.run("doctor", "--json")
	if err := json.Unmarshal([]byte(r.out), &d); err != nil || len(d.Findings) < 6 {
		t.Errorf("doctor: %v, %s", err, r.out)
	}
}

// hubProcess runs serve and returns its URL and key.
func (h *home) hubProcess(args ...string) (url, key string, stop func()) {
	h.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		h.t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		h.t.Fatal(err)
	}
	cmd := h.command(h.t.Context(), append([]string{"serve", "--data", h.path("hub"), "--listen", addr}, args...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		h.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	buf := make([]byte, 4096)
	text := ""
	for !strings.Contains(text, "/api/v1\n") || len(args) == 0 && strings.Count(text, "\n") < 2 {
		n, err := out.Read(buf)
		text += string(buf[:n])
		if err != nil {
			break
		}
	}
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		switch f[0] {
		case "hub":
			url = f[2]
		case "key":
			key = f[1]
		}
	}
	return url, key, func() {
		h.t.Helper()
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			h.t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			h.t.Errorf("the hub ended with %v", err)
		}
	}
}

func TestLoginAndMountAnAccount(t *testing.T) {
	needMount(t)
	h := newHome(t)
	url, key, stop := h.hubProcess()
	if url == "" || key == "" {
		t.Fatalf("url %q, key %q", url, key)
	}
	if r := h.runIn("wrong\n", "login", "cloud", "--url", url, "--key", "-"); true {
		checkFailure(t, r, 5, "credentials refused")
	}
	checkFailure(t, h.runIn(key+"\n", "login", "cloud", "--url", "http://127.0.0.1:1/api/v1", "--key", "-"), 6, "unreachable")
	checkFailure(t, h.runIn(key+"\n", "login", "cloud", "--url", url+"/nope", "--key", "-"), 6, "not at this URL")
	if r := h.runIn(key+"\n", "login", "cloud", "--url", url, "--key", "-"); r.code != 0 || strings.Contains(r.out+r.err, key) {
		t.Fatalf("login: %+v", r)
	}
	if st, err := os.Stat(h.path(".config", "dropfs", "keys", "account-cloud")); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("key file %v, %v", st, err)
	}
	if out := h.ok("accounts"); !strings.Contains(out, "cloud") || strings.Contains(out, key) {
		t.Errorf("accounts %q", out)
	}
	mnt := h.mkdir("mnt")
	h.ok("mount", mnt)
	if err := os.Mkdir(filepath.Join(mnt, "cloud", "photos@2gb,90d"), 0o755); err != nil {
		t.Fatal(err)
	}
	file := h.write("picture", 0o644, "mnt", "cloud", "photos", "a.jpg")
	h.ok("sync", mnt)
	link := strings.TrimSpace(h.ok("share", file))
	if !strings.HasPrefix(link, strings.TrimSuffix(url, "/api/v1")) {
		t.Errorf("link %q", link)
	}
	h.ok("pin", file)
	h.ok("unpin", file)
	h.ok("refresh", file)
	if out := h.ok("drop", "info", "photos", "--json"); !strings.Contains(out, `"gb": 2`) || !strings.Contains(out, `"days": 90`) {
		t.Errorf("drop info %s", out)
	}
	h.refuses(1, "it is mounted", "logout", "cloud")
	stop()
	// Without the service: what is cached can be used, mounting works and says so.
	h.write("later", 0o644, "mnt", "cloud", "photos", "b.txt")
	h.refuses(6, "cannot be reached", "sync", mnt)
	h.refuses(8, "time is up", "sync", "--timeout", "1s", mnt)
	h.refuses(8, "unsent", "unmount", mnt)
	if r := h.run("mount", mnt); r.code != 0 || !strings.Contains(r.err, "cloud: ") {
		t.Errorf("mount without the service: %+v", r)
	}
	if got, err := os.ReadFile(filepath.Join(mnt, "cloud", "photos", "b.txt")); err != nil || string(got) != "later" {
		t.Errorf("offline: %q, %v", got, err)
	}
	if r := h.run("unmount", mnt); r.code != 8 {
		t.Errorf("unmount: %+v", r)
	}
	h.ok("logout", "cloud")
	h.refuses(7, "not configured", "logout", "cloud")
}

func TestHubKeys(t *testing.T) {
	h := newHome(t)
	_, _, stop := h.hubProcess("--api-key", "abc:5")
	defer stop()
	data := h.path("hub")
	key := strings.TrimSpace(h.ok("key", "create", "team", "--gb-months", "2.5", "--data", data))
	if len(key) < 16 {
		t.Errorf("key %q", key)
	}
	h.refuses(1, "exists", "key", "create", "team", "--data", data)
	if out := h.ok("key", "list", "--data", data); !strings.Contains(out, "team") || !strings.Contains(out, "2.5") || strings.Contains(out, key) {
		t.Errorf("list %q", out)
	}
	h.ok("key", "revoke", "team", "--data", data)
	h.refuses(7, "none of this name", "key", "revoke", "nobody", "--data", data)
	if out := h.ok("key", "list", "--data", data); !strings.Contains(out, "revoked") {
		t.Errorf("list %q", out)
	}
	h.refuses(1, "in use by process", "serve", "--data", data, "--listen", "127.0.0.1:0")
}
