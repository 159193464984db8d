//go:build linux

package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

var (
	crashSeed   = flag.Uint64("crash.seed", 0, "seed of the first trial of TestCrash; 0: from the clock")
	crashTrials = flag.Int("crash.trials", 0, "trials of TestCrash; 0: 30, with -long 1000")
)

// TestCrash kills the daemon at random instants while a writer works, mounts again, and looks whether all that was
// acknowledged is there; in the end the service must have exactly one copy of each file, and nothing else.
func TestCrash(t *testing.T) {
	needMounts(t)
	first, trials := *crashSeed, *crashTrials
	if first == 0 {
		first = uint64(time.Now().UnixNano() / 1e6 % 1e9)
	}
	if trials == 0 {
		trials = 30
		if testing.Short() {
			trials = 5
		}
		if *long {
			trials = 1000
		}
	}
	var next atomic.Uint64
	var failed atomic.Int32
	var lanes sync.WaitGroup
	for range 3 { // a trial waits more than it works
		lanes.Go(func() {
			for failed.Load() < 3 {
				n := next.Add(1) - 1
				if n >= uint64(trials) {
					return
				}
				seed := first + n
				if !t.Run(fmt.Sprint(seed), func(t *testing.T) { crashTrial(t, seed) }) {
					failed.Add(1)
					t.Errorf("again: go test ./fs/e2e -run TestCrash -crash.seed=%d -crash.trials=1", seed)
				}
			}
		})
	}
	lanes.Wait()
}

// crashTrial is one machine that is killed up to three times.
func crashTrial(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	m := newMachine(t)
	var h *hub
	args := []string{"--write-delay", []string{"10ms", "100ms", "1s"}[rng.IntN(3)], "--undelete-window", []string{"0", "200ms", "10s"}[rng.IntN(3)]}
	if os.Getenv("DROPFS_E2E_KEEP") != "" {
		args = append(args, "--log-level", "debug")
	}
	killHub := false
	if rng.IntN(2) == 0 {
		h = newHub(t)
		h.makeDrop("home")
		m.account("cloud", h.url, h.key)
		args = append(args, "cloud/home")
		killHub = rng.IntN(2) == 0
	}
	mp := m.mount("mnt", args...)
	want := newModel()
	for round := range 1 + rng.IntN(3) {
		after := time.Duration(20+rng.IntN(1200)) * time.Millisecond
		steps := crashRound(m, mp, want, seed+uint64(round)<<32, after, killHub && round == 0, h)
		m.detach()
		mp = m.mount("mnt", args...)
		want = checkCrash(t, m, mp, want, steps)
		t.Logf("round %d: killed after %v, %d lines, hub killed %v", round, after, len(steps), killHub && round == 0)
		if t.Failed() {
			return
		}
	}
	m.must(2*time.Minute, "sync", mp)
	if s := m.status(); s.UnsentFiles != 0 || len(s.Accounts[0].Errors) != 0 || len(s.Accounts[0].Conflicts) != 0 {
		t.Errorf("after sync: %+v", s.Accounts[0])
	}
	final := m.snapshot(mp)
	compareModel(t, final, want)
	m.unmount(mp)
	if h == nil {
		h = embeddedHub(m)
	}
	h.checkCopies(h.drop("home"), final.files())
}

// crashRound lets a writer work and kills the daemon. The lines of the writer's log are returned.
func crashRound(m *machine, mp string, start *model, seed uint64, after time.Duration, killHub bool, h *hub) (steps []step) {
	m.t.Helper()
	in, err := json.Marshal(start)
	if err != nil {
		m.t.Fatal(err)
	}
	var out, errs bytes.Buffer
	cmd := exec.Command(os.Args[0], mp, strconv.FormatUint(seed, 10))
	cmd.Env = append(m.env, helperEnv+"=writer")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &out, &errs
	pid := m.daemon()
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	if killHub {
		time.Sleep(after / 2) // the instant is what the trial is about
		h.kill()
		h.start()
		time.Sleep(after / 2)
	} else {
		time.Sleep(after)
	}
	kill(pid)
	select {
	case err = <-ended:
	case <-time.After(20 * time.Second):
		_ = syscall.Kill(cmd.Process.Pid, syscall.SIGKILL)
		err = errors.Join(errors.New("the writer hangs"), <-ended)
	}
	if err != nil {
		m.t.Fatalf("writer: %v %s", err, clip(errs.String()))
	}
	dec := json.NewDecoder(&out)
	for {
		var s step
		err := dec.Decode(&s)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return steps
		}
		if err != nil {
			m.t.Fatal(err)
		}
		steps = append(steps, s)
	}
}

// checkCrash holds that the disk shows what the steps have acknowledged, and of the last, which was not, any part. It
// returns what the disk shows as the model to go on with.
func checkCrash(t *testing.T, m *machine, mp string, start *model, steps []step) *model {
	t.Helper()
	now := start.clone()
	var pending *step
	for _, s := range steps {
		if s.Done {
			now.apply(s)
			pending = nil
		} else {
			pending = &s
		}
	}
	got := m.snapshot(mp)
	possible := []*model{now}
	if pending != nil {
		possible = now.stages(*pending)
	}
	for _, p := range possible {
		if len(differences(got, p, "")) == 0 {
			return p
		}
	}
	if pending != nil && (pending.Do == "write" || pending.Do == "mmap" || pending.Do == "append" || pending.Do == "log" || pending.Do == "create" || pending.Do == "save") {
		// Data of a write that was not acknowledged may be there in part: all else must be right.
		for _, p := range possible {
			name := pending.Path
			if len(differences(got, p, name)) == 0 && partly(t, m, mp, name, now, p) {
				b := m.tool(patience, mp, "cat", "--", name)
				p.node(name).Bytes = []byte(b)
				return p
			}
		}
	}
	diff := differences(got, now, "")
	t.Errorf("pending %+v; the disk is not as it was acknowledged:\n%s", pending, strings.Join(diff[:min(len(diff), 20)], "\n"))
	for _, d := range diff[:min(len(diff), 5)] {
		name, _, _ := strings.Cut(strings.TrimPrefix(d, `"`), `"`)
		var story []string
		for _, s := range steps {
			if s.Done && s.Do != "mkdir" && (within(name, s.Path) || within(name, s.To)) {
				story = append(story, fmt.Sprintf("%+v", s))
			}
		}
		t.Logf("what was done to %q:\n%s", name, strings.Join(story[max(0, len(story)-20):], "\n"))
	}
	return now
}

// partly tells whether every byte of a file is that of the state before or after a write to it.
func partly(t *testing.T, m *machine, mp, name string, before, after *model) bool {
	t.Helper()
	old, fresh := before.node(name).Bytes, after.node(name).Bytes
	got := []byte(m.tool(patience, mp, "cat", "--", name))
	if len(got) < min(len(old), len(fresh)) || len(got) > max(len(old), len(fresh)) {
		return false
	}
	for i, b := range got {
		if !(i < len(old) && old[i] == b || i < len(fresh) && fresh[i] == b) {
			return false
		}
	}
	return true
}

// differences lists where a tree is not as a model says; the bytes of the file except are not compared.
func differences(got tree, want *model, except string) (out []string) {
	groups := map[int]string{}
	for _, name := range slices.Sorted(maps.Keys(want.Names)) {
		if name == "" {
			continue
		}
		g, ok := got[name]
		n := want.node(name)
		if !ok {
			out = append(out, fmt.Sprintf("%q is missing (%d bytes)", name, len(n.Bytes)))
			continue
		}
		id := want.Names[name]
		if groups[id] == "" {
			groups[id] = name
		}
		switch n.Kind {
		case file:
			if g.Mode != syscall.S_IFREG|n.Mode {
				out = append(out, fmt.Sprintf("%q has mode %o, want %o", name, g.Mode, n.Mode))
			}
			if string(g.Same) != groups[id] {
				out = append(out, fmt.Sprintf("%q is one with %q, want %q", name, g.Same, groups[id]))
			}
			if !want.same(name, except) && (g.Size != int64(len(n.Bytes)) || g.Sum != sumOf(n.Bytes)) {
				out = append(out, fmt.Sprintf("%q has %d bytes, sum %s, want %d, %s", name, g.Size, g.Sum, len(n.Bytes), sumOf(n.Bytes)))
			}
		case directory:
			if g.Mode != syscall.S_IFDIR|0o755 {
				out = append(out, fmt.Sprintf("%q has mode %o", name, g.Mode))
			}
		case none:
			out = append(out, fmt.Sprintf("the model names %q and has nothing of it", name))
		case symlink:
			if string(g.Target) != n.Target {
				out = append(out, fmt.Sprintf("%q leads to %q, want %q", name, g.Target, n.Target))
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want.Names[name]; !ok {
			out = append(out, fmt.Sprintf("%q should not be there (%s)", name, got[name].describe()))
		}
	}
	return out
}

func compareModel(t *testing.T, got tree, want *model) {
	t.Helper()
	if d := differences(got, want, ""); len(d) > 0 {
		t.Errorf("the disk is not as it was acknowledged:\n%s", strings.Join(d[:min(len(d), 20)], "\n"))
	}
}
