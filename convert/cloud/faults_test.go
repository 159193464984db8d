package cloud_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"dropfs/convert"
	"dropfs/convert/cloud"
	"dropfs/remote/d3"
	"dropfs/remote/d3/d3test"
	"dropfs/remote/httpx/faultproxy"
)

// TestRandomFaults converts through a network that breaks a fifth of all exchanges: each conversion ends with the right
// bytes, or with an error that says try again.
func TestRandomFaults(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	s := d3test.New(t)
	s.Work = becomes(png)
	faults := faultproxy.New(seed)
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	cfg := d3.Config{BaseURL: s.URL()}
	cfg.HTTP.RoundTripper, cfg.HTTP.HeaderTimeout, cfg.HTTP.Rate.Events = faults.Transport(tr), time.Second, -1
	e := known(t, s, cloud.Config{Client: client(t, cfg)})
	for _, f := range []faultproxy.Fault{faultproxy.Refused, faultproxy.Lost, faultproxy.Reset, faultproxy.Truncate, faultproxy.Status} {
		faults.Add(faultproxy.Rule{Fault: f, Chance: 0.04, After: 20})
	}
	faults.Add(
		faultproxy.Rule{Method: "PUT", Fault: faultproxy.WrongETag, Chance: 0.05},
		faultproxy.Rule{Method: "PUT", Fault: faultproxy.Expired, Chance: 0.05},
	)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 6 {
				text := fmt.Sprintf("content %d of %d", i, w)
				for try := 0; ; try++ {
					j := job(t, e, "@png", "pdf", "a.pdf="+text)
					err := e.Run(t.Context(), j)
					if err == nil {
						if got := out(t, j); got != png+text {
							t.Errorf("%s became %q", text, got)
						}
						break
					}
					if k := convert.KindOf(err); !k.Transient() || try > 50 {
						t.Errorf("%s: %v", text, err)
						break
					}
				}
			}
		})
	}
	wg.Wait()
	if len(faults.Hits()) < 5 {
		t.Errorf("too few kinds of faults have struck: %v", faults.Hits())
	}
}
