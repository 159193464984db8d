package exec_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
)

// pagesPDF is a document of n pages, each with a picture that takes a while.
func pagesPDF(t *testing.T, n int) string {
	t.Helper()
	var ps bytes.Buffer
	ps.WriteString("%!PS\n")
	for i := range n {
		fmt.Fprintf(&ps, "/Helvetica findfont 40 scalefont setfont 50 %d moveto (page %d) show showpage\n", 100+i, i+1)
	}
	path := filepath.Join(t.TempDir(), "pages.pdf")
	tool(t, "gs", "-q", "-dSAFER", "-dBATCH", "-dNOPAUSE", "-sDEVICE=pdfwrite", "-sOutputFile="+path, write(t, "pages.ps", ps.Bytes()))
	return path
}

// TestProgress: what an engine tells of its way grows from 0 to 1, in as many steps as there is something to tell.
func TestProgress(t *testing.T) {
	for _, c := range []struct {
		engine, path, step string
		least              int
	}{
		{"ffmpeg", "film", "@webm", 2},
		{"ffmpeg", "film", "@compress", 2},
		{"ffmpeg", "tone", "@mp3", 1},
		{"ghostscript", "pages", "@compress", 7},
	} {
		t.Run(c.engine+c.step, func(t *testing.T) {
			e := engine(t, c.engine)
			switch c.path {
			case "film":
				c.path = filepath.Join(t.TempDir(), "film.mp4")
				tool(t, "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=640x480:rate=25:duration=20", "-preset", "ultrafast", "-crf", "10", c.path)
			case "tone":
				c.path = filepath.Join(t.TempDir(), "tone.wav")
				tool(t, "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "sine=duration=60", c.path)
			case "pages":
				c.path = pagesPDF(t, 8)
			}
			j := job(t, e, c.path, c.step)
			var told []float64
			j.Progress = func(part float64) { told = append(told, part) }
			if err := e.Run(t.Context(), j); err != nil {
				t.Fatal(err)
			}
			t.Log(told)
			if len(told) < c.least || !slices.IsSorted(told) || told[0] <= 0 || told[len(told)-1] > 1 {
				t.Errorf("told %v", told)
			}
		})
	}
}
