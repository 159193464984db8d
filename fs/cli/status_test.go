package cli

import (
	"strings"
	"testing"

	"dropfs/convert"
	"dropfs/fs/cli/control"
)

// TestStatusShowsConversions: each has its phase, and how far it came where its engine tells.
func TestStatusShowsConversions(t *testing.T) {
	var out strings.Builder
	err := writeDaemon(&out, control.Status{Conversions: []convert.Running{
		{Name: "a.mp4@webm", Phase: convert.PhaseConverting, Part: 0.43},
		{Name: "b.docx@pdf", Phase: convert.PhaseConverting},
		{Name: "c.pdf@png", Phase: convert.PhaseQueued},
	}})
	want := "  converting   43 %  a.mp4@webm\n  converting         b.docx@pdf\n  queued             c.pdf@png\n"
	if err != nil || out.String() != want {
		t.Errorf("%v\n%s", err, out.String())
	}
}
