package dropzone_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"regexp"
	"sync"
	"testing"
	"time"

	"dropfs/remote"
	"dropfs/remote/dropzone"
	"dropfs/remote/httpx/faultproxy"
)

// journalled uploads one file the way the write-back does: each step recorded, each repeated while that may help.
func journalled(ctx context.Context, c remote.Service, drop remote.DropID, name string, data []byte, old remote.AssetID) (remote.Asset, error) {
	var up remote.Upload
	for try := 0; ; try++ {
		a, err := func() (remote.Asset, error) {
			if up.ID == "" {
				u, err := c.StartUpload(ctx, drop, remote.UploadSpec{Name: name, Type: "text/plain", Size: int64(len(data))})
				if err != nil {
					return remote.Asset{}, err
				}
				up = u
			}
			if _, err := c.Send(ctx, up, bytes.NewReader(data), func(u remote.Upload) error { up = u; return nil }, nil); err != nil {
				return remote.Asset{}, err
			}
			return c.Confirm(ctx, up, remote.ConfirmSpec{Replaces: old})
		}()
		var e *remote.Error
		switch {
		case err == nil:
			return a, nil
		case !errors.As(err, &e):
			return a, fmt.Errorf("no *remote.Error: %w", err)
		case try > 200, ctx.Err() != nil:
			return a, err
		case e.Kind == remote.ErrExpiredURL:
			up = remote.Upload{}
		case !e.Kind.Transient():
			return a, err
		}
	}
}

// TestRandomFaults does many uploads, replacements, reads and listings through a proxy that breaks a fifth of all
// exchanges: nothing may be lost, doubled or wrong.
func TestRandomFaults(t *testing.T) {
	for _, service := range []string{"hub", "public"} {
		t.Run(service, func(t *testing.T) {
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			base := startHub(t)
			if service == "public" {
				base = public(t, dropzone.G3)
			}
			faults := faultproxy.New(seed)
			p, err := faultproxy.NewProxy(faults, base)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(p.Close)
			cfg := dropzone.Config{BaseURL: p.URL() + "/api/v1", Key: testKey}
			cfg.HTTP.RoundTripper = watching(t, nil)
			cfg.HTTP.HeaderTimeout = 2 * time.Second
			c := newClient(t, cfg)
			d, err := c.CreateDrop(t.Context(), remote.DropSpec{GB: 1, Days: 30})
			if err != nil {
				t.Fatal(err)
			}
			listing := regexp.MustCompile("/files$")
			for _, f := range []faultproxy.Fault{faultproxy.Refused, faultproxy.Lost, faultproxy.Reset, faultproxy.Truncate, faultproxy.Status} {
				faults.Add(faultproxy.Rule{Fault: f, Chance: 0.03, After: 20})
			}
			faults.Add(
				faultproxy.Rule{Fault: faultproxy.Status, Code: 429, Chance: 0.02},
				faultproxy.Rule{Method: "PUT", Fault: faultproxy.WrongETag, Chance: 0.05},
				faultproxy.Rule{Method: "PUT", Fault: faultproxy.Expired, Chance: 0.05},
				faultproxy.Rule{Method: "GET", Path: listing, Fault: faultproxy.Shorten, After: 200, Chance: 0.1},
			)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			want := map[string][]byte{}
			var mu sync.Mutex
			var wg sync.WaitGroup
			for w := range 4 {
				wg.Go(func() {
					r := rand.New(rand.NewPCG(seed, uint64(w)))
					for i := range 8 {
						name := fmt.Sprintf("%d-%d", w, i)
						data := make([]byte, r.IntN(20_000))
						for j := range data {
							data[j] = byte(r.Uint32())
						}
						a, err := journalled(ctx, c, d.ID, name, data, "")
						if err != nil {
							t.Errorf("%s: %v", name, err)
							return
						}
						mu.Lock()
						want[name] = data
						mu.Unlock()
						if err := readThrough(ctx, c, a, data, r); err != nil {
							t.Errorf("%s: %v", name, err)
						}
						if all, err := c.Assets(ctx, d.ID); err == nil && len(all.Assets) == 0 {
							t.Error("a listing lost everything")
						}
					}
				})
			}
			wg.Wait()
			faults.Clear()
			// Penalties of refused requests are waited out.
			all, err := c.Assets(ctx, d.ID)
			for err != nil && ctx.Err() == nil {
				time.Sleep(50 * time.Millisecond)
				all, err = c.Assets(ctx, d.ID)
			}
			if err != nil || len(all.Assets) != len(want) {
				t.Errorf("%d assets for %d files, %v", len(all.Assets), len(want), err)
			}
			for _, a := range all.Assets {
				if got := read(t, c, a, 0, -1); got != string(want[a.Name]) {
					t.Errorf("%s holds %d other bytes", a.Name, len(got))
				}
			}
			if len(faults.Hits()) < 5 {
				t.Errorf("too few kinds of faults have struck: %v", faults.Hits())
			}
		})
	}
}

// readThrough reads an asset and a range of it, again while that may help; bytes that come must be right.
func readThrough(ctx context.Context, c remote.Service, a remote.Asset, data []byte, r *rand.Rand) error {
	off := int64(0)
	if len(data) > 0 {
		off = int64(r.IntN(len(data)))
	}
	for try := 0; ; try++ {
		rc, err := c.Fetch(ctx, a, off, -1)
		if err == nil {
			var got []byte
			got, err = io.ReadAll(rc)
			_ = rc.Close()
			if !bytes.HasPrefix(data[off:], got) {
				return errors.New("wrong bytes")
			}
			if err == nil && len(got) != len(data[off:]) {
				return errors.New("fewer bytes and no error")
			}
		}
		switch {
		case err == nil:
			return nil
		case try > 100 || !remote.KindOf(err).Transient():
			return err
		}
	}
}

// TestServiceGone takes the service away and brings it back.
func TestServiceGone(t *testing.T) {
	p, err := faultproxy.NewProxy(faultproxy.New(1), startHub(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	cfg := dropzone.Config{BaseURL: p.URL() + "/api/v1", Key: testKey}
	cfg.HTTP.RoundTripper = watching(t, nil)
	c := newClient(t, cfg)
	d, err := c.CreateDrop(t.Context(), remote.DropSpec{GB: 1, Days: 30})
	if err != nil {
		t.Fatal(err)
	}
	a := upload(t, c, d.ID, "a", "abc")
	feed := make(chan error, 1)
	told := make(chan struct{}, 100)
	go func() {
		feed <- c.Changes(t.Context(), 0, func(remote.Change) error { told <- struct{}{}; return nil })
	}()
	<-told
	p.Down()
	select {
	case err := <-feed:
		if !errors.Is(err, remote.ErrUnavailable) {
			t.Errorf("the feed ends with %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the feed does not notice")
	}
	began := time.Now()
	for name, call := range map[string]func() error{
		"ping":  func() error { return c.Ping(t.Context()) },
		"list":  func() error { _, err := c.Assets(t.Context(), d.ID); return err },
		"fetch": func() error { _, err := c.Fetch(t.Context(), a, 0, -1); return err },
	} {
		if err := call(); !errors.Is(err, remote.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if took := time.Since(began); took > 6*time.Second {
		t.Errorf("three calls take %v to fail", took)
	}
	if caps, err := c.Caps(t.Context()); err != nil || !caps.ListDrops {
		t.Errorf("abilities that were known are forgotten: %v", err)
	}
	if err := p.Up(); err != nil {
		t.Fatal(err)
	}
	if err := c.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	if got := read(t, c, a, 0, -1); got != "abc" {
		t.Errorf("read %q", got)
	}
}

// TestD4RefusalIsNotTheLastWord confirms, loses the answer, has the repeated confirm refused, and then cannot ask.
func TestD4RefusalIsNotTheLastWord(t *testing.T) {
	faults := faultproxy.New(1)
	cfg := dropzone.Config{BaseURL: public(t, dropzone.G3) + "/api/v1", Key: testKey}
	cfg.HTTP.RoundTripper = watching(t, faults)
	c := newClient(t, cfg)
	d, err := c.CreateDrop(t.Context(), remote.DropSpec{GB: 1, Days: 30})
	if err != nil {
		t.Fatal(err)
	}
	up, err := c.StartUpload(t.Context(), d.ID, remote.UploadSpec{Name: "a", Type: "text/plain", Size: 3})
	if err != nil {
		t.Fatal(err)
	}
	send := func() error {
		_, err := c.Send(t.Context(), up, bytes.NewReader([]byte("abc")), func(remote.Upload) error { return nil }, nil)
		return err
	}
	if err := send(); err != nil {
		t.Fatal(err)
	}
	faults.Add(
		faultproxy.Rule{Method: "POST", Path: regexp.MustCompile("/confirm$"), Fault: faultproxy.Lost, Nth: 1},
		faultproxy.Rule{Method: "GET", Path: regexp.MustCompile("/files/[^/]+$"), Fault: faultproxy.Status},
	)
	if _, err := c.Confirm(t.Context(), up, remote.ConfirmSpec{}); !remote.KindOf(err).Transient() {
		t.Errorf("got %v, want an error that says try again", err)
	}
	if err := send(); !errors.Is(err, remote.ErrUnavailable) {
		t.Errorf("bytes sent again after the confirm: %v, want an error that says try again", err)
	}
	faults.Clear()
	if err := send(); err != nil {
		t.Errorf("bytes sent again after the confirm: %v", err)
	}
	a, err := c.Confirm(t.Context(), up, remote.ConfirmSpec{})
	if err != nil || a.ID != up.ID {
		t.Errorf("got %+v, %v", a, err)
	}
	if all, err := c.Assets(t.Context(), d.ID); err != nil || len(all.Assets) != 1 {
		t.Errorf("listed %+v, %v", all, err)
	}
}
