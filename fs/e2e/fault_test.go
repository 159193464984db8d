//go:build linux

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"dropfs/remote/httpx/faultproxy"
)

// faulty is a machine whose way to its hub leads through faults.
type faulty struct {
	*machine
	hub    *hub
	drop   string
	faults *faultproxy.Faults
	proxy  *faultproxy.Proxy
	mp     string
}

func newFaulty(t *testing.T, h *hub, seed uint64, args ...string) *faulty {
	t.Helper()
	f := &faulty{machine: newMachine(t), hub: h, faults: faultproxy.New(seed)}
	var err error
	if f.proxy, err = faultproxy.NewProxy(f.faults, h.url); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.proxy.Close)
	f.drop = h.drop("home")
	f.account("cloud", f.proxy.URL(), h.key)
	f.mp = f.mount("mnt", append(args, "cloud/home")...)
	return f
}

// steps are the requests that an upload, a delete and a download are made of.
var steps = map[string]faultproxy.Rule{
	"start":    {Method: http.MethodPost, Path: regexp.MustCompile(`/dropzones/[^/]+/files$`)},
	"put":      {Method: http.MethodPut, Path: regexp.MustCompile(`/objects/`)},
	"confirm":  {Method: http.MethodPost, Path: regexp.MustCompile(`/confirm$`)},
	"delete":   {Method: http.MethodDelete, Path: regexp.MustCompile(`/files/`)},
	"download": {Method: http.MethodGet, Path: regexp.MustCompile(`/download$`)},
}

var listings = regexp.MustCompile(`/dropzones/[^/]+/files$`)

// faultKinds are the ways in which each step goes wrong, once.
var faultKinds = []faultproxy.Rule{
	{Fault: faultproxy.Refused},
	{Fault: faultproxy.Reset},
	{Fault: faultproxy.Reset, After: 5},
	{Fault: faultproxy.Truncate, After: 5},
	{Fault: faultproxy.Shorten, After: 5},
	{Fault: faultproxy.Status, Code: 500},
	{Fault: faultproxy.Status, Code: 503},
	{Fault: faultproxy.Status, Code: 429, RetryAfter: time.Second},
	{Fault: faultproxy.Expired},
	{Fault: faultproxy.WrongETag},
	{Fault: faultproxy.Lost},
	{Fault: faultproxy.Delay, Wait: 300 * time.Millisecond},
}

// TestFaultsSingly breaks each step of an upload, a replacement, a delete and a download once, in each way.
func TestFaultsSingly(t *testing.T) {
	h := newHub(t)
	h.makeDrop("home")
	f := newFaulty(t, h, 1, "--write-delay", "10ms", "--undelete-window", "0")
	n := 0
	for _, step := range []string{"start", "put", "confirm", "delete", "download"} {
		for _, kind := range faultKinds {
			rule := kind
			rule.Method, rule.Path, rule.Nth = steps[step].Method, steps[step].Path, 1
			n++
			name := fmt.Sprintf("%s %s %d %d", step, kind.Fault, kind.Code, kind.After)
			ok := t.Run(name, func(t *testing.T) {
				f.t = t
				defer f.faults.Clear()
				if step == "download" {
					f.faultyRead(fmt.Sprint("d", n), rule)
				} else {
					f.faultyWrite(fmt.Sprint("u", n), rule)
				}
			})
			if !ok {
				f.showLog()
			}
		}
	}
	f.t = t
	f.unmount(f.mp)
}

// faultyWrite makes, replaces and deletes files, one of whose requests is struck.
func (f *faulty) faultyWrite(name string, rule faultproxy.Rule) {
	hits := f.faults.Hits()[rule.Fault]
	f.sh(patience, f.mp, `echo old > `+name+`; echo old > `+name+`gone`)
	f.must(time.Minute, "sync", f.mp)
	f.faults.Add(rule)
	f.sh(patience, f.mp, `echo new > `+name+`; echo fresh > `+name+`fresh; rm `+name+`gone`)
	began := time.Now()
	r := f.dropfs(time.Minute, "sync", "--timeout", "50s", f.mp)
	if r.code == 1 && rule.Fault == faultproxy.Expired && strings.Contains(r.err, "refused by the service: home/"+name) {
		// From the API 403 is a refusal, and sync says so where it comes while it waits. The next one tries again.
		r = f.dropfs(time.Minute, "sync", "--timeout", "50s", f.mp)
	}
	if r.code != 0 {
		f.t.Fatalf("sync: %v", r)
	}
	if d := time.Since(began); d > 20*time.Second {
		f.t.Errorf("sync takes %v", d)
	}
	if f.faults.Hits()[rule.Fault] == hits {
		f.t.Error("nothing was struck")
	}
	f.faults.Clear()
	if s := f.status(); s.UnsentFiles != 0 {
		f.t.Errorf("%d unsent after sync", s.UnsentFiles)
	}
	f.hub.checkCopies(f.drop, f.snapshot(f.mp).files())
	if got := f.tool(patience, f.mp, "cat", name, name+"fresh"); got != "new\nfresh\n" {
		f.t.Errorf("the disk has %q", got)
	}
}

// faultyRead reads what somebody else has put there, one of the requests being struck: what is read is right, or nothing.
func (f *faulty) faultyRead(name string, rule faultproxy.Rule) {
	text := string(pattern(uint64(len(name)), 100)) + strings.Repeat(name, 50_000)
	text = fmt.Sprintf("%x", text)
	hits := f.faults.Hits()[rule.Fault]
	f.hub.put(f.drop, name, text)
	path := filepath.Join(f.mp, name)
	eventually(f.t, 20*time.Second, "the file is seen", func() bool { return run(patience, f.dir, f.env, "", "test", "-e", path).code == 0 })
	f.faults.Add(rule)
	began := time.Now()
	r := run(40*time.Second, f.dir, f.env, "", "cat", path)
	if r.timeout {
		f.t.Fatalf("the read hangs")
	}
	if d := time.Since(began); d > 20*time.Second {
		f.t.Errorf("the read takes %v", d)
	}
	if r.code == 0 && r.out != text {
		f.t.Errorf("%d bytes read, other than those written", len(r.out))
	}
	if f.faults.Hits()[rule.Fault] == hits {
		f.t.Error("nothing was struck")
	}
	f.faults.Clear()
	eventually(f.t, 20*time.Second, "the file is read", func() bool { return run(patience, f.dir, f.env, "", "cat", path).out == text })
}

// TestFaultsAtRandom lets everything go wrong for a while, all the time, while a writer works.
func TestFaultsAtRandom(t *testing.T) {
	h := newHub(t)
	h.makeDrop("home")
	seed := uint64(time.Now().UnixNano() % 1e6)
	if *crashSeed != 0 {
		seed = *crashSeed
	}
	t.Logf("again: -crash.seed=%d", seed)
	f := newFaulty(t, h, seed, "--write-delay", "10ms", "--undelete-window", "200ms", "--poll", "500ms")
	for _, kind := range faultKinds {
		rule := kind
		rule.Chance = 0.02
		if rule.Fault == faultproxy.Expired { // of signed URLs; from the API it means that the key is refused
			rule.Method, rule.Path = http.MethodPut, steps["put"].Path
		}
		f.faults.Add(rule)
	}
	f.faults.Add(faultproxy.Rule{Fault: faultproxy.BlackHole, Chance: 0.005})
	f.faults.Add(faultproxy.Rule{Fault: faultproxy.Replay, Method: http.MethodGet, Path: listings, Chance: 0.4}) // there are few
	steps := f.write(seed, 15*time.Second)
	t.Logf("%d lines; struck: %v", len(steps), f.faults.Hits())
	f.faults.Clear()
	want := checkCrash(t, f.machine, f.mp, newModel(), steps)
	f.must(3*time.Minute, "sync", "--timeout", "150s", f.mp)
	final := f.snapshot(f.mp)
	compareModel(t, final, want)
	h.checkCopies(f.drop, final.files())
	f.unmount(f.mp)
	f.forget()
	f.mp = f.mount("mnt", "cloud/home")
	compareTrees(t, f.snapshot(f.mp), final, func(e *entry) { e.Mtime = 0 })
	f.unmount(f.mp)
}

// write has a writer work on an empty disk for a while and returns its log.
func (f *faulty) write(seed uint64, d time.Duration) (log []step) {
	f.t.Helper()
	in, err := json.Marshal(newModel())
	if err != nil {
		f.t.Fatal(err)
	}
	var out, errs bytes.Buffer
	cmd := exec.Command(os.Args[0], f.mp, fmt.Sprint(seed))
	cmd.Env = append(f.env, helperEnv+"=writer")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &out, &errs
	if err := cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		f.t.Fatalf("the writer ends by itself: %v %s %s", err, errs.String(), clip(out.String()))
	case <-time.After(d):
	}
	if err := syscall.Kill(cmd.Process.Pid, syscall.SIGKILL); err != nil {
		f.t.Error(err)
	}
	if err := <-ended; err == nil {
		f.t.Error("the writer that was killed ended well")
	}
	for dec := json.NewDecoder(&out); ; {
		var s step
		if dec.Decode(&s) != nil { // the last line may be torn
			return log
		}
		log = append(log, s)
	}
}

// TestServiceGone has the service unreachable: nothing that is here waits for it, what is not fails soon, and status and
// sync say so.
func TestServiceGone(t *testing.T) {
	h := newHub(t)
	h.makeDrop("home")
	f := newFaulty(t, h, 1, "--write-delay", "10ms", "--undelete-window", "0")
	h.put(f.drop, "cold", "far away")
	cold := filepath.Join(f.mp, "cold")
	eventually(t, 20*time.Second, "the file is seen", func() bool { return run(patience, f.dir, f.env, "", "test", "-e", cold).code == 0 })
	f.sh(patience, f.mp, `echo warm > warm; echo other > gone`)
	f.must(time.Minute, "sync", f.mp)

	f.proxy.Down()
	began := time.Now()
	f.sh(patience, f.mp, `echo more >> warm; mkdir d; echo new > d/new; mv d/new new; rm gone; grep -q more warm; ls -la . d`)
	if d := time.Since(began); d > 5*time.Second {
		t.Errorf("work without the service takes %v", d)
	}
	began = time.Now()
	if r := run(patience, f.dir, f.env, "", "cat", cold); r.code == 0 || r.timeout {
		t.Errorf("a file that is not here: %v", r)
	}
	if d := time.Since(began); d > 5*time.Second {
		t.Errorf("it fails after %v", d)
	}
	eventually(t, 20*time.Second, "status is offline and counts what is unsent", func() bool {
		s := f.status()
		return len(s.Accounts) == 1 && !s.Accounts[0].Online && s.UnsentFiles >= 3 && s.UnsentBytes >= 14
	})
	if r := f.dropfs(patience, "sync", f.mp); r.code != 6 {
		t.Errorf("sync while offline: %v", r)
	}
	if r := f.dropfs(patience, "sync", "--timeout", "1s", f.mp); r.code != 8 {
		t.Errorf("sync --timeout while offline: %v", r)
	}
	if err := f.proxy.Up(); err != nil {
		t.Fatal(err)
	}
	eventually(t, 30*time.Second, "everything is sent", func() bool {
		names := map[string]bool{}
		for _, a := range h.assets(f.drop) {
			names[a.Name] = true
		}
		return f.status().Accounts[0].Online && names["new"] && !names["gone"]
	})
	f.must(time.Minute, "sync", "--timeout", "50s", f.mp)
	h.checkCopies(f.drop, f.snapshot(f.mp).files())
	if got := f.tool(patience, f.mp, "cat", "cold", "warm", "new"); got != "far awaywarm\nmore\nnew\n" {
		t.Errorf("read %q", got)
	}

	// Unmounting says what is left, keeps it, and goes on next time.
	f.proxy.Down()
	f.sh(patience, f.mp, `echo later > later`)
	if r := f.dropfs(patience, "unmount", f.mp); r.code != 8 {
		t.Errorf("unmount with something unsent: %v", r)
	}
	f.mp = f.mount("mnt", "--write-delay", "10ms", "cloud/home")
	if got := f.tool(patience, f.mp, "cat", "later", "warm"); got != "later\nwarm\nmore\n" {
		t.Errorf("read %q", got)
	}
	if err := f.proxy.Up(); err != nil {
		t.Fatal(err)
	}
	f.must(time.Minute, "sync", "--timeout", "50s", f.mp)
	h.checkCopies(f.drop, f.snapshot(f.mp).files())
	f.unmount(f.mp)
}
