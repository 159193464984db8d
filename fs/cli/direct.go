package cli

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"dropfs/fs/cli/config"
	"dropfs/fs/cli/control"
	"dropfs/fs/cli/daemon"
	"dropfs/fs/cli/fail"
)

// caller makes one call, wherever it is answered.
type caller func(call string, request any, progress func(control.Progress), result any) error

// withAccount has f make calls about an account ("": all): to the daemon that serves it, else within this process, which
// opens the account for that long. used leaves accounts out that were never used on this machine.
func (a App) withAccount(c *cobra.Command, account string, used bool, f func(caller) error) error {
	for _, d := range a.daemons(c) {
		if account == "" || slices.Contains(d.Info.Accounts, account) {
			return f(func(call string, req any, progress func(control.Progress), result any) error {
				return d.Call(c.Context(), call, req, progress, result)
			})
		}
	}
	file, err := a.loadConfig(c, "")
	if err != nil {
		return err
	}
	stateDir, err := a.stateDir(c)
	if err != nil {
		return fail.As(fail.Config, "state directory", err)
	}
	names := []string{account}
	if account == "" {
		names = append(slices.Sorted(maps.Keys(file.Accounts)), config.LocalAccount)
	}
	names = slices.DeleteFunc(names, func(n string) bool { return used && !daemon.HasState(stateDir, n) })
	if len(names) == 0 {
		return nil
	}
	o, err := file.Resolve(a.Env.MountLayer())
	if err != nil {
		return fail.As(fail.Config, "configuration", err)
	}
	d := daemon.New(daemon.Config{
		File: file, Keys: config.NewKeys(a.Env, file.Path), Env: a.Env, Options: o, StateDir: stateDir,
		Log: newLog(a.Err, logrus.ErrorLevel, o.LogFormat),
	})
	if err := d.Ensure(c.Context(), names); err != nil {
		return errors.Join(err, d.Close())
	}
	handlers := d.Handlers()
	err = f(func(call string, req any, progress func(control.Progress), result any) error {
		return callDirect(c.Context(), handlers[call], req, progress, result)
	})
	return errors.Join(err, d.Close())
}

// callDirect runs a handler as the control socket would.
func callDirect(ctx context.Context, h control.Handler, req any, progress func(control.Progress), result any) error {
	body, err := json.Marshal(req)
	if err != nil {
		return err
	}
	if progress == nil {
		progress = func(control.Progress) {}
	}
	v, err := h(ctx, control.Call{Body: body, Progress: progress})
	if err != nil || result == nil {
		return err
	}
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, result)
}

// theAccount names the account that a command without one is about: the only one there is.
func (a App) theAccount(c *cobra.Command, account string) (string, error) {
	file, err := a.loadConfig(c, "")
	switch {
	case err != nil:
		return "", err
	case account == config.LocalAccount, account != "" && file.Accounts[account].Service != "":
		return account, nil
	case account != "":
		return "", fail.New(fail.NotFound, "account "+account, "not configured").WithHint("dropfs accounts lists them")
	case len(file.Accounts) == 0:
		return config.LocalAccount, nil
	case len(file.Accounts) == 1:
		for name := range file.Accounts {
			return name, nil
		}
	}
	return "", fail.New(fail.Usage, c.Name(), "there are several accounts").WithHint("say which: ACCOUNT/NAME")
}
