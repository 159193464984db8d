package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"dropfs/fs/cli/config"
	"dropfs/fs/cli/daemon"
	"dropfs/fs/cli/engines"
	"dropfs/fs/cli/fail"
	"dropfs/remote"
)

// loginFlags are the flags of login.
type loginFlags struct {
	service, url, key, forAccount string
	webhook                       string
	gb                            float64
	days                          int
	noCheck                       bool
}

// loginCommand adds an account.
func (a App) loginCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "login NAME", Short: "adds an account, or gives one a new key", Args: args(1, 1),
		Long: "Asks for the key on the terminal, or reads it from standard input with --key -, checks it, and keeps it in the\nsystem keyring, else in a file that only you can read.",
	}
	var l loginFlags
	c.Flags().StringVar(&l.service, "service", "", "`SERVICE`: dropzone, dropio or d3 (dropzone)")
	c.Flags().StringVar(&l.url, "url", "", "base `URL` of the service's API")
	c.Flags().StringVar(&l.key, "key", "", "`-` reads the key from standard input")
	c.Flags().StringVar(&l.forAccount, "for", "", "with --service d3: convert for `ACCOUNT` alone")
	c.Flags().StringVar(&l.webhook, "webhook-listen", "", "with --service d3: take its webhooks in at `ADDR`; asks for the secret that signs\nthem, with --key - the second line")
	c.Flags().Float64Var(&l.gb, "gb", 0, "size of a drop made by mkdir, in `GB`")
	c.Flags().IntVar(&l.days, "days", 0, "duration of a drop made by mkdir, in `DAYS`")
	c.Flags().BoolVar(&l.noCheck, "no-check", false, "keep the key without asking the service")
	c.RunE = run("login", func(c *cobra.Command, args []string) error { return a.login(c, args[0], l) })
	return c
}

// login checks what was given and keeps it.
func (a App) login(c *cobra.Command, name string, l loginFlags) error {
	path, _, err := a.configPath(c, "")
	if err != nil {
		return fail.As(fail.Config, "configuration", err)
	}
	file, err := config.Load(path, false)
	if err != nil {
		return fail.As(fail.Config, "configuration", err).WithHint("correct the file first")
	}
	old := file.Accounts[name]
	l.service = firstOf(l.service, old.Service, config.ServiceDropzone)
	l.url = firstOf(l.url, old.URL)
	if err := l.check(name); err != nil {
		return err
	}
	if l.forAccount != "" && file.Accounts[l.forAccount].Service == "" {
		return fail.New(fail.NotFound, "account "+l.forAccount, "not configured")
	}
	wanted := []string{"key of " + name}
	if l.webhook != "" {
		wanted = append(wanted, "secret of the webhooks of "+name)
	}
	keys, err := a.readKeys(l.key, wanted...)
	if err != nil {
		return err
	}
	if !l.noCheck {
		if err := checkLogin(c.Context(), old, l, keys[0]); err != nil {
			return fail.Of("login "+name, err)
		}
	}
	return a.keepLogin(path, name, l, keys)
}

// check tests the flags.
func (l *loginFlags) check(name string) error {
	usage := func(err error) error { return fail.As(fail.Usage, "login", err).WithHint("see dropfs login --help") }
	if err := config.CheckAccountName(name); err != nil {
		return usage(err)
	}
	switch l.service {
	case config.ServiceDropzone, config.ServiceD3:
	case config.ServiceDropio:
		return usage(errors.New("this version speaks the Dropzone API only"))
	default:
		return usage(fmt.Errorf("service %q is none of dropzone, dropio and d3", l.service))
	}
	switch {
	case l.forAccount != "" && l.service != config.ServiceD3:
		return usage(errors.New("--for belongs to --service d3"))
	case l.webhook != "" && l.service != config.ServiceD3:
		return usage(errors.New("--webhook-listen belongs to --service d3"))
	case l.key != "" && l.key != "-":
		return usage(errors.New("--key takes - alone: the key is read from standard input, where no process list shows it"))
	case l.url == "":
		return usage(errors.New("--url is missing"))
	case l.gb < 0 || l.days < 0:
		return usage(errors.New("--gb and --days must not be negative"))
	}
	if err := config.CheckURL(l.url); err != nil {
		return usage(err)
	}
	if l.webhook != "" {
		if err := config.CheckListen(l.webhook); err != nil {
			return usage(err)
		}
	}
	return nil
}

// checkLimit bounds what login waits for the service.
const checkLimit = 20 * time.Second

// checkLogin asks the service for something that needs the key.
func checkLogin(ctx context.Context, a config.Account, l loginFlags, key remote.Secret) error {
	a.Service, a.URL = l.service, l.url
	ctx, cancel := context.WithTimeout(ctx, checkLimit)
	defer cancel()
	if l.service == config.ServiceD3 {
		return engines.CheckService(ctx, l.url, key, "dropfs/"+daemon.Version)
	}
	quiet := logrus.New()
	quiet.SetLevel(logrus.PanicLevel)
	client, err := daemon.NewClient(a, key, "", logrus.NewEntry(quiet))
	if err != nil {
		return fail.As(fail.Usage, "login", err)
	}
	defer client.Close()
	return daemon.CheckKey(ctx, client)
}

// keepLogin writes the account and its key, and the secret of its webhooks where there is a second.
func (a App) keepLogin(path, name string, l loginFlags, keys []remote.Secret) error {
	section, kind, keyName := []string{"accounts", name}, config.KindAccount, name
	if l.service == config.ServiceD3 {
		section, kind, keyName = []string{"convert"}, config.KindConvert, config.ConvertForAll
		if l.forAccount != "" {
			section, keyName = []string{"accounts", l.forAccount, "convert"}, l.forAccount
		}
	}
	settings := []config.Setting{{Key: "service", Value: l.service}, {Key: "url", Value: l.url}}
	if l.gb > 0 {
		settings = append(settings, config.Setting{Key: "gb", Value: l.gb})
	}
	if l.days > 0 {
		settings = append(settings, config.Setting{Key: "days", Value: l.days})
	}
	older := []string{"api_key", "api_key_file"}
	if l.webhook != "" {
		settings = append(settings, config.Setting{Key: "webhook_listen", Value: l.webhook})
		older = append(older, "webhook_secret", "webhook_secret_file")
	}
	// An older key in the file would win over the new one.
	for _, k := range older {
		if err := config.RemoveKey(path, section, k); err != nil {
			return fail.As(fail.Config, "configuration", err)
		}
	}
	kept := config.NewKeys(a.Env, path)
	where, err := kept.Set(kind, keyName, keys[0])
	if err == nil && l.webhook != "" {
		_, err = kept.Set(config.KindWebhook, keyName, keys[1])
	}
	if err != nil {
		return fail.As(fail.Config, "keep the key", err)
	}
	if err := config.SetSection(path, section, settings); err != nil {
		return fail.As(fail.Config, "configuration", err)
	}
	a.note("%s is in %s, its key in %s", name, path, where)
	return nil
}

// readKey asks for a secret: from standard input with "-", else on the terminal.
func (a App) readKey(how, what string) (remote.Secret, error) {
	keys, err := a.readKeys(how, what)
	if err != nil {
		return "", err
	}
	return keys[0], nil
}

// readKeys is readKey for several, one a line.
func (a App) readKeys(how string, what ...string) (keys []remote.Secret, err error) {
	f, ok := a.In.(*os.File)
	switch {
	case how == "-":
		if keys, err = config.ReadKeys(a.In, len(what)); err != nil {
			return nil, err
		}
	case ok && term.IsTerminal(int(f.Fd())):
		for _, w := range what {
			_, _ = fmt.Fprintf(a.Err, "%s: ", w)
			text, err := term.ReadPassword(int(f.Fd()))
			_, _ = fmt.Fprintln(a.Err)
			if err != nil {
				return nil, err
			}
			keys = append(keys, remote.Secret(text))
		}
	default:
		return nil, fail.New(fail.Usage, what[0], "there is no terminal to ask on").WithHint("give it on standard input with --key -")
	}
	for i, k := range keys {
		if k == "" {
			return nil, fail.New(fail.Usage, what[i], "it is empty")
		}
	}
	return keys, nil
}

// logoutCommand forgets an account.
func (a App) logoutCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "logout NAME", Short: "forgets an account and its key", Args: args(1, 1),
		Long: "Forgets an account and its key. Its state directory, unsent changes included, stays.",
	}
	stateDirFlag(c)
	c.RunE = run("logout", func(c *cobra.Command, args []string) error {
		name := args[0]
		file, err := a.loadConfig(c, "")
		if err != nil {
			return err
		}
		if file.Accounts[name].Service == "" {
			return fail.New(fail.NotFound, "account "+name, "not configured").WithHint("dropfs accounts lists them")
		}
		for _, d := range a.daemons(c) {
			if slices.Contains(d.Info.Accounts, name) {
				return fail.New(fail.Failed, "logout "+name, "it is mounted").WithHint("unmount it first: dropfs status shows where")
			}
		}
		if err := config.RemoveSection(file.Path, []string{"accounts", name}); err != nil {
			return fail.As(fail.Config, "configuration", err)
		}
		err = config.NewKeys(a.Env, file.Path).Delete(config.KindAccount, name)
		if err != nil && !errors.Is(err, config.ErrNoKey) {
			return fail.As(fail.Config, "forget the key", err)
		}
		return nil
	})
	return c
}

// accountsCommand lists the accounts.
func (a App) accountsCommand() *cobra.Command {
	c := &cobra.Command{Use: "accounts", Short: "lists the accounts", Args: args(0, 0)}
	asJSON := c.Flags().Bool("json", false, "print JSON")
	c.RunE = run("accounts", func(c *cobra.Command, _ []string) error {
		file, err := a.loadConfig(c, "")
		if err != nil {
			return err
		}
		type account struct {
			Name    string `json:"name"`
			Service string `json:"service"`
			URL     string `json:"url"`
			Key     bool   `json:"key"`
		}
		list, rows := []account{}, [][]string{}
		keys := config.NewKeys(a.Env, file.Path)
		for _, name := range slices.Sorted(maps.Keys(file.Accounts)) {
			acc := file.Accounts[name]
			key, err := file.AccountKey(keys, name)
			have := "yes"
			if key == "" {
				have = "none"
			}
			if err != nil && !errors.Is(err, config.ErrNoKey) {
				have = err.Error()
			}
			list = append(list, account{name, acc.Service, acc.URL, key != ""})
			rows = append(rows, []string{name, acc.Service, acc.URL, have})
		}
		if *asJSON {
			return a.json(map[string]any{"accounts": list})
		}
		if len(rows) == 0 {
			a.say("no account is configured: `dropfs mount DIR` uses the embedded hub, account local")
			return nil
		}
		return a.table([]string{"NAME", "SERVICE", "URL", "KEY"}, rows)
	})
	return c
}

// secretCommand keeps passwords.
func (a App) secretCommand() *cobra.Command {
	store := func(c *cobra.Command) (config.Keys, error) {
		path, _, err := a.configPath(c, "")
		return config.NewKeys(a.Env, path), err
	}
	set := &cobra.Command{Use: "set NAME", Short: "keeps a password, asked for or read from standard input", Args: args(1, 1)}
	key := set.Flags().String("key", "", "`-` reads it from standard input")
	set.RunE = run("secret set", func(c *cobra.Command, args []string) error {
		if *key != "" && *key != "-" {
			return fail.New(fail.Usage, "secret set", "--key takes - alone")
		}
		how := *key
		if !isTerminal(a.In) {
			how = "-"
		}
		keys, err := store(c)
		if err != nil {
			return err
		}
		text, err := a.readKey(how, "password "+args[0])
		if err != nil {
			return err
		}
		_, err = keys.Set(config.KindSecret, args[0], text)
		return err
	})
	list := &cobra.Command{Use: "list", Short: "names the passwords", Args: args(0, 0)}
	asJSON := list.Flags().Bool("json", false, "print JSON")
	list.RunE = run("secret list", func(c *cobra.Command, _ []string) error {
		keys, err := store(c)
		if err != nil {
			return err
		}
		names, err := keys.List(config.KindSecret)
		if err != nil {
			return err
		}
		if *asJSON {
			return a.json(map[string]any{"secrets": append([]string{}, names...)})
		}
		for _, n := range names {
			a.say("%s", printable(n))
		}
		return nil
	})
	del := &cobra.Command{Use: "delete NAME", Short: "forgets a password", Args: args(1, 1)}
	del.RunE = run("secret delete", func(c *cobra.Command, args []string) error {
		keys, err := store(c)
		if err != nil {
			return err
		}
		err = keys.Delete(config.KindSecret, args[0])
		if errors.Is(err, config.ErrNoKey) {
			return fail.New(fail.NotFound, "secret "+args[0], "there is none of this name")
		}
		return err
	})
	return groupOf("secret", "keeps passwords for documents", set, list, del)
}

// firstOf returns the first text that is not empty.
func firstOf(texts ...string) string {
	for _, s := range texts {
		if s != "" {
			return s
		}
	}
	return ""
}
