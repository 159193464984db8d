package remotetest

import (
	"time"

	"dropfs/remote"
)

func testPing(s *suite) {
	s.must(s.Service.Ping(s.ctx))
	again, err := s.Service.Caps(s.ctx)
	s.must(err)
	if again != s.caps {
		s.Errorf("abilities change: %+v, %+v", s.caps, again)
	}
}

func testDrops(s *suite) {
	spec := s.Spec
	spec.Name = "Überraschung 1"
	d, err := s.Service.CreateDrop(s.ctx, spec)
	s.must(err)
	if d.ID == "" || d.GB < spec.GB || d.Days < spec.Days {
		s.Errorf("created %+v from %+v", d, spec)
	}
	if s.caps.RenameDrop && d.Name != spec.Name {
		s.Errorf("name %q, want %q", d.Name, spec.Name)
	}
	if !d.Created.IsZero() && time.Since(d.Created).Abs() > time.Hour {
		s.Errorf("created at %v", d.Created)
	}
	got, err := s.Other.Drop(s.ctx, d.ID)
	s.must(err)
	if got.ID != d.ID || got.Name != d.Name || got.MaxSize != d.MaxSize || !got.Expires.Equal(d.Expires) {
		s.Errorf("got  %+v\nwant %+v", got, d)
	}
	s.put(d.ID, "a", content(1, 1000))
	got, err = s.Other.Drop(s.ctx, d.ID)
	s.must(err)
	if got.Used != 1000 {
		s.Errorf("used %d bytes, want 1000", got.Used)
	}
	e, err := s.Service.UpdateDrop(s.ctx, d.ID, remote.DropSpec{GB: spec.GB * 2, Days: spec.Days + 1})
	s.must(err)
	if e.ID != d.ID || e.GB != spec.GB*2 || e.Days != spec.Days+1 || e.Name != d.Name {
		s.Errorf("extended to %+v", e)
	}
	_, err = s.Service.UpdateDrop(s.ctx, d.ID, remote.DropSpec{GB: spec.GB})
	s.want(err, remote.ErrInvalid)
	all, err := s.Service.Drops(s.ctx)
	if !s.caps.ListDrops {
		s.want(err, remote.ErrUnsupported)
		return
	}
	s.must(err)
	n := 0
	for _, x := range all {
		if x.ID == d.ID && x.GB == e.GB && x.Name == d.Name {
			n++
		}
	}
	if n != 1 {
		s.Errorf("the drop is listed %d times: %+v", n, all)
	}
}

func testNoDrop(s *suite) {
	const id = remote.DropID("NoSuchDropAtAll17")
	_, err := s.Service.Drop(s.ctx, id)
	s.want(err, remote.ErrNotFound)
	_, err = s.Service.Assets(s.ctx, id)
	s.want(err, remote.ErrNotFound)
	_, err = s.Service.StartUpload(s.ctx, id, remote.UploadSpec{Name: "a", Size: 1})
	s.want(err, remote.ErrNotFound)
	_, err = s.Service.UpdateDrop(s.ctx, id, remote.DropSpec{GB: 2, Days: 60})
	s.want(err, remote.ErrNotFound)
}

func testDropRename(s *suite) {
	spec := s.Spec
	spec.Name = "before"
	d, err := s.Service.CreateDrop(s.ctx, spec)
	s.must(err)
	e, err := s.Service.UpdateDrop(s.ctx, d.ID, remote.DropSpec{Name: "after"})
	if !s.caps.RenameDrop {
		s.want(err, remote.ErrUnsupported)
		return
	}
	s.must(err)
	if e.ID != d.ID || e.Name != "after" || e.GB != d.GB || e.Days != d.Days {
		s.Errorf("renamed to %+v", e)
	}
}

func testDropDelete(s *suite) {
	d := s.drop()
	a := s.put(d.ID, "a", []byte("a"))
	err := s.Service.DeleteDrop(s.ctx, d.ID)
	if !s.caps.DeleteDrop {
		s.want(err, remote.ErrUnsupported)
		s.holds(d.ID, a)
		return
	}
	s.must(err)
	_, err = s.Other.Drop(s.ctx, d.ID)
	s.want(err, remote.ErrNotFound)
	_, err = s.Other.Assets(s.ctx, d.ID)
	s.want(err, remote.ErrNotFound)
	_, err = s.Other.Asset(s.ctx, d.ID, a.ID)
	s.want(err, remote.ErrNotFound)
	s.want(s.Service.DeleteDrop(s.ctx, d.ID), remote.ErrNotFound)
}
