package d3

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"

	"dropfs/convert/magic"
)

func TestResultName(t *testing.T) {
	for _, c := range []struct {
		op, source, to string
		several        bool
		want           string
	}{
		{"png", "scan.pdf", "png", false, "scan.png"},
		{"png", "dir/scan.tar.pdf", "png", false, "scan.tar.png"},
		{"png", `C:\dir\scan.pdf`, "png", false, "scan.png"},
		{"compress", "Photo.JPEG", "jpg", false, "Photo.JPEG"},
		{"png", "noext", "png", false, "noext.png"},
		{"png", ".pdf", "png", false, "file.png"},
		{"png", "..", "png", false, "file.png"},
		{"zip", "a.txt", "zip", false, "a.zip"},
		{"zip", "a.zip", "zip", false, "a.zip"},
		{"zip", "a.txt", "zip", true, "files.zip"},
		{"merge", "a.pdf", "pdf", true, "merged.pdf"},
	} {
		if got := resultName(order{Step: magic.Step{Op: c.op}}, c.source, c.to, c.several); got != c.want {
			t.Errorf("%s of %s: %q, not %q", c.op, c.source, got, c.want)
		}
	}
}

func TestT12Public(t *testing.T) {
	for text, want := range map[string]bool{
		"8.8.8.8": true, "2606:4700::1111": true, "127.0.0.1": false, "127.1.2.3": false, "10.0.0.1": false, "172.16.0.1": false,
		"172.32.0.1": true, "192.168.1.1": false, "169.254.169.254": false, "100.64.0.1": false, "0.0.0.0": false, "255.255.255.255": false,
		"224.0.0.1": false, "::1": false, "::": false, "fe80::1": false, "fe80::1%eth0": false, "fd12::1": false, "::ffff:10.0.0.1": false,
		"::ffff:8.8.8.8": true, "64:ff9b::a00:1": false, "2002:7f00:1::": false, "ff02::1": false, "::7f00:1": false,
	} {
		if got := public(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

func TestOwns(t *testing.T) {
	for p, want := range map[string]bool{
		"/api/v1/do": true, "/api/v1/status/x/y": true, "//api//v1/upload": true, "/v1": true, "/v1/biz/do": true, "/v1/x": true, "/mcp": true, "/mcpx": false,
		"/api/v1": false, "/api/v1/files": false, "/api/do": false, "/api/v1/dropzones/do": false, "/": false, "/v1x": false, "/api/v1/../v1/do": true,
	} {
		if got := Owns(p); got != want {
			t.Errorf("%s: %v", p, got)
		}
	}
}

func TestSign(t *testing.T) {
	// RFC 4231, test case 2.
	if got := Sign("Jefe", []byte("what do ya want for nothing?")); got != "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" {
		t.Error(got)
	}
}

// FuzzT6Order: whatever the parameters are, an order that is taken says all of them in the grammar of magic names, and
// passwords are nowhere but among the secrets.
func FuzzT6Order(f *testing.F) {
	for _, s := range [][2]string{
		{"convert", `{"convert_to":"png","page":"2-","dpi":300}`},
		{"COMPRESS", `{"compression_value":"high"}`},
		{"lock", `{"password":"a,b@c.d/e%2F"}`},
		{"reset_password", `{"old_password":"o","new_password":"n"}`},
		{"create_zip", `{"glob":"*.jpg,x@y"}`},
		{"convert", `{"convert_to":"csv","sheet":"50% off/a"}`},
		{"merge", `{"x":null,"y":"","z":[1]}`},
		{"convert", `{"convert_to":"png,page=3@pdf"}`},
	} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, action, raw string) {
		var parameters map[string]any
		if json.Unmarshal([]byte(raw), &parameters) != nil {
			return
		}
		o, err := readOrder(action, parameters)
		if err != nil {
			if s := toWire(err).status; s != 400 {
				t.Fatalf("%d: %v", s, err)
			}
			return
		}
		p, err := magic.Parse(o.Step.Key(), "pdf")
		if err != nil || len(p.Steps) != 1 || p.Steps[0].Key() != o.Step.Key() {
			t.Fatalf("%q is no step: %v", o.Step.Key(), err)
		}
		if len(o.Secrets) != len(passwords[o.Step.Op]) {
			t.Fatalf("secrets %v of %s", o.Secrets, o.Step.Op)
		}
		for name := range o.Secrets {
			if !strings.HasSuffix(name, "password") {
				t.Fatalf("a secret %q", name)
			}
		}
		again, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		var back order
		if err := json.Unmarshal(again, &back); err != nil || back.Step.Key() != o.Step.Key() {
			t.Fatalf("not kept: %s", again)
		}
	})
}

// FuzzT3Notes: notes that are taken have no null in them, at any depth.
func FuzzT3Notes(f *testing.F) {
	for _, s := range []string{`{"a":"b"}`, `null`, `""`, `{}`, `{"a":null,"b":{"c":null}}`, `{"a":[null,{"b":null}]}`, `[]`, `x`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		notes, err := readNotes(raw)
		if err != nil || notes == nil {
			return
		}
		var v any
		if err := json.Unmarshal(notes, &v); err != nil {
			t.Fatal(err)
		}
		var look func(v any)
		look = func(v any) {
			switch v := v.(type) {
			case nil:
				t.Fatalf("a null in %s", notes)
			case map[string]any:
				for _, e := range v {
					look(e)
				}
			case []any:
				for _, e := range v {
					look(e)
				}
			}
		}
		look(v)
	})
}
