package remotetest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"

	"dropfs/remote"
)

func testRoundTrip(s *suite) {
	d := s.drop()
	var want []remote.Asset
	for i, size := range []int{0, 1, 4096, 70_001, 300_000} {
		data := content(uint64(i), size)
		a := s.put(d.ID, fmt.Sprintf("f%d", i), data)
		if a.Size != int64(size) || a.Drop != d.ID || a.Type != "text/plain" || a.ID == "" {
			s.Errorf("confirmed as %+v", a)
		}
		got, err := s.Other.Asset(s.ctx, d.ID, a.ID)
		s.must(err)
		s.same(got, a)
		if !bytes.Equal(s.read(a, 0, -1), data) {
			s.Errorf("%d bytes come back otherwise", size)
		}
		want = append(want, a)
	}
	s.holds(d.ID, want...)
}

func testNames(s *suite) {
	d := s.drop()
	var want []remote.Asset
	for i, name := range []string{
		"plain.txt", "with space", "a/b/c.txt", "/leading", "trailing/", "a//b", ".", "..", "../../etc/passwd", "~", "-rf",
		"äöü", "ä", "日本語", "🗂️", "100%25", "%2F", "a?b#c&d=e", `quote"back\slash`, "new\nline", "tab\t", "semi;colon", "NUL.txt ",
		strings.Repeat("x", 255), strings.Repeat("é", 128), strings.Repeat("d/", 500) + "f",
	} {
		a := s.put(d.ID, name, []byte{byte(i)})
		if a.Name != name {
			s.Errorf("name %q comes back as %q", name, a.Name)
		}
		if got := s.read(a, 0, -1); !bytes.Equal(got, []byte{byte(i)}) {
			s.Errorf("%q: content %v", name, got)
		}
		want = append(want, a)
	}
	s.holds(d.ID, want...)
}

func testDuplicates(s *suite) {
	d := s.drop()
	a := s.put(d.ID, "same", []byte("first"))
	if !s.caps.DupNames {
		up := remote.UploadSpec{Name: "same", Size: 1}
		u, err := s.Service.StartUpload(s.ctx, d.ID, up)
		s.must(err)
		u, err = s.Service.Send(s.ctx, u, strings.NewReader("x"), noRecord, nil)
		s.must(err)
		_, err = s.Service.Confirm(s.ctx, u, remote.ConfirmSpec{})
		s.want(err, remote.ErrConflict)
		return
	}
	b := s.put(d.ID, "same", []byte("second"))
	if a.ID == b.ID {
		s.Error("two assets have one id")
	}
	s.holds(d.ID, a, b)
	if string(s.read(a, 0, -1)) != "first" || string(s.read(b, 0, -1)) != "second" {
		s.Error("the contents are mixed up")
	}
	if a.Seq != 0 && a.Seq >= b.Seq {
		s.Errorf("the later one has seq %d, the earlier %d", b.Seq, a.Seq)
	}
}

func testUnconfirmed(s *suite) {
	d := s.drop()
	up, err := s.Service.StartUpload(s.ctx, d.ID, remote.UploadSpec{Name: "a", Type: "text/plain", Size: 3})
	s.must(err)
	s.holds(d.ID)
	_, err = s.Service.Confirm(s.ctx, up, remote.ConfirmSpec{})
	s.want(err, remote.ErrConflict)
	up, err = s.Service.Send(s.ctx, up, strings.NewReader("abc"), noRecord, nil)
	s.must(err)
	s.holds(d.ID)
	_, err = s.Other.Asset(s.ctx, d.ID, up.ID)
	s.want(err, remote.ErrNotFound)
	a, err := s.Service.Confirm(s.ctx, up, remote.ConfirmSpec{})
	s.must(err)
	s.holds(d.ID, a)
}

func testConfirmTwice(s *suite) {
	d := s.drop()
	up := s.sent(d.ID, "a", []byte("abc"))
	a, err := s.Service.Confirm(s.ctx, up, remote.ConfirmSpec{})
	s.must(err)
	b, err := s.Other.Confirm(s.ctx, up, remote.ConfirmSpec{})
	s.must(err)
	s.same(b, a)
	s.holds(d.ID, a)
}

func testAbort(s *suite) {
	d := s.drop()
	up := s.sent(d.ID, "a", []byte("abc"))
	s.must(s.Service.Abort(s.ctx, up))
	s.must(s.Service.Abort(s.ctx, up))
	_, err := s.Service.Confirm(s.ctx, up, remote.ConfirmSpec{})
	s.want(err, remote.ErrNotFound)
	s.holds(d.ID)
	now, err := s.Service.Drop(s.ctx, d.ID)
	s.must(err)
	if now.Used != 0 {
		s.Errorf("%d bytes stay reserved", now.Used)
	}
}

func testRefusedUploads(s *suite) {
	d := s.drop()
	for _, name := range []string{"", "nul\x00", "bad\xff utf8"} {
		_, err := s.Service.StartUpload(s.ctx, d.ID, remote.UploadSpec{Name: name, Size: 1})
		s.want(err, remote.ErrInvalid)
	}
	_, err := s.Service.StartUpload(s.ctx, d.ID, remote.UploadSpec{Name: "a", Size: -1})
	s.want(err, remote.ErrInvalid)
	if d.MaxSize > 0 {
		_, err = s.Service.StartUpload(s.ctx, d.ID, remote.UploadSpec{Name: "a", Size: d.MaxSize + 1})
		if !errors.Is(err, remote.ErrTooLarge) {
			s.want(err, remote.ErrQuota)
		}
	}
	s.holds(d.ID)
}

func testShortSource(s *suite) {
	d := s.drop()
	up, err := s.Service.StartUpload(s.ctx, d.ID, remote.UploadSpec{Name: "a", Type: "text/plain", Size: 100_000})
	s.must(err)
	_, err = s.Service.Send(s.ctx, up, bytes.NewReader(content(1, 99_999)), noRecord, nil)
	s.want(err, remote.ErrCorrupt)
	_, err = s.Service.Confirm(s.ctx, up, remote.ConfirmSpec{})
	s.want(err, remote.ErrConflict)
	up, err = s.Service.Send(s.ctx, up, bytes.NewReader(content(1, 100_000)), noRecord, nil)
	s.must(err)
	a, err := s.Service.Confirm(s.ctx, up, remote.ConfirmSpec{})
	s.must(err)
	if !bytes.Equal(s.read(a, 0, -1), content(1, 100_000)) {
		s.Error("the content of the second try is another")
	}
}

func testRecordError(s *suite) {
	d := s.drop()
	up, err := s.Service.StartUpload(s.ctx, d.ID, remote.UploadSpec{Name: "a", Type: "text/plain", Size: 3})
	s.must(err)
	full := errors.New("the journal is full")
	_, err = s.Service.Send(s.ctx, up, strings.NewReader("abc"), func(remote.Upload) error { return full }, nil)
	if !errors.Is(err, full) {
		s.Errorf("got %v, want the error of record", err)
	}
	// What was not recorded is sent again.
	_, err = s.Service.Send(s.ctx, up, strings.NewReader("abc"), noRecord, nil)
	s.must(err)
}

func testReplace(s *suite) {
	d := s.drop()
	old := s.put(d.ID, "a", []byte("old"))
	up := s.sent(d.ID, "a", []byte("new"))
	a, err := s.Service.Confirm(s.ctx, up, remote.ConfirmSpec{Replaces: old.ID})
	s.must(err)
	if !s.caps.Replace {
		s.holds(d.ID, old, a)
		return
	}
	s.holds(d.ID, a)
	_, err = s.Other.Asset(s.ctx, d.ID, old.ID)
	s.want(err, remote.ErrNotFound)
	b, err := s.Service.Confirm(s.ctx, up, remote.ConfirmSpec{Replaces: old.ID})
	s.must(err)
	s.same(b, a)
	up = s.sent(d.ID, "b", []byte("newer"))
	c, err := s.Service.Confirm(s.ctx, up, remote.ConfirmSpec{Replaces: old.ID}) // gone already: no error
	s.must(err)
	s.holds(d.ID, a, c)
}

// countingReader counts the bytes that are read of a source.
type countingReader struct {
	io.ReaderAt
	n atomic.Int64
}

func (c *countingReader) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.ReaderAt.ReadAt(p, off)
	c.n.Add(int64(n))
	return n, err
}

// inParts starts an upload that goes in parts, or skips the test.
func (s *suite) inParts(drop remote.DropID) (remote.Upload, []byte) {
	s.Helper()
	if !s.caps.Multipart || s.MultipartSize == 0 {
		s.Skip("the service has no uploads in parts, or none that can be tested here")
	}
	data := content(7, int(s.MultipartSize))
	up, err := s.Service.StartUpload(s.ctx, drop, remote.UploadSpec{Name: "big", Type: "text/plain", Size: s.MultipartSize})
	s.must(err)
	if up.PartSize == 0 || len(up.Parts) < 2 {
		s.Fatalf("%d bytes go in %d parts", s.MultipartSize, len(up.Parts))
	}
	return up, data
}

func testParts(s *suite) {
	d := s.drop()
	up, data := s.inParts(d.ID)
	var told atomic.Int64
	var inside atomic.Int32
	up, err := s.Service.Send(s.ctx, up, bytes.NewReader(data), func(remote.Upload) error {
		if inside.Add(1) != 1 {
			s.Error("record is called two at a time")
		}
		defer inside.Add(-1)
		return nil
	}, func(n int64) { told.Add(n) })
	s.must(err)
	if told.Load() != s.MultipartSize {
		s.Errorf("progress told of %d bytes, want %d", told.Load(), s.MultipartSize)
	}
	a, err := s.Service.Confirm(s.ctx, up, remote.ConfirmSpec{})
	s.must(err)
	if !bytes.Equal(s.read(a, 0, -1), data) {
		s.Error("the parts come back otherwise")
	}
	last := int64(len(up.Parts)-1) * up.PartSize
	if !bytes.Equal(s.read(a, last-10, 20), data[last-10:last+10]) {
		s.Error("a range over two parts comes back otherwise")
	}
	b, err := s.Service.Confirm(s.ctx, up, remote.ConfirmSpec{})
	s.must(err)
	s.same(b, a)
}

func testPartsResumed(s *suite) {
	d := s.drop()
	up, data := s.inParts(d.ID)
	var journal remote.Upload
	crash := errors.New("crash")
	_, err := s.Service.Send(s.ctx, up, bytes.NewReader(data), func(u remote.Upload) error {
		if journal.ID != "" {
			return crash
		}
		journal = u
		return nil
	}, nil)
	if !errors.Is(err, crash) {
		s.Fatalf("got %v, want the error of record", err)
	}
	_, err = s.Other.Confirm(s.ctx, journal, remote.ConfirmSpec{})
	s.want(err, remote.ErrConflict)
	have := int64(0)
	for i, p := range journal.Parts {
		if p.ETag != "" {
			have += min(journal.PartSize, s.MultipartSize-int64(i)*journal.PartSize)
		}
	}
	if have == 0 {
		s.Fatal("no part was recorded")
	}
	src := &countingReader{ReaderAt: bytes.NewReader(data)}
	done, err := s.Other.Send(s.ctx, journal, src, noRecord, nil)
	s.must(err)
	if want := s.MultipartSize - have; src.n.Load() != want {
		s.Errorf("%d bytes were sent again, want %d", src.n.Load(), want)
	}
	a, err := s.Other.Confirm(s.ctx, done, remote.ConfirmSpec{})
	s.must(err)
	if !bytes.Equal(s.read(a, 0, -1), data) {
		s.Error("the resumed content comes back otherwise")
	}
}

func testExpiredURL(s *suite) {
	if s.ExpireURLs == nil {
		s.Skip("the subject cannot end URLs")
	}
	d := s.drop()
	up, err := s.Service.StartUpload(s.ctx, d.ID, remote.UploadSpec{Name: "a", Type: "text/plain", Size: 3})
	s.must(err)
	up = s.ExpireURLs(s.T, up)
	records := 0
	sent, err := s.Service.Send(s.ctx, up, strings.NewReader("abc"), func(remote.Upload) error { records++; return nil }, nil)
	if !s.caps.Multipart {
		s.want(err, remote.ErrExpiredURL)
		return
	}
	s.must(err)
	if records < 2 {
		s.Errorf("record was called %d times, want one for the new URL and one for the bytes", records)
	}
	a, err := s.Service.Confirm(s.ctx, sent, remote.ConfirmSpec{})
	s.must(err)
	if string(s.read(a, 0, -1)) != "abc" {
		s.Error("the content comes back otherwise")
	}
}
