package remotetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"dropfs/remote"
)

// Subject is a service under test, with what the test needs to know and do beside it.
type Subject struct {
	Service remote.Service
	Other   remote.Service  // another client of the same account; nil: Service itself
	Spec    remote.DropSpec // a drop that may be ordered; zero: 1 GB, 30 days
	// MultipartSize is a size in bytes that is sent in at least two parts; 0: parts are not tested.
	MultipartSize int64
	// ExpireURLs ends the URLs of an upload and returns it as its journal would hold it; nil: that is not tested.
	ExpireURLs func(t *testing.T, up remote.Upload) remote.Upload
}

// Factory makes a fresh subject for one test and cleans it up at the test's end.
type Factory func(t *testing.T) Subject

// Run runs the contract that every remote.Service must pass. What needs an ability that the service does not have is
// tested for being refused with ErrUnsupported.
func Run(t *testing.T, factory Factory) {
	tests := []struct {
		name string
		run  func(*suite)
	}{
		{"ping and abilities", testPing},
		{"drops", testDrops},
		{"drops that are not there", testNoDrop},
		{"drop renamed", testDropRename},
		{"drop deleted", testDropDelete},
		{"round trip", testRoundTrip},
		{"names", testNames},
		{"duplicate names", testDuplicates},
		{"unconfirmed is not there", testUnconfirmed},
		{"confirm twice", testConfirmTwice},
		{"abort", testAbort},
		{"refused uploads", testRefusedUploads},
		{"short source", testShortSource},
		{"record ends send", testRecordError},
		{"ranges", testRanges},
		{"another version", testChanged},
		{"delete", testDelete},
		{"rename", testRename},
		{"copy", testCopy},
		{"replace", testReplace},
		{"link", testLink},
		{"parts", testParts},
		{"parts resumed", testPartsResumed},
		{"expired URL", testExpiredURL},
		{"changes", testChanges},
		{"changes resumed", testChangesResumed},
		{"at the same time", testConcurrent},
		{"cancelled", testCancelled},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSuite(t, factory(t))
			tt.run(s)
		})
	}
}

type suite struct {
	*testing.T
	Subject
	caps remote.Caps
	ctx  context.Context
}

func newSuite(t *testing.T, sub Subject) *suite {
	if sub.Other == nil {
		sub.Other = sub.Service
	}
	if sub.Spec == (remote.DropSpec{}) {
		sub.Spec = remote.DropSpec{GB: 1, Days: 30}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	caps, err := sub.Service.Caps(ctx)
	if err != nil {
		t.Fatalf("Caps: %v", err)
	}
	return &suite{T: t, Subject: sub, caps: caps, ctx: ctx}
}

// must ends the test on an error.
func (s *suite) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// want checks an error's kind, and that it is an *remote.Error that names its operation (R2).
func (s *suite) want(err error, kind remote.Kind) {
	s.Helper()
	var e *remote.Error
	switch {
	case !errors.Is(err, kind):
		s.Errorf("got %v, want %q", err, kind)
	case !errors.As(err, &e) || e.Op == "":
		s.Errorf("%v is no *remote.Error with an operation", err)
	}
}

func (s *suite) drop() remote.Drop {
	s.Helper()
	d, err := s.Service.CreateDrop(s.ctx, s.Spec)
	s.must(err)
	return d
}

// content returns n bytes that differ for each seed.
func content(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, uint64(n)))
	b := make([]byte, n)
	for i := 0; i < n; i += 8 {
		v := r.Uint64()
		for j := i; j < min(i+8, n); j++ {
			b[j] = byte(v)
			v >>= 8
		}
	}
	return b
}

func noRecord(remote.Upload) error { return nil }

// start begins an upload and sends its bytes.
func (s *suite) sent(drop remote.DropID, name string, data []byte) remote.Upload {
	s.Helper()
	up, err := s.Service.StartUpload(s.ctx, drop, remote.UploadSpec{Name: name, Type: "text/plain", Size: int64(len(data))})
	s.must(err)
	up, err = s.Service.Send(s.ctx, up, bytes.NewReader(data), noRecord, nil)
	s.must(err)
	return up
}

func (s *suite) put(drop remote.DropID, name string, data []byte) remote.Asset {
	s.Helper()
	a, err := s.Service.Confirm(s.ctx, s.sent(drop, name, data), remote.ConfirmSpec{})
	s.must(err)
	return a
}

func (s *suite) read(a remote.Asset, off, n int64) []byte {
	s.Helper()
	rc, err := s.Service.Fetch(s.ctx, a, off, n)
	s.must(err)
	b, err := io.ReadAll(rc)
	s.must(err)
	s.must(rc.Close())
	return b
}

func (s *suite) list(drop remote.DropID) []remote.Asset {
	s.Helper()
	all, err := s.Other.Assets(s.ctx, drop)
	s.must(err)
	return all.Assets
}

// holds checks that a drop holds exactly these assets, as the service answered them before.
func (s *suite) holds(drop remote.DropID, want ...remote.Asset) {
	s.Helper()
	all := s.list(drop)
	if len(all) != len(want) {
		s.Errorf("%d assets are listed, want %d: %+v", len(all), len(want), all)
		return
	}
	for _, w := range want {
		i := slices.IndexFunc(all, func(a remote.Asset) bool { return a.ID == w.ID })
		if i < 0 {
			s.Errorf("%s %q is not listed", w.ID, w.Name)
			continue
		}
		s.same(all[i], w)
	}
}

// same compares two answers about one asset.
func (s *suite) same(got, want remote.Asset) {
	s.Helper()
	if got.ID != want.ID || got.Drop != want.Drop || got.Name != want.Name || got.Size != want.Size || got.Type != want.Type ||
		got.ETag != want.ETag || got.MD5 != want.MD5 || got.Seq != want.Seq || !got.Created.Equal(want.Created) {
		s.Errorf("got  %+v\nwant %+v", got, want)
	}
}
