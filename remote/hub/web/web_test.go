package web

import (
	"encoding/json"
	"mime"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestDisposition(t *testing.T) {
	for _, c := range []struct{ name, want string }{
		{"a.txt", `attachment; filename="a.txt"`},
		{"dir/sub/a b.txt", `attachment; filename="a b.txt"`},
		{"ü.txt", `attachment; filename="_.txt"; filename*=UTF-8''%C3%BC.txt`},
		{`q"x\y.txt`, `attachment; filename="y.txt"`},
		{`q"x.txt`, `attachment; filename="q_x.txt"; filename*=UTF-8''q%22x.txt`},
		{"100%.txt", `attachment; filename="100_.txt"; filename*=UTF-8''100%25.txt`},
		{"a\r\nSet-Cookie: x", `attachment; filename="a__Set-Cookie: x"; filename*=UTF-8''a%0D%0ASet-Cookie%3A%20x`},
		{"..", `attachment; filename="file"`},
		{"", `attachment; filename="file"`},
		{"x/", `attachment; filename="x"`},
	} {
		if got := Disposition(c.name); got != c.want {
			t.Errorf("%q:\n%s, not\n%s", c.name, got, c.want)
		}
	}
}

// FuzzDisposition: the header is one printable line, and a browser reads the name back from it.
func FuzzDisposition(f *testing.F) {
	for _, s := range []string{"a", "ü/x", "\"", "\\", "%41", "\x00\x7f", "日本語.txt", "a;b=c", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		got := Disposition(name)
		if strings.ContainsFunc(got, func(r rune) bool { return r < 0x20 || r > 0x7e }) {
			t.Fatalf("%q: %q", name, got)
		}
		kind, params, err := mime.ParseMediaType(got)
		if err != nil || kind != "attachment" {
			t.Fatalf("%q: %q: %v", name, got, err)
		}
		want := path.Base(strings.ReplaceAll(name, `\`, "/"))
		if want != "." && want != "/" && want != ".." && utf8.ValidString(want) && params["filename"] != want {
			t.Fatalf("%q comes back as %q from %s", want, params["filename"], got)
		}
	})
}

// FuzzSafeType: whatever is declared, the header is one line and a media type.
func FuzzSafeType(f *testing.F) {
	for _, s := range []string{"text/plain", "", "x", "a/b; c=\"d\r\n\"", "text/html;charset=\"\"", "a/b;c=\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, declared string) {
		got := SafeType(declared)
		if media, _, err := mime.ParseMediaType(got); err != nil || !strings.Contains(media, "/") || strings.ContainsAny(got, "\r\n\x00") {
			t.Fatalf("%q: %q: %v", declared, got, err)
		}
	})
}

func TestReadJSON(t *testing.T) {
	type body struct {
		N int `json:"n"`
	}
	for _, c := range []struct {
		text   string
		status int // 0: read
	}{
		{`{"n":1}`, 0},
		{``, 0},
		{`{"n":"x"}`, 400},
		{`{"n":1`, 400},
		{`{"n":1} {}`, 400},
		{strings.Repeat(" ", 101), 413},
	} {
		var b body
		err := ReadJSON(httptest.NewRequest("POST", "/", strings.NewReader(c.text)), 100, &b)
		e, _ := err.(*Error) //nolint:errorlint // the bare value is what is answered
		if (e == nil) != (c.status == 0) || e != nil && e.Status != c.status {
			t.Errorf("%.20q: %v", c.text, err)
		}
	}
}

func TestW1PlainErrorsTakeTheShape(t *testing.T) {
	w := httptest.NewRecorder()
	rec := NewRecorder(w)
	rec.PlainErrors = func(w http.ResponseWriter, status int) { WriteError(w, Fail(status, "No.")) }
	http.Error(rec, "plain text", http.StatusTeapot)
	var m map[string]string
	if err := json.Unmarshal(w.Body.Bytes(), &m); err != nil || w.Code != http.StatusTeapot || m["message"] != "No." || rec.Status != http.StatusTeapot {
		t.Fatalf("%d %q %v", w.Code, w.Body, err)
	}
}

func TestLimiterForgetsNobodyTooEarly(t *testing.T) {
	now := time.Unix(1000, 0)
	l := NewLimiter(Rate{Requests: 2, Per: time.Minute}, false, func() time.Time { return now })
	ask := func(who, addr string) bool {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = addr
		return l.Allow(httptest.NewRecorder(), r, who) == nil
	}
	for i, c := range []struct {
		who, addr string
		wait      time.Duration
		ok        bool
	}{
		{"a", "", 0, true},
		{"a", "", 0, true},
		{"a", "", 0, false},
		{"b", "", 0, true},
		{"", "1.2.3.4:5", 0, true},
		{"", "1.2.3.4:6", 0, true},
		{"", "1.2.3.4:7", 0, false},
		{"", "1.2.3.5:7", 0, true},
		{"a", "", 30 * time.Second, true},
		{"a", "", 0, false},
	} {
		now = now.Add(c.wait)
		if ask(c.who, c.addr) != c.ok {
			t.Errorf("request %d of %q: not %v", i, c.who, c.ok)
		}
	}
	if NewLimiter(Rate{}, false, time.Now) != nil {
		t.Error("no rate is a limit")
	}
}
