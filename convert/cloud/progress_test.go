package cloud_test

import (
	"fmt"
	"slices"
	"testing"

	"dropfs/convert"
	"dropfs/convert/cloud"
	"dropfs/remote/d3/d3test"
)

// TestRunTellsWhatItIsAt: each phase of the way, and the service's own word of how far the task came.
func TestRunTellsWhatItIsAt(t *testing.T) {
	s := d3test.New(t)
	s.Work = becomes(png)
	e := known(t, s, cloud.Config{})
	s.Say(
		d3test.Answer{Call: "status", Status: 200, Body: `{"data":{"operation_status":"QUEUED"}}`},
		d3test.Answer{Call: "status", Status: 200, Body: `{"data":{"operation_status":"running","files_data":[{"file_key":"k","status":"running","progress":50}]}}`},
	)
	j := job(t, e, "@png", "pdf", "a.pdf=A")
	var told []string
	j.Phase = func(p convert.Phase) { told = append(told, string(p)) }
	j.Progress = func(part float64) { told = append(told, fmt.Sprintf("%.2f", part)) }
	if err := e.Run(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	told = slices.Compact(told)
	want := []string{"uploading", "0.50", "queued", "converting", "0.70", "converting", "0.90", "downloading", "1.00"}
	if !slices.Equal(told, want) {
		t.Errorf("told %v, not %v", told, want)
	}
}
