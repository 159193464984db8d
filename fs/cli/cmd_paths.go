package cli

import (
	"github.com/spf13/cobra"

	"dropfs/fs/cli/control"
	"dropfs/fs/cli/fail"
)

// eachPath asks the daemon of each path.
func (a App) eachPath(c *cobra.Command, call string, paths []string, req control.PathsRequest) error {
	for _, p := range paths {
		d, abs, err := a.daemonOfPath(c, p)
		if err != nil {
			return err
		}
		req.Paths = []string{abs}
		if err := d.Call(c.Context(), call, req, nil, nil); err != nil {
			return err
		}
	}
	return nil
}

// pinCommand keeps files here, or lets them go.
func (a App) pinCommand(on bool) *cobra.Command {
	c := &cobra.Command{Use: "pin PATH…", Short: "keeps everything below PATH here, also for offline use", Args: args(1, -1)}
	if !on {
		c.Use, c.Short = "unpin PATH…", "lets what was pinned leave the cache again"
	}
	stateDirFlag(c)
	c.RunE = run(c.Name(), func(c *cobra.Command, args []string) error {
		return a.eachPath(c, control.CallPin, args, control.PathsRequest{On: on})
	})
	return c
}

// refreshCommand asks the services what is there now.
func (a App) refreshCommand() *cobra.Command {
	c := &cobra.Command{Use: "refresh PATH…", Short: "asks the service at once what is below PATH", Args: args(1, -1)}
	stateDirFlag(c)
	c.RunE = run("refresh", func(c *cobra.Command, args []string) error {
		return a.eachPath(c, control.CallRefresh, args, control.PathsRequest{})
	})
	return c
}

// shareCommand makes a link.
func (a App) shareCommand() *cobra.Command {
	c := &cobra.Command{Use: "share FILE", Short: "prints a link under which anybody can read the file", Args: args(1, 1)}
	public := c.Flags().Bool("public", false, "where the service has only public links, make the file public")
	asJSON := c.Flags().Bool("json", false, "print JSON")
	stateDirFlag(c)
	c.RunE = run("share", func(c *cobra.Command, args []string) error {
		d, abs, err := a.daemonOfPath(c, args[0])
		if err != nil {
			return err
		}
		var res control.ShareResult
		if err := d.Call(c.Context(), control.CallShare, control.PathsRequest{Paths: []string{abs}, Public: *public}, nil, &res); err != nil {
			return err
		}
		if *asJSON {
			return a.json(res)
		}
		a.say("%s", res.URL)
		return nil
	})
	return c
}

// undeleteCommand lists what was deleted, or brings it back.
func (a App) undeleteCommand() *cobra.Command {
	c := &cobra.Command{Use: "undelete [PATH…]", Short: "brings deleted files back; without PATH lists them", Args: args(0, -1)}
	asJSON := c.Flags().Bool("json", false, "print JSON")
	stateDirFlag(c)
	c.RunE = run("undelete", func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			return a.eachPath(c, control.CallUndelete, args, control.PathsRequest{})
		}
		all := control.DeletedResult{}
		err := a.withAccount(c, "", true, func(call caller) error {
			return call(control.CallDeleted, nil, nil, &all)
		})
		if err != nil {
			return err
		}
		if *asJSON {
			return a.json(all)
		}
		rows := make([][]string, 0, len(all.Deleted))
		for _, d := range all.Deleted {
			rows = append(rows, []string{d.Path, bytesText(d.Size), d.Deleted.Local().Format("2006-01-02 15:04:05")})
		}
		if len(rows) == 0 {
			a.say("nothing to bring back")
			return nil
		}
		return a.table([]string{"PATH", "SIZE", "DELETED"}, rows)
	})
	return c
}

// cacheCommand keeps house in the content cache.
func (a App) cacheCommand() *cobra.Command {
	info := &cobra.Command{Use: "info", Short: "tells how full the cache is", Args: args(0, 0)}
	asJSON := info.Flags().Bool("json", false, "print JSON")
	info.RunE = run("cache info", func(c *cobra.Command, _ []string) error { return a.cacheInfo(c, *asJSON) })
	verify := &cobra.Command{Use: "verify", Short: "reads the whole cache and names what is damaged", Args: args(0, 0)}
	verifyJSON := verify.Flags().Bool("json", false, "print JSON")
	verify.RunE = run("cache verify", func(c *cobra.Command, _ []string) error { return a.cacheVerify(c, *verifyJSON) })
	prune := &cobra.Command{Use: "prune", Short: "lets content go that is on the service and not pinned", Args: args(0, 0)}
	keep := prune.Flags().String("to", "0", "until it holds at most `SIZE`")
	account := prune.Flags().String("account", "", "only of `ACCOUNT`")
	prune.RunE = run("cache prune", func(c *cobra.Command, _ []string) error { return a.cachePrune(c, *account, *keep) })
	for _, c := range []*cobra.Command{info, verify, prune} {
		stateDirFlag(c)
	}
	return groupOf("cache", "looks after the content cache", info, verify, prune)
}

// cacheInfo prints how full the caches are.
func (a App) cacheInfo(c *cobra.Command, asJSON bool) error {
	return a.withAccount(c, "", true, func(call caller) error {
		var st control.Status
		if err := call(control.CallStatus, nil, nil, &st); err != nil {
			return err
		}
		type row struct {
			Account string `json:"account"`
			control.CacheBytes
		}
		rows, text := []row{}, [][]string{}
		for _, d := range st.Disks {
			b := d.CacheBytes
			rows = append(rows, row{d.Account, b})
			text = append(text, []string{d.Account, bytesText(b.Allocated), bytesText(b.Max), bytesText(b.Dirty), bytesText(b.Pinned)})
		}
		if asJSON {
			return a.json(map[string]any{"caches": rows})
		}
		return a.table([]string{"ACCOUNT", "HELD", "LIMIT", "UNSENT", "PINNED"}, text)
	})
}

// cacheVerify reads the caches.
func (a App) cacheVerify(c *cobra.Command, asJSON bool) error {
	res := control.VerifyResult{Bad: []string{}}
	show, stop := a.progress("reading")
	defer stop()
	err := a.withAccount(c, "", true, func(call caller) error { return call(control.CallVerify, nil, show, &res) })
	if err != nil {
		return err
	}
	if asJSON {
		if err := a.json(res); err != nil {
			return err
		}
	} else {
		for _, p := range res.Bad {
			a.say("damaged: %s", printable(p))
		}
	}
	if len(res.Bad) > 0 {
		return fail.New(fail.Failed, "cache verify", "damaged content was found").WithHint("what is on the service is fetched again at the next read")
	}
	return nil
}

// cachePrune makes room.
func (a App) cachePrune(c *cobra.Command, account, keep string) error {
	n, err := parseSize(keep)
	if err != nil {
		return err
	}
	return a.withAccount(c, account, true, func(call caller) error {
		return call(control.CallPrune, control.AccountRequest{Account: account, Bytes: n}, nil, nil)
	})
}
