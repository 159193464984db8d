package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"dropfs/fs/cli/config"
)

// write makes a configuration file and returns its path.
func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "dropfs", "config.toml")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestG4EditKeepsTheRest(t *testing.T) {
	acct := []config.Setting{{Key: "service", Value: "dropzone"}, {Key: "url", Value: "http://new/api"}}
	for _, tc := range []struct {
		name, before, after string
		do                  func(path string) error
	}{
		{
			"first account", "", "[accounts.a]\nservice = \"dropzone\"\nurl = \"http://new/api\"\n",
			func(p string) error { return config.SetSection(p, []string{"accounts", "a"}, acct) },
		},
		{
			"changed account keeps comments and keys",
			"# mine\npoll = 5\n\n[accounts.a] # old\n# why\nservice = \"dropzone\"\nurl = \"http://old\" # here\ngb = 2.0\n\n[accounts.b]\nservice = \"dropzone\"\nurl = \"http://b\"\n",
			"# mine\npoll = 5\n\n[accounts.a] # old\n# why\nservice = \"dropzone\"\nurl = \"http://new/api\"\ngb = 2.0\n\n[accounts.b]\nservice = \"dropzone\"\nurl = \"http://b\"\n",
			func(p string) error { return config.SetSection(p, []string{"accounts", "a"}, acct) },
		},
		{
			"drop added to a section in the middle",
			"[accounts.a]\nservice = \"dropzone\"\nurl = \"http://a\"\n[accounts.a.drops]\nx = \"1\"\n\n# b\n[accounts.b]\nservice = \"dropzone\"\nurl = \"http://b\"\n",
			"[accounts.a]\nservice = \"dropzone\"\nurl = \"http://a\"\n[accounts.a.drops]\nx = \"1\"\n\"two words\" = \"2\\\"\"\n\n# b\n[accounts.b]\nservice = \"dropzone\"\nurl = \"http://b\"\n",
			func(p string) error {
				return config.SetSection(p, []string{"accounts", "a", "drops"}, []config.Setting{{Key: "two words", Value: `2"`}})
			},
		},
		{
			"account removed with all below it",
			"[accounts.a]\nservice = \"dropzone\"\nurl = \"http://a\"\n[accounts.a.drops]\nx = \"1\"\n[accounts.b]\nservice = \"dropzone\"\nurl = \"http://b\"\n",
			"[accounts.b]\nservice = \"dropzone\"\nurl = \"http://b\"\n",
			func(p string) error { return config.RemoveSection(p, []string{"accounts", "a"}) },
		},
		{
			"drop removed",
			"[accounts.a]\nservice = \"dropzone\"\nurl = \"http://a\"\n[accounts.a.drops]\nx = \"1\"\ny = \"2\"\n",
			"[accounts.a]\nservice = \"dropzone\"\nurl = \"http://a\"\n[accounts.a.drops]\ny = \"2\"\n",
			func(p string) error { return config.RemoveKey(p, []string{"accounts", "a", "drops"}, "x") },
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := write(t, tc.before)
			if err := tc.do(path); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != tc.after {
				t.Errorf("file is\n%s\nwant\n%s", got, tc.after)
			}
			if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
				t.Errorf("mode %v, %v", st.Mode(), err)
			}
			if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestG4RefusesWhatItDoesNotUnderstand(t *testing.T) {
	text := "accounts = { a = { service = \"dropzone\", url = \"http://a\" } }\n"
	path := write(t, text)
	err := config.SetSection(path, []string{"accounts", "a"}, []config.Setting{{Key: "gb", Value: 2.0}})
	if err == nil || !strings.Contains(err.Error(), "by hand") {
		t.Errorf("error %v", err)
	}
	if got, _ := os.ReadFile(path); string(got) != text {
		t.Errorf("the file was changed: %s", got)
	}
}

// TestG4AnyTextSurvives writes drops with any names and ids and reads them back.
func TestG4AnyTextSurvives(t *testing.T) {
	path := write(t, "[accounts.a]\nservice = \"dropzone\"\nurl = \"http://a\"\n")
	want := map[string]string{}
	rapid.Check(t, func(rt *rapid.T) {
		name := rapid.StringMatching(`[^/\x00]{1,20}`).Draw(rt, "name")
		id := rapid.StringN(1, 20, -1).Draw(rt, "id")
		if name == "." || name == ".." {
			return
		}
		if err := config.SetSection(path, []string{"accounts", "a", "drops"}, []config.Setting{{Key: name, Value: id}}); err != nil {
			rt.Fatalf("%q = %q: %v", name, id, err)
		}
		want[name] = id
		c, err := config.Load(path, true)
		if err != nil {
			rt.Fatal(err)
		}
		if got := c.Accounts["a"].Drops[name].Reveal(); got != id {
			rt.Fatalf("%q: read %q, wrote %q", name, got, id)
		}
	})
}

func TestKeys(t *testing.T) {
	k := config.Keys{Dir: filepath.Join(t.TempDir(), "keys")}
	if _, err := k.Get(config.KindAccount, "a"); !errors.Is(err, config.ErrNoKey) {
		t.Errorf("error %v, want ErrNoKey", err)
	}
	for _, name := range []string{"a", "b/../c", "ü"} {
		where, err := k.Set(config.KindSecret, name, "s-"+"x")
		if err != nil {
			t.Fatal(err)
		}
		if st, err := os.Stat(where); err != nil || st.Mode().Perm() != 0o600 || filepath.Dir(where) != k.Dir {
			t.Errorf("%s: %v %v", where, st, err)
		}
		if got, err := k.Get(config.KindSecret, name); err != nil || got.Reveal() != "s-x" {
			t.Errorf("%q: %q, %v", name, got.Reveal(), err)
		}
	}
	if names, err := k.List(config.KindSecret); err != nil || strings.Join(names, " ") != "a b/../c ü" {
		t.Errorf("%v, %v", names, err)
	}
	if err := k.Delete(config.KindSecret, "a"); err != nil {
		t.Error(err)
	}
	if err := k.Delete(config.KindSecret, "a"); !errors.Is(err, config.ErrNoKey) {
		t.Errorf("error %v, want ErrNoKey", err)
	}
	if _, err := k.Set(config.KindAccount, "a", ""); err == nil {
		t.Error("an empty key was kept")
	}
}
