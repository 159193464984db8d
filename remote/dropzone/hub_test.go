package dropzone_test

import (
	"context"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"go.uber.org/goleak"

	"dropfs/remote"
	"dropfs/remote/dropzone"
	"dropfs/remote/hub"
	"dropfs/remote/remotetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testKey = "key-of-the-tests-0123456789"

func quiet() *logrus.Entry {
	l := logrus.New()
	l.SetLevel(logrus.PanicLevel)
	return logrus.NewEntry(l)
}

// startHub serves a hub until the test ends and returns the base URL of its API.
func startHub(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	h, err := hub.Open(ctx, hub.Config{
		DataDir: t.TempDir(), Keys: []hub.KeySpec{{Key: testKey, GBMonths: -1}}, Log: quiet(),
	})
	if err != nil {
		t.Fatal(err)
	}
	ran := make(chan struct{})
	go func() {
		defer close(ran)
		if err := h.Run(ctx); err != nil && ctx.Err() == nil {
			t.Error(err)
		}
	}()
	srv := httptest.NewServer(h.Handler())
	t.Cleanup(func() {
		cancel()
		<-ran
		srv.CloseClientConnections()
		srv.Close()
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return srv.URL
}

func newClient(t *testing.T, cfg dropzone.Config) *dropzone.Client {
	t.Helper()
	c, err := dropzone.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// expire ends an upload's URLs by spoiling their signatures' end, as far as the client can tell.
func expire(_ *testing.T, up remote.Upload) remote.Upload {
	up.Expires = time.Now().Add(-time.Second)
	return up
}

func TestContractAgainstHub(t *testing.T) {
	big := int64(0)
	if !testing.Short() {
		big = 64<<20 + 12345
	}
	for _, tt := range []struct {
		name string
		cfg  dropzone.Config
		path string
	}{
		{"auto", dropzone.Config{}, "/api/v1"},
		{"g3", dropzone.Config{Generation: dropzone.G3}, "/api/v1"},
		{"g2", dropzone.Config{Generation: dropzone.G2}, "/api/v1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			remotetest.Run(t, func(t *testing.T) remotetest.Subject {
				cfg := tt.cfg
				cfg.BaseURL, cfg.Key = startHub(t)+tt.path, testKey
				sub := remotetest.Subject{Service: newClient(t, cfg), Other: newClient(t, cfg), ExpireURLs: expire}
				if tt.name == "auto" {
					sub.MultipartSize = big
				}
				return sub
			})
		})
	}
}
