package daemon

import (
	"testing"
	"time"

	"dropfs/convert"
	"dropfs/fs/cli/config"
	"dropfs/fs/cli/engines"
)

// TestLimitsOfTheConfiguration: what [convert] says bounds what a disk converts, without a service.
func TestLimitsOfTheConfiguration(t *testing.T) {
	file, err := config.Parse([]byte("[convert]\ndeadline = \"1m\"\nparallel = 3\nmax_input = \"1Ki\"\nmax_output = \"2Ki\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	set, err := engines.Open(engines.Config{Shared: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	d := &Disk{cfg: Config{File: file, Keys: config.Keys{Dir: t.TempDir()}}}
	if got := d.brokerConfig(set).Parallel; got != 3 {
		t.Errorf("%d at a time", got)
	}
	got := d.shownAccount(&account{name: "local"})
	if want := (convert.Limits{Time: time.Minute, MaxInput: 1 << 10, MaxOutput: 2 << 10}); got.Limits != want || got.Convert != nil {
		t.Errorf("limits %+v, converted by %v", got.Limits, got.Convert)
	}
}
