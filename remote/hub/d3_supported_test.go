package hub

import (
	"maps"
	"slices"
	"testing"
)

// offered lists the parameters that supported-operation tells an action of a format to take.
func (d *d3Site) offered(ext, action string) (all []map[string]any) {
	d.Helper()
	a := d.answer(d.asks("POST", "/api/v1/supported-operation", map[string]any{"ext": ext, "action": action}), 200)
	if a["supported"] != true {
		d.Fatalf("%s of %s is offered, and not supported", action, ext)
	}
	p, _ := a["parameters"].(map[string]any)
	switch action {
	case "convert":
		for _, exts := range p["convert_to"].(map[string]any) {
			for _, to := range exts.([]any) {
				all = append(all, map[string]any{"convert_to": to})
			}
		}
	case "compress":
		for _, level := range p["compression_value"].([]any) {
			all = append(all, map[string]any{"compression_value": level.(map[string]any)["value"]})
		}
	default:
		secrets := map[string]any{}
		for name, v := range p {
			if name != "options" && v.(map[string]any)["required"] == true {
				secrets[name] = "x"
			}
		}
		all = append(all, secrets)
	}
	return all
}

// TestT8WhatIsOfferedIsTaken asks do for all that supported-operation offers: of one file, and of two where one is made of
// them.
func TestT8WhatIsOfferedIsTaken(t *testing.T) {
	d := newD3Site(t, nil)
	close(d.engine.release)
	n := 0
	for _, ext := range []string{"txt", "pdf", "png", "jpg", "zip", "xyz", "html", "md"} {
		one, two := d.source("1."+ext, "x"), d.source("2."+ext, "x")
		a := d.answer(d.asks("POST", "/api/v1/supported-operation", map[string]any{"ext": ext}), 200)
		actions, _ := a["available_actions"].([]any)
		for _, action := range actions {
			action := action.(string)
			for _, parameters := range d.offered(ext, action) {
				ask := map[string]any{"ext": ext, "action": action, "parameters": maps.Clone(parameters)}
				if a := d.answer(d.asks("POST", "/api/v1/supported-operation", ask), 200); a["supported"] != true {
					t.Errorf("%s of %s with %v is offered, and not supported", action, ext, parameters)
				}
				counts := []int{1}
				if slices.Contains([]string{"merge", "zip"}, action) {
					counts = append(counts, 2)
				}
				for _, count := range counts {
					r := d.asks("POST", "/api/v1/do", map[string]any{
						"action": action, "file_keys": []string{one, two}[:count], "parameters": parameters,
					})
					if r.Status != 200 {
						t.Errorf("%s of %d %s with %v is offered: %d %s", action, count, ext, parameters, r.Status, r.Body)
						continue
					}
					n++
				}
			}
		}
	}
	if n < 20 {
		t.Errorf("only %d operations", n)
	}
}
