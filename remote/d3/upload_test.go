package d3_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"sync"
	"testing"

	"dropfs/remote"
	"dropfs/remote/d3"
	"dropfs/remote/d3/d3test"
	"dropfs/remote/httpx/faultproxy"
)

func TestB4HeldContentIsNotSentAgain(t *testing.T) {
	s := d3test.New(t)
	c := client(t, d3.Config{BaseURL: s.URL()})
	var wg sync.WaitGroup
	keys := make([]d3.FileKey, 8)
	for i := range keys {
		wg.Go(func() {
			key, err := c.Upload(t.Context(), input("v", "a.pdf", "A"))
			if err != nil {
				t.Error(err)
			}
			keys[i] = key
		})
	}
	wg.Wait()
	if n := s.Calls("initiate-upload"); n != 1 {
		t.Errorf("%d uploads of one content at the same time", n)
	}
	for _, k := range keys {
		if k != keys[0] {
			t.Errorf("keys %v", keys)
		}
	}
	others := []d3.FileKey{send(t, c, "w", "a.pdf", "B"), send(t, c, "v", "a.txt", "A"), send(t, c, "", "a.pdf", "A"), send(t, c, "", "a.pdf", "A")}
	if n := s.Calls("initiate-upload"); n != 5 {
		t.Errorf("%d uploads, want 5: another version, another name, and two without a version", n)
	}
	op := func(key d3.FileKey) error {
		_, err := c.Do(t.Context(), d3.Operation{Action: d3.Compress, Files: []d3.FileKey{key}})
		return err
	}
	if err := op(others[0]); err != nil {
		t.Fatal(err)
	}
	s.Lose()
	if err := op(keys[0]); !errors.Is(err, remote.ErrNotFound) {
		t.Fatalf("an operation with what the service lost: %v", err)
	}
	if key := send(t, c, "v", "a.pdf", "A"); key == keys[0] {
		t.Error("a key that the service does not know is used again")
	} else if err := op(key); err != nil {
		t.Error(err)
	}
	if key := send(t, c, "w", "a.pdf", "B"); key != others[0] {
		t.Error("a key was forgotten of which the service has said nothing")
	}
	c.Forget(others[0])
	if key := send(t, c, "w", "a.pdf", "B"); key == others[0] {
		t.Error("a forgotten key is used")
	}
}

// TestB4AnUploadThatFailedIsNotHeld has those who waited for it try themselves.
func TestB4AnUploadThatFailedIsNotHeld(t *testing.T) {
	s := d3test.New(t)
	s.Say(d3test.Answer{Call: "complete-upload", Status: 400, Body: `{"message":"EntityTooSmall"}`})
	c := client(t, d3.Config{BaseURL: s.URL()})
	if _, err := c.Upload(t.Context(), input("v", "a.pdf", "A")); !errors.Is(err, remote.ErrInvalid) || !strings.Contains(err.Error(), "EntityTooSmall") {
		t.Errorf("got %v", err)
	}
	send(t, c, "v", "a.pdf", "A")
	if n := s.Calls("initiate-upload"); n != 2 {
		t.Errorf("%d uploads", n)
	}
}

func TestUploadInParts(t *testing.T) {
	data := make([]byte, 17<<20+3)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(data)
	for _, tt := range []struct {
		name string
		size int
		puts int
	}{
		{"nothing", 0, 1},
		{"one byte", 1, 1},
		{"just one PUT", 6 << 20, 1},
		{"a byte over", 6<<20 + 1, 2},
		{"three and a rest", 17<<20 + 3, 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := d3test.New(t)
			s.Quirks.MinPart = 5 << 20
			var whole []byte
			s.Work = func(op d3test.Operation) []d3test.File { whole = op.Inputs[0]; return []d3test.File{{}} }
			c := client(t, d3.Config{BaseURL: s.URL(), SingleMax: 6 << 20, PartSize: 5 << 20})
			var mu sync.Mutex
			sent := int64(0)
			in := d3.Input{
				Name: "a.bin", Size: int64(tt.size), Src: bytes.NewReader(data[:tt.size]),
				Progress: func(n int64) { mu.Lock(); sent += n; mu.Unlock() },
			}
			key, err := c.Upload(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Do(t.Context(), d3.Operation{Action: d3.Zip, Files: []d3.FileKey{key}}); err != nil {
				t.Fatal(err)
			}
			if n := s.Calls("put"); n != tt.puts || !bytes.Equal(whole, data[:tt.size]) || sent != int64(tt.size) {
				t.Errorf("%d PUTs, %d bytes told, the bytes are the same: %v", n, sent, bytes.Equal(whole, data[:tt.size]))
			}
		})
	}
}

func TestUploadOfTooMuch(t *testing.T) {
	s := d3test.New(t)
	c := client(t, d3.Config{BaseURL: s.URL()})
	for _, tt := range []struct {
		name string
		in   d3.Input
		want remote.Kind
	}{
		{"600 GiB", d3.Input{Name: "a", Size: 600 << 30, Src: strings.NewReader("")}, remote.ErrTooLarge},
		{"no name", d3.Input{Src: strings.NewReader("")}, remote.ErrInvalid},
		{"a path", d3.Input{Name: "../a", Src: strings.NewReader("")}, remote.ErrInvalid},
		{"no source", d3.Input{Name: "a"}, remote.ErrInvalid},
		{"a source that is shorter", d3.Input{Name: "a", Size: 5, Src: strings.NewReader("abc")}, remote.ErrCorrupt},
	} {
		if _, err := c.Upload(t.Context(), tt.in); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// TestUploadThroughFaults breaks each step of an upload in each way once.
func TestUploadThroughFaults(t *testing.T) {
	for _, step := range []string{"initiate-upload", "complete-upload", "/store/"} {
		for _, rule := range []faultproxy.Rule{
			{Fault: faultproxy.Refused},
			{Fault: faultproxy.Lost},
			{Fault: faultproxy.Status},
			{Fault: faultproxy.Status, Code: 429, RetryAfter: 1},
			{Fault: faultproxy.Truncate, After: 10},
			{Fault: faultproxy.Expired},
			{Fault: faultproxy.WrongETag},
		} {
			api := step != "/store/"
			if api && (rule.Fault == faultproxy.Expired || rule.Fault == faultproxy.WrongETag) || !api && rule.Fault == faultproxy.Truncate {
				continue
			}
			t.Run(fmt.Sprintf("%s %s %d", strings.Trim(step, "/"), rule.Fault, rule.Code), func(t *testing.T) {
				t.Parallel()
				s := d3test.New(t)
				faults := faultproxy.New(1)
				c := client(t, through(s.URL(), faults.Transport(transport(t))))
				rule.Path, rule.Times = regexp.MustCompile(step), 1
				faults.Add(rule)
				key := send(t, c, "v", "a.txt", "hello")
				if _, err := c.Do(t.Context(), d3.Operation{Action: d3.Zip, Files: []d3.FileKey{key}}); err != nil {
					t.Error(err)
				}
				if got := string(s.Last().Inputs[0]); got != "hello" {
					t.Errorf("the service has %q", got)
				}
				if faults.Hits()[rule.Fault] != 1 {
					t.Error("nothing was struck")
				}
			})
		}
	}
}
