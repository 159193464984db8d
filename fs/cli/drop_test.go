package cli

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// login gives a home the account cloud.
func (h *home) login(url, key string) {
	h.t.Helper()
	if r := h.runIn(key+"\n", "login", "cloud", "--url", url, "--key", "-"); r.code != 0 {
		h.t.Fatalf("login: %+v", r)
	}
}

func TestFullQuota(t *testing.T) {
	needMount(t)
	h := newHome(t)
	url, key, stop := h.hubProcess()
	defer stop()
	h.login(url, key)
	mnt := h.mkdir("mnt")
	h.ok("mount", "cloud", mnt)
	defer h.ok("unmount", "--wait", mnt)
	if err := os.Mkdir(filepath.Join(mnt, "small@0.2gb,30d"), 0o755); err != nil {
		t.Fatal(err)
	}
	h.write("kept", 0o644, "mnt", "small", "kept")
	var err error
	block, n := make([]byte, 10<<20), 0
	for ; n < 25 && err == nil; n++ {
		err = os.WriteFile(filepath.Join(mnt, "small", itoa(n)), block, 0o644)
	}
	if !errors.Is(err, syscall.EDQUOT) || n != 20 {
		t.Errorf("after %d files of 10 MiB in a drop of 200 MB: %v, want %v", n, err, syscall.EDQUOT)
	}
	for i := range n {
		if err := os.Remove(filepath.Join(mnt, "small", itoa(i))); err != nil {
			t.Error(err)
		}
	}
	h.ok("sync", mnt)
	if got, err := os.ReadFile(h.path("mnt", "small", "kept")); err != nil || string(got) != "kept" {
		t.Errorf("%q, %v", got, err)
	}
	h.refuses(1, "refused as invalid", "drop", "create", "tiny", "--gb", "0.0001")
}

func TestDropGoneElsewhere(t *testing.T) {
	needMount(t)
	one, two := newHome(t), newHome(t)
	url, key, stop := one.hubProcess()
	defer stop()
	one.login(url, key)
	two.login(url, key)
	mnt := one.mkdir("mnt")
	one.ok("mount", "cloud", mnt)
	if err := os.Mkdir(filepath.Join(mnt, "shared"), 0o755); err != nil {
		t.Fatal(err)
	}
	one.write("held", 0o644, "mnt", "shared", "f")
	one.ok("sync", mnt)
	if out := two.ok("drop", "list"); !strings.Contains(out, "shared") {
		t.Fatalf("the other machine sees %q", out)
	}
	two.ok("drop", "delete", "--yes", "shared")
	if out := two.ok("drop", "list"); strings.Contains(out, "shared") {
		t.Errorf("still listed after delete: %q", out)
	}
	one.run("refresh", mnt)
	if st := one.status(); len(st.Accounts[0].Drops) != 1 || !st.Accounts[0].Drops[0].Gone || len(st.Accounts[0].Warnings) == 0 {
		t.Errorf("status %+v", st.Accounts[0])
	}
	if got, err := os.ReadFile(filepath.Join(mnt, "shared", "f")); err != nil || string(got) != "held" {
		t.Errorf("what is held here: %q, %v", got, err)
	}
	if err := os.WriteFile(filepath.Join(mnt, "shared", "g"), nil, 0o644); !errors.Is(err, syscall.EROFS) {
		t.Errorf("write into a drop that is gone: %v", err)
	}
	one.ok("drop", "forget", "shared")
	if _, err := os.Stat(filepath.Join(mnt, "shared")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after forget: %v", err)
	}
	one.ok("unmount", "--wait", mnt)
}
