package remotetest_test

import (
	"testing"

	"go.uber.org/goleak"

	"dropfs/remote"
	"dropfs/remote/remotetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestT1FakePassesTheContract(t *testing.T) {
	least, all := remotetest.LeastCaps(), remotetest.AllCaps()
	unique := all
	unique.DupNames = false
	for _, tt := range []struct {
		name string
		cfg  remotetest.FakeConfig
	}{
		{"all abilities", remotetest.FakeConfig{}},
		{"as the public service", remotetest.FakeConfig{Caps: &least, NoChecksums: true, NoSeq: true}},
		{"unique names", remotetest.FakeConfig{Caps: &unique}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			remotetest.Run(t, func(*testing.T) remotetest.Subject {
				tt.cfg.MultipartFrom, tt.cfg.PartSize = 500_000, 200_000
				f := remotetest.NewFake(tt.cfg)
				return remotetest.Subject{
					Service: f, MultipartSize: 900_001,
					ExpireURLs: func(_ *testing.T, up remote.Upload) remote.Upload { f.ExpireURLs(); return up },
				}
			})
		})
	}
}
