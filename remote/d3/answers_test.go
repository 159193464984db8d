package d3_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"dropfs/remote"
	"dropfs/remote/d3"
	"dropfs/remote/d3/d3test"
)

func TestErrorsOfTheAPI(t *testing.T) {
	for _, tt := range []struct {
		name    string
		status  int
		typ     string
		body    string
		want    remote.Kind
		message string // contained; "": none
	}{
		{"as documented", 429, "", `{"error":"rate_limit_exceeded","message":"too many requests","code":429}`, remote.ErrRateLimited, "too many requests"},
		{"without a message", 400, "", `{"error":"bad_thing"}`, remote.ErrInvalid, "bad_thing"},
		{"an object with neither", 404, "", `{"statusCode":404}`, remote.ErrNotFound, ""},
		{"an object in an object", 400, "", `{"error":{"code":"x","message":"inside"}}`, remote.ErrInvalid, "inside"},
		{"an object whose error has no words", 400, "", `{"error":{"code":7}}`, remote.ErrInvalid, ""},
		{"under data", 422, "", `{"data":{"message":"inside"}}`, remote.ErrInvalid, "inside"},
		{"a list of errors", 422, "", `{"errors":[{"message":"first"},{"message":"second"}]}`, remote.ErrInvalid, "first"},
		{"nulls", 400, "", `{"error":null,"message":null}`, remote.ErrInvalid, ""},
		{"a page", 403, "text/html", `<html><body>login</body></html>`, remote.ErrProtocol, "a page"},
		{"a page, five hundred", 502, "text/html", `<html>bad gateway`, remote.ErrUnavailable, ""},
		{"a text", 500, "text/plain", `boom`, remote.ErrUnavailable, ""},
		{"nothing, five hundred", 503, "", ``, remote.ErrUnavailable, ""},
		{"nothing, the key", 401, "", ``, remote.ErrCredentials, ""},
		{"nothing, credit", 402, "", ``, remote.ErrPayment, ""},
		{"credit", 402, "", `{"error":"insufficient_credits","message":"top up"}`, remote.ErrPayment, "top up"},
		{"credit under another status", 403, "", `{"error":"quota_exceeded","message":"no more"}`, remote.ErrPayment, "no more"},
		{"the key", 401, "", `{"error":"unauthorized","message":"bad key ` + d3test.Key + `"}`, remote.ErrCredentials, "bad key ***"},
		{"too large", 413, "", ``, remote.ErrTooLarge, ""},
		{"not supported", 400, "", `{"error":"unsupported_operation","message":"m"}`, remote.ErrUnsupported, "m"},
		{"a success that is none", 200, "", `{"success":false,"error":"quota_exceeded","message":"no more"}`, remote.ErrPayment, "no more"},
		{"a success without a task", 200, "", `{"data":{}}`, remote.ErrProtocol, "no task"},
		{"a success without a task, with words", 200, "", `{"message":"try tomorrow"}`, remote.ErrProtocol, "try tomorrow"},
		{"a success that is a page", 200, "text/html", `<html>login`, remote.ErrProtocol, "no object"},
		{"a success that is nothing", 200, "", ``, remote.ErrProtocol, ""},
		{"a task that climbs", 200, "", `{"main_task_id":".."}`, remote.ErrProtocol, "no task"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := d3test.New(t)
			c := client(t, d3.Config{BaseURL: s.URL()})
			key := send(t, c, "", "a.pdf", "A")
			s.Say(d3test.Answer{Call: "do", Times: 10, Status: tt.status, Type: tt.typ, Body: tt.body, Header: map[string]string{"Retry-After": "3"}})
			_, err := c.Do(t.Context(), d3.Operation{Action: d3.Lock, Password: "sekrit-password", Files: []d3.FileKey{key}})
			var e *remote.Error
			if !errors.As(err, &e) || e.Kind != tt.want {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if !strings.Contains(err.Error(), tt.message) || tt.message == "" && e.Message != "" {
				t.Errorf("it says %q, want %q", err, tt.message)
			}
			for _, secret := range secrets {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("%q is in %q", secret, err)
				}
			}
		})
	}
}

// TestB3CompletionIsNoPage takes a portal's page for no acknowledgement, and no body for one.
func TestB3CompletionIsNoPage(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		status     int
		ok         bool
	}{
		{"a page", "<html>login", 200, false},
		{"no body", "", 204, true},
		{"words", `{"message":"done"}`, 200, true},
		{"a refusal", `{"success":false}`, 200, false},
	} {
		s := d3test.New(t)
		s.Say(d3test.Answer{Call: "complete-upload", Status: tt.status, Body: tt.body})
		_, err := client(t, d3.Config{BaseURL: s.URL()}).Upload(t.Context(), input("", "a", "A"))
		if (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestPlacesThatDoNotFit(t *testing.T) {
	for _, tt := range []struct{ name, body string }{
		{"none", `{"file_key":"k","presigned_urls":[]}`},
		{"two for one", `{"file_key":"k","presigned_urls":["http://a/1","http://a/2"]}`},
		{"no list", `{"file_key":"k"}`},
		{"no URL", `{"file_key":"k","presigned_urls":["ftp://a/1"]}`},
		{"no key", `{"presigned_urls":["http://a/1"]}`},
		{"a key that climbs", `{"file_key":"..","presigned_urls":["http://a/1"]}`},
	} {
		s := d3test.New(t)
		s.Say(d3test.Answer{Call: "initiate-upload", Status: 200, Body: tt.body})
		_, err := client(t, d3.Config{BaseURL: s.URL()}).Upload(t.Context(), input("", "a", "A"))
		if !errors.Is(err, remote.ErrProtocol) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// TestPrefixIsRemembered counts requests under either prefix.
func TestPrefixIsRemembered(t *testing.T) {
	s := d3test.New(t)
	s.Quirks.Prefixes = []string{"/v1/biz"}
	c := client(t, d3.Config{BaseURL: s.URL()})
	for range 3 {
		send(t, c, "", "a", "A")
	}
	if n := s.Paths("/api/v1"); n != 1 {
		t.Errorf("%d requests under the prefix that is not there", n)
	}
	if _, err := c.Status(t.Context(), "main_unknown", ""); !errors.Is(err, remote.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	if n := s.Paths("/api/v1"); n != 1 {
		t.Error("a task that is not known is sought under the other prefix")
	}
}

// TestPrefixMayMove has a service change its generation under a client.
func TestPrefixMayMove(t *testing.T) {
	s := d3test.New(t)
	s.Quirks.NotFound = "<html>nothing"
	c := client(t, d3.Config{BaseURL: s.URL()})
	send(t, c, "", "a", "A")
	s.Quirks.Prefixes = []string{"/v1/biz"} // no request is under way
	send(t, c, "", "a", "A")
	send(t, c, "", "a", "A")
	if n := s.Paths("/api/v1"); n != 3 { // start and completion, and the first start after the move
		t.Errorf("%d requests under the old prefix", n)
	}
}

func TestSupportedShapes(t *testing.T) {
	type support = d3.Support
	for _, tt := range []struct {
		name string
		q    d3.Question
		body string
		want support
	}{
		{
			"actions",
			d3.Question{Ext: "pdf"},
			`{"data":{"supported":true,"ext":"pdf","available_actions":["CONVERT","Compress","reset-password"]}}`,
			support{Supported: true, Actions: []d3.Action{"convert", "compress", "reset_password"}},
		},
		{"camelCase, bare", d3.Question{Ext: "pdf"}, `{"availableActions":["convert"]}`, support{Supported: true, Actions: []d3.Action{"convert"}}},
		{"an extension that is unknown", d3.Question{Ext: "xyz"}, `{"supported":false}`, support{}},
		{
			"targets by category",
			d3.Question{Ext: "pdf", Action: d3.Convert},
			`{"supported":true,"parameters":{"convert_to":{"IMAGE":[".png","JPG"],"DOCUMENT":["docx","png"]}}}`,
			support{Supported: true, To: []string{"docx", "png", "jpg"}, Options: map[string][]string{}},
		},
		{
			"targets in a list, of objects",
			d3.Question{Ext: "pdf", Action: d3.Convert},
			`{"supported":"true","parameters":{"convertTo":["png",{"name":"Word","value":"docx"},null,7]}}`,
			support{Supported: true, To: []string{"png", "docx"}, Options: map[string][]string{}},
		},
		{
			"levels",
			d3.Question{Ext: "pdf", Action: d3.Compress},
			`{"supported":true,"parameters":{"compression_value":[{"name":"Recommended","value":"recommended"},{"name":"High","value":"high"}]}}`,
			support{Supported: true, Levels: []string{"recommended", "high"}, Options: map[string][]string{}},
		},
		{
			"options by name",
			d3.Question{Ext: "pdf", Action: d3.Convert},
			`{"supported":true,"parameters":{"convert_to":["png"],"dpi":{"min":24},"new_thing":[1],"password":"string"}}`,
			support{Supported: true, To: []string{"png"}, Options: map[string][]string{"": {"dpi", "new_thing"}}},
		},
		{
			"options in a list",
			d3.Question{Ext: "pdf", Action: d3.Convert},
			`{"supported":true,"parameters":{"convert_to":["png"],"options":["dpi",{"name":"page"}]}}`,
			support{Supported: true, To: []string{"png"}, Options: map[string][]string{"": {"dpi", "page"}}},
		},
		{
			"options by target",
			d3.Question{Ext: "pdf", Action: d3.Convert},
			`{"supported":true,"parameters":{"convert_to":["png","txt"],"options":{"png":["dpi","page"],"lang":{}}}}`,
			support{Supported: true, To: []string{"png", "txt"}, Options: map[string][]string{"": {"lang"}, "png": {"dpi", "page"}}},
		},
		{"one pair", d3.Question{Ext: "pdf", Action: d3.Convert, To: "PNG"}, `{"supported":true,"parameters":{"convert_to":"png"}}`, support{Supported: true, To: []string{"png"}}},
		{"nulls", d3.Question{Ext: "pdf", Action: d3.Convert}, `{"supported":false,"available_actions":null,"parameters":null}`, support{Options: map[string][]string{}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := d3test.New(t)
			s.Say(d3test.Answer{Call: "supported-operation", Status: 200, Body: tt.body})
			got, err := client(t, d3.Config{BaseURL: s.URL()}).Supported(t.Context(), tt.q)
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got  %+v, %v\nwant %+v", got, err, tt.want)
			}
		})
	}
	s := d3test.New(t)
	c := client(t, d3.Config{BaseURL: s.URL()})
	s.Say(d3test.Answer{Call: "supported-operation", Status: 200, Body: `{"data":{}}`})
	if _, err := c.Supported(t.Context(), d3.Question{Ext: "pdf"}); !errors.Is(err, remote.ErrProtocol) {
		t.Errorf("an answer that says nothing: %v", err)
	}
	if _, err := c.Supported(t.Context(), d3.Question{}); !errors.Is(err, remote.ErrInvalid) {
		t.Errorf("no extension: %v", err)
	}
	if got := (d3.Support{Options: map[string][]string{"": {"b"}, "png": {"a", "b"}}}).For("png"); !reflect.DeepEqual(got, []string{"a", "b"}) {
		t.Errorf("options for png: %v", got)
	}
}

func TestNewRefuses(t *testing.T) {
	for _, cfg := range []d3.Config{
		{},
		{BaseURL: "ftp://h"},
		{BaseURL: "https://u:p@h"},
		{BaseURL: "https://h/x?y=z"},
		{BaseURL: "https://h/x#y"},
		{BaseURL: "https://h\x7f"},
		{BaseURL: "https://h", Key: "a\nb"},
		{BaseURL: "https://h", PartSize: 1 << 20},
	} {
		if _, err := d3.New(cfg); err == nil {
			t.Errorf("%+v is taken", cfg)
		} else if cfg.Key != "" && strings.Contains(err.Error(), cfg.Key.Reveal()) {
			t.Errorf("the key is in %q", err)
		}
	}
}
