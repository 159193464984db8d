package hub

import (
	"testing"
	"time"
)

// TestT11DefaultKeep: an upload and a result are there for a day, each from its own end, to the minute.
func TestT11DefaultKeep(t *testing.T) {
	d := newD3Site(t, nil)
	later := func(by time.Duration) {
		t.Helper()
		d.clock.Advance(by)
		d.sweep()
	}
	up := d.begin("a.txt", 10, 2)
	later(20 * time.Hour) // a slow line
	key := up["file_key"].(string)
	parts := d.sendParts(up, []byte("abcdefghij"))
	d.answer(d.asks("POST", "/api/v1/complete-upload", map[string]any{"file_key": key, "parts": parts}), 200)
	later(23*time.Hour + 59*time.Minute)
	main := d.order("convert", map[string]any{"convert_to": "md"}, key)
	texts, keys := d.result(main, 1)
	if texts[0] != "ABCDEFGHIJ>@md" {
		t.Errorf("%q", texts[0])
	}
	// That it is completed already is no new completion.
	d.answer(d.asks("POST", "/api/v1/complete-upload", map[string]any{"file_key": key}), 200)
	later(2 * time.Minute)
	d.answer(d.asks("POST", "/api/v1/do", map[string]any{"action": "zip", "file_keys": []any{key}}), 404)
	d.answer(d.asks("POST", "/api/v1/complete-upload", map[string]any{"file_key": key}), 404)

	link := request{"GET", "/v1/download/" + keys[0], nil, nil}
	later(23*time.Hour + 57*time.Minute) // 23 h 59 min after the conversion
	if r := d.do(link); r.Status != 200 {
		t.Errorf("%d %s", r.Status, r.Body)
	}
	d.state(main)
	later(2 * time.Minute)
	d.answer(d.do(link), 404)
	d.answer(d.asks("GET", "/api/v1/status/"+main, nil), 404)
	checkSpace(t, d.hub, map[string]int{})
}

// TestT11NeverCompleted: an upload that is not completed is given up a day after it began.
func TestT11NeverCompleted(t *testing.T) {
	d := newD3Site(t, nil)
	up := d.begin("a.txt", 2, 2)
	d.put(up["presigned_urls"].([]any)[0].(string), "", []byte("x"))
	body := map[string]any{"file_key": up["file_key"]}
	d.clock.Advance(23*time.Hour + 59*time.Minute)
	d.sweep()
	d.answer(d.asks("POST", "/api/v1/complete-upload", body), 409)
	d.clock.Advance(2 * time.Minute)
	d.sweep()
	d.answer(d.asks("POST", "/api/v1/complete-upload", body), 404)
	checkSpace(t, d.hub, map[string]int{})
}
