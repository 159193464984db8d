package hub

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dropfs/remote"
	client "dropfs/remote/d3"
)

// TestD3OurClient does a conversion with our own client, which knows the wire from the same document alone.
func TestD3OurClient(t *testing.T) {
	d := newHookSite(t)
	c, err := client.New(client.Config{
		BaseURL: d.srv.URL, Key: testKey, WebhookSecret: "whsec", PollFirst: 5 * time.Millisecond, PollMax: 50 * time.Millisecond,
		SingleMax: 6 << 20, PartSize: 5 << 20,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	s, err := c.Supported(t.Context(), client.Question{Ext: "pdf", Action: client.Convert})
	if err != nil || !s.Supported || strings.Join(s.To, " ") != "png" || strings.Join(s.For("png"), " ") != "dpi height page quality width" {
		t.Fatalf("%+v %v", s, err)
	}
	big := strings.Repeat("x", 11<<20) // parts of 5, 5 and 1 MiB, not of equal lengths as the SDKs make them
	for _, q := range []struct {
		name, text string
		op         client.Operation
		want       string
	}{
		{"a.pdf", "text", client.Operation{Action: client.Convert, To: "png", Options: map[string]string{"page": "2"}}, "TEXT>@png,page=2"},
		{"empty.pdf", "", client.Operation{Action: client.Compress}, ">@compress"},
		{"b.pdf", "doc", client.Operation{Action: client.Lock, Password: "pw"}, "DOC>@lock,secret=password(pw)"},
		{"big.txt", big, client.Operation{Action: client.Convert, To: "md"}, strings.ToUpper(big) + ">@md"},
	} {
		key, err := c.Upload(t.Context(), client.Input{Name: q.name, Size: int64(len(q.text)), Src: strings.NewReader(q.text)})
		if err != nil {
			t.Fatal(err)
		}
		q.op.Files = []client.FileKey{key}
		if got := d.clientDoes(c, q.op); got != q.want {
			t.Errorf("%s: %d bytes: %.80q", q.name, len(got), got)
		}
	}
	if _, err := c.Do(t.Context(), client.Operation{Action: client.Zip, Files: []client.FileKey{"in_gone"}}); !errors.Is(err, remote.ErrNotFound) {
		t.Errorf("an unknown file: %v", err)
	}
}

// clientDoes does an operation of one file and reads its result.
func (d *d3Site) clientDoes(c *client.Client, op client.Operation) string {
	d.Helper()
	id, err := c.Do(d.Context(), op)
	if err != nil {
		d.Fatal(err)
	}
	task, err := c.Wait(d.Context(), id)
	if err != nil || task.State != client.Completed || len(task.Files) != 1 {
		d.Fatalf("%+v %v", task, err)
	}
	f, err := os.Create(filepath.Join(d.TempDir(), "result"))
	if err != nil {
		d.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if _, err := c.Download(d.Context(), task.Files[0], f, 1<<30); err != nil {
		d.Fatal(err)
	}
	b, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<30))
	if err != nil {
		d.Fatal(err)
	}
	return string(b)
}

// TestD3OurClientOnS3: the links of results lead to another origin.
func TestD3OurClientOnS3(t *testing.T) {
	d, _ := newD3S3Site(t)
	c, err := client.New(client.Config{BaseURL: d.srv.URL, Key: testKey, PollFirst: 5 * time.Millisecond, PollMax: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	key, err := c.Upload(t.Context(), client.Input{Name: "a.txt", Size: 4, Src: strings.NewReader("text")})
	if err != nil {
		t.Fatal(err)
	}
	if got := d.clientDoes(c, client.Operation{Action: client.Convert, To: "md", Files: []client.FileKey{key}}); got != "TEXT>@md" {
		t.Errorf("%q", got)
	}
}
