package cloud_test

import (
	"testing"

	"dropfs/convert/cloud"
	"dropfs/convert/magic"
	"dropfs/remote/d3"
	"dropfs/remote/d3/d3test"
)

// BenchmarkEdges is what every lookup of a magic name costs here, of a service that can do everything.
func BenchmarkEdges(b *testing.B) {
	s := d3test.New(b)
	s.Support = func(_, action string, _ map[string]any) map[string]any {
		v := map[string]any{"supported": true, "available_actions": []string{"convert"}}
		if action == "convert" {
			v["parameters"] = map[string]any{"convert_to": magic.Formats()}
		}
		return v
	}
	cfg := d3.Config{BaseURL: s.URL(), Key: d3test.Key}
	cfg.HTTP.Rate.Events = -1
	c, err := d3.New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	e, err := cloud.New(cloud.Config{Client: c})
	if err != nil {
		b.Fatal(err)
	}
	if err := e.Refresh(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if len(e.Edges()) < 1000 {
			b.Fatal("edges are missing")
		}
	}
}
