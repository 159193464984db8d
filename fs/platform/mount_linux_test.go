package platform

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

func TestParseMountinfo(t *testing.T) {
	text := `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
40 25 0:43 / /tmp/a\040b\134c\012d rw,nosuid,nodev shared:7 master:2 - fuse.dropfs dropfs rw,user_id=0
short line
41 25 0:44 / /x rw - tmpfs
42 25 0:45 / /y rw - fuse.dropfs dropfs ro,user_id=0
`
	want := []Mount{
		{Path: "/mnt2", Source: "/dev/root", Type: "ext3", Dev: 98 << 20},
		{Path: "/tmp/a b\\c\nd", Source: "dropfs", Type: "fuse.dropfs", Dev: 43},
		{Path: "/y", Source: "dropfs", Type: "fuse.dropfs", Dev: 45, ReadOnly: true},
	}
	if got := parseMountinfo(text); !slices.Equal(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestHelperError(t *testing.T) {
	for _, c := range []struct {
		said string
		want error
		text string
	}{
		{"fusermount3: failed to unmount /x: Device or resource busy\n", ErrBusy, "fusermount3: failed to unmount /x: Device or resource busy: in use"},
		{"/bin/fusermount3: failed to open /dev/fuse: Permission denied", ErrNoDevice, ""},
		{"fusermount3: entry for /x not found in /etc/mtab", ErrNotMount, ""},
		{"fusermount3: option allow_other only allowed if 'user_allow_other' is set in /etc/fuse.conf\nmore", nil, "fusermount3: option allow_other only allowed if 'user_allow_other' is set in /etc/fuse.conf"},
		{"", nil, "fusermount3: exit"},
	} {
		err := helperError(errors.New("exit"), c.said)
		if c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%q: %v is not %v", c.said, err, c.want)
		}
		if c.text != "" && err.Error() != c.text {
			t.Errorf("%q: %q, want %q", c.said, err, c.text)
		}
	}
}

func TestEscapeOptions(t *testing.T) {
	if got := escapeOptions([]string{"a=b,c", `d\e`, "ro"}); got != `a=b\,c,d\\e,ro` {
		t.Error(got)
	}
}

func TestUsers(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "f")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", "exec 3<\"$0\"; echo ready; read x", file)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	users, err := Users(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := Process{PID: cmd.Process.Pid, Name: "sh", Path: file}
	if !slices.Contains(users, want) {
		t.Errorf("users %v, want %v among them", users, want)
	}
	if err := errors.Join(stdin.Close()); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait() // its read ends at the end of its input, with 1
	if users, err = Users(dir); err != nil || len(users) != 0 {
		t.Errorf("after its end: %v, %v", users, err)
	}
	if below("/tmp/ab", "/tmp/a") || !below("/tmp/a/b", "/tmp/a") || !below("/x", "/") {
		t.Error("below")
	}
}
