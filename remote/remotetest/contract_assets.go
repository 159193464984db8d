package remotetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"sync"
	"time"

	"dropfs/remote"
)

func testRanges(s *suite) {
	d := s.drop()
	const size = 200_000
	data := content(3, size)
	a := s.put(d.ID, "a", data)
	for _, r := range []struct{ off, n int64 }{
		{0, -1},
		{0, size},
		{0, 1},
		{size - 1, 1},
		{size - 1, -1},
		{size, -1},
		{size, 0},
		{0, 0},
		{1, size - 1},
		{65_536, 65_536},
		{99_999, 2},
		{size / 2, -1},
	} {
		want := data[r.off:]
		if r.n >= 0 {
			want = want[:r.n]
		}
		if got := s.read(a, r.off, r.n); !bytes.Equal(got, want) {
			s.Errorf("[%d, +%d): %d bytes that differ", r.off, r.n, len(got))
		}
	}
	for _, r := range []struct{ off, n int64 }{{-1, 1}, {0, size + 1}, {size, 1}, {size + 1, -1}, {1 << 62, 1 << 62}} {
		rc, err := s.Service.Fetch(s.ctx, a, r.off, r.n)
		if err == nil {
			_ = rc.Close()
		}
		s.want(err, remote.ErrInvalid)
	}
	rc, err := s.Service.Fetch(s.ctx, a, 0, -1)
	s.must(err)
	if _, err := io.ReadFull(rc, make([]byte, 10)); err != nil {
		s.Error(err)
	}
	s.must(rc.Close()) // early is no error
}

func testChanged(s *suite) {
	d := s.drop()
	a := s.put(d.ID, "a", content(1, 1000))
	if a.ETag == "" {
		s.Skip("the service tells no validators")
	}
	a.ETag = "0123456789abcdef0123456789abcdef"
	for _, n := range []int64{-1, 10} {
		rc, err := s.Service.Fetch(s.ctx, a, 0, n)
		if err == nil {
			_ = rc.Close()
		}
		s.want(err, remote.ErrChanged)
	}
}

func testDelete(s *suite) {
	d := s.drop()
	a, b := s.put(d.ID, "a", []byte("a")), s.put(d.ID, "b", []byte("b"))
	s.read(a, 0, -1)
	s.must(s.Service.Delete(s.ctx, d.ID, a.ID))
	s.holds(d.ID, b)
	s.want(s.Other.Delete(s.ctx, d.ID, a.ID), remote.ErrNotFound)
	_, err := s.Other.Asset(s.ctx, d.ID, a.ID)
	s.want(err, remote.ErrNotFound)
	rc, err := s.Service.Fetch(s.ctx, a, 0, -1)
	if err == nil {
		_ = rc.Close()
	}
	s.want(err, remote.ErrNotFound)
	s.want(s.Service.Delete(s.ctx, d.ID, "NoSuchFileAtAll17"), remote.ErrNotFound)
	now, err := s.Service.Drop(s.ctx, d.ID)
	s.must(err)
	if now.Used != 1 {
		s.Errorf("used %d bytes, want 1", now.Used)
	}
}

func testRename(s *suite) {
	d := s.drop()
	a := s.put(d.ID, "before", []byte("abc"))
	b, err := s.Service.Rename(s.ctx, d.ID, a.ID, "dir/after ü")
	if !s.caps.Rename {
		s.want(err, remote.ErrUnsupported)
		s.holds(d.ID, a)
		return
	}
	s.must(err)
	if b.ID != a.ID || b.Name != "dir/after ü" || b.ETag != a.ETag || b.Size != 3 {
		s.Errorf("renamed to %+v", b)
	}
	s.holds(d.ID, b)
	if string(s.read(b, 0, -1)) != "abc" {
		s.Error("the content changed")
	}
	_, err = s.Service.Rename(s.ctx, d.ID, "NoSuchFileAtAll17", "x")
	s.want(err, remote.ErrNotFound)
	_, err = s.Service.Rename(s.ctx, d.ID, a.ID, "")
	s.want(err, remote.ErrInvalid)
}

func testCopy(s *suite) {
	d, e := s.drop(), s.drop()
	a := s.put(d.ID, "a", []byte("abc"))
	duplicate := func(to remote.DropID, name string, size int64) (remote.Upload, remote.Asset, error) {
		up, err := s.Service.StartUpload(s.ctx, to, remote.UploadSpec{Name: name, Size: size})
		s.must(err)
		got, err := s.Service.Confirm(s.ctx, up, remote.ConfirmSpec{CopyOf: a.ID, CopyFrom: d.ID})
		return up, got, err
	}
	up, b, err := duplicate(d.ID, "b", 3)
	if !s.caps.Copy {
		s.want(err, remote.ErrUnsupported)
		s.must(s.Service.Abort(s.ctx, up))
		s.holds(d.ID, a)
		return
	}
	s.must(err)
	again, err := s.Service.Confirm(s.ctx, up, remote.ConfirmSpec{CopyOf: a.ID, CopyFrom: d.ID})
	s.must(err)
	if again.ID != b.ID {
		s.Errorf("repeated, it is %+v, was %+v", again, b)
	}
	_, c, err := duplicate(e.ID, "c", 3)
	s.must(err)
	s.holds(d.ID, a, b)
	s.holds(e.ID, c)
	if b.ID != up.ID || b.Name != "b" || b.ETag != a.ETag || c.Name != "c" || c.Drop != e.ID || c.Size != 3 {
		s.Errorf("copied to %+v and %+v", b, c)
	}
	up, _, err = duplicate(d.ID, "other", 4)
	s.want(err, remote.ErrConflict) // another size
	s.must(s.Service.Abort(s.ctx, up))
	s.must(s.Service.Delete(s.ctx, d.ID, a.ID))
	for _, x := range []remote.Asset{b, c} {
		if string(s.read(x, 0, -1)) != "abc" {
			s.Error("a copy went with its original")
		}
	}
	up, _, err = duplicate(d.ID, "sent", 3)
	s.want(err, remote.ErrConflict) // and then the bytes may be sent
	up, err = s.Service.Send(s.ctx, up, strings.NewReader("xyz"), func(remote.Upload) error { return nil }, nil)
	s.must(err)
	x, err := s.Service.Confirm(s.ctx, up, remote.ConfirmSpec{})
	s.must(err)
	s.holds(d.ID, b, x)
	if string(s.read(x, 0, -1)) != "xyz" {
		s.Error("what was sent is something else")
	}
}

func testLink(s *suite) {
	d := s.drop()
	a := s.put(d.ID, "a", []byte("abc"))
	link, err := s.Service.Link(s.ctx, d.ID, a.ID, false)
	if !s.caps.PublicLink {
		s.want(err, remote.ErrDenied)
		return
	}
	s.must(err)
	if u, err := url.Parse(link); err != nil || u.Host == "" {
		s.Errorf("%q is no URL", link)
	}
	_, err = s.Service.Link(s.ctx, d.ID, "NoSuchFileAtAll17", false)
	s.want(err, remote.ErrNotFound)
}

// feed follows the changes behind since and hands on all but signs of life.
func (s *suite) feed(since int64) (<-chan remote.Change, func() error) {
	ctx, cancel := context.WithCancel(s.ctx)
	ch, end := make(chan remote.Change, 100), make(chan error, 1)
	go func() {
		end <- s.Other.Changes(ctx, since, func(c remote.Change) error {
			if c.Kind != remote.ChangeKeptAlive {
				ch <- c
			}
			return nil
		})
	}()
	stop := func() error {
		cancel()
		select {
		case err := <-end:
			return err
		case <-time.After(10 * time.Second):
			return errors.New("the feed does not end")
		}
	}
	return ch, stop
}

func (s *suite) next(ch <-chan remote.Change) remote.Change {
	s.Helper()
	select {
	case c := <-ch:
		return c
	case <-time.After(20 * time.Second):
		s.Fatal("no change is told")
		return remote.Change{}
	}
}

func testChanges(s *suite) {
	d := s.drop()
	if !s.caps.Changes {
		s.want(s.Service.Changes(s.ctx, 0, func(remote.Change) error { return nil }), remote.ErrUnsupported)
		return
	}
	ch, stop := s.feed(0)
	if c := s.next(ch); c.Kind != remote.ChangeReset {
		s.Fatalf("the feed begins with %+v", c)
	}
	a := s.put(d.ID, "a", []byte("abc"))
	c := s.next(ch)
	if c.Kind != remote.ChangeAsset || c.Drop != d.ID || c.Replaces != "" {
		s.Errorf("confirm is told as %+v", c)
	}
	s.same(c.Asset, a)
	last := c.Seq
	s.listedUpTo(d.ID, last)
	if s.caps.Replace {
		b, err := s.Service.Confirm(s.ctx, s.sent(d.ID, "a", []byte("b")), remote.ConfirmSpec{Replaces: a.ID})
		s.must(err)
		if c = s.next(ch); c.Kind != remote.ChangeAsset || c.Asset.ID != b.ID || c.Replaces != a.ID || c.Seq <= last {
			s.Errorf("replace is told as %+v", c)
		}
		a, last = b, c.Seq
	}
	s.must(s.Service.Delete(s.ctx, d.ID, a.ID))
	if c = s.next(ch); c.Kind != remote.ChangeAssetGone || c.Asset.ID != a.ID || c.Drop != d.ID || c.Seq <= last {
		s.Errorf("delete is told as %+v", c)
	}
	s.listedUpTo(d.ID, c.Seq)
	_, err := s.Service.UpdateDrop(s.ctx, d.ID, remote.DropSpec{GB: s.Spec.GB * 2})
	s.must(err)
	if c = s.next(ch); c.Kind != remote.ChangeDrop || c.Drop != d.ID || c.DropInfo.GB != s.Spec.GB*2 {
		s.Errorf("update is told as %+v", c)
	}
	if s.caps.DeleteDrop {
		s.must(s.Service.DeleteDrop(s.ctx, d.ID))
		if c = s.next(ch); c.Kind != remote.ChangeDropGone || c.Drop != d.ID {
			s.Errorf("deletion of the drop is told as %+v", c)
		}
	}
	if err := stop(); !errors.Is(err, context.Canceled) {
		s.Errorf("the feed ends with %v", err)
	}
}

// listedUpTo checks that a listing says it knows of a change that the feed told.
func (s *suite) listedUpTo(drop remote.DropID, seq int64) {
	s.Helper()
	l, err := s.Service.Assets(s.ctx, drop)
	s.must(err)
	if l.Seq < seq {
		s.Errorf("a listing knows of changes up to %d, and the feed told of %d", l.Seq, seq)
	}
	for _, a := range l.Assets {
		if a.Seq > l.Seq {
			s.Errorf("%s of change %d is in a listing that knows of changes up to %d", a.ID, a.Seq, l.Seq)
		}
	}
}

func testChangesResumed(s *suite) {
	if !s.caps.Changes {
		s.Skip("there is no change feed")
	}
	d := s.drop()
	ch, stop := s.feed(0)
	s.next(ch)
	a := s.put(d.ID, "a", []byte("a"))
	seen := s.next(ch).Seq
	_ = stop()
	b, c := s.put(d.ID, "b", []byte("b")), s.put(d.ID, "c", []byte("c"))
	s.must(s.Service.Delete(s.ctx, d.ID, a.ID))
	ch, stop = s.feed(seen)
	for i, want := range []remote.AssetID{b.ID, c.ID, a.ID} {
		if got := s.next(ch); got.Asset.ID != want || got.Seq <= seen {
			s.Errorf("change %d behind %d is %+v, want %s", i, seen, got, want)
		} else {
			seen = got.Seq
		}
	}
	_ = stop()
	ch, stop = s.feed(seen + 1_000_000)
	if got := s.next(ch); got.Kind != remote.ChangeReset {
		s.Errorf("a number from the future is answered with %+v", got)
	}
	_ = stop()
	enough := errors.New("enough")
	err := s.Other.Changes(s.ctx, 0, func(remote.Change) error { return enough })
	if !errors.Is(err, enough) {
		s.Errorf("the feed ends with %v, want the error of the callback", err)
	}
}

func testConcurrent(s *suite) {
	d := s.drop()
	const workers, each = 8, 3
	var wg sync.WaitGroup
	var mu sync.Mutex
	var all []remote.Asset
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				data := content(uint64(w*100+i), 5000)
				up, err := s.Service.StartUpload(s.ctx, d.ID, remote.UploadSpec{Name: fmt.Sprintf("%d-%d", w, i), Type: "text/plain", Size: 5000})
				if err == nil {
					up, err = s.Service.Send(s.ctx, up, bytes.NewReader(data), noRecord, nil)
				}
				var a remote.Asset
				if err == nil {
					a, err = s.Service.Confirm(s.ctx, up, remote.ConfirmSpec{})
				}
				var rc io.ReadCloser
				if err == nil {
					rc, err = s.Other.Fetch(s.ctx, a, 1000, 100)
				}
				if err != nil {
					s.Errorf("worker %d: %v", w, err)
					return
				}
				got, err := io.ReadAll(rc)
				_ = rc.Close()
				if err != nil || !bytes.Equal(got, data[1000:1100]) {
					s.Errorf("worker %d reads %d bytes, %v", w, len(got), err)
				}
				mu.Lock()
				all = append(all, a)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	s.holds(d.ID, all...)
}

func testCancelled(s *suite) {
	d := s.drop()
	a := s.put(d.ID, "a", []byte("abc"))
	up := s.sent(d.ID, "b", []byte("abc"))
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	calls := map[string]func() error{
		"Ping":        func() error { return s.Service.Ping(ctx) },
		"CreateDrop":  func() error { _, err := s.Service.CreateDrop(ctx, s.Spec); return err },
		"Drop":        func() error { _, err := s.Service.Drop(ctx, d.ID); return err },
		"Assets":      func() error { _, err := s.Service.Assets(ctx, d.ID); return err },
		"Asset":       func() error { _, err := s.Service.Asset(ctx, d.ID, a.ID); return err },
		"StartUpload": func() error { _, err := s.Service.StartUpload(ctx, d.ID, up.Spec); return err },
		"Send": func() error {
			_, err := s.Service.Send(ctx, up, bytes.NewReader([]byte("abc")), noRecord, nil)
			return err
		},
		"Confirm": func() error { _, err := s.Service.Confirm(ctx, up, remote.ConfirmSpec{}); return err },
		"Abort":   func() error { return s.Service.Abort(ctx, up) },
		"Fetch": func() error {
			rc, err := s.Service.Fetch(ctx, a, 0, -1)
			if err == nil {
				_ = rc.Close()
			}
			return err
		},
		"Delete": func() error { return s.Service.Delete(ctx, d.ID, a.ID) },
	}
	for name, call := range calls {
		began := time.Now()
		err := call()
		if !errors.Is(err, context.Canceled) {
			s.Errorf("%s: %v, want the context's error", name, err)
		}
		if took := time.Since(began); took > 2*time.Second {
			s.Errorf("%s takes %v to see that it is cancelled", name, took)
		}
	}
	s.holds(d.ID, a)
}
