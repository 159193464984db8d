package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"dropfs/fs/cli/config"
	"dropfs/fs/cli/daemon"
	"dropfs/fs/cli/fail"
	"dropfs/fs/platform"
)

// The marks of a finding.
const (
	markOK   = "ok"
	markNote = "note" // works, but not as well as it could
	markBad  = "bad"  // does not work
)

// finding is what one check found.
type finding struct {
	Check  string `json:"check"`
	Mark   string `json:"mark"`
	Text   string `json:"text"`
	Advice string `json:"advice,omitempty"`
}

// doctorCommand checks what a disk needs.
func (a App) doctorCommand() *cobra.Command {
	c := &cobra.Command{Use: "doctor", Short: "checks what a disk needs, and says what to do", Args: args(0, 0)}
	asJSON := c.Flags().Bool("json", false, "print JSON")
	stateDirFlag(c)
	c.RunE = run("doctor", func(c *cobra.Command, _ []string) error {
		found := a.examine(c)
		bad := slices.ContainsFunc(found, func(f finding) bool { return f.Mark == markBad })
		if *asJSON {
			if err := a.json(map[string]any{"ok": !bad, "findings": found}); err != nil {
				return err
			}
		} else {
			rows := make([][]string, 0, len(found))
			for _, f := range found {
				text := f.Text
				if f.Advice != "" {
					text += ": " + f.Advice
				}
				rows = append(rows, []string{f.Check, f.Mark, text})
			}
			if err := a.table([]string{"CHECK", "", "FOUND"}, rows); err != nil {
				return err
			}
		}
		if bad {
			return fail.New(fail.Failed, "doctor", "something does not work").WithHint("the lines marked bad say what to do")
		}
		return nil
	})
	return c
}

// examine runs every check.
func (a App) examine(c *cobra.Command) []finding {
	found := checkFUSE()
	file, err := a.loadConfig(c, "")
	if err != nil {
		var f *fail.Error
		errors.As(err, &f)
		found = append(found, finding{"configuration", markBad, f.Why, f.Hint})
		file = &config.File{}
	} else {
		text := fmt.Sprintf("%s, %d accounts", file.Path, len(file.Accounts))
		if len(file.Accounts) == 0 {
			text = "none: mount uses the embedded hub"
		}
		found = append(found, finding{Check: "configuration", Mark: markOK, Text: text})
	}
	if dir, err := a.stateDir(c); err != nil {
		found = append(found, finding{"state directory", markBad, err.Error(), "--state-dir names one"})
	} else {
		found = append(found, checkStateDir(dir)...)
	}
	found = append(found, a.checkEngines(c.Context())...)
	keys := config.NewKeys(a.Env, file.Path)
	for _, name := range slices.Sorted(maps.Keys(file.Accounts)) {
		found = append(found, checkAccount(c.Context(), file, keys, name)...)
	}
	return found
}

// checkEngines looks at what converts files here, and what would add to it.
func (a App) checkEngines(ctx context.Context) []finding {
	set, err := a.engines(ctx)
	if err != nil {
		return []finding{{"conversions", markNote, err.Error(), ""}}
	}
	var names []string
	for _, e := range set.Registry.Engines() {
		if len(e.Edges()) > 0 {
			names = append(names, e.Name()+" "+e.Version())
		}
	}
	found := []finding{{Check: "conversions", Mark: markOK, Text: strings.Join(names, ", ")}}
	for _, h := range set.Missing() {
		f := finding{Check: "conversions", Mark: markNote, Text: h.Engine + " is not there: " + h.Why}
		if h.Package != "" {
			f.Advice = "apt-get install " + h.Package
		}
		found = append(found, f)
	}
	if err := set.Close(); err != nil {
		found = append(found, finding{"conversions", markNote, err.Error(), ""})
	}
	return found
}

// checkFUSE looks at the device, the helper and what they allow.
func checkFUSE() []finding {
	var found []finding
	if err := platform.CheckDevice(); err != nil {
		text, advice, _ := strings.Cut(err.Error(), " (")
		found = append(found, finding{"FUSE device", markBad, text, strings.TrimSuffix(advice, ")")})
	} else {
		f := finding{Check: "FUSE device", Mark: markOK, Text: "can be opened"}
		if st, err := os.Stat("/dev/fuse"); err == nil && st.Mode().Perm()&0o006 != 0o006 {
			f.Mark, f.Text, f.Advice = markNote, fmt.Sprintf("mode %04o: other users cannot mount", st.Mode().Perm()), "chmod 0666 /dev/fuse lets them"
		}
		found = append(found, f)
	}
	helper, err := platform.Helper()
	switch {
	case err == nil:
		found = append(found, finding{Check: "mount helper", Mark: markOK, Text: helper})
	case platform.Privileged():
		found = append(found, finding{"mount helper", markNote, "fusermount3 is missing: other users cannot mount", "apt-get install fuse3"})
	default:
		found = append(found, finding{"mount helper", markBad, "fusermount3 is missing", "apt-get install fuse3"})
	}
	if platform.Privileged() {
		found = append(found, finding{Check: "privileges", Mark: markOK, Text: "root: mounts without the helper"})
	} else {
		found = append(found, finding{Check: "privileges", Mark: markOK, Text: "ordinary user: mounts through the helper"})
		text, err := os.ReadFile("/etc/fuse.conf")
		if err != nil || !strings.Contains("\n"+string(text), "\nuser_allow_other") {
			found = append(found, finding{"--allow-other", markNote, "not allowed for ordinary users", "put the line user_allow_other into /etc/fuse.conf"})
		}
	}
	return found
}

// checkStateDir looks at the disk that holds unsent changes.
func checkStateDir(dir string) []finding {
	if _, err := os.Stat(dir); err != nil {
		defer func() { _ = os.Remove(dir) }() // made here for the checks alone; what is not empty stays
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return []finding{{"state directory", markBad, err.Error(), "it must be writable; --state-dir names another"}}
	}
	tmp, err := os.MkdirTemp(dir, ".doctor-*")
	if err != nil {
		return []finding{{"state directory", markBad, err.Error(), "it must be writable and have room; --state-dir names another"}}
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	kind, err := platform.FSType(dir)
	if err != nil {
		kind = "unknown"
	}
	found := []finding{{Check: "state directory", Mark: markOK, Text: dir + " on " + kind}}
	found = append(found, checkSpace(dir), checkSync(tmp, kind), checkSparse(tmp))
	if ok, err := platform.CanReflink(tmp); ok && err == nil {
		found = append(found, finding{Check: "reflinks", Mark: markOK, Text: "snapshots for sending take no room"})
	} else {
		found = append(found, finding{Check: "reflinks", Mark: markNote, Text: "not possible on " + kind + ": a file that changes while it is sent is sent again"})
	}
	return found
}

// lowSpace is the room below which a cache is of little use, in bytes.
const lowSpace = 1 << 30

// checkSpace looks at the room on the disk.
func checkSpace(dir string) finding {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return finding{"space", markBad, err.Error(), ""}
	}
	free := int64(st.Bavail) * int64(st.Bsize) //nolint:unconvert // the types differ between systems
	f := finding{Check: "space", Mark: markOK, Text: bytesText(free) + " free"}
	if free < lowSpace {
		f.Mark, f.Advice = markNote, "unsent changes need room: free some, or name another --state-dir"
	}
	return f
}

// fastestSync is the time below which a disk cannot have written anything.
const fastestSync = 15 * time.Microsecond

// checkSync measures whether fsync does anything.
func checkSync(dir, kind string) finding {
	f, err := os.Create(filepath.Join(dir, "sync"))
	if err != nil {
		return finding{"fsync", markBad, err.Error(), ""}
	}
	defer func() { _ = f.Close() }()
	const times = 16
	best := time.Hour
	for range times {
		if _, err := f.Write(make([]byte, 4096)); err != nil {
			return finding{"fsync", markBad, err.Error(), ""}
		}
		began := time.Now()
		if err := f.Sync(); err != nil {
			return finding{"fsync", markBad, err.Error(), ""}
		}
		best = min(best, time.Since(began))
	}
	switch {
	case kind == "tmpfs" || kind == "ramfs":
		return finding{"fsync", markNote, "the state is in memory (" + kind + "): nothing survives a power loss", "name a --state-dir on a disk"}
	case best < fastestSync:
		return finding{"fsync", markNote, fmt.Sprintf("returns after %s, faster than a disk writes: a power loss may cost changes", best), "look at the disk's mount options and at the host of a virtual machine"}
	}
	return finding{Check: "fsync", Mark: markOK, Text: "takes " + best.Round(time.Microsecond).String()}
}

// checkSparse looks whether holes take no room.
func checkSparse(dir string) finding {
	path := filepath.Join(dir, "sparse")
	f, err := os.Create(path)
	if err != nil {
		return finding{"sparse files", markBad, err.Error(), ""}
	}
	defer func() { _ = f.Close() }()
	var st unix.Stat_t
	if err := errors.Join(f.Truncate(64<<20), unix.Stat(path, &st)); err != nil {
		return finding{"sparse files", markBad, err.Error(), ""}
	}
	if st.Blocks*512 > 1<<20 {
		return finding{"sparse files", markBad, "holes take room: a large file fills the cache at its first read", "name a --state-dir on another file system"}
	}
	return finding{Check: "sparse files", Mark: markOK, Text: "holes take no room"}
}

// clockSlack is how far two clocks may differ before signed URLs and the order of versions suffer.
const clockSlack = 2 * time.Minute

// checkAccount asks the service of an account.
func checkAccount(ctx context.Context, file *config.File, keys config.Keys, name string) []finding {
	key, err := file.AccountKey(keys, name)
	if err != nil && (!errors.Is(err, config.ErrNoKey) || len(file.Accounts[name].Drops) == 0) {
		return []finding{{"account " + name, markBad, err.Error(), "dropfs login " + name}}
	}
	quiet := logrus.New()
	quiet.SetLevel(logrus.PanicLevel)
	client, err := daemon.NewClient(file.Accounts[name], key, "", logrus.NewEntry(quiet))
	if err != nil {
		return []finding{{"account " + name, markBad, err.Error(), ""}}
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, checkLimit)
	defer cancel()
	check := client.Ping
	if key != "" {
		check = func(ctx context.Context) error { return daemon.CheckKey(ctx, client) }
	}
	if err := check(ctx); err != nil {
		f := finding{"account " + name, markBad, err.Error(), ""}
		if fail.CodeOf(err) == fail.Credentials {
			f.Advice = "dropfs login " + name
		}
		return []finding{f}
	}
	return append([]finding{{Check: "account " + name, Mark: markOK, Text: "answers and takes the key"}}, checkClock(ctx, name, file.Accounts[name].URL)...)
}

// checkClock compares this machine's clock with the service's.
func checkClock(ctx context.Context, name, url string) []finding {
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, url, nil)
	if err != nil {
		return nil
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return nil
	}
	_ = resp.Body.Close()
	there, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return nil
	}
	if off := time.Since(there); off.Abs() > clockSlack {
		return []finding{{"clock", markNote, fmt.Sprintf("%s away from that of %s", off.Abs().Round(time.Second), name), "set it: timedatectl set-ntp true"}}
	}
	return []finding{{Check: "clock", Mark: markOK, Text: "agrees with " + name}}
}
