package convert_test

import (
	"context"
	"testing"
	"testing/synctest"

	"dropfs/convert"
)

// TestStatusTellsPhaseAndPart holds three conversions, of which two have their turn, at each of their points.
func TestStatusTellsPhaseAndPart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := pdf()
		step := make(chan func(convert.Job))
		e.hook = func(_ context.Context, job convert.Job) error {
			for say := range step {
				say(job)
			}
			return nil
		}
		b, err := convert.NewBroker(convert.BrokerConfig{Registry: convert.NewRegistry(e), Dir: t.TempDir() + "/runs", Parallel: 1})
		if err != nil {
			t.Fatal(err)
		}
		s, done := newShelf(t), make(chan error, 2)
		fetching := make(chan struct{})
		first := request(t, s, "v1", "@png", "pdf")
		fetch := first.Fetch
		first.Fetch = func(ctx context.Context, dir string) ([]convert.Source, error) {
			<-fetching
			return fetch(ctx, dir)
		}
		begin := func(r convert.Request) {
			go func() {
				_, err := b.Do(t.Context(), r)
				done <- err
			}()
			synctest.Wait()
		}
		want := func(version string, phase convert.Phase, part float64) {
			t.Helper()
			synctest.Wait()
			if st := b.StatusOf(version); len(st) != 1 || st[0].Name != "f.pdf@png" || st[0].Phase != phase || st[0].Part != part {
				t.Errorf("%s: %+v, not %s %v", version, st, phase, part)
			}
		}
		begin(first)
		begin(request(t, s, "v2", "@png", "pdf"))
		want("v1", convert.PhaseReading, 0)
		want("v2", convert.PhaseQueued, 0)
		close(fetching)
		want("v1", convert.PhaseConverting, 0)
		step <- func(j convert.Job) { j.Came(0.25) }
		want("v1", convert.PhaseConverting, 0.25)
		step <- func(j convert.Job) { j.At(convert.PhaseDownloading) }
		want("v1", convert.PhaseDownloading, 0.25)
		if st := b.Status(); len(st) != 2 || len(b.StatusOf("v3")) != 0 {
			t.Errorf("%+v", st)
		}
		close(step)
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if st := b.Status(); len(st) != 0 {
			t.Errorf("afterwards: %+v", st)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestNobodyAsksForProgress(t *testing.T) {
	var j convert.Job
	j.At(convert.PhaseUploading)
	j.Came(1)
}
