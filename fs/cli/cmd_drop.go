package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"dropfs/cache"
	"dropfs/fs/cli/config"
	"dropfs/fs/cli/control"
	"dropfs/fs/cli/fail"
)

// dropCommand looks after drops.
func (a App) dropCommand() *cobra.Command {
	create := &cobra.Command{Use: "create [ACCOUNT/]NAME", Short: "makes a drop", Args: args(1, 1)}
	gb := create.Flags().Float64("gb", 0, "its size in `GB`")
	days := create.Flags().Int("days", 0, "its duration in `DAYS`")
	extend := &cobra.Command{Use: "extend [ACCOUNT/]NAME", Short: "makes a drop larger or longer", Args: args(1, 1)}
	moreGB := extend.Flags().Float64("gb", 0, "its new size in `GB`")
	moreDays := extend.Flags().Int("days", 0, "its new duration in `DAYS`, from its creation")
	list := &cobra.Command{Use: "list [ACCOUNT]", Short: "lists the drops", Args: args(0, 1)}
	info := &cobra.Command{Use: "info [ACCOUNT/]NAME", Short: "tells what is known of a drop", Args: args(1, 1)}
	add := &cobra.Command{
		Use: "add [ACCOUNT/]NAME [ID]", Short: "shows a drop that was made elsewhere, as NAME", Args: args(1, 2),
		Long: "Shows a drop that was made elsewhere, as NAME. Without ID, or with -, the id is read from standard input: it opens\nthe drop, and what stands in a command can be seen by others of this machine.",
	}
	forget := &cobra.Command{Use: "forget [ACCOUNT/]NAME", Short: "shows a drop no longer; it stays on the service until it expires", Args: args(1, 1)}
	del := &cobra.Command{Use: "delete [ACCOUNT/]NAME", Short: "deletes a drop and all that is in it", Args: args(1, 1)}
	yes := del.Flags().Bool("yes", false, "delete it without asking")
	var asJSON bool
	for _, c := range []*cobra.Command{create, list, info, extend, add, forget, del} {
		c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
		stateDirFlag(c)
	}
	create.RunE = run("drop create", func(c *cobra.Command, args []string) error {
		return a.drop(c, control.DropRequest{Do: "create", Name: args[0], GB: *gb, Days: *days}, asJSON)
	})
	extend.RunE = run("drop extend", func(c *cobra.Command, args []string) error {
		if *moreGB <= 0 && *moreDays <= 0 {
			return fail.New(fail.Usage, "drop extend", "neither --gb nor --days is given")
		}
		return a.drop(c, control.DropRequest{Do: "extend", Name: args[0], GB: *moreGB, Days: *moreDays}, asJSON)
	})
	list.RunE = run("drop list", func(c *cobra.Command, args []string) error {
		return a.dropList(c, strings.Join(args, ""), asJSON)
	})
	info.RunE = run("drop info", func(c *cobra.Command, args []string) error { return a.dropInfo(c, args[0], asJSON) })
	add.RunE = run("drop add", func(c *cobra.Command, args []string) error { return a.dropAdd(c, args, asJSON) })
	forget.RunE = run("drop forget", func(c *cobra.Command, args []string) error { return a.dropForget(c, args[0]) })
	del.RunE = run("drop delete", func(c *cobra.Command, args []string) error {
		if !*yes {
			if err := a.confirm("delete drop " + args[0] + " and all that is in it"); err != nil {
				return err
			}
		}
		return a.drop(c, control.DropRequest{Do: "delete", Name: args[0]}, asJSON)
	})
	return groupOf("drop", "makes, lists, extends, adds, forgets and deletes drops", create, list, info, extend, add, forget, del)
}

// confirm asks on the terminal; without one it refuses.
func (a App) confirm(what string) error {
	if !isTerminal(a.In) {
		return fail.New(fail.Usage, what, "there is no terminal to ask on").WithHint("--yes does it without asking")
	}
	_, _ = fmt.Fprintf(a.Err, "%s? [y/N] ", what)
	var answer string
	if _, err := fmt.Fscanln(a.In, &answer); err != nil || !strings.HasPrefix(strings.ToLower(answer), "y") {
		return fail.New(fail.Interrupted, what, "not done")
	}
	return nil
}

// dropName takes [ACCOUNT/]NAME apart.
func (a App) dropName(c *cobra.Command, text string) (account, name string, err error) {
	account, name, ok := strings.Cut(text, "/")
	if !ok {
		account, name = "", text
	}
	if name == "" || strings.Contains(name, "/") {
		return "", "", fail.New(fail.Usage, c.Name(), fmt.Sprintf("%q is not [ACCOUNT/]NAME", text))
	}
	account, err = a.theAccount(c, account)
	return account, name, err
}

// drop asks for one change and prints the drop.
func (a App) drop(c *cobra.Command, req control.DropRequest, asJSON bool) error {
	var err error
	if req.Account, req.Name, err = a.dropName(c, req.Name); err != nil {
		return err
	}
	var res control.DropResult
	err = a.withAccount(c, req.Account, false, func(call caller) error { return call(control.CallDrop, req, nil, &res) })
	if err != nil {
		return err
	}
	if asJSON {
		return a.json(jsonDrops(res.Drops))
	}
	return nil
}

// jsonDrop is a drop as scripts see it (CLI.md).
type jsonDrop struct {
	cache.DropStatus
	Expires *string `json:"expires"` // RFC 3339; null: never
}

// jsonDrops is the JSON of drop list.
func jsonDrops(drops []cache.DropStatus) map[string]any {
	out := make([]jsonDrop, 0, len(drops))
	for _, d := range drops {
		j := jsonDrop{DropStatus: d}
		if !d.Expires.IsZero() {
			text := d.Expires.UTC().Format("2006-01-02T15:04:05Z")
			j.Expires = &text
		}
		out = append(out, j)
	}
	return map[string]any{"drops": out}
}

// dropList prints the drops of an account, or of all.
func (a App) dropList(c *cobra.Command, account string, asJSON bool) error {
	drops, err := a.drops(c, strings.TrimSuffix(account, "/"))
	if err != nil {
		return err
	}
	if asJSON {
		return a.json(jsonDrops(drops))
	}
	rows := make([][]string, 0, len(drops))
	for _, d := range drops {
		rows = append(rows, []string{d.Account, d.Name, bytesText(d.Used), bytesText(d.Size), expiryText(d.Expires)})
	}
	return a.table([]string{"ACCOUNT", "NAME", "USED", "SIZE", "EXPIRES"}, rows)
}

// drops lists the drops of an account; "" is every account that is configured or in use.
func (a App) drops(c *cobra.Command, account string) ([]cache.DropStatus, error) {
	var accounts []string
	if account != "" {
		name, err := a.theAccount(c, account)
		if err != nil {
			return nil, err
		}
		accounts = []string{name}
	} else {
		file, err := a.loadConfig(c, "")
		if err != nil {
			return nil, err
		}
		for name := range file.Accounts {
			accounts = append(accounts, name)
		}
		for _, d := range a.daemons(c) {
			accounts = append(accounts, d.Info.Accounts...)
		}
		if len(accounts) == 0 {
			accounts = []string{config.LocalAccount}
		}
		slices.Sort(accounts)
		accounts = slices.Compact(accounts)
	}
	var out []cache.DropStatus
	for _, name := range accounts {
		var res control.DropResult
		err := a.withAccount(c, name, false, func(call caller) error {
			return call(control.CallDrop, control.DropRequest{Do: "list", Account: name}, nil, &res)
		})
		if err != nil {
			return nil, err
		}
		out = append(out, res.Drops...)
	}
	return out, nil
}

// dropInfo prints one drop.
func (a App) dropInfo(c *cobra.Command, text string, asJSON bool) error {
	account, name, err := a.dropName(c, text)
	if err != nil {
		return err
	}
	drops, err := a.drops(c, account)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(drops, func(d cache.DropStatus) bool { return d.Name == name })
	if i < 0 {
		return fail.New(fail.NotFound, "drop "+text, "there is none of this name").WithHint("dropfs drop list shows them")
	}
	d := drops[i]
	if asJSON {
		return a.json(jsonDrops(drops[i : i+1])["drops"].([]jsonDrop)[0])
	}
	a.say("account  %s\nname     %s\nid       %s\nordered  %g GB, %d days\nused     %s of %s\nexpires  %s", d.Account, printable(d.Name), d.ID, d.GB, d.Days,
		bytesText(d.Used), bytesText(d.Size), expiryText(d.Expires))
	return nil
}

// dropAdd writes a drop into the configuration and tells a daemon that serves the account.
func (a App) dropAdd(c *cobra.Command, args []string, asJSON bool) error {
	account, name, err := a.dropName(c, args[0])
	if err != nil {
		return err
	}
	id := ""
	if len(args) == 2 && args[1] != "-" {
		id = args[1]
	} else {
		text, err := config.ReadKey(a.In)
		if err != nil {
			return err
		}
		id = text.Reveal()
	}
	if id == "" {
		return fail.New(fail.Usage, "drop add", "the id is empty")
	}
	if err := a.drop(c, control.DropRequest{Do: "add", Name: account + "/" + name, ID: id}, asJSON); err != nil {
		return err
	}
	if account == config.LocalAccount {
		return nil
	}
	file, err := a.loadConfig(c, "")
	if err != nil {
		return err
	}
	err = config.SetSection(file.Path, []string{"accounts", account, "drops"}, []config.Setting{{Key: name, Value: id}})
	if err != nil {
		return fail.As(fail.Config, "configuration", err)
	}
	return nil
}

// dropForget shows a drop no longer.
func (a App) dropForget(c *cobra.Command, text string) error {
	account, name, err := a.dropName(c, text)
	if err != nil {
		return err
	}
	if err := a.drop(c, control.DropRequest{Do: "forget", Name: account + "/" + name}, false); err != nil {
		return err
	}
	file, err := a.loadConfig(c, "")
	if err != nil || file.Accounts[account].Drops[name] == "" {
		return err
	}
	if err := config.RemoveKey(file.Path, []string{"accounts", account, "drops"}, name); err != nil {
		return fail.As(fail.Config, "configuration", err)
	}
	return nil
}

// parseSize reads a size given on the command line.
func parseSize(s string) (int64, error) {
	n, err := config.ParseSize(s)
	if err != nil {
		return 0, fail.As(fail.Usage, "usage", err)
	}
	return n, nil
}
