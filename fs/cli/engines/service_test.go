package engines

import (
	"testing"

	"dropfs/fs/cli/config"
)

// TestServiceHasABudget: the section says how many an hour, and where it says nothing there is an end too.
func TestServiceHasABudget(t *testing.T) {
	set, err := Open(Config{Shared: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	three := 3
	for _, tt := range []struct {
		name    string
		perHour *int
		left    int
	}{
		{"not told", nil, 100},
		{"told", &three, 3},
	} {
		s, err := set.WithService(ServiceConfig{Convert: config.Convert{Service: "d3", URL: "http://127.0.0.1:1", PerHour: tt.perHour}, Key: "k"})
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Engine.Left(); got != tt.left {
			t.Errorf("%s: %d are left, want %d", tt.name, got, tt.left)
		}
		s.Close()
	}
}
