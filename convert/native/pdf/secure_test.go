package pdf

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dropfs/convert"
)

func textOf(t testing.TB, pdf []byte, options string) string {
	t.Helper()
	return string(mustRun(t, "txt"+options, pdf))
}

func TestP6LockUnlock(t *testing.T) {
	doc := numbered(3)
	locked := mustRun(t, "lock,secret=old", doc)
	want := textOf(t, doc, "")
	if strings.Contains(string(locked), "Helvetica") && strings.Contains(string(locked), "Page number") {
		t.Error("the text can be read")
	}
	for step, kind := range map[string]convert.Kind{
		"txt": convert.ErrLocked, "png": convert.ErrLocked, "pdf,page=1": convert.ErrLocked, "unlock": convert.ErrLocked,
		"txt,secret=new": convert.ErrLocked, "unlock,secret=new": convert.ErrLocked, "lock,secret=new": convert.ErrLocked,
		"unlock,secret=none": convert.ErrLocked, "lock": convert.ErrUnsupported, "lock,secret=empty": convert.ErrUnsupported,
		"reset_password,secret=new,new_secret=old": convert.ErrLocked, "reset_password,secret=old": convert.ErrUnsupported,
		"merge": convert.ErrLocked,
	} {
		if _, err := run(t, step, locked); !errors.Is(err, kind) {
			t.Errorf("%s: %v, want %v", step, err, kind)
		}
	}
	if got := textOf(t, locked, ",secret=old"); got != want {
		t.Errorf("with its secret: %q", got)
	}
	if got := textOf(t, mustRun(t, "unlock,secret=old", locked), ""); got != want {
		t.Errorf("unlocked: %q", got)
	}
	again := mustRun(t, "reset_password,secret=old,new_secret=new", locked)
	if _, err := run(t, "txt,secret=old", again); !errors.Is(err, convert.ErrLocked) {
		t.Errorf("the old secret: %v", err)
	}
	if got := textOf(t, again, ",secret=new"); got != want {
		t.Errorf("with another secret: %q", got)
	}
	if _, err := run(t, "reset_password,secret=old,new_secret=new", doc); !errors.Is(err, convert.ErrUnsupported) {
		t.Errorf("another secret for what has none: %v", err)
	}
	if got := mustRun(t, "unlock", doc); string(got) != string(doc) {
		t.Error("unlock changed what is not locked")
	}
}

func TestP6LongSecrets(t *testing.T) {
	doc := numbered(1)
	locked := mustRun(t, "lock,secret=long", doc)
	if got := textOf(t, locked, ",secret=long"); got != "Page number 1\n" {
		t.Errorf("%q", got)
	}
}

func TestP6KeysAreNotMadeOfTheClock(t *testing.T) {
	doc := numbered(1)
	a, b := mustRun(t, "lock,secret=old", doc), mustRun(t, "lock,secret=old", doc)
	if string(a) == string(b) {
		t.Error("two locked documents are the same")
	}
}

func TestP6OthersOpenWhatIsLocked(t *testing.T) {
	need(t, "qpdf")
	dir := t.TempDir()
	in := filepath.Join(dir, "in.pdf")
	if err := os.WriteFile(in, mustRun(t, "lock,secret=new", numbered(3)), 0o600); err != nil {
		t.Fatal(err)
	}
	out := command(t, "qpdf", "--password=another one", "--check", in)
	for _, want := range []string{"R = 6", "P = -4", "stream encryption method: AESv3", "string encryption method: AESv3", "No syntax"} {
		if !strings.Contains(out, want) {
			t.Errorf("qpdf does not say %q:\n%s", want, out)
		}
	}
	plain := filepath.Join(dir, "plain.pdf")
	command(t, "qpdf", "--password=another one", "--decrypt", in, plain)
	b, err := os.ReadFile(plain)
	if err != nil {
		t.Fatal(err)
	}
	if got := textOf(t, b, ",page=3"); got != "Page number 3\n" {
		t.Errorf("%q", got)
	}
}

// What another program locked, with a password for reading and one for the rest.
func TestP6OpensWhatOthersLocked(t *testing.T) {
	need(t, "qpdf")
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in.pdf"), filepath.Join(dir, "out.pdf")
	if err := os.WriteFile(in, numbered(2), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, user := range map[string]string{"a password for reading": "read", "none for reading": ""} {
		t.Run(name, func(t *testing.T) {
			command(t, "qpdf", "--encrypt", user, "another one", "256", "--modify=none", "--", in, out)
			doc, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := run(t, "unlock", doc); !errors.Is(err, convert.ErrLocked) {
				t.Errorf("without a secret: %v", err)
			}
			if _, err := run(t, "unlock,secret=old", doc); !errors.Is(err, convert.ErrLocked) {
				t.Errorf("with a wrong one: %v", err)
			}
			plain := mustRun(t, "unlock,secret=new", doc)
			if got := textOf(t, plain, ",page=2"); got != "Page number 2\n" {
				t.Errorf("%q", got)
			}
		})
	}
}
