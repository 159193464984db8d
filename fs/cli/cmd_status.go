package cli

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"dropfs/fs/cli/control"
	"dropfs/fs/cli/fail"
)

// watchEvery is how often --watch redraws.
const watchEvery = time.Second

// statusReport is the JSON of status.
type statusReport struct {
	Daemons []control.Status `json:"daemons"`
	// The same over all daemons, for scripts that do not care which one serves what.
	Mounts      []control.Mount         `json:"mounts"`
	Accounts    []control.AccountStatus `json:"accounts"`
	UnsentFiles int                     `json:"unsent_files"`
	UnsentBytes int64                   `json:"unsent_bytes"`
}

// statusCommand tells what is going on.
func (a App) statusCommand() *cobra.Command {
	c := &cobra.Command{Use: "status [MOUNTPOINT]", Short: "tells what is mounted, unsent, under way and wrong", Args: args(0, 1)}
	asJSON := c.Flags().Bool("json", false, "print JSON")
	watch := c.Flags().Bool("watch", false, "go on and redraw")
	stateDirFlag(c)
	c.RunE = run("status", func(c *cobra.Command, args []string) error {
		mountpoint := ""
		if len(args) == 1 {
			var err error
			if mountpoint, err = mountpointPath(args[0]); err != nil {
				return err
			}
		}
		if *watch {
			return a.watchStatus(c, mountpoint, *asJSON)
		}
		r, err := a.status(c, mountpoint)
		if err != nil {
			return err
		}
		if *asJSON {
			return a.json(r)
		}
		return r.write(a.Out)
	})
	return c
}

// status asks the daemons, or the one of a mount point.
func (a App) status(c *cobra.Command, mountpoint string) (*statusReport, error) {
	r := &statusReport{Daemons: []control.Status{}, Mounts: []control.Mount{}, Accounts: []control.AccountStatus{}}
	daemons := a.daemons(c)
	if mountpoint != "" {
		d := a.daemonOfMount(c, mountpoint)
		if d == nil {
			return nil, fail.New(fail.NotFound, mountpoint, "no disk of dropfs is mounted there").WithHint("dropfs status shows what is mounted")
		}
		daemons = []*control.Client{d}
	}
	for _, d := range daemons {
		var st control.Status
		if err := d.Call(c.Context(), control.CallStatus, nil, nil, &st); err != nil {
			return nil, err
		}
		r.Daemons = append(r.Daemons, st)
		r.Mounts = append(r.Mounts, st.Mounts...)
		r.Accounts = append(r.Accounts, st.Disks...)
	}
	for _, acc := range r.Accounts {
		r.UnsentFiles += acc.UnsentFiles
		r.UnsentBytes += acc.UnsentBytes
	}
	return r, nil
}

// watchStatus prints the status again and again: on a terminal over itself, else one after the other.
func (a App) watchStatus(c *cobra.Command, mountpoint string, asJSON bool) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		r, err := a.status(c, mountpoint)
		if err != nil {
			return err
		}
		var page bytes.Buffer
		if asJSON {
			err = App{Out: &page}.json(r)
		} else {
			err = r.write(&page)
		}
		if err != nil {
			return err
		}
		if isTerminal(a.Out) {
			_, _ = io.WriteString(a.Out, "\x1b[H\x1b[2J")
		}
		if _, err := a.Out.Write(page.Bytes()); err != nil {
			return err
		}
		select {
		case <-c.Context().Done():
			return nil // ending a watch is how it ends
		case <-tick.C:
		}
	}
}

// write prints the report for people.
func (r *statusReport) write(w io.Writer) error {
	if len(r.Daemons) == 0 {
		_, err := fmt.Fprintln(w, "nothing is mounted")
		return err
	}
	for _, d := range r.Daemons {
		if err := writeDaemon(w, d); err != nil {
			return err
		}
	}
	return nil
}

// writeDaemon prints one daemon.
func writeDaemon(w io.Writer, d control.Status) error {
	for _, m := range d.Mounts {
		source := m.Source
		if source == "" {
			source = strings.Join(d.Accounts, ", ")
		}
		only := ""
		if m.ReadOnly {
			only = ", read-only"
		}
		if _, err := fmt.Fprintf(w, "%s on %s%s (process %d)\n", source, printable(m.Mountpoint), only, d.PID); err != nil {
			return err
		}
	}
	for _, acc := range d.Disks {
		if err := writeAccount(w, acc); err != nil {
			return err
		}
	}
	for _, x := range d.Conversions {
		if _, err := fmt.Fprintf(w, "  %-11s %s  %s\n", x.Phase, partText(x.Part), printable(x.Name)); err != nil {
			return err
		}
	}
	for _, x := range d.NotConverted {
		if _, err := fmt.Fprintf(w, "  not converted: %s: %s\n", printable(x.Name), printable(x.Why)); err != nil {
			return err
		}
	}
	return nil
}

// partText is how far a conversion came, in five columns; empty where its engine does not tell.
func partText(part float64) string {
	if part <= 0 {
		return "     "
	}
	return fmt.Sprintf("%3.0f %%", 100*part)
}

// writeAccount prints one account.
func writeAccount(w io.Writer, acc control.AccountStatus) error {
	state := "online"
	if !acc.Online {
		state = strings.TrimSuffix("offline: "+acc.OfflineWhy, ": ")
	}
	unsent := "everything is sent"
	if acc.UnsentFiles > 0 {
		unsent = fmt.Sprintf("%d unsent (%s)", acc.UnsentFiles, bytesText(acc.UnsentBytes))
	}
	b := acc.CacheBytes
	_, err := fmt.Fprintf(w, "  %s: %s, %s, cache %s of %s\n", acc.Account, state, unsent, bytesText(b.Allocated), bytesText(b.Max))
	for _, t := range acc.Transfers {
		arrow, percent := "down", int64(100)
		if t.Up {
			arrow = "up"
		}
		if t.Total > 0 {
			percent = 100 * t.Done / t.Total
		}
		_, _ = fmt.Fprintf(w, "    %-4s %3d %%  %s/s  %s\n", arrow, percent, bytesText(int64(t.Rate)), printable(t.Path))
	}
	for _, e := range acc.Errors {
		_, _ = fmt.Fprintf(w, "    error: %s %s: %s\n", e.Op, printable(e.Path), printable(e.Err))
	}
	for _, path := range acc.Conflicts {
		_, _ = fmt.Fprintf(w, "    conflict: %s\n", printable(path))
	}
	for _, text := range append(append([]string{}, acc.Warnings...), acc.Refused...) {
		_, _ = fmt.Fprintf(w, "    note: %s\n", printable(text))
	}
	for _, d := range acc.Drops {
		_, _ = fmt.Fprintf(w, "    drop %s: %s of %s, expires %s\n", printable(filepath.Clean(d.Name)), bytesText(d.Used), bytesText(d.Size), expiryText(d.Expires))
	}
	return err
}
