package d3_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"dropfs/remote"
	"dropfs/remote/d3"
	"dropfs/remote/d3/d3test"
)

// witness notes where the key was sent.
type witness struct {
	base http.RoundTripper
	mu   sync.Mutex
	with map[string]int // requests with the key, by host and kind of path
	bare map[string]int
}

func (w *witness) RoundTrip(r *http.Request) (*http.Response, error) {
	kind := strings.Split(r.URL.Path, "/")[1]
	w.mu.Lock()
	if r.Header.Get("Authorization") != "" {
		w.with[r.URL.Host+" "+kind]++
	} else {
		w.bare[r.URL.Host+" "+kind]++
	}
	w.mu.Unlock()
	return w.base.RoundTrip(r)
}

// TestB1TheKeyStaysAtHome does a conversion whose store and results are at another host, and looks at every request.
func TestB1TheKeyStaysAtHome(t *testing.T) {
	for _, quirks := range []d3test.Quirks{{Elsewhere: true}, {Redirect: true}} {
		t.Run(fmt.Sprintf("%+v", quirks), func(t *testing.T) {
			s := d3test.New(t)
			s.Quirks = quirks
			w := &witness{base: transport(t), with: map[string]int{}, bare: map[string]int{}}
			c := client(t, through(s.URL(), w))
			id, err := c.Do(t.Context(), d3.Operation{Action: d3.Compress, Files: []d3.FileKey{send(t, c, "", "a", "A")}})
			if err != nil {
				t.Fatal(err)
			}
			task, err := c.Wait(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := fetch(t.Context(), t, c, task.Files[0], 100); err != nil {
				t.Fatal(err)
			}
			home, away := strings.TrimPrefix(s.URL(), "http://"), strings.TrimPrefix(s.SecondURL(), "http://")
			for where := range w.with {
				if where != home+" api" && where != home+" v1" {
					t.Errorf("the key goes to %s", where)
				}
			}
			if w.bare[away+" store"] != 1 || w.bare[away+" v1"] != 1 || w.with[home+" api"] < 5 {
				t.Errorf("with the key %v, without it %v", w.with, w.bare)
			}
			for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
				if text := fmt.Sprintf(verb, task); strings.Contains(text, "download") || strings.Contains(text, "sekrit") {
					t.Errorf("a link is in %q", text)
				}
			}
		})
	}
}

// TestB1CallsThatAreLedAway redirects calls of the API to another host: a question goes along without the key, an
// operation does not go at all.
func TestB1CallsThatAreLedAway(t *testing.T) {
	s := d3test.New(t)
	c := client(t, d3.Config{BaseURL: s.URL()})
	key := send(t, c, "", "a", "A")
	s.Say(
		d3test.Answer{Call: "status", Status: 302, Times: 9, Header: map[string]string{"Location": s.SecondURL() + "/api/v1/status/main_1"}},
		d3test.Answer{Call: "do", Status: 307, Times: 9, Header: map[string]string{"Location": s.SecondURL() + "/api/v1/do"}},
	)
	if _, err := c.Status(t.Context(), "main_1", ""); !errors.Is(err, remote.ErrNotFound) {
		t.Errorf("status: %v", err)
	}
	if _, err := c.Do(t.Context(), d3.Operation{Action: d3.Compress, Files: []d3.FileKey{key}}); !errors.Is(err, remote.ErrProtocol) {
		t.Errorf("do: %v", err)
	}
}
