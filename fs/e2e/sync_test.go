//go:build linux

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// differ compares the disk's directory with a plain one, but for what the synchroniser keeps in them for itself.
const differ = `diff --no-dereference -r -x .stfolder -x .unison mnt/d plain`

// TestUnison has unison keep a directory of the disk and a plain one alike, changes coming from both sides.
func TestUnison(t *testing.T) {
	need(t, "unison", "diff")
	m := newMachine(t)
	mp := m.mount("mnt", "--write-delay", "10ms", "--undelete-window", "0")
	m.sh(patience, m.dir, `mkdir mnt/d plain`)
	unison := func() {
		t.Helper()
		m.sh(2*time.Minute, m.dir, `unison plain mnt/d -batch -auto -silent -times -perms 0o1777 -ui text && `+differ)
	}
	m.sh(patience, m.dir, `cp -a /etc/ssl plain/ 2>/dev/null || cp -a /etc/skel plain/; mkdir -p plain/a/b/empty; echo one > plain/a/one; chmod 640 plain/a/one; ln -s one plain/a/link
		for i in $(seq 50); do echo "file $i" > plain/a/b/$i; done`)
	unison()
	m.sh(patience, m.dir, `echo two >> mnt/d/a/one; rm mnt/d/a/b/7; mv mnt/d/a/b mnt/d/c; echo made > mnt/d/made; rm plain/a/link; echo here > plain/here`)
	unison()
	if got := m.sh(patience, m.dir, `cat plain/a/one plain/made mnt/d/here; ls plain/c | wc -l; stat -c %a mnt/d/a/one; test ! -e mnt/d/a/link`); got != "one\ntwo\nmade\nhere\n50\n640\n" {
		t.Errorf("after both sides changed: %q", got)
	}
	// Nothing is left to do, also after the state directory was thrown away.
	m.unmount(mp)
	m.forget()
	mp = m.mount("mnt")
	out := m.sh(2*time.Minute, m.dir, `unison plain mnt/d -batch -auto -times -perms 0o1777 -ui text 2>&1; `+differ)
	if !strings.Contains(out, "Nothing to do") {
		t.Errorf("after a remount: %s", out)
	}
	m.unmount(mp)
}

// TestSyncthing has two instances of syncthing share a directory of the disk and a plain one.
func TestSyncthing(t *testing.T) {
	need(t, "syncthing", "diff")
	m := newMachine(t)
	mp := m.mount("mnt", "--write-delay", "10ms", "--undelete-window", "0")
	m.sh(patience, m.dir, `mkdir mnt/d plain`)
	homes := []string{filepath.Join(m.dir, "st1"), filepath.Join(m.dir, "st2")}
	var ids, addrs []string
	for _, home := range homes {
		m.tool(time.Minute, m.dir, "syncthing", "generate", "--home="+home, "--no-default-folder")
		ids = append(ids, strings.TrimSpace(m.tool(patience, m.dir, "syncthing", "--home="+home, "--device-id")))
		addrs = append(addrs, freeAddress(t))
	}
	for i, home := range homes {
		dir := filepath.Join(m.dir, []string{"mnt/d", "plain"}[i])
		var devices, members strings.Builder
		for j, id := range ids {
			fmt.Fprintf(&devices, `<device id=%q name="n%d"><address>tcp://%s</address></device>`, id, j, addrs[j])
			fmt.Fprintf(&members, `<device id=%q/>`, id)
		}
		config := fmt.Sprintf(`<configuration version="35"><folder id="f" label="f" path=%q type="sendreceive" rescanIntervalS="2" fsWatcherEnabled="true" fsWatcherDelayS="1">%s</folder>%s
			<gui enabled="false"></gui><options><listenAddress>tcp://%s</listenAddress><globalAnnounceEnabled>false</globalAnnounceEnabled><localAnnounceEnabled>false</localAnnounceEnabled>
			<relaysEnabled>false</relaysEnabled><natEnabled>false</natEnabled><urAccepted>-1</urAccepted><autoUpgradeIntervalH>0</autoUpgradeIntervalH><crashReportingEnabled>false</crashReportingEnabled>
			<reconnectionIntervalS>1</reconnectionIntervalS></options></configuration>`, dir, members.String(), devices.String(), addrs[i])
		if err := os.WriteFile(filepath.Join(home, "config.xml"), []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		m.background("syncthing", "serve", "--home="+home, "--no-browser", "--no-upgrade", "--no-restart", "--logfile="+filepath.Join(home, "log"))
	}
	alike := func(what, script string) {
		t.Helper()
		m.sh(patience, m.dir, script)
		for until := time.Now().Add(90 * time.Second); ; time.Sleep(200 * time.Millisecond) {
			r := run(patience, m.dir, m.env, "", "bash", "-c", differ)
			if r.code == 0 {
				return
			}
			if time.Now().After(until) {
				t.Fatalf("%s: %v\n%s", what, r, run(patience, m.dir, m.env, "", "tail", "st1/log", "st2/log").out)
			}
		}
	}
	alike("from the plain one", `mkdir -p plain/a/b; echo one > plain/a/one; head -c 3000000 /dev/urandom > plain/big; for i in $(seq 50); do echo "file $i" > plain/a/b/$i; done`)
	alike("from the disk", `echo two >> mnt/d/a/one; mv mnt/d/a/b mnt/d/c; rm mnt/d/c/7; echo made > mnt/d/made; dd if=/dev/urandom of=mnt/d/big bs=4096 seek=100 count=10 conv=notrunc status=none`)
	if got := m.sh(patience, m.dir, `cat plain/a/one plain/made; ls plain/c | wc -l; find . -name '*sync-conflict*'`); got != "one\ntwo\nmade\n49\n" {
		t.Errorf("the plain one has %q", got)
	}
	m.endBackground()
	m.must(time.Minute, "sync", mp)
	files := m.snapshot(mp).files()
	m.unmount(mp)
	h := embeddedHub(m)
	h.checkCopies(h.drop("home"), files)
}

// background starts a program that goes on until endBackground, at the latest when the machine is taken away.
func (m *machine) background(name string, args ...string) {
	m.t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = m.dir, m.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.running = append(m.running, cmd)
}

func (m *machine) endBackground() {
	for _, cmd := range m.running {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		timer := time.AfterFunc(10*time.Second, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
		_ = cmd.Wait() // it was told to end
		timer.Stop()
	}
	m.running = nil
}
