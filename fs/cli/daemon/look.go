package daemon

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"

	"dropfs/fs/cli/config"
	"dropfs/remote"
)

// Look asks each account's service whether it is there, and tells what who mounts should know.
func (d *Disk) Look(ctx context.Context) []string {
	accounts := d.snapshot()
	notes := make([]string, len(accounts))
	var wg sync.WaitGroup
	for i, a := range accounts {
		if a.name == config.LocalAccount {
			continue
		}
		wg.Go(func() {
			if err := a.service.Ping(ctx); err != nil {
				notes[i] = noteOf(a.name, err)
			}
		})
	}
	wg.Wait()
	var out []string
	for _, n := range notes {
		if n != "" {
			out = append(out, n)
		}
	}
	return out
}

// noteOf words what an account's service answered.
func noteOf(account string, err error) string {
	if remote.KindOf(err) == remote.ErrCredentials {
		return fmt.Sprintf("%s: the service refuses the key: nothing is sent or fetched until `dropfs login %s`", account, account)
	}
	return fmt.Sprintf("%s: %v; what is cached can be used, changes are sent later", account, err)
}

// Notify tells systemd the state of the service (sd_notify(3)); without NOTIFY_SOCKET it does nothing.
func Notify(env config.Env, state string) error {
	path := env.Get("NOTIFY_SOCKET")
	if path == "" {
		return nil
	}
	if rest, ok := strings.CutPrefix(path, "@"); ok {
		path = "\x00" + rest
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	_, err = c.Write([]byte(state))
	return err
}
