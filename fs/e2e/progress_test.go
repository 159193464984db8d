//go:build linux

package e2e

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"dropfs/convert"
)

// TestConversionProgress watches a film being converted, by this machine and by a service, as status and info.json show it:
// the phases come in their order, and the percentage grows.
func TestConversionProgress(t *testing.T) {
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		t.Skip("ffmpeg is not there: apt-get install ffmpeg")
	}
	rank := map[convert.Phase]int{convert.PhaseQueued: 1, convert.PhaseReading: 1, convert.PhaseUploading: 2, convert.PhaseConverting: 3, convert.PhaseDownloading: 4}
	for where, least := range map[string]int{"local": 2, "service": 1} { // a service is asked now and then
		t.Run(where, func(t *testing.T) {
			m := newMachine(t)
			if where == "service" {
				h := newHub(t)
				if r := run(patience, m.dir, m.env, h.key, binary, "login", "convert", "--service", "d3", "--url", h.url, "--key", "-"); r.code != 0 {
					t.Fatalf("login: %v", r)
				}
			}
			mp := m.mount("mnt")
			m.tool(time.Minute, m.dir, "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=640x480:rate=25:duration=25", "-preset", "ultrafast", "-crf", "10", "film.mp4")
			m.sh(patience, mp, "cp "+filepath.Join(m.dir, "film.mp4")+" .")
			ended := make(chan result, 1)
			go func() { ended <- run(2*time.Minute, mp, m.env, "", "head", "-c", "4", "film.mp4@webm") }()
			var last convert.Running
			parts, told := 0, false
			for running := true; running; {
				select {
				case r := <-ended:
					if running = false; r.code != 0 {
						t.Fatalf("converting: %v", r)
					}
					continue
				case <-time.After(50 * time.Millisecond): // between two looks
				}
				var st struct {
					Daemons []struct{ Conversions []convert.Running }
				}
				if err := json.Unmarshal([]byte(m.must(patience, "status", "--json")), &st); err != nil {
					t.Fatal(err)
				}
				if len(st.Daemons) != 1 || len(st.Daemons[0].Conversions) != 1 {
					continue
				}
				now := st.Daemons[0].Conversions[0]
				if now.Name != "film.mp4@webm" || rank[now.Phase] < rank[last.Phase] && now.Phase != convert.PhaseQueued || now.Part < last.Part || now.Part > 1 {
					t.Errorf("%+v after %+v", now, last)
				}
				if now.Part > last.Part && now.Phase == convert.PhaseConverting {
					parts++
				}
				last = now
				var info struct{ Running []convert.Running }
				if err := json.Unmarshal([]byte(m.sh(patience, mp, "cat film.mp4@info.json")), &info); err != nil {
					t.Fatal(err)
				}
				told = told || len(info.Running) == 1 && info.Running[0].Name == now.Name && info.Running[0].Part >= now.Part
			}
			if parts < least || !told {
				t.Errorf("it grew %d times, info.json told of it: %v; at last %+v", parts, told, last)
			}
		})
	}
}
