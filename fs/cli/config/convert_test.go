package config_test

import (
	"testing"
	"time"

	"dropfs/fs/cli/config"
)

// TestLimitsWithoutAService: [convert] bounds the engines of this machine too, and an account's section wins over it.
func TestLimitsWithoutAService(t *testing.T) {
	const all = "[convert]\ndeadline = \"1h\"\nparallel = 3\nmax_input = \"2Gi\"\nmax_output = 1000\n"
	const own = "[accounts.a]\nservice = \"dropzone\"\nurl = \"http://h\"\n" +
		"[accounts.a.convert]\nservice = \"d3\"\nurl = \"http://h\"\napi_key = \"k\"\nmax_input = \"1M\"\n"
	for _, tt := range []struct {
		name, text, account string
		want                config.ConvertLimits
		parallel            int
		service             bool
	}{
		{"nothing", "", "a", config.ConvertLimits{}, 0, false},
		{"for all", all, "b", config.ConvertLimits{Time: time.Hour, MaxInput: 2 << 30, MaxOutput: 1000}, 3, false},
		{"for no account", all + own, "", config.ConvertLimits{Time: time.Hour, MaxInput: 2 << 30, MaxOutput: 1000}, 3, false},
		{"its own before that for all", all + own, "a", config.ConvertLimits{Time: time.Hour, MaxInput: 1e6, MaxOutput: 1000}, 3, true},
		{"its own alone", own, "a", config.ConvertLimits{MaxInput: 1e6}, 0, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := config.Parse([]byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			if got := c.LimitsFor(tt.account); got != tt.want || c.Parallel() != tt.parallel {
				t.Errorf("%+v, %d at a time", got, c.Parallel())
			}
			section, _, err := c.ConvertFor(config.Keys{Dir: t.TempDir()}, tt.account)
			if err != nil || (section != nil) != tt.service {
				t.Errorf("service %+v, %v", section, err)
			}
		})
	}
}
