package store

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/riverqueue/river/rivertype"
)

// TestRetrySchedule is what the README says of webhooks: eight tries within about 78 minutes.
func TestRetrySchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		whole := time.Duration(0)
		for n, want := range []time.Duration{
			time.Second, 16 * time.Second, 81 * time.Second, 256 * time.Second, 625 * time.Second, 1296 * time.Second,
			2401 * time.Second,
		} {
			job := &rivertype.JobRow{Errors: make([]rivertype.AttemptError, n)} // this try's own is not among them yet
			if got := time.Until(retryPolicy(nil).NextRetry(job)); got != want {
				t.Errorf("after try %d: %v, not %v", n+1, got, want)
			}
			whole += want
		}
		if tries := (DeliveryJob{}).InsertOpts().MaxAttempts; tries != 8 || whole.Round(time.Minute) != 78*time.Minute {
			t.Errorf("%d tries within %v", tries, whole)
		}
		own := retryPolicy(func(n int) time.Duration { return time.Duration(n) * time.Hour })
		if got := time.Until(own.NextRetry(&rivertype.JobRow{Errors: make([]rivertype.AttemptError, 2)})); got != 3*time.Hour {
			t.Errorf("its own: %v", got)
		}
	})
}
